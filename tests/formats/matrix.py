"""The matrix of formats: every golden case of one format, told in every other.

What a request or an answer means is told in lines ("user: hello", "call: look {}"), so that two of
them can be compared and a difference can be read. `pairs/<client>_<target>.json` keeps, for each
pair, what a translation drops and adds; after a wanted change it is written anew:

    python -m tests.formats.matrix
"""

import json
import random
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from omniroute.formats import claude, custom_tools, gemini, ir, openai_chat, openai_responses
from omniroute.formats.base import Codec, PathFacts, Shown, TargetModel
from omniroute.formats.fold import fold

GOLDEN = Path(__file__).parent / "golden"
PAIRS = Path(__file__).parent / "pairs"
MAX_EVENT_BYTES = 1 << 20
SHOWN = Shown("acme/some-model", "id-1", 1_767_225_600)


class Format(NamedTuple):
    """One format of the matrix, and a model of its vendor's that can do what the cases ask for."""

    folder: str
    codec: Codec
    target: TargetModel

    @property
    def cases(self) -> list[str]:
        return sorted(path.name for path in (GOLDEN / self.folder).iterdir() if path.is_dir())

    def golden(self, case: str, file: str) -> bytes:
        return (GOLDEN / self.folder / case / file).read_bytes()

    def request(self, case: str) -> ir.Request:
        path = PathFacts(self.target.model)
        return self.codec.decode_request(self.golden(case, "request.json"), path)

    def answer(self, case: str) -> ir.Response:
        return self.codec.decode_response(self.golden(case, "response.json"))

    def events(self, *pieces: bytes) -> list[ir.Event]:
        decoder = self.codec.stream_decoder(MAX_EVENT_BYTES)
        events = [event for piece in pieces for event in decoder.feed(piece)]
        return events + decoder.finish()

    def written(self, events: list[ir.Event]) -> bytes:
        """The events as a stream of this format."""
        encoder = self.codec.stream_encoder(SHOWN)
        return encoder.feed(events) + encoder.finish()


FORMATS = {
    module.FORMAT: Format(module.__name__.rpartition(".")[2], module.codec(), TargetModel(model))
    for module, model in (
        (openai_chat, "gpt-4o"),
        (openai_responses, "gpt-5.1"),
        (claude, "claude-sonnet-4-5"),
        (gemini, "gemini-3-pro-preview"),
    )
}
PAIR_NAMES = [(client, target) for client in FORMATS for target in FORMATS]
REQUESTS = [
    (client, target, case) for client, target in PAIR_NAMES for case in FORMATS[client].cases
]
"""Client's format, target's format, and a case of the client's."""
ANSWERS = [
    (client, target, case)
    for client, target in PAIR_NAMES
    for case in FORMATS[target].cases
    if case != "error"
]
"""Client's format, target's format, and a case of the target's."""


# --- meaning, in lines


def arguments(call: ir.ToolCall) -> str:
    """A call's arguments, told alike however they are spaced, and custom ones as a function's."""
    text = custom_tools.arguments_of(call.arguments) if call.custom else call.arguments
    return json.dumps(json.loads(text or "{}"), sort_keys=True, ensure_ascii=False)


def told(part: ir.Part, who: str, calls: dict[str, str]) -> str:
    """One part in one line; `calls` are the ids of calls so far, with what is told of them."""
    match part:
        case ir.Text():
            return f"{who}: {part.text}"
        case ir.Refusal():
            return f"{who} refuses: {part.text}"
        case ir.Reasoning():
            return f"{who} thinks: {part.text}"
        case ir.ToolCall():
            calls[part.id] = f"{part.name} ({len(calls)})"
            return f"call: {part.name} {arguments(part)}"
        case ir.ToolResult():
            inner = [told(inner, "", calls).removeprefix(": ") for inner in part.parts]
            failed = " failed" if part.is_error else ""
            return f"result of {calls.get(part.call_id)}{failed}: {' | '.join(inner)}"
        case ir.Image() | ir.File():
            what = part.url or f"{part.media_type} of {len(part.data)}"
            return f"{who}: [{type(part).__name__.lower()} {what}]"
        case ir.Audio():
            return f"{who}: [audio {part.media_type} of {len(part.data)}] {part.transcript}"
        case ir.Opaque():
            return f"{who}: [{part.kind} of {part.origin}]"


def members(value: msgspec.Struct, *left_out: str) -> str:
    """The members of a struct that are not at their default, in one line."""
    found = []
    for info in msgspec.structs.fields(value):
        member = getattr(value, info.name)
        empty = member in (None, "", [], {}, info.default)
        if not empty and info.name not in left_out:
            if isinstance(member, msgspec.Raw):
                member = json.dumps(msgspec.json.decode(member), sort_keys=True)
            found.append(f"{info.name}={member}")
    return " ".join(found)


def request_told(request: ir.Request) -> list[str]:
    calls: dict[str, str] = {}
    lines = [told(part, "system", calls) for part in request.system]
    for message in request.messages:
        lines += [told(part, message.role, calls) for part in message.parts]
    lines += [f"tool: {tool.kind} {tool.name}" for tool in request.tools]
    for name in ("tool_choice", "sampling", "reasoning", "response_format"):
        value = getattr(request, name)
        if value is not None and (line := members(value, "extra")):
            lines.append(f"{name}: {line}")
    lines += [
        f"{name}: {value}"
        for name in ("stream", "user", "metadata", "cache_key", "verbosity", "service_tier")
        if (value := getattr(request, name))
    ]
    return lines


def answer_told(response: ir.Response) -> list[str]:
    """What a client is shown: adjacent parts of one kind are one, as its SDK joins them."""
    lines: list[str] = []
    for choice in response.choices:
        whose = f"choice {choice.index}"
        kind: type[ir.Part] | None = None
        for part in choice.parts:
            if isinstance(part, ir.Text | ir.Reasoning) and not part.text:
                continue  # it carries a signature at most
            line = told(part, whose, {})
            if isinstance(part, ir.ToolCall):
                line += f" as {part.id}"
            if isinstance(part, ir.Text | ir.Reasoning) and type(part) is kind:
                lines[-1] += part.text
            else:
                lines.append(line)
            kind = type(part)
            if isinstance(part, ir.Text):
                lines_of_sources = [f"{whose} cites: {it.url or it.title}" for it in part.citations]
                lines[-1:-1] = lines_of_sources
        lines.append(f"{whose} ends: {choice.finish} {choice.stop_sequence}".rstrip())
    if response.usage is not None:
        lines.append(f"usage: {members(response.usage)}")
    return lines


def texts(request: ir.Request) -> list[str]:
    """What was said in so many words, results of tools aside, in order."""
    parts = [*request.system, *(part for message in request.messages for part in message.parts)]
    return [part.text for part in parts if isinstance(part, ir.Text | ir.Refusal) and part.text]


def calls_and_results(request: ir.Request) -> tuple[list[ir.ToolCall], list[ir.ToolResult]]:
    parts = [part for message in request.messages for part in message.parts]
    return (
        [part for part in parts if isinstance(part, ir.ToolCall)],
        [part for part in parts if isinstance(part, ir.ToolResult)],
    )


def without_what_stays_at_home(request: ir.Request) -> ir.Request:
    """The request without the parts that only its own service can read or hear."""
    for message in request.messages:
        message.parts = [
            part
            for part in message.parts
            if not isinstance(part, ir.Audio)
            and not (isinstance(part, ir.File) and (part.file_id or part.url))
        ]
    return request


# --- the translations, and what they change


class Carried(NamedTuple):
    """A request on the other side: as it was sent, and as the target understands it."""

    encoded: ir.Encoded
    understood: ir.Request
    refused: str
    """Why it could not go as it was, where it could not; it then went without those parts."""


def carry(client: Format, target: Format, case: str) -> Carried:
    refused = ""
    request = client.request(case)
    try:
        encoded = target.codec.encode_request(request, target.target)
    except ir.CannotCarry as error:
        refused = str(error)
        request = without_what_stays_at_home(client.request(case))
        encoded = target.codec.encode_request(request, target.target)
    path = PathFacts(target.target.model, request.stream)
    return Carried(encoded, target.codec.decode_request(encoded.body, path), refused)


def whole_shown(client: Format, target: Format, case: str) -> ir.Response:
    """The target's golden answer, as a client understands what it is given."""
    return client.codec.decode_response(client.codec.encode_response(target.answer(case), SHOWN))


def stream_shown(client: Format, target: Format, case: str) -> ir.Response:
    """The target's golden stream, as a client understands what it is given."""
    return fold(client.events(client.written(target.events(target.golden(case, "stream.sse")))))


def difference(before: list[str], after: list[str]) -> dict[str, Any]:
    found = {
        "gone": [line for line in before if line not in after],
        "new": [line for line in after if line not in before],
    }
    return {name: lines for name, lines in found.items() if lines}


def snapshot(client_name: str, target_name: str) -> dict[str, Any]:
    """What the translations of one pair change, case by case."""
    client, target = FORMATS[client_name], FORMATS[target_name]
    requests: dict[str, Any] = {}
    for case in client.cases:
        carried = carry(client, target, case)
        changes = difference(request_told(client.request(case)), request_told(carried.understood))
        if carried.refused:
            changes["refused"] = carried.refused
        if carried.encoded.losses:
            changes["losses"] = carried.encoded.losses
        requests[case] = changes
    answers = {
        case: difference(
            answer_told(target.answer(case)), answer_told(whole_shown(client, target, case))
        )
        for case in target.cases
        if case != "error"
    }
    return {"requests": requests, "answers": answers}


def snapshot_file(client: str, target: str) -> Path:
    return PAIRS / f"{FORMATS[client].folder}_{FORMATS[target].folder}.json"


def cuts(stream: bytes) -> Iterator[list[bytes]]:
    """The same bytes one by one, and cut at random places."""
    yield [stream[at : at + 1] for at in range(len(stream))]
    chosen = random.Random(len(stream))
    for _ in range(3):
        places = sorted(chosen.sample(range(len(stream) + 1), min(9, len(stream))))
        yield [stream[start:end] for start, end in pairwise([0, *places, len(stream)])]


if __name__ == "__main__":
    PAIRS.mkdir(exist_ok=True)
    for pair in PAIR_NAMES:
        text = json.dumps(snapshot(*pair), indent=1, ensure_ascii=False)
        snapshot_file(*pair).write_text(text + "\n", encoding="utf-8")
