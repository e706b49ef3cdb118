"""Events into the stream of chunks that OpenAI's SDKs read.

The first chunk of a choice carries the role; reasoning goes as `reasoning_content`; calls are
numbered within their choice; the finish reason has a chunk of its own; usage, where the client
asked for it, has the last one, without choices; `[DONE]` ends. What every chunk of a stream has in
common is written once and put around the text's JSON.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from omniroute.errors import GatewayError
from omniroute.formats import ir
from omniroute.formats.base import Shown
from omniroute.formats.openai_chat import tools
from omniroute.formats.openai_chat.answers import (
    annotation_out,
    audio_out,
    finish_word,
    image_out,
)
from omniroute.formats.openai_chat.counts import usage_out
from omniroute.formats.openai_chat.errors import error_event
from omniroute.formats.openai_chat.reasoning import detail_of
from omniroute.formats.openai_chat.wire import DONE, FORMAT, NOTHING
from omniroute.usage import Usage
from omniroute.wire.deltas import write_delta

_encode = msgspec.json.Encoder().encode


class _Candidate:
    """One choice: what its chunks begin with, and which parts are open."""

    __slots__ = (
        "arguments",
        "calls",
        "finished",
        "frames",
        "head",
        "kinds",
        "parts",
        "refused",
        "thought",
    )

    def __init__(self, head: bytes) -> None:
        self.head = head
        self.frames: dict[int, tuple[bytes, bytes]] = {}  # part -> what its text stands between
        self.kinds: dict[int, bytes] = {}  # part -> what its deltas are called
        self.calls: dict[int, int] = {}  # part -> number of the call
        self.arguments: set[int] = set()  # calls of which arguments were sent
        self.parts: dict[int, ir.Reasoning] = {}  # open reasoning with what may prove it
        self.thought = -1  # the reasoning part that was told last
        self.refused = False
        self.finished = False


class StreamEncoder:
    """See `base.StreamEncoder`."""

    __slots__ = ("_candidates", "_last", "_shown", "_start", "_tail", "_usage")

    def __init__(self, shown: Shown) -> None:
        self._shown = shown
        self._start = self._prefix(shown.id, shown.created, b"")
        # With usage asked for, every chunk but the last says that it has none.
        self._last = b',"usage":null}\n\n' if shown.include_usage else b"}\n\n"
        self._tail = b'},"logprobs":null,"finish_reason":null}]' + self._last
        self._candidates: dict[int, _Candidate] = {}
        self._usage: Usage | None = None

    def _prefix(self, id_: str, created: int, extra: bytes) -> bytes:
        return b'data: {"id":%b,"object":"chat.completion.chunk","created":%d,"model":%b%b' % (
            _encode(id_),
            created,
            _encode(self._shown.model),
            extra,
        )

    def feed(self, events: Sequence[ir.Event]) -> bytes:
        if len(events) == 1:
            return self._event(events[0])
        return b"".join([self._event(event) for event in events])

    def finish(self) -> bytes:
        out = b""
        if not self._candidates:
            self._candidate(0)
            out = self._role(0)
        for number, candidate in self._candidates.items():
            if not candidate.finished:
                out += self._finish(candidate, ir.Finish("stop", choice=number))
        if self._shown.include_usage and self._usage is not None:
            usage = _encode(usage_out(self._usage))
            out += b'%b,"choices":[],"usage":%b}\n\n' % (self._start, usage)
        return out + DONE

    def fail(self, error: GatewayError) -> bytes:
        return error_event(error)

    def _event(self, event: ir.Event) -> bytes:
        match event:
            case ir.TextDelta():
                candidate = self._candidates.get(event.choice)
                if candidate is None:
                    return self._opened(event.choice) + self._event(event)
                if event.logprobs != NOTHING:
                    return self._chunk(
                        candidate,
                        {"content": event.text},
                        logprobs=bytes(event.logprobs),
                    )
                frame = candidate.frames.get(event.index)
                if frame is None:
                    kind = candidate.kinds.get(event.index, b"content")
                    frame = self._frame(candidate, event.index, b'"%b":' % kind, b"")
                return write_delta(frame[0], event.text, frame[1])
            case ir.ToolCallDelta():
                candidate = self._candidates.get(event.choice)
                if candidate is None:
                    return self._opened(event.choice) + self._event(event)
                call = candidate.calls.get(event.index)
                if call is None:
                    return b""  # of a call that never began
                candidate.arguments.add(event.index)
                frame = candidate.frames.get(event.index)
                if frame is None:
                    if event.index in candidate.kinds:
                        before = b'"tool_calls":[{"index":%d,"custom":{"input":' % call
                    else:
                        before = b'"tool_calls":[{"index":%d,"function":{"arguments":' % call
                    frame = self._frame(candidate, event.index, before, b"}}]")
                return write_delta(frame[0], event.arguments, frame[1])
            case ir.ReasoningDelta():
                candidate = self._candidates.get(event.choice)
                if candidate is None:
                    return self._opened(event.choice) + self._event(event)
                known = candidate.parts.get(event.index)
                if known is not None:
                    known.text += event.text
                    known.signature += event.signature
                if not event.text:
                    return b""
                text = event.text
                if event.index != candidate.thought:
                    text = self._next_thought(candidate, event.index) + text
                frame = candidate.frames.get(event.index)
                if frame is None:
                    frame = self._frame(candidate, event.index, b'"reasoning_content":', b"")
                return write_delta(frame[0], text, frame[1])
            case ir.PartStart():
                if event.choice not in self._candidates:
                    return self._opened(event.choice) + self._part_start(event)
                return self._part_start(event)
            case ir.PartEnd():
                return self._part_end(event)
            case ir.Finish():
                if event.choice not in self._candidates:
                    return self._opened(event.choice) + self._event(event)
                return self._finish(self._candidates[event.choice], event)
            case ir.UsageEvent():
                self._usage = event.usage
            case ir.Start():
                own = event.origin == FORMAT
                extra = b""
                if own:
                    for name, raw in event.extra.items():
                        extra += b",%b:%b" % (_encode(name), _one_line(bytes(raw)))
                self._start = self._prefix(
                    event.id if own and event.id else self._shown.id,
                    event.created or self._shown.created,
                    extra,
                )
            case ir.Failure():
                pass  # the caller tells the client, with `fail`
        return b""

    def _frame(
        self, candidate: _Candidate, index: int, before: bytes, behind: bytes
    ) -> tuple[bytes, bytes]:
        frame = candidate.frames[index] = (candidate.head + before, behind + self._tail)
        return frame

    def _candidate(self, number: int) -> _Candidate:
        head = b'%b,"choices":[{"index":%d,"delta":{' % (self._start, number)
        candidate = self._candidates[number] = _Candidate(head)
        return candidate

    def _opened(self, number: int) -> bytes:
        self._candidate(number)
        return self._role(number)

    def _role(self, number: int) -> bytes:
        head = self._candidates[number].head
        return b'%b"role":"assistant","content":""%b' % (head, self._tail)

    def _chunk(
        self, candidate: _Candidate, delta: dict[str, Any], *, logprobs: bytes = b"null"
    ) -> bytes:
        return b'%b%b},"logprobs":%b,"finish_reason":null}]%b' % (
            candidate.head,
            _one_line(_encode(delta)[1:-1]),
            _one_line(logprobs),
            self._last,
        )

    def _part_start(self, event: ir.PartStart) -> bytes:
        candidate = self._candidates[event.choice]
        candidate.frames.pop(event.index, None)
        part = event.part
        match part:
            case ir.Text():
                if part.text:
                    return self._chunk(candidate, {"content": part.text})
            case ir.Refusal():
                candidate.refused = True
                candidate.kinds[event.index] = b"refusal"
                if part.text:
                    return self._chunk(candidate, {"refusal": part.text})
            case ir.Reasoning():
                candidate.parts[event.index] = ir.Reasoning(
                    part.text, part.signature, part.data, part.origin, part.id, part.summary
                )
                if part.text:
                    text = self._next_thought(candidate, event.index) + part.text
                    return self._chunk(candidate, {"reasoning_content": text})
            case ir.ToolCall():
                return self._call(candidate, event.index, part)
            case ir.Image():
                return self._chunk(candidate, {"images": [image_out(part)]})
            case ir.Audio():
                return self._chunk(candidate, {"audio": audio_out(part)})
            case _:
                pass  # another format's own: it has no place here
        return b""

    def _next_thought(self, candidate: _Candidate, index: int) -> str:
        """What stands before a reasoning part's text: in whole answers, too, an empty line."""
        before = "\n\n" if candidate.thought >= 0 else ""
        candidate.thought = index
        return before

    def _call(self, candidate: _Candidate, index: int, part: ir.ToolCall) -> bytes:
        number = candidate.calls[index] = len(candidate.calls)
        id_ = part.id or f"call_{number}"
        if part.custom:
            candidate.kinds[index] = b"custom"
            call = tools.call_out(part, part.name, id_, as_function=False)
        else:
            call = tools.call_out(part, part.name, id_, as_function=False)
            call["function"]["arguments"] = part.arguments
        if part.arguments:
            candidate.arguments.add(index)
        return self._chunk(candidate, {"tool_calls": [{"index": number, **call}]})

    def _part_end(self, event: ir.PartEnd) -> bytes:
        candidate = self._candidates.get(event.choice)
        if candidate is None:
            return b""
        if event.index in candidate.calls:
            if event.index not in candidate.arguments and event.index not in candidate.kinds:
                # A call without arguments is one with an object of none.
                nothing = ir.ToolCallDelta(event.index, "{}", event.choice)
                return self._event(nothing)
            return b""
        whole = event.part
        if isinstance(whole, ir.Text) and whole.citations:
            annotations = [annotation_out(citation) for citation in whole.citations]
            return self._chunk(candidate, {"annotations": annotations})
        known = candidate.parts.pop(event.index, None)
        if isinstance(whole, ir.Reasoning):
            known = whole
        if known is not None:
            detail = detail_of(known, event.index)
            if detail is not None:
                return self._chunk(candidate, {"reasoning_details": [detail]})
        return b""

    def _finish(self, candidate: _Candidate, event: ir.Finish) -> bytes:
        if candidate.finished:
            return b""
        candidate.finished = True
        return b'%b},"logprobs":null,"finish_reason":"%b"}]%b' % (
            candidate.head,
            finish_word(event.reason, refused=candidate.refused).encode(),
            self._last,
        )


def _one_line(json: bytes) -> bytes:
    """Raw JSON may hold line ends between its tokens (never in strings): SSE cuts at them."""
    return json.replace(b"\n", b" ").replace(b"\r", b" ")
