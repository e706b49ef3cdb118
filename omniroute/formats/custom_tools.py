"""Free-form ("custom") tools for formats that have only functions, and the way back.

A custom tool takes a plain text, a function takes JSON. Where a target has no custom tools the text
becomes the one member `input` of a function's arguments; what the model then calls is turned back,
also while it streams. Source of the idea: OpenAI's API reference, "Custom tools"; Codex edits files
with such a tool.
"""

import json
from collections.abc import Collection, Sequence
from typing import Final

import msgspec

from omniroute.formats import ir

SCHEMA: Final = msgspec.Raw(
    b'{"type":"object","properties":{"input":{"type":"string"}},"required":["input"],'
    b'"additionalProperties":false}'
)
"""The schema of the function that stands for a custom tool."""


class _Arguments(msgspec.Struct):
    input: str


_read_arguments = msgspec.json.Decoder(_Arguments).decode


def arguments_of(text: str) -> str:
    """A custom call's input as the arguments of the function that stands for its tool."""
    return json.dumps({"input": text}, ensure_ascii=False)


def input_of(arguments: str) -> str:
    """The text that a model meant; arguments of another shape are taken to be the text itself."""
    try:
        return _read_arguments(arguments.encode("utf-8", "replace")).input
    except msgspec.MsgspecError:
        return arguments


def names_of(tools: Sequence[ir.Tool]) -> frozenset[str]:
    """The names of the custom tools among `tools`."""
    return frozenset(tool.name for tool in tools if tool.custom)


def restore(parts: Sequence[ir.Part], names: Collection[str]) -> None:
    """Turn the calls of custom tools in a whole answer back, in place."""
    for part in parts:
        if isinstance(part, ir.ToolCall) and not part.custom and part.name in names:
            part.custom = True
            part.arguments = input_of(part.arguments)


class CustomToolStage:
    """Turns the calls of custom tools in a stream back; names are the client's own by then.

    The text is escaped JSON that may be cut anywhere, so it is held until the call is complete and
    given in one piece: nobody can act on half a call.
    """

    def __init__(self, names: Collection[str]) -> None:
        self._names = names
        self._held: dict[tuple[int, int], list[str]] = {}

    def feed(self, events: Sequence[ir.Event]) -> list[ir.Event]:
        """The events with custom calls as such. The given ones are changed in place."""
        out: list[ir.Event] = []
        for event in events:
            match event:
                case ir.PartStart(part=ir.ToolCall(custom=False) as call):
                    if call.name in self._names:
                        self._held[event.choice, event.index] = [call.arguments]
                        call.custom, call.arguments = True, ""
                    out.append(event)
                case ir.ToolCallDelta() if (event.choice, event.index) in self._held:
                    self._held[event.choice, event.index].append(event.arguments)
                case ir.PartEnd() if (event.choice, event.index) in self._held:
                    pieces = self._held.pop((event.choice, event.index))
                    whole = event.part
                    if isinstance(whole, ir.ToolCall):
                        whole.custom, whole.arguments = True, input_of(whole.arguments)
                        text = whole.arguments
                    else:
                        text = input_of("".join(pieces))
                    out.append(ir.ToolCallDelta(event.index, text, event.choice))
                    out.append(event)
                case _:
                    out.append(event)
        return out
