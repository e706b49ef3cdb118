"""Events as a Messages stream for a client.

Blocks stand one behind the other, as the service sends them: the next one closes the one before.
Only calls may interleave; a call that begins while another one's arguments are not whole waits for
it. Deltas are the hot path: a prefix made once for each block, the text encoded, a suffix.

`message_start` has to have counts before any are known; those of `message_delta` are cumulative and
hold. The end waits for `finish`, since most formats report usage behind their finish reason.

State of another format without a word of thought (Gemini signs its text behind it) is told only
when another block follows: for many clients, Claude Code with `-p` among them, the last block is
the answer.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from omniroute.errors import GatewayError
from omniroute.formats import custom_tools, ir
from omniroute.formats.base import Shown
from omniroute.formats.claude.errors import error_event
from omniroute.formats.claude.identity import Sealed, call_id, seal
from omniroute.formats.claude.responses import (
    NO_COUNTS,
    answer_blocks,
    answer_id,
    call_state,
    citation_body,
    stop_details,
    stop_reason,
)
from omniroute.formats.claude.wire import FORMAT, usage_body
from omniroute.usage import Usage
from omniroute.wire.deltas import write_delta

MESSAGE_STOP: Final = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
_DELTA: Final = b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,'
_TEXT: Final = _DELTA + b'"delta":{"type":"text_delta","text":'
_THINKING: Final = _DELTA + b'"delta":{"type":"thinking_delta","thinking":'
_ARGUMENTS: Final = _DELTA + b'"delta":{"type":"input_json_delta","partial_json":'
_SUFFIX: Final = b"}}\n\n"
_DELTAS: Final = (ir.TextDelta, ir.ToolCallDelta, ir.ReasoningDelta)
_STOP: Final = b'event: content_block_stop\ndata: {"type":"content_block_stop","index":%d}\n\n'

_encode = msgspec.json.Encoder().encode


def _event(name: str, body: dict[str, object]) -> bytes:
    data = _encode({"type": name, **body})
    if b"\n" in data or b"\r" in data:
        # Raw members may be spread over lines; in JSON a line end is but white space.
        data = data.replace(b"\n", b" ").replace(b"\r", b" ")
    return b"event: %s\ndata: %s\n\n" % (name.encode(), data)


class _Block:
    """The block that is being filled; `part` is the part's index in the IR."""

    __slots__ = ("arguments", "index", "kept", "part", "prefix", "signature", "started")

    def __init__(self, part: int, index: int, started: ir.Part, prefix: bytes) -> None:
        self.part = part
        self.index = index
        self.started = started
        self.prefix = prefix
        self.arguments: list[str] = []  # of a call, to see whether they are whole
        self.kept: list[str] = []  # of a free-form call, whose text is told whole
        self.signature = ""


class ClaudeStreamEncoder:
    """See `omniroute.formats.base.StreamEncoder`. Shows the first candidate only."""

    __slots__ = (
        "_block",
        "_called",
        "_finish",
        "_held",
        "_next",
        "_refusal",
        "_shown",
        "_start",
        "_stop_sequence",
        "_told_start",
        "_usage",
        "_waiting",
    )

    def __init__(self, shown: Shown) -> None:
        self._shown = shown
        self._start = ir.Start()
        self._told_start = False
        self._usage: Usage | None = None
        self._block: _Block | None = None
        self._next = 0
        self._held: list[object] = []  # blocks of mere state, told when another block follows
        self._waiting: dict[int, list[ir.Event]] = {}  # calls that wait for the open one, by part
        self._called = False
        self._refusal = ""
        self._finish: ir.FinishReason = "stop"
        self._stop_sequence = ""

    def feed(self, events: Sequence[ir.Event]) -> bytes:
        out: list[bytes] = []
        for event in events:
            if isinstance(event, _DELTAS):
                if event.choice == 0:
                    self._delta(event, out)
            else:
                self._other(event, out)
        if not self._told_start and events:
            self._tell_start(out)
        return out[0] if len(out) == 1 else b"".join(out)

    def finish(self) -> bytes:
        """The proper end: open blocks closed, the reason and the counts, `message_stop`."""
        out: list[bytes] = []
        self._tell_start(out)
        self._close_all(out)
        reason = stop_reason(self._finish, called=self._called, refused=bool(self._refusal))
        delta: dict[str, object] = {
            "stop_reason": reason,
            "stop_sequence": self._stop_sequence or None,
        }
        details = stop_details(reason, self._refusal)
        if details is not None:
            delta["stop_details"] = details
        usage = NO_COUNTS if self._usage is None else usage_body(self._usage)
        out.append(_event("message_delta", {"delta": delta, "usage": usage}))
        out.append(MESSAGE_STOP)
        return b"".join(out)

    def fail(self, error: GatewayError) -> bytes:
        """An error event is the last of a stream that failed; there is no terminator behind it."""
        return error_event(error)

    # --- deltas ---------------------------------------------------------------------------------

    def _delta(
        self, event: ir.TextDelta | ir.ReasoningDelta | ir.ToolCallDelta, out: list[bytes]
    ) -> None:
        block = self._block
        if block is None or block.part != event.index:
            waiting = self._waiting.get(event.index)
            if waiting is not None:
                waiting.append(event)
                return
            block = self._unannounced(event, out)
        if type(event) is ir.TextDelta:
            if type(block.started) is ir.Refusal:
                self._refusal += event.text
            out.append(write_delta(block.prefix, event.text, _SUFFIX))
        elif type(event) is ir.ToolCallDelta:
            if type(block.started) is ir.ToolCall and block.started.custom:
                block.kept.append(event.arguments)
            elif event.arguments:
                block.arguments.append(event.arguments)
                out.append(write_delta(block.prefix, event.arguments, _SUFFIX))
        elif type(event) is ir.ReasoningDelta:
            if event.text:
                if not block.prefix:
                    block = self._thinking(block, out)
                out.append(write_delta(block.prefix, event.text, _SUFFIX))
            block.signature += event.signature

    def _unannounced(
        self, event: ir.TextDelta | ir.ReasoningDelta | ir.ToolCallDelta, out: list[bytes]
    ) -> _Block:
        """A delta whose part is not open: it opens one."""
        part: ir.Part
        if isinstance(event, ir.TextDelta):
            part = ir.Text("")
        elif isinstance(event, ir.ReasoningDelta):
            part = ir.Reasoning()
        else:
            part = ir.ToolCall(f"call_{event.index}", "unknown", "")
        self._tell_start(out)
        self._open(event.index, part, out)
        return self._block if self._block is not None else _Block(event.index, 0, part, b"")

    # --- everything else ------------------------------------------------------------------------

    def _other(self, event: ir.Event, out: list[bytes]) -> None:
        match event:
            case ir.Start():
                self._start = event
            case ir.UsageEvent():
                self._usage = event.usage
            case ir.PartStart() if event.choice == 0:
                self._tell_start(out)
                self._part_start(event, out)
            case ir.PartEnd() if event.choice == 0:
                self._part_end(event, out)
            case ir.Finish() if event.choice == 0:
                self._finish = event.reason
                self._stop_sequence = event.stop_sequence
            case _:
                pass  # other candidates; failures are for the caller, who calls `fail`

    def _tell_start(self, out: list[bytes]) -> None:
        if self._told_start:
            return
        self._told_start = True
        usage: dict[str, object] = dict(NO_COUNTS)
        if self._usage is not None:
            usage = usage_body(self._usage)
        message: dict[str, object] = {
            "id": answer_id(self._start.id, self._shown),
            "type": "message",
            "role": "assistant",
            "model": self._shown.model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": usage,
        }
        if self._start.origin == FORMAT:
            for name, raw in self._start.extra.items():
                message.setdefault(name, raw)
        out.insert(0, _event("message_start", {"message": message}))

    def _part_start(self, event: ir.PartStart, out: list[bytes]) -> None:
        block = self._block
        if block is not None:
            if not _is_whole(block):
                self._waiting[event.index] = [event]
                return
            self._close(out)
        self._open(event.index, event.part, out)

    def _open(self, at: int, part: ir.Part, out: list[bytes]) -> None:
        """Open the part's block, closing the one before."""
        if self._block is not None:
            self._close(out)
        match part:
            case ir.Text() | ir.Refusal():
                self._begin(at, part, {"type": "text", "text": ""}, _TEXT, out)
                if isinstance(part, ir.Refusal):
                    self._refusal += part.text
                self._at_once(part.text, out)
            case ir.Reasoning():
                if part.data and part.origin == FORMAT:
                    self._begin(at, part, answer_blocks(part)[0], b"", out)
                    return
                block = self._block = _Block(at, -1, part, b"")
                block.signature = part.signature
                if part.text or part.origin == FORMAT:
                    self._thinking(block, out)
                    self._at_once(part.text, out)
            case ir.ToolCall():
                self._called = True
                state = call_state(part)
                if state is not None:
                    self._whole(state, out)
                start = {"type": "tool_use", "id": call_id(part.id), "name": part.name, "input": {}}
                self._begin(at, part, start, _ARGUMENTS, out)
                if part.arguments and self._block is not None:
                    self._delta(ir.ToolCallDelta(at, part.arguments), out)
            case _:
                # Told at its end, when it is whole.
                self._block = _Block(at, -1, part, b"")

    def _thinking(self, block: _Block, out: list[bytes]) -> _Block:
        """Tell the begin of reasoning that turns out to have words."""
        blank = {"type": "thinking", "thinking": "", "signature": ""}
        begun = self._begin(block.part, block.started, blank, _THINKING, out)
        begun.signature = block.signature
        return begun

    def _begin(
        self, at: int, part: ir.Part, start: object, prefix: bytes, out: list[bytes]
    ) -> _Block:
        self._tell_held(out)
        index = self._next
        self._next += 1
        block = self._block = _Block(at, index, part, prefix % index if prefix else b"")
        out.append(_event("content_block_start", {"index": index, "content_block": start}))
        return block

    def _tell_held(self, out: list[bytes]) -> None:
        held, self._held = self._held, []
        for block in held:
            self._whole(block, out)

    def _at_once(self, text: str, out: list[bytes]) -> None:
        if text and self._block is not None:
            out.append(self._block.prefix + _encode(text) + _SUFFIX)

    def _whole(self, block: object, out: list[bytes]) -> None:
        """A block that comes in one piece."""
        self._tell_held(out)
        index = self._next
        self._next += 1
        start = block
        if isinstance(block, dict) and block.get("type") == "thinking":
            start = {**block, "signature": ""}
        out.append(_event("content_block_start", {"index": index, "content_block": start}))
        if start is not block and isinstance(block, dict):
            self._signature(index, str(block["signature"]), out)
        out.append(_STOP % index)

    def _signature(self, index: int, signature: str, out: list[bytes]) -> None:
        delta = {"type": "signature_delta", "signature": signature}
        out.append(_event("content_block_delta", {"index": index, "delta": delta}))

    def _part_end(self, event: ir.PartEnd, out: list[bytes]) -> None:
        block = self._block
        if block is None or block.part != event.index:
            waiting = self._waiting.get(event.index)
            if waiting is not None:
                waiting.append(event)
            return
        self._close(out, event.part)
        self._release(out)

    def _close(self, out: list[bytes], end: ir.Part | None = None) -> None:
        """Close the open block with what only its end brings."""
        block = self._block
        if block is None:
            return
        self._block = None
        started = block.started
        part = started if end is None else end
        if block.index < 0 and isinstance(started, ir.Reasoning):
            if not (isinstance(end, ir.Reasoning) and end.text):
                signature = _signature(started, block.signature, end)
                self._held.append({"type": "thinking", "thinking": "", "signature": signature})
                return
            block = self._thinking(block, out)
            self._at_once(end.text, out)
            self._block = None
        if block.index < 0:
            for whole in answer_blocks(part):
                self._whole(whole, out)
            return
        if isinstance(part, ir.Text):
            for citation in part.citations:
                delta = {"type": "citations_delta", "citation": citation_body(citation)}
                out.append(_event("content_block_delta", {"index": block.index, "delta": delta}))
        elif isinstance(started, ir.Reasoning) and block.prefix:
            self._signature(block.index, _signature(started, block.signature, end), out)
        elif isinstance(started, ir.ToolCall) and started.custom:
            text = custom_tools.arguments_of("".join(block.kept))
            out.append(block.prefix + _encode(text) + _SUFFIX)
        out.append(_STOP % block.index)

    def _release(self, out: list[bytes]) -> None:
        """Tell what waited for the block that has ended, in order, as far as it goes."""
        while self._block is None and self._waiting:
            at = next(iter(self._waiting))
            for event in self._waiting.pop(at):
                if isinstance(event, ir.PartStart):
                    self._open(at, event.part, out)
                elif isinstance(event, ir.PartEnd):
                    self._close(out, event.part)
                elif isinstance(event, ir.TextDelta | ir.ReasoningDelta | ir.ToolCallDelta):
                    self._delta(event, out)

    def _close_all(self, out: list[bytes]) -> None:
        while self._block is not None or self._waiting:
            self._close(out)
            self._release(out)


def _is_whole(block: _Block) -> bool:
    """May the block be closed for the next? A call only when its arguments are complete."""
    if not isinstance(block.started, ir.ToolCall):
        return True
    if block.started.custom:
        return False
    if not block.arguments:
        return False
    try:
        msgspec.json.decode("".join(block.arguments))
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def _signature(started: ir.Reasoning, streamed: str, end: ir.Part | None) -> str:
    """What the client keeps as the signature: Claude's own, or another format's under seal."""
    known = end if isinstance(end, ir.Reasoning) else started
    signature = streamed or known.signature
    if known.origin == FORMAT and signature:
        return signature
    if known.origin == FORMAT:
        return seal(Sealed(""))
    return seal(Sealed(known.origin, signature, known.data, known.id, known.summary))
