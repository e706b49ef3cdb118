"""Gemini's answers into the IR: a stream's chunks into events, a whole answer as their fold.

Source: Gemini API reference, `GenerateContentResponse` and `streamGenerateContent` with `alt=sse`.
A stream is a series of whole answers, each with what is new: there is no part number and no
terminator. Neighbouring texts are one part, and so are neighbouring thoughts; a function call comes
complete. The end is a chunk with finishReason, or one with promptFeedback.blockReason.

A signature on a text part, or alone, becomes a Reasoning part without text behind that text.
"""

from collections.abc import Sequence

import msgspec

from omniroute.formats import ir
from omniroute.formats.fold import fold
from omniroute.formats.gemini import reasons, wire
from omniroute.formats.gemini.decoding import arguments_of
from omniroute.formats.gemini.identity import FORMAT, derived_id
from omniroute.formats.gemini.sources import citations_of, logprobs_of
from omniroute.formats.misread import UNREADABLE
from omniroute.usage import Usage
from omniroute.wire.deltas import REASONING, Delta, read_gemini_delta
from omniroute.wire.sse import SseReader, SseTooLong, event_data

_TEXT = 1
_THOUGHT = 2


class _Candidate:
    """One candidate of the stream: the part that is open, and what its end still needs."""

    __slots__ = (
        "at",
        "called",
        "cited",
        "finished",
        "kind",
        "logprobs",
        "number",
        "parts",
        "pieces",
        "signature",
    )

    def __init__(self, number: int) -> None:
        self.number = number
        self.parts = 0  # opened so far
        self.kind = 0  # of the open part; 0: none is open
        self.at = 0  # index of the open part
        self.pieces: list[str] = []  # of the open text
        self.logprobs = ir.NULL  # of the chunk that is read
        self.signature = ""  # waits for the end of the text it stands on
        self.cited: list[wire.Candidate] = []
        self.called = 0  # function calls so far
        self.finished = False


class AnswerReader:
    """Chunks into events; what a stream and a whole answer have in common."""

    __slots__ = ("_candidates", "_counted", "_counts", "_id", "_started", "_told", "done", "failed")

    def __init__(self) -> None:
        self._candidates: dict[int, _Candidate] = {}
        self._started = False
        self._id = ""
        self._counts: wire.UsageMetadata | None = None  # the last ones
        self._counted = b""  # the chunk that counts newer ones, which nobody has looked at
        self._told: Usage | None = None
        self.done = False
        self.failed = False

    def read(self, payload: bytes, events: list[ir.Event]) -> None:
        """One chunk. FormatError for what is none."""
        if self._started and not self.done:
            delta = read_gemini_delta(payload)
            if delta is not None and self._short(delta, payload, events):
                return
        try:
            self._answer(wire.decode_answer(payload), payload, events)
        except UNREADABLE as error:
            raise ir.FormatError(f"not a chunk of a Gemini answer: {error}") from None

    def _answer(self, answer: wire.Answer, payload: bytes, events: list[ir.Event]) -> None:
        if answer.error != wire.NOTHING:
            events.append(failure_of(payload))
            self.done = self.failed = True
            return
        if not self._started:
            self._started = True
            self._id = answer.responseId or ""
            events.append(ir.Start(self._id, answer.modelVersion or "", origin=FORMAT))
        if answer.usageMetadata is not None:
            self._counts = answer.usageMetadata
            self._counted = b""
        candidates = answer.candidates
        if candidates:
            for read in candidates:
                self._candidate(read, payload, events)
        elif answer.promptFeedback is not None and answer.promptFeedback.blockReason:
            self._block(events)
        if self.done:
            self._tell_usage(events)

    def _short(self, delta: Delta, payload: bytes, events: list[ir.Event]) -> bool:
        """The usual chunk by far: a piece of the text or thought that is open."""
        kind, number, counted, text = delta
        candidate = self._candidates.get(number)
        if candidate is None or candidate.signature or candidate.logprobs is not ir.NULL:
            return False
        if candidate.kind != (_THOUGHT if kind == REASONING else _TEXT):
            return False
        if kind == REASONING:
            events.append(ir.ReasoningDelta(candidate.at, text, "", number))
        else:
            candidate.pieces.append(text)
            events.append(ir.TextDelta(candidate.at, text, number))
        if counted:
            self._counted = payload
        return True

    def end(self, events: list[ir.Event]) -> None:
        """No more chunks come: close what is open."""
        for candidate in self._candidates.values():
            self._close(candidate, events)
        self._tell_usage(events)

    def _tell_usage(self, events: list[ir.Event]) -> None:
        """Counts stand in every chunk; they are told at the end, and again where they change."""
        if self._counted:
            self._counts = wire.decode_answer(self._counted).usageMetadata
            self._counted = b""
        if self._counts is None:
            return
        usage = reasons.usage_of(self._counts)
        if usage != self._told:
            self._told = usage
            events.append(ir.UsageEvent(usage))

    def _block(self, events: list[ir.Event]) -> None:
        candidate = self._candidates.setdefault(0, _Candidate(0))
        if not candidate.finished:
            self._close(candidate, events)
            candidate.finished = True
            events.append(ir.Finish("content_filter"))
        self.done = True

    def _candidate(self, read: wire.Candidate, payload: bytes, events: list[ir.Event]) -> None:
        candidate = self._candidates.get(read.index)
        if candidate is None:
            candidate = self._candidates[read.index] = _Candidate(read.index)
        if read.logprobsResult is not None:
            candidate.logprobs = logprobs_of(read.logprobsResult)
        if read.groundingMetadata is not None or read.citationMetadata is not None:
            candidate.cited.append(read)
        if read.content is not None and read.content.parts:
            for number, part in enumerate(read.content.parts):
                text = part.text
                if text is not None:
                    self._text(candidate, part, text, events)
                elif part.functionCall is not None:
                    self._call(candidate, part, part.functionCall, events)
                else:
                    self._other(candidate, part, number, payload, events)
        if read.finishReason and not candidate.finished:
            self._close(candidate, events)
            candidate.finished = True
            reason = reasons.finish_reason(read.finishReason, called=candidate.called > 0)
            events.append(ir.Finish(reason, choice=candidate.number))
            self.done = all(one.finished for one in self._candidates.values())

    def _text(
        self, candidate: _Candidate, part: wire.AnswerPart, text: str, events: list[ir.Event]
    ) -> None:
        kind = _THOUGHT if part.thought else _TEXT
        signature = part.thoughtSignature
        if candidate.kind != kind and (text or part.thought):
            self._close(candidate, events)
            opened: ir.Part = ir.Reasoning(origin=FORMAT) if part.thought else ir.Text("")
            self._open(candidate, kind, opened, events)
        if part.thought:
            if text or signature:
                events.append(
                    ir.ReasoningDelta(candidate.at, text, signature, choice=candidate.number)
                )
            return
        if text:
            if candidate.signature:  # the text it stood on is over
                self._close(candidate, events)
                self._open(candidate, kind, ir.Text(""), events)
            candidate.pieces.append(text)
            events.append(
                ir.TextDelta(candidate.at, text, candidate.number, logprobs=candidate.logprobs)
            )
            candidate.logprobs = ir.NULL
        if signature:
            if candidate.kind != _TEXT or candidate.signature:
                self._close(candidate, events)
            candidate.signature = signature
            if candidate.kind != _TEXT:
                self._close(candidate, events)

    def _call(
        self,
        candidate: _Candidate,
        part: wire.AnswerPart,
        call: wire.FunctionCall,
        events: list[ir.Event],
    ) -> None:
        self._close(candidate, events)
        arguments = arguments_of(call.args)
        call_id = call.id or derived_id(
            self._id, candidate.number, candidate.called, call.name, arguments
        )
        candidate.called += 1
        signature = part.thoughtSignature
        opened = ir.ToolCall(call_id, call.name, "", signature, FORMAT if signature else "")
        self._open(candidate, 0, opened, events)
        events.append(ir.ToolCallDelta(candidate.at, arguments, candidate.number))
        events.append(ir.PartEnd(candidate.at, choice=candidate.number))

    def _other(
        self,
        candidate: _Candidate,
        part: wire.AnswerPart,
        number: int,
        payload: bytes,
        events: list[ir.Event],
    ) -> None:
        self._close(candidate, events)
        made: ir.Part
        blob = part.inlineData
        if blob is not None:
            kind = ir.Audio if blob.mimeType.startswith("audio/") else ir.Image
            made = kind(media_type=blob.mimeType, data=blob.data)
        else:
            raw = _raw_part(payload, candidate.number, number)
            bytes(raw).decode()  # what goes on as it is has to be text; decoders skip unread parts
            names = wire.decode_members(raw)
            kinds = [name for name in names if name not in ("thought", "thoughtSignature")]
            if kinds:
                made = ir.Opaque(FORMAT, raw, kinds[0])
            elif part.thoughtSignature:
                candidate.signature = part.thoughtSignature
                self._close(candidate, events)
                return
            else:
                return
        self._open(candidate, 0, made, events)
        events.append(ir.PartEnd(candidate.at, choice=candidate.number))
        if blob is not None and part.thoughtSignature:
            candidate.signature = part.thoughtSignature
            self._close(candidate, events)

    def _open(
        self, candidate: _Candidate, kind: int, part: ir.Part, events: list[ir.Event]
    ) -> None:
        candidate.kind = kind
        candidate.at = candidate.parts
        candidate.parts += 1
        events.append(ir.PartStart(candidate.at, part, candidate.number))

    def _close(self, candidate: _Candidate, events: list[ir.Event]) -> None:
        """End the open part, if one is; then the signature that waited for that."""
        number = candidate.number
        if candidate.kind:
            whole: ir.Part | None = None
            if candidate.kind == _TEXT and candidate.cited:
                text = "".join(candidate.pieces)
                found: list[ir.Citation] = []
                for cited in candidate.cited:
                    found.extend(citations_of(cited, text))
                if found:
                    whole = ir.Text(text, citations=found)
                candidate.cited = []
            events.append(ir.PartEnd(candidate.at, whole, number))
            candidate.kind = 0
            candidate.pieces = []
        if candidate.signature:
            signature, candidate.signature = candidate.signature, ""
            self._open(candidate, 0, ir.Reasoning(origin=FORMAT), events)
            events.append(ir.ReasoningDelta(candidate.at, "", signature, number))
            events.append(ir.PartEnd(candidate.at, choice=number))


def _raw_part(payload: bytes, choice: int, number: int) -> msgspec.Raw:
    """A part as it was written; rare kinds only, so the chunk is decoded once more."""
    for candidate in wire.decode_raw_answer(payload).candidates or []:
        if candidate.index == choice and candidate.content is not None:
            parts = candidate.content.parts or []
            if number < len(parts):
                return parts[number]
    return msgspec.Raw(b"{}")


def failure_of(payload: bytes) -> ir.Failure:
    """An error object as a failure. FormatError when it is none."""
    try:
        error = _decode_error(payload).error
    except UNREADABLE as wrong:
        raise ir.FormatError(f"not an error of the Gemini API: {wrong}") from None
    if error is None or isinstance(error, str):
        return ir.Failure(error or "no explanation")
    status = error.code if isinstance(error.code, int) and 400 <= error.code < 600 else 502
    code = "" if error.code is None else str(error.code)
    return ir.Failure(error.message or "no explanation", error.status or "", code, status)


_decode_error = msgspec.json.Decoder(wire.ErrorBody).decode


class StreamDecoder:
    """An upstream's stream (always `alt=sse`) into events; see `formats.base.StreamDecoder`."""

    __slots__ = ("_answers", "_events")

    def __init__(self, max_event_bytes: int) -> None:
        self._events = SseReader(max_event_bytes)
        self._answers = AnswerReader()

    @property
    def done(self) -> bool:
        return self._answers.done

    def feed(self, data: bytes) -> list[ir.Event]:
        try:
            found = self._events.feed(data)
        except SseTooLong as error:
            raise ir.FormatError(str(error)) from None
        return self._read(found)

    def finish(self) -> list[ir.Event]:
        found = self._events.finish()
        tail = self._events.tail
        if tail.strip():
            found = [*found, tail]
        events = self._read(found)
        if not self._answers.failed:
            self._answers.end(events)
        return events

    def _read(self, found: Sequence[bytes]) -> list[ir.Event]:
        events: list[ir.Event] = []
        for raw in found:
            if self._answers.failed:
                break  # nothing follows a failure
            payload = event_data(raw)
            # The service writes an error that comes late as bare JSON, not as an event.
            if not payload and raw.lstrip()[:1] in (b"{", b"["):
                payload = raw.strip().lstrip(b"[").rstrip(b"]")
            if payload:
                self._answers.read(payload, events)
        return events


def decode_response(body: bytes) -> ir.Response:
    """A whole answer. FormatError for what is none, an error object included."""
    answers = AnswerReader()
    events: list[ir.Event] = []
    answers.read(body, events)
    answers.end(events)
    response = fold(events)
    if not response.choices and not answers.failed:
        response.choices = [ir.Choice()]
    return response
