"""What passthrough knows of a request, and the bytes it changes in it.

Passthrough keeps the client's bytes: only what the gateway must know is decoded, and only the
members that must differ upstream are spliced. Source: the API reference of OpenAI, "Create chat
completion". No I/O, no clock.
"""

from typing import Final

import msgspec

from omniroute.errors import ErrorKind, GatewayError
from omniroute.formats.base import ChoiceCount, Peek, Temperature, TokenCount, larger
from omniroute.formats.misread import member_of
from omniroute.formats.openai_chat.wire import NOTHING
from omniroute.wire.jsonscan import (
    DuplicateMember,
    JsonScanError,
    Member,
    find_members,
    insert_member,
    replace_value,
)

# Every top-level member whose meaning the gateway acts on: a second one of the same name would let
# this gateway and the upstream read two different requests out of one body.
PEEKED: Final = (
    b"model",
    b"stream",
    b"stream_options",
    b"n",
    b"max_tokens",
    b"max_completion_tokens",
    b"best_of",
    b"temperature",
    b"prompt_cache_key",
)


class _PeekStruct(msgspec.Struct, gc=False):
    model: str
    stream: bool | None = None
    stream_options: msgspec.Raw = NOTHING  # msgspec takes Raw in no union
    n: ChoiceCount | None = None
    max_tokens: TokenCount | None = None
    max_completion_tokens: TokenCount | None = None
    best_of: ChoiceCount | None = None  # of the legacy completions, and of vLLM
    temperature: Temperature | None = None
    prompt_cache_key: str | None = None


_decode_peek = msgspec.json.Decoder(_PeekStruct).decode


def peek(body: bytes) -> Peek:
    """Read what routing and limits need. GatewayError (400) for a body that is not a request."""
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
            f"The request body is not a chat completion request: {text}.",
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
    stream = read.stream is True
    choices = read.n or 1
    if read.best_of is not None and read.best_of > choices:
        choices = read.best_of
    return Peek(
        read.model,
        stream,
        stream and _includes_usage(read.stream_options),
        members,
        larger(read.max_completion_tokens, read.max_tokens),
        choices,
        read.temperature,
        read.prompt_cache_key or "",
    )


class _StreamOptions(msgspec.Struct, gc=False):
    include_usage: bool | None = None


_decode_stream_options = msgspec.json.Decoder(_StreamOptions | None).decode


def _includes_usage(raw: msgspec.Raw) -> bool:
    if raw == NOTHING:
        return False
    try:
        options = _decode_stream_options(raw)
        find_members(bytes(raw), (b"include_usage",))  # twice would mean two things
    except (msgspec.ValidationError, DuplicateMember) as error:
        raise GatewayError(
            ErrorKind.BAD_REQUEST,
            f"`stream_options` is wrong: {error}.",
            param="stream_options",
        ) from None
    return options is not None and options.include_usage is True


def upstream_body(body: bytes, peeked: Peek, model: str, *, ask_usage: bool) -> bytes:
    """The client's bytes with the upstream's model name, asking for usage where wanted.

    Works from the last span to the first, so that each still fits its body.
    """
    if not ask_usage:
        if model == peeked.model:
            return body
        return replace_value(body, peeked.members[b"model"], msgspec.json.encode(model))
    edits: list[tuple[Member, bytes]] = []
    if model != peeked.model:
        edits.append((peeked.members[b"model"], msgspec.json.encode(model)))
    options = peeked.members.get(b"stream_options")
    if options is not None:
        asked = _asking_usage(body[options.value_start : options.value_end])
        edits.append((options, asked))
    edits.sort(key=lambda edit: edit[0].value_start, reverse=True)
    for member, value in edits:
        body = replace_value(body, member, value)
    if options is None:
        body = insert_member(body, b"stream_options", b'{"include_usage":true}')
    return body


def _asking_usage(options: bytes) -> bytes:
    """A client's `stream_options`, an object or null, with `include_usage` set."""
    if options == b"null":
        return b'{"include_usage":true}'
    member = find_members(options, (b"include_usage",)).get(b"include_usage")
    if member is None:
        return insert_member(options, b"include_usage", b"true")
    return replace_value(options, member, b"true")
