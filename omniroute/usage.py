"""Token usage: one type for every format, with invariants that hold on each path.

`input_tokens` is the whole prompt: uncached + cache_read + cache_write. `output_tokens` is all that
was generated, `reasoning_tokens` the part of it that is hidden reasoning. All counts are >= 0.
Vendors disagree on what their fields include; a codec converts into these meanings, nobody else.
"""

import msgspec


class Usage(msgspec.Struct, frozen=True, gc=False):
    """Counts of one answer, in tokens."""

    input_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0

    @property
    def uncached_tokens(self) -> int:
        return self.input_tokens - self.cache_read_tokens - self.cache_write_tokens

    @property
    def total_tokens(self) -> int:
        return self.input_tokens + self.output_tokens

    def clamped(self) -> "Usage":
        """The nearest usage that keeps the invariants; upstreams do report impossible numbers."""
        read, write = self.cache_read_tokens, self.cache_write_tokens
        output = self.output_tokens
        if (
            read >= 0
            and write >= 0
            and read + write <= self.input_tokens
            and 0 <= self.reasoning_tokens <= output
        ):
            return self
        read, write, output = max(0, read), max(0, write), max(0, output)
        return Usage(
            input_tokens=max(self.input_tokens, read + write),
            cache_read_tokens=read,
            cache_write_tokens=write,
            output_tokens=output,
            reasoning_tokens=min(max(0, self.reasoning_tokens), output),
        )


NO_USAGE = Usage()


def estimate_usage(request_bytes: int, characters: int) -> Usage:
    """A rough count for when an upstream reports none: four bytes or characters to a token."""
    return Usage(input_tokens=(request_bytes + 3) // 4, output_tokens=(characters + 3) // 4)
