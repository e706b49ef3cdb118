"""What the owner changes in every request of a key: the system prompt, how much is thought.

In the client's own bytes where that can be done; else on the decoded request, which the codec
writes anew, also for a target of the client's own format.
"""

from typing import TYPE_CHECKING

from omniroute.formats import ir
from omniroute.formats.base import Dialect
from omniroute.formats.edits import with_system_prompt, with_thinking

if TYPE_CHECKING:
    from omniroute.config import PromptSettings, ThinkingSettings


class Edits:
    """The edits of one key."""

    __slots__ = ("_prompt", "_thinking", "added_bytes")

    def __init__(
        self, prompt: "PromptSettings | None", thinking: "ThinkingSettings | None"
    ) -> None:
        self._prompt = prompt
        self._thinking = thinking
        self.added_bytes = 0  # to the request, at most: a bound of tokens
        if prompt is not None:
            self.added_bytes = len((prompt.prefix + prompt.suffix).encode("utf-8")) + 16

    def spliced(self, dialect: Dialect, body: bytes) -> bytes | None:
        """The client's own bytes with the edits in them; None where only the codec can do them."""
        if self._thinking is not None or self._prompt is None:
            return None
        return dialect.with_prompt(body, self._prompt.prefix, self._prompt.suffix)

    def counted(self, dialect: Dialect, body: bytes) -> bytes:
        """The client's own bytes as far as their tokens are to be counted: how much is thought
        counts nothing before it is done."""
        prompt = self._prompt
        if prompt is None:
            return body
        return dialect.with_prompt(body, prompt.prefix, prompt.suffix) or body

    def applied(self, request: ir.Request) -> ir.Request:
        """The request as the owner wants it; the one given stays as it is."""
        if self._prompt is not None:
            request = with_system_prompt(request, self._prompt.prefix, self._prompt.suffix)
        if self._thinking is not None:
            mode, budget = self._thinking.mode, self._thinking.budget_tokens
            request = with_thinking(request, mode, budget)
        return request


def edits_of(prompt: "PromptSettings | None", thinking: "ThinkingSettings | None") -> Edits | None:
    """The edits that these settings of a key mean; None where nobody wants any."""
    return None if prompt is None and thinking is None else Edits(prompt, thinking)
