"""Finished answers kept for later, and given again in any client's format, whole or as a stream.

What is kept is the answer's meaning (`ir.Response`), so one that came as a stream of Claude's can
be given as a whole chat completion. It is written as JSON, since the raw members of an answer are
JSON themselves.

Kept is what is complete and good, and nothing else: every choice has ended by its own reason (of a
stream: has said so; a stream that was cut has not), by stopping, by calls whose arguments are JSON,
or by the length that the request allowed, and every choice says or calls something. A refusal, a
filter's work, a pause, an error and an empty answer are not: asking again may bring better. Whoever
repeats a request within seconds is to get the very answer, whatever it was: `any_ending` keeps
each that is complete.
"""

from collections.abc import Callable
from typing import Final

import msgspec

from omniroute.formats import ir
from omniroute.formats.base import Shown
from omniroute.formats.fold import fold, unfold
from omniroute.formats.misread import UNREADABLE
from omniroute.formats.table import CODECS
from omniroute.usage import Usage

_GOOD: Final = frozenset({"stop", "stop_sequence", "tool_calls", "length"})

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(ir.Response).decode


def keep(
    format_: str,
    data: bytes,
    *,
    streamed: bool,
    usage: Usage | None = None,
    restore: Callable[[ir.Response], ir.Response] | None = None,
    any_ending: bool = False,
) -> bytes | None:
    """The answer to be kept, of an upstream of that format; None where it is not to be.

    `data` is its whole body or, with `streamed`, all bytes of its stream. `usage` stands in where
    the answer reports none. `restore` undoes what a translation did (`Translation.restore`).
    """
    try:
        response = _folded(format_, data) if streamed else CODECS[format_].decode_response(data)
    except ir.FormatError:
        return None  # an error, a cut stream, or no answer of its format
    if restore is not None:
        response = restore(response)
    if not response.choices or not (any_ending or all(map(_is_good, response.choices))):
        return None
    if response.usage is None:
        response.usage = usage
    return _encode(response)


def kept_answer(kept: bytes) -> ir.Response:
    """What was kept. FormatError for bytes of another version: they are as good as none."""
    try:
        return _decode(kept)
    except UNREADABLE as error:
        raise ir.FormatError(f"what was kept cannot be read: {error}") from None


def replay(response: ir.Response, client_format: str, shown: Shown, *, stream: bool) -> bytes:
    """The answer as a client of that format reads it: a body, or a stream with its end."""
    codec = CODECS[client_format]
    if not stream:
        return codec.encode_response(response, shown)
    encoder = codec.stream_encoder(shown)
    return encoder.feed(unfold(response)) + encoder.finish()


def _folded(format_: str, stream: bytes) -> ir.Response:
    """FormatError for a stream that reports an error, or in which a choice has no end."""
    decoder = CODECS[format_].stream_decoder(len(stream) + 1)
    events = decoder.feed(stream) + decoder.finish()
    response = fold(events)
    ended = {event.choice for event in events if isinstance(event, ir.Finish)}
    if not ended.issuperset(choice.index for choice in response.choices):
        raise ir.FormatError("the stream was cut")
    return response


def _is_good(choice: ir.Choice) -> bool:
    if choice.finish not in _GOOD:
        return False
    said = False
    for part in choice.parts:
        match part:
            case ir.Text():
                said = said or bool(part.text)
            case ir.ToolCall():
                if not (part.custom or _is_json(part.arguments)):
                    return False
                said = True
            case ir.Refusal():
                return False
            case ir.Image() | ir.Audio():
                said = True
            case _:
                pass  # reasoning and a service's own traces are no answer
    return said


def _is_json(arguments: str) -> bool:
    try:
        msgspec.json.decode(arguments, type=dict[str, msgspec.Raw])
    except UNREADABLE:
        return False
    return True
