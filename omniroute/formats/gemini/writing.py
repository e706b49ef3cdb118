"""The IR's answers as Gemini's: whole, as server-sent events, and as a JSON array.

Source: Gemini API reference, `GenerateContentResponse`; `streamGenerateContent` answers with events
(`alt=sse`) or, without that, with one JSON array whose elements come one by one. Neither has a
terminator of its own: the last chunk carries finishReason and usageMetadata.

Function calls have no fragments here, so a call goes out when it is complete. Text and thoughts go
out as they come: their chunk is a fixed head, the JSON string, a fixed tail.
"""

from collections.abc import Sequence
from itertools import zip_longest
from typing import Any, Final

import msgspec

from omniroute.errors import GatewayError
from omniroute.formats import custom_tools, ir
from omniroute.formats.base import Shown
from omniroute.formats.gemini import reasons
from omniroute.formats.gemini.encoding import object_or_input
from omniroute.formats.gemini.errors import error_body
from omniroute.formats.gemini.identity import FORMAT, Sealed, seal
from omniroute.formats.gemini.sources import written_citations, written_logprobs
from omniroute.formats.gemini.wire import OutPart
from omniroute.usage import Usage
from omniroute.wire.deltas import write_delta

_encode = msgspec.json.Encoder().encode

ARRAY_BETWEEN: Final = b"\n,\r\n"
ARRAY_END: Final = b"\n]"


def encode_response(response: ir.Response, shown: Shown) -> bytes:
    candidates = [_candidate(choice) for choice in response.choices]
    body: dict[str, Any] = {"candidates": candidates}
    if response.usage is not None:
        body["usageMetadata"] = reasons.written_usage(response.usage)
    body["modelVersion"] = shown.model
    body["responseId"] = response.id if response.origin == FORMAT and response.id else shown.id
    return _encode(body)


def _candidate(choice: ir.Choice) -> dict[str, Any]:
    parts: list[OutPart | msgspec.Raw] = []
    candidate: dict[str, Any] = {}
    before: ir.Part | None = None
    for part, behind in zip_longest(choice.parts, choice.parts[1:]):
        carried = _carried(part, behind)
        if carried is not None:
            if carried.text:
                parts.append(OutPart(text=carried.text, thought=True))
        elif isinstance(part, ir.ToolCall):
            parts.append(_call(part, part.arguments, _carried(before, part)))
        else:
            _write(part, parts)
        before = part
        if isinstance(part, ir.Text):
            _write_sources(part, candidate)
    candidate["content"] = {"parts": parts, "role": "model"}
    candidate["finishReason"] = reasons.written_reason(choice.finish)
    refused = "".join(part.text for part in choice.parts if isinstance(part, ir.Refusal))
    if refused:
        candidate["finishMessage"] = refused
    candidate["index"] = choice.index
    return candidate


def _write_sources(part: ir.Text, candidate: dict[str, Any]) -> None:
    if part.citations:
        grounding = written_citations(part.citations, part.text)
        if grounding is not None:
            candidate["groundingMetadata"] = grounding
    if part.logprobs != ir.NULL:
        logprobs = written_logprobs(part.logprobs)
        if logprobs is not None:
            candidate["logprobsResult"] = logprobs


def _write(part: ir.Part, parts: list[OutPart | msgspec.Raw]) -> None:
    match part:
        case ir.Text() | ir.Refusal():
            if part.text:
                parts.append(OutPart(text=part.text))
        case ir.Reasoning():
            made = _reasoning(part)
            last = parts[-1] if parts else None
            if made.thought or not isinstance(last, OutPart) or last.thoughtSignature:
                if made.text or made.thoughtSignature:
                    parts.append(made)
            else:
                last.thoughtSignature = made.thoughtSignature
        case ir.ToolCall():
            parts.append(_call(part, part.arguments))
        case ir.Image():
            parts.append(_media(part.media_type or "image/png", part.data, part.url))
        case ir.Audio():
            parts.append(_media(part.media_type or "audio/wav", part.data, ""))
        case ir.File():
            parts.append(_media(part.media_type, part.data, part.url or part.file_id))
        case ir.Opaque():
            if part.origin == FORMAT:
                parts.append(part.raw)
        case ir.ToolResult():
            pass  # results are never part of an answer


def _media(media_type: str, data: str, url: str) -> OutPart:
    if data:
        return OutPart(inlineData={"mimeType": media_type, "data": data})
    return OutPart(fileData={"mimeType": media_type, "fileUri": url})


def _reasoning(part: ir.Reasoning) -> OutPart:
    """Shown reasoning is a thought; state of another format travels sealed."""
    if part.origin in ("", FORMAT):
        return OutPart(text=part.text, thought=bool(part.text), thoughtSignature=part.signature)
    signature = ""
    if part.signature or part.data:
        signature = seal(Sealed(part.origin, part.signature, part.data, part.id, part.summary))
    return OutPart(text=part.text, thought=True, thoughtSignature=signature)


def _carried(thought: ir.Part | None, call: ir.Part | None) -> ir.Reasoning | None:
    """The thought, if the call behind it carries its state.

    As Gemini's own calls do: clients send calls back as they were, and thoughts not at all. The
    words alone are state, too: some OpenAI-like services want them back with the call.
    """
    if not isinstance(thought, ir.Reasoning) or not isinstance(call, ir.ToolCall):
        return None
    is_carried = thought.origin != FORMAT and _has_state(thought) and not call.signature
    return thought if is_carried else None


def _has_state(thought: ir.Reasoning) -> bool:
    words = thought.text if thought.origin != FORMAT else ""
    return bool(thought.signature or thought.data or words)


def _call(call: ir.ToolCall, arguments: str, thought: ir.Reasoning | None = None) -> OutPart:
    args = object_or_input(custom_tools.arguments_of(arguments) if call.custom else arguments)
    function: dict[str, Any] = {"name": call.name, "args": args}
    if call.id:
        function["id"] = call.id
    signature = call.signature
    if signature and call.origin not in ("", FORMAT):
        signature = seal(Sealed(call.origin, signature))
    if thought is not None:
        state = (thought.signature, thought.data, thought.id, thought.summary)
        signature = seal(Sealed(thought.origin, *state, True, thought.text))
    return OutPart(functionCall=function, thoughtSignature=signature)


def _escaped(events: bytes) -> bytes:
    """Line and paragraph separators as the service writes them, which is as escapes.

    Google's SDK for JavaScript takes an event's data by `data: (.*)`, and `.` ends at them.
    """
    if b"\xe2\x80" not in events:
        return events
    return events.replace(b"\xe2\x80\xa8", b"\\u2028").replace(b"\xe2\x80\xa9", b"\\u2029")


class StreamEncoder:
    """Events into a client's stream; see `formats.base.StreamEncoder`."""

    __slots__ = (
        "_before",
        "_finished",
        "_heads",
        "_held",
        "_id",
        "_model",
        "_open",
        "_out",
        "_pieces",
        "_refused",
        "_sse",
        "_started",
        "_tails",
        "_text_head",
        "_text_tail",
        "_thought_head",
        "_usage",
    )

    def __init__(self, shown: Shown) -> None:
        self._sse = shown.sse
        self._model = shown.model
        self._id = shown.id
        self._open: dict[tuple[int, int], ir.Part] = {}
        self._pieces: dict[tuple[int, int], list[str]] = {}
        self._finished: dict[int, dict[str, Any]] = {}
        self._held: dict[int, ir.Reasoning] = {}  # thoughts with state, until the next part opens
        self._before: dict[tuple[int, int], ir.Reasoning] = {}  # what a call carries beside itself
        self._refused: dict[int, str] = {}
        self._usage: Usage | None = None
        self._started = False  # has an element of the array gone out?
        self._frame()

    def _frame(self) -> None:
        """Build what stands before and behind each text of the first candidate."""
        self._tails = _encode({"modelVersion": self._model, "responseId": self._id})[1:]
        head = b'{"candidates":[{"content":{"parts":[{'
        tail = b'}],"role":"model"},"index":0}],' + self._tails
        if self._sse:
            head, tail = b"data: " + head, tail + b"\n\n"
        self._text_head = head + b'"text":'
        self._thought_head = head + b'"thought":true,"text":'
        self._text_tail = tail

    def feed(self, events: Sequence[ir.Event]) -> bytes:
        out: list[bytes] = []
        for event in events:
            if type(event) is ir.TextDelta:
                if event.choice == 0 and self._sse and event.logprobs == ir.NULL:
                    out.append(write_delta(self._text_head, event.text, self._text_tail))
                elif event.text:
                    self._text(event, out)
            elif type(event) is ir.ReasoningDelta:
                self._reasoning(event, out)
            elif type(event) is ir.ToolCallDelta:
                self._pieces.setdefault((event.choice, event.index), []).append(event.arguments)
            else:
                self._rare(event, out)
        return _escaped(b"".join(out))

    def finish(self) -> bytes:
        """The last chunk: why each candidate ended, and the tokens used."""
        held = b"".join([self._state(choice, part) for choice, part in self._held.items()])
        self._held = {}
        finished = self._finished or {0: {"finishReason": "STOP", "index": 0}}
        last: dict[str, Any] = {"candidates": list(finished.values())}
        if self._usage is not None:
            last["usageMetadata"] = reasons.written_usage(self._usage)
        chunk = self._chunk(_encode(last)[:-1] + b"," + self._tails)
        return _escaped(held + chunk) + self._end()

    def fail(self, error: GatewayError) -> bytes:
        """The service's own way: an error object in place of the next chunk."""
        return _escaped(self._chunk(error_body(error))) + self._end()

    def _end(self) -> bytes:
        return b"" if self._sse else ARRAY_END

    def _chunk(self, payload: bytes) -> bytes:
        if b"\n" in payload or b"\r" in payload:
            # Only between tokens: what was taken over raw may have been written over many lines.
            payload = payload.replace(b"\n", b"").replace(b"\r", b"")
        if self._sse:
            return b"data: " + payload + b"\n\n"
        opening = ARRAY_BETWEEN if self._started else b"["
        self._started = True
        return opening + payload

    def _part(self, choice: int, part: OutPart | msgspec.Raw, beside: dict[str, Any]) -> bytes:
        candidate = {"content": {"parts": [part], "role": "model"}, "index": choice, **beside}
        return self._chunk(_encode({"candidates": [candidate]})[:-1] + b"," + self._tails)

    def _text(self, event: ir.TextDelta, out: list[bytes]) -> None:
        beside: dict[str, Any] = {}
        if event.logprobs != ir.NULL:
            logprobs = written_logprobs(event.logprobs)
            if logprobs is not None:
                beside["logprobsResult"] = logprobs
        out.append(self._part(event.choice, OutPart(text=event.text), beside))

    def _reasoning(self, event: ir.ReasoningDelta, out: list[bytes]) -> None:
        if event.text:
            if event.choice == 0 and self._sse:
                out.append(write_delta(self._thought_head, event.text, self._text_tail))
            else:
                part = OutPart(text=event.text, thought=True)
                out.append(self._part(event.choice, part, {}))
        key = (event.choice, event.index)
        opened = self._open.get(key)
        if isinstance(opened, ir.Reasoning):
            opened.signature += event.signature
            self._pieces.setdefault(key, []).append(event.text)

    def _rare(self, event: ir.Event, out: list[bytes]) -> None:
        match event:
            case ir.PartStart():
                self._opened(event, out)
            case ir.PartEnd():
                self._ended(event, out)
            case ir.Start():
                if event.origin == FORMAT and event.id:
                    self._id = event.id
                    self._frame()
            case ir.UsageEvent():
                self._usage = event.usage
            case ir.Finish():
                candidate: dict[str, Any] = {"finishReason": reasons.written_reason(event.reason)}
                if event.choice in self._refused:
                    candidate["finishMessage"] = self._refused[event.choice]
                candidate["index"] = event.choice
                self._finished[event.choice] = candidate
            case _:
                pass  # a Failure ends in `fail`, which the caller calls

    def _opened(self, event: ir.PartStart, out: list[bytes]) -> None:
        part = event.part
        key = (event.choice, event.index)
        held = self._held.pop(event.choice, None)
        if held is not None:
            if _carried(held, part) is held:
                self._before[key] = held
            else:
                out.append(self._state(event.choice, held))
        match part:
            case ir.Text() | ir.Refusal():
                self._open[key] = part
                if part.text:
                    out.append(self._part(event.choice, OutPart(text=part.text), {}))
            case ir.Reasoning():
                # A copy of our own: deltas add the signature to it.
                self._open[key] = ir.Reasoning(
                    "", part.signature, part.data, part.origin, part.id, part.summary
                )
                if part.text:
                    self._reasoning(
                        ir.ReasoningDelta(event.index, part.text, "", event.choice), out
                    )
            case ir.ToolCall():
                self._open[key] = part
                self._pieces[key] = [part.arguments] if part.arguments else []
            case _:
                self._open[key] = part

    def _state(self, choice: int, thought: ir.Reasoning) -> bytes:
        """A thought's state by itself, if there is more than its words: those have gone out."""
        made = _reasoning(thought)
        made.text = ""
        return self._part(choice, made, {}) if made.thoughtSignature else b""

    def _ended(self, event: ir.PartEnd, out: list[bytes]) -> None:
        key = (event.choice, event.index)
        opened = self._open.pop(key, None)
        part = event.part if event.part is not None else opened
        match part:
            case ir.ToolCall():
                pieces = self._pieces.pop(key, [])
                arguments = "".join(pieces) if event.part is None else part.arguments
                before = self._before.pop(key, None)
                carried = _carried(before, part)
                if before is not None and carried is None:
                    out.append(self._state(event.choice, before))
                out.append(self._part(event.choice, _call(part, arguments, carried), {}))
            case ir.Reasoning():
                text = "".join(self._pieces.pop(key, ())) or part.text
                thought = msgspec.structs.replace(part, text=text)
                if _has_state(thought):
                    self._held[event.choice] = thought
            case ir.Text():
                beside: dict[str, Any] = {}
                _write_sources(part, beside)
                beside.pop("logprobsResult", None)  # went out with its text
                if beside:
                    out.append(self._part(event.choice, OutPart(text=""), beside))
            case ir.Refusal():
                self._refused[event.choice] = part.text
            case None:
                pass
            case _:
                parts: list[OutPart | msgspec.Raw] = []
                _write(part, parts)
                out.extend(self._part(event.choice, one, {}) for one in parts)
