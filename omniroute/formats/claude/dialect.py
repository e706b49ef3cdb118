"""The Messages format as passthrough needs it: peek, edits, tap, lists. See `base.Dialect`.

The client's bytes go on as they are but for the model's name, unless they hold reasoning of other
formats, which a Claude client keeps under seal (`identity`) and the service would refuse: then the
codec writes the request anew, without it.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec
from msgspec import Struct

from omniroute.errors import ErrorKind, GatewayError
from omniroute.formats import conversation, faults, ir, limit_headers, prompts, referring
from omniroute.formats.base import (
    ModelEntry,
    PathFacts,
    Peek,
    Tap,
    TargetModel,
    Temperature,
    TokenCount,
    UpstreamError,
)
from omniroute.formats.claude.encode import encode_request
from omniroute.formats.claude.encoder import MESSAGE_STOP
from omniroute.formats.claude.errors import error_body, error_event, upstream_error
from omniroute.formats.claude.identity import MARK_BYTES, without_sealed
from omniroute.formats.claude.requests import decode_request
from omniroute.formats.claude.tap import ClaudeTap
from omniroute.formats.claude.wire import FORMAT, UsageBody, usage_of
from omniroute.formats.misread import UNREADABLE, member_of
from omniroute.usage import Usage
from omniroute.wire.jsonscan import (
    DuplicateMember,
    JsonScanError,
    Member,
    find_members,
    replace_value,
)

# Every top-level member whose meaning the gateway acts on: a second one of the same name would let
# this gateway and the upstream read two different requests out of one body.
PEEKED: Final = (
    b"model",
    b"stream",
    b"max_tokens",
    b"messages",
    b"temperature",
    b"metadata",
)


class _Metadata(Struct, gc=False):
    user_id: str | None = None  # Claude Code puts the id of its session into it


class _PeekStruct(Struct, gc=False):
    model: str
    stream: bool | None = None
    max_tokens: TokenCount | None = None
    temperature: Temperature | None = None
    metadata: _Metadata | None = None


_decode_peek = msgspec.json.Decoder(_PeekStruct).decode


class _Answer(Struct, gc=False):
    usage: UsageBody | None = None


_decode_answer = msgspec.json.Decoder(_Answer).decode


def _rewritten(body: bytes, model: str) -> bytes | None:
    """The request without what other formats left in it; None where it is no request at all.

    Where the service insists on its own reasoning (a turn that calls tools, with thinking on) and
    that turn is another's, the codec turns thinking off.
    """
    try:
        return encode_request(decode_request(body), TargetModel(model)).body
    except (ir.FormatError, ir.CannotCarry):
        return None  # the upstream says what is wrong with it in its own words


class ClaudeDialect:
    """See `omniroute.formats.base.Dialect`."""

    @property
    def format(self) -> str:
        return FORMAT

    @property
    def terminator(self) -> bytes:
        return MESSAGE_STOP

    def peek(self, body: bytes, path: PathFacts) -> Peek:
        try:
            read = _decode_peek(body)
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
                f"The request body is not a Messages request: {text}.",
                param=member_of(text),
            ) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise GatewayError(
                ErrorKind.BAD_REQUEST, f"The request body is not valid JSON: {error}."
            ) from None
        if not read.model:
            raise GatewayError(
                ErrorKind.BAD_REQUEST, "`model` is empty; give it as provider/model.", param="model"
            )
        metadata = read.metadata
        return Peek(
            read.model,
            read.stream is True,
            True,
            members,
            read.max_tokens,
            1,
            read.temperature,
            "" if metadata is None else metadata.user_id or "",
        )

    def refers(self, body: bytes, peeked: Peek) -> bool:
        return referring.CLAUDE.found(body)

    def fingerprint(self, body: bytes, peeked: Peek) -> bytes:
        return conversation.fingerprint(body, conversation.of_messages)

    def upstream_path(self, url_path: str, model: str, *, stream: bool) -> str:
        return url_path

    def counting_path(self, url_path: str, model: str) -> str:
        path, mark, query = url_path.partition("?")
        return f"{path.rstrip('/')}/count_tokens{mark}{query}"

    def counted(self, tokens: int) -> bytes:
        return b'{"input_tokens":%d}' % tokens

    def upstream_body(self, body: bytes, peeked: Peek, model: str, *, ask_usage: bool) -> bytes:
        """`ask_usage` changes nothing: this format always reports usage."""
        if MARK_BYTES in body and b"max_tokens" in peeked.members:
            rewritten = _rewritten(body, model)
            if rewritten is not None:
                return rewritten
        edits: list[tuple[Member, bytes]] = []
        if model != peeked.model:
            edits.append((peeked.members[b"model"], msgspec.json.encode(model)))
        messages = peeked.members.get(b"messages")  # of a request to count: nothing else changes
        if messages is not None and MARK_BYTES in body:
            try:
                kept = without_sealed(body[messages.value_start : messages.value_end])
            except (msgspec.MsgspecError, RecursionError):
                pass  # not a list of messages: the upstream says so in its own words
            else:
                edits.append((messages, kept))
        edits.sort(key=lambda edit: edit[0].value_start, reverse=True)
        for member, value in edits:
            body = replace_value(body, member, value)
        return body

    def with_prompt(self, body: bytes, prefix: str, suffix: str) -> bytes | None:
        return prompts.with_prompt(body, prompts.CLAUDE, prefix, suffix)

    def tap(
        self,
        *,
        strip_usage: bool,
        max_event_bytes: int,
        sse: bool = True,
        sanitises: bool = False,
        model: str = "",
    ) -> Tap:
        """`strip_usage` changes nothing: clients of this format expect usage."""
        return ClaudeTap(max_event_bytes, model)

    def sanitised(self, body: bytes) -> bytes:
        return body  # its SDKs take what they do not know as it is

    def answer_usage(self, body: bytes) -> Usage | None:
        try:
            read = _decode_answer(body).usage
        except UNREADABLE:
            return None  # not ours to judge: the bytes go to the client as they are
        return None if read is None else usage_of(read)

    def upstream_error(self, body: bytes) -> UpstreamError:
        return upstream_error(body)

    def answer_fault(self, body: bytes) -> UpstreamError | None:
        return faults.claude_fault(body, upstream_error)

    def error_body(self, error: GatewayError) -> bytes:
        return error_body(error)

    def error_headers(self, error: GatewayError, now_ms: int) -> bytes:
        return limit_headers.claude_headers(error, now_ms)

    def error_event(self, error: GatewayError, *, sse: bool = True) -> bytes:
        return error_event(error)

    def keepalive(self, *, sse: bool = True) -> bytes:
        """A comment, which every SSE reader passes over; a `ping` may not precede message_start."""
        return b": keepalive\n\n"

    def stream_content_type(self, *, sse: bool = True) -> bytes:
        return b"text/event-stream; charset=utf-8"

    def model_list(self, entries: Sequence[ModelEntry]) -> bytes:
        """One page that holds all: clients that page see that nothing follows."""
        data = [_model(entry) for entry in entries]
        return msgspec.json.encode(
            {
                "data": data,
                "first_id": data[0].id if data else None,
                "has_more": False,
                "last_id": data[-1].id if data else None,
            }
        )

    def model_entry(self, entry: ModelEntry) -> bytes:
        return msgspec.json.encode(_model(entry))


class _Model(Struct):
    id: str
    display_name: str
    created_at: str  # RFC 3339; the epoch where the date is not known, as the service does
    max_input_tokens: int | None
    max_tokens: int | None
    lifecycle: str = "active"
    type: str = "model"


def _model(entry: ModelEntry) -> _Model:
    created = datetime.fromtimestamp(max(0, min(entry.created, _LATEST_S)), UTC)
    return _Model(
        entry.id,
        entry.name or entry.id,
        created.strftime("%Y-%m-%dT%H:%M:%SZ"),
        entry.context_tokens,
        entry.max_output_tokens,
    )


_LATEST_S: Final = 253_402_300_799  # the last second of the year 9999: later ones have no date
