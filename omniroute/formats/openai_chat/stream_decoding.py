"""A stream of chunks into events.

A chunk may carry several deltas at once: reasoning, content, fragments of calls, the finish reason
and usage; they come out in this order. What vendors do besides is understood: calls without index
or id, an id that changes under one index (a new call), names that come late, reasoning under four
names, content as a list, the legacy `function_call`, chunks without choices (Azure's filter
results), a finish reason that is missing or comes twice. An event that is no JSON is a FormatError.
"""

from contextlib import suppress
from typing import Final

import msgspec
from msgspec import Raw, Struct

from omniroute.formats import ir
from omniroute.formats.misread import UNREADABLE
from omniroute.formats.openai_chat.answers import (
    audio_of,
    citation_of,
    content_parts,
    finish_of,
    image_of,
)
from omniroute.formats.openai_chat.counts import UsageIn, usage_of
from omniroute.formats.openai_chat.errors import is_bare_error, upstream_error
from omniroute.formats.openai_chat.reasoning import origin_of
from omniroute.formats.openai_chat.wire import (
    FORMAT,
    NOTHING,
    AudioIn,
    FunctionIn,
    PartIn,
    ReasoningDetail,
    ToolCallIn,
)
from omniroute.wire.deltas import ARGUMENTS, TEXT, Delta, read_openai_delta
from omniroute.wire.sse import SseReader, SseTooLong, event_data, event_type

_BESIDE_DATA: Final = len("event:error\n") + len("data:\n")
"""An event has a type of its own at this many bytes more than its payload, not at fewer."""

_LEGACY: Final = -1  # the key of the legacy function_call among the calls


class _Delta(Struct):
    content: str | list[PartIn] | None = None
    tool_calls: list[ToolCallIn] | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    reasoning_text: str | None = None
    reasoning_details: list[ReasoningDetail] | None = None
    refusal: str | None = None
    function_call: FunctionIn | None = None
    audio: AudioIn | None = None
    annotations: list[Raw] | None = None
    images: list[PartIn] | None = None


class _Choice(Struct):
    delta: _Delta | None = None
    message: _Delta | None = None  # what some send instead of the last delta
    index: int | None = None
    finish_reason: str | None = None
    logprobs: Raw = NOTHING


class _Chunk(Struct):
    choices: list[_Choice] | None = None
    usage: UsageIn | None = None
    error: Raw = NOTHING


class _Head(Struct):
    id: str | None = None
    model: str | None = None
    created: int | None = None


_decode_chunk = msgspec.json.Decoder(_Chunk).decode
_decode_loose_chunk = msgspec.json.Decoder(_Chunk, strict=False).decode
_decode_head = msgspec.json.Decoder(_Head, strict=False).decode
_decode_members = msgspec.json.Decoder(dict[str, Raw]).decode
_HEAD: Final = frozenset({"id", "model", "created", "object", "choices", "usage", "error"})


class _Call:
    """A tool call that is being made."""

    __slots__ = ("custom", "id", "index", "name", "pending", "signature")

    def __init__(self, id_: str) -> None:
        self.id = id_
        self.name = ""
        self.custom = False
        self.index = -1  # of its part; -1: not open yet
        self.pending: list[str] = []  # arguments that cannot be shown yet
        self.signature = ""


class _Candidate:
    """One choice of the stream, and the part of it that is open."""

    __slots__ = (
        "audio",
        "calls",
        "citations",
        "details",
        "finished",
        "next_index",
        "number",
        "open",
        "open_index",
        "order",
        "refusal",
        "text",
    )

    def __init__(self, number: int) -> None:
        self.number = number
        self.next_index = 0
        self.open: type[ir.Text] | type[ir.Reasoning] | None = None
        self.open_index = 0
        self.text: list[str] = []  # of the open part, where its end may have to bring it
        self.details: ReasoningDetail | None = None  # what proves the open reasoning
        self.citations: list[Raw] = []
        self.refusal: list[str] = []
        self.audio: AudioIn | None = None
        self.calls: dict[int, _Call] = {}  # by index, the open ones
        self.order = 0  # how many calls there were
        self.finished = False


class StreamDecoder:
    """See `base.StreamDecoder`."""

    __slots__ = ("_broken", "_candidates", "_done", "_failed", "_id", "_reader", "_started")

    def __init__(self, max_event_bytes: int) -> None:
        self._reader = SseReader(max_event_bytes)
        self._candidates: dict[int, _Candidate] = {}
        self._started = False
        self._done = False
        self._failed = False
        self._broken: ir.FormatError | None = None
        self._id = ""

    @property
    def done(self) -> bool:
        return self._done

    def feed(self, data: bytes) -> list[ir.Event]:
        """Where events before a broken one are good, they come first; the next call raises."""
        if self._broken is not None:
            raise self._broken
        out: list[ir.Event] = []
        try:
            try:
                events = self._reader.feed(data)
            except SseTooLong as error:
                events = error.events
                self._broken = ir.FormatError(str(error))
            for raw in events:
                self._event(raw, out)
        except ir.FormatError as error:
            self._broken = error
        if self._broken is not None and not out:
            raise self._broken
        return out

    def finish(self) -> list[ir.Event]:
        if self._broken is not None:
            raise self._broken
        out: list[ir.Event] = []
        for raw in self._reader.finish():
            self._event(raw, out)
        tail = self._reader.tail
        if event_data(tail):
            # A last event without its blank line counts if it is whole.
            with suppress(ir.FormatError):  # else it was cut, as the missing blank line says
                self._event(tail, out)
        if not self._failed:
            for candidate in self._candidates.values():
                self._close(candidate, out)
        return out

    def _event(self, raw: bytes, out: list[ir.Event]) -> None:
        payload = event_data(raw)
        if not payload or self._failed or self._done:
            return
        if payload == b"[DONE]":
            self._end(out)
            return
        if self._started and len(raw) - len(payload) < _BESIDE_DATA:
            delta = read_openai_delta(payload)
            if delta is not None and self._short(delta, out):
                return
        try:
            chunk = _decode_chunk(payload)
        except UNREADABLE:
            if event_type(raw) == b"error":
                self._fail(payload, out)
                return
            try:
                chunk = _decode_loose_chunk(payload)
            except UNREADABLE as error:
                raise ir.FormatError(f"An event of the stream is no chunk: {error}.") from None
        if chunk.error != NOTHING or event_type(raw) == b"error":
            self._fail(payload, out)
            return
        choices = chunk.choices
        if choices is None and chunk.usage is None:
            if is_bare_error(payload):
                self._fail(payload, out)
            return
        if not self._started and (choices or chunk.usage is not None):
            # Azure's first chunk holds the verdict on the prompt, and no id.
            self._start(payload, out)
        for choice in choices or ():
            self._choice(choice, out)
        if chunk.usage is not None:
            out.append(ir.UsageEvent(usage_of(chunk.usage)))

    def _short(self, delta: Delta, out: list[ir.Event]) -> bool:
        """The usual event by far: a piece of what is open. False if it opens something."""
        kind, number, within, text = delta
        candidate = self._candidates.get(number)
        if candidate is None or candidate.finished:
            return False
        if kind == ARGUMENTS:
            call = candidate.calls.get(within)
            if call is None or call.index < 0:
                return False
            out.append(ir.ToolCallDelta(call.index, text, number))
        elif kind == TEXT:
            if candidate.open is not ir.Text:
                return False
            candidate.text.append(text)
            out.append(ir.TextDelta(candidate.open_index, text, number))
        else:
            if candidate.open is not ir.Reasoning:
                return False
            candidate.text.append(text)
            out.append(ir.ReasoningDelta(candidate.open_index, text, "", number))
        return True

    def _start(self, payload: bytes, out: list[ir.Event]) -> None:
        self._started = True
        try:
            head = _decode_head(payload)
            members = _decode_members(payload)
        except UNREADABLE:
            head = _Head()
            members = {}
        self._id = head.id or ""
        extra = {name: raw for name, raw in members.items() if name not in _HEAD}
        out.append(
            ir.Start(self._id, head.model or "", head.created or 0, origin=FORMAT, extra=extra)
        )

    def _fail(self, payload: bytes, out: list[ir.Event]) -> None:
        self._failed = True
        said = upstream_error(payload)
        code = said.code or ""
        status = (
            int(code) if code.isascii() and code.isdigit() and 400 <= int(code[:4]) < 600 else 502
        )
        out.append(ir.Failure(said.message, said.type or "", code, status))

    def _end(self, out: list[ir.Event]) -> None:
        self._done = True
        for candidate in self._candidates.values():
            if not candidate.finished:
                self._finish(candidate, None, out)

    def _choice(self, choice: _Choice, out: list[ir.Event]) -> None:
        number = choice.index or 0
        candidate = self._candidates.get(number)
        if candidate is None:
            candidate = self._candidates[number] = _Candidate(number)
        if candidate.finished:
            return
        delta = choice.delta
        if delta is not None:
            self._delta(candidate, delta, choice.logprobs, out)
        elif choice.message is not None and not candidate.next_index:
            self._delta(candidate, choice.message, choice.logprobs, out)
        if choice.finish_reason:
            self._finish(candidate, choice.finish_reason, out)

    def _delta(
        self, candidate: _Candidate, delta: _Delta, logprobs: Raw, out: list[ir.Event]
    ) -> None:
        thought = delta.reasoning_content or delta.reasoning or delta.reasoning_text
        if thought:
            self._reason(candidate, thought, out)
        if delta.reasoning_details:
            self._details(candidate, delta.reasoning_details, not thought, out)
        content = delta.content
        if isinstance(content, str):
            if content:
                self._say(candidate, content, logprobs, out)
        elif content is not None:
            for part in content_parts(content):
                if isinstance(part, ir.Reasoning):
                    self._reason(candidate, part.text, out)
                elif isinstance(part, ir.Text):
                    self._say(candidate, part.text, logprobs, out)
                else:
                    self._whole(candidate, part, out)
        if delta.annotations:
            candidate.citations += delta.annotations
        if delta.refusal:
            candidate.refusal.append(delta.refusal)
        for image in delta.images or ():
            self._whole(candidate, image_of(image), out)
        if delta.audio is not None:
            self._hear(candidate, delta.audio)
        if delta.tool_calls:
            for call in delta.tool_calls:
                self._call(candidate, call, out)
        if delta.function_call is not None:
            self._call(candidate, ToolCallIn(index=_LEGACY, function=delta.function_call), out)

    def _open(
        self,
        candidate: _Candidate,
        kind: type[ir.Text] | type[ir.Reasoning],
        out: list[ir.Event],
    ) -> None:
        self._close_parts(candidate, out)
        candidate.open = kind
        candidate.open_index = candidate.next_index
        candidate.next_index += 1
        part: ir.Part = ir.Text("") if kind is ir.Text else ir.Reasoning()
        out.append(ir.PartStart(candidate.open_index, part, candidate.number))

    def _say(self, candidate: _Candidate, text: str, logprobs: Raw, out: list[ir.Event]) -> None:
        if candidate.open is not ir.Text:
            self._open(candidate, ir.Text, out)
        candidate.text.append(text)
        out.append(ir.TextDelta(candidate.open_index, text, candidate.number, logprobs))

    def _reason(self, candidate: _Candidate, text: str, out: list[ir.Event]) -> None:
        if candidate.open is not ir.Reasoning:
            self._open(candidate, ir.Reasoning, out)
        candidate.text.append(text)
        out.append(ir.ReasoningDelta(candidate.open_index, text, choice=candidate.number))

    def _details(
        self,
        candidate: _Candidate,
        details: list[ReasoningDetail],
        show: bool,
        out: list[ir.Event],
    ) -> None:
        """Proofs of reasoning; its text too, where it comes in details only."""
        for detail in details:
            if detail.data:
                sealed = ir.Reasoning(
                    data=detail.data, origin=origin_of(detail), id=detail.id or ""
                )
                self._whole(candidate, sealed, out)
                continue
            if detail.signature:
                if candidate.open is not ir.Reasoning:
                    self._open(candidate, ir.Reasoning, out)
                candidate.details = detail
            text = detail.text or detail.summary
            shown_already = detail.signature and candidate.text
            if show and text and not shown_already:
                self._reason(candidate, text, out)

    def _whole(self, candidate: _Candidate, part: ir.Part, out: list[ir.Event]) -> None:
        self._close_parts(candidate, out)
        index = candidate.next_index
        candidate.next_index += 1
        out.append(ir.PartStart(index, part, candidate.number))
        out.append(ir.PartEnd(index, choice=candidate.number))

    def _hear(self, candidate: _Candidate, piece: AudioIn) -> None:
        audio = candidate.audio
        if audio is None:
            audio = candidate.audio = AudioIn("", "", "")
        audio.id = piece.id or audio.id
        audio.data = (audio.data or "") + (piece.data or "")
        audio.transcript = (audio.transcript or "") + (piece.transcript or "")

    def _call(self, candidate: _Candidate, given: ToolCallIn, out: list[ir.Event]) -> None:
        key = given.index
        if key is None:
            # Without an index an id begins a call; a piece without either goes on with the last.
            key = candidate.order if given.id or not candidate.calls else max(candidate.calls)
        call = candidate.calls.get(key)
        if call is None or (given.id and call.name and given.id != call.id and given.function):
            if call is not None:
                self._close_call(candidate, call, out)
            fallback = f"call_{self._id[-20:]}_{candidate.number}_{candidate.order}"
            call = candidate.calls[key] = _Call(given.id or fallback)
            candidate.order += 1
        if given.extra_content is not None and given.extra_content.google is not None:
            call.signature = given.extra_content.google.thought_signature or call.signature
        text: str | None = None
        if given.custom is not None:
            call.custom = True
            call.name = call.name or given.custom.name or ""
            text = given.custom.input
        elif given.function is not None:
            call.name = call.name or given.function.name or ""
            text = given.function.arguments
        if call.index < 0:
            if not call.name:
                if text:
                    call.pending.append(text)
                return
            self._open_call(candidate, call, out)
        if text:
            out.append(ir.ToolCallDelta(call.index, text, candidate.number))

    def _open_call(self, candidate: _Candidate, call: _Call, out: list[ir.Event]) -> None:
        self._close_text(candidate, out)
        call.index = candidate.next_index
        candidate.next_index += 1
        part = ir.ToolCall(
            call.id,
            call.name,
            "",
            call.signature,
            "gemini" if call.signature else "",
            call.custom,
        )
        out.append(ir.PartStart(call.index, part, candidate.number))
        if call.pending:
            out.append(ir.ToolCallDelta(call.index, "".join(call.pending), candidate.number))
            call.pending = []

    def _close_call(self, candidate: _Candidate, call: _Call, out: list[ir.Event]) -> None:
        if call.index < 0:
            self._open_call(candidate, call, out)
        out.append(ir.PartEnd(call.index, choice=candidate.number))

    def _close_text(self, candidate: _Candidate, out: list[ir.Event]) -> None:
        if candidate.open is None:
            return
        whole: ir.Part | None = None
        if candidate.open is ir.Reasoning and candidate.details is not None:
            detail = candidate.details
            whole = ir.Reasoning(
                "".join(candidate.text),
                detail.signature or "",
                origin=origin_of(detail),
                id=detail.id or "",
            )
        elif candidate.open is ir.Text and candidate.citations:
            cited = [citation_of(raw) for raw in candidate.citations]
            whole = ir.Text("".join(candidate.text), citations=cited)
            candidate.citations = []
        candidate.open = None
        candidate.text = []
        candidate.details = None
        out.append(ir.PartEnd(candidate.open_index, whole, candidate.number))

    def _close_parts(self, candidate: _Candidate, out: list[ir.Event]) -> None:
        self._close_text(candidate, out)
        for call in candidate.calls.values():
            self._close_call(candidate, call, out)
        candidate.calls = {}

    def _close(self, candidate: _Candidate, out: list[ir.Event]) -> None:
        """End what is open, and say what could only be said whole."""
        self._close_parts(candidate, out)
        if candidate.citations:
            cited = [citation_of(raw) for raw in candidate.citations]
            self._whole(candidate, ir.Text("", citations=cited), out)
        if candidate.refusal:
            self._whole(candidate, ir.Refusal("".join(candidate.refusal)), out)
        if candidate.audio is not None:
            self._whole(candidate, audio_of(candidate.audio), out)
        candidate.citations = []
        candidate.audio = None
        candidate.refusal = []

    def _finish(self, candidate: _Candidate, word: str | None, out: list[ir.Event]) -> None:
        candidate.finished = True
        refused = bool(candidate.refusal)
        self._close(candidate, out)
        reason = finish_of(word, called=candidate.order > 0, refused=refused)
        out.append(ir.Finish(reason, choice=candidate.number))
