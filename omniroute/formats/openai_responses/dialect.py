"""The Responses format as passthrough needs it; see `formats.base.Dialect`.

Passthrough keeps the client's bytes but for the model's name and the reasoning items that this
gateway sealed for another format (`sealed`), which the service would refuse.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from omniroute.errors import ErrorKind, GatewayError
from omniroute.formats import conversation, faults, limit_headers, prompts, referring
from omniroute.formats.base import (
    ModelEntry,
    PathFacts,
    Peek,
    Temperature,
    TokenCount,
    UpstreamError,
)
from omniroute.formats.misread import member_of
from omniroute.formats.openai_chat.lists import model_entry, model_list
from omniroute.formats.openai_responses import errors
from omniroute.formats.openai_responses.failing import failure
from omniroute.formats.openai_responses.sealed import without_seals
from omniroute.formats.openai_responses.tap import StreamTap, answer_usage
from omniroute.formats.openai_responses.wire import FORMAT
from omniroute.usage import Usage
from omniroute.wire.jsonscan import DuplicateMember, JsonScanError, find_members, replace_value

# Every top-level member whose meaning the gateway acts on.
PEEKED: Final = (
    b"model",
    b"stream",
    b"input",
    b"max_output_tokens",
    b"temperature",
    b"prompt_cache_key",
)


class _PeekIn(msgspec.Struct, gc=False):
    model: str
    stream: bool | None = None
    max_output_tokens: TokenCount | None = None
    temperature: Temperature | None = None
    prompt_cache_key: str | None = None


_read_peek = msgspec.json.Decoder(_PeekIn).decode


class ResponsesDialect:
    """Stateless."""

    format = FORMAT
    terminator = b""

    def peek(self, body: bytes, path: PathFacts) -> Peek:
        try:
            read = _read_peek(body)
            members = find_members(body, PEEKED)
        except DuplicateMember as error:
            raise GatewayError(
                ErrorKind.BAD_REQUEST,
                f"{error}; a request must name each of its parameters once.",
            ) from None
        except (msgspec.ValidationError, JsonScanError) as error:
            text = str(error)
            raise GatewayError(
                ErrorKind.BAD_REQUEST,
                f"The request body is not a Responses request: {text}.",
                param=member_of(text),
            ) from None
        except RecursionError:
            raise GatewayError(
                ErrorKind.BAD_REQUEST, "The request body is nested too deeply to be read."
            ) from None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise GatewayError(
                ErrorKind.BAD_REQUEST, f"The request body is not valid JSON: {error}."
            ) from None
        if not read.model:
            raise GatewayError(
                ErrorKind.BAD_REQUEST, "`model` is empty; give it as provider/model.", param="model"
            )
        return Peek(
            read.model,
            read.stream is True,
            True,
            members,
            read.max_output_tokens,
            1,
            read.temperature,
            read.prompt_cache_key or "",
        )

    def refers(self, body: bytes, peeked: Peek) -> bool:
        return referring.RESPONSES.found(body)

    def fingerprint(self, body: bytes, peeked: Peek) -> bytes:
        return conversation.fingerprint(body, conversation.of_input)

    def upstream_path(self, url_path: str, model: str, *, stream: bool) -> str:
        return url_path

    def counting_path(self, url_path: str, model: str) -> str:
        return ""

    def counted(self, tokens: int) -> bytes:
        return b""

    def upstream_body(self, body: bytes, peeked: Peek, model: str, *, ask_usage: bool) -> bytes:
        """Usage always comes in this format, so it is never asked for."""
        if model != peeked.model:
            body = replace_value(body, peeked.members[b"model"], msgspec.json.encode(model))
        return without_seals(body)

    def with_prompt(self, body: bytes, prefix: str, suffix: str) -> bytes | None:
        return prompts.with_prompt(body, prompts.RESPONSES, prefix, suffix)

    def tap(
        self,
        *,
        strip_usage: bool,
        max_event_bytes: int,
        sse: bool = True,
        sanitises: bool = False,
        model: str = "",
    ) -> StreamTap:
        return StreamTap(max_event_bytes)

    def sanitised(self, body: bytes) -> bytes:
        return body  # its SDKs take what they do not know as it is

    def answer_usage(self, body: bytes) -> Usage | None:
        return answer_usage(body)

    def upstream_error(self, body: bytes) -> UpstreamError:
        return errors.upstream_error(body)

    def answer_fault(self, body: bytes) -> UpstreamError | None:
        return faults.responses_fault(body, errors.upstream_error)

    def error_body(self, error: GatewayError) -> bytes:
        return errors.error_body(error)

    def error_headers(self, error: GatewayError, now_ms: int) -> bytes:
        return limit_headers.openai_headers(error, now_ms)

    def error_event(self, error: GatewayError, *, sse: bool = True) -> bytes:
        return failure(error)

    def keepalive(self, *, sse: bool = True) -> bytes:
        return b": keepalive\n\n"

    def stream_content_type(self, *, sse: bool = True) -> bytes:
        return b"text/event-stream; charset=utf-8"

    def model_list(self, entries: Sequence[ModelEntry]) -> bytes:
        return model_list(entries)

    def model_entry(self, entry: ModelEntry) -> bytes:
        return model_entry(entry)
