"""Each Python twin beside its compiled one, on streams and bodies as they really are.

    python -m pytest bench/micro --benchmark-enable

needs the extension built in place and an otherwise idle core. The session ends with one line per
workload: median time of each twin and their ratio; a ratio below 3 fails the run. Whole streams of
each pair of formats are translated besides, with whichever twins are chosen.
"""

import importlib
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from omniroute.formats import ir
from omniroute.formats.base import Shown
from omniroute.formats.table import CODECS
from omniroute.formats.translate import TranslatedStream

ASKED_RATIO = 3.0
TWINS = ["py", "c"]

# OpenAI chat-completion chunks: role, text deltas, finish, usage, end mark; a keepalive between.
WORDS = [
    "The",
    " quick",
    " brown",
    " fox",
    " jumps",
    " over",
    ' the "',
    "lazy",
    '"',
    " dog.",
    "\n\n",
]


def chunk_event(delta: dict[str, Any], **more: Any) -> bytes:
    chunk = {
        "id": "chatcmpl-9bXh2LzJkQ0d7RZ0cVwEoK1nQm5sT",
        "object": "chat.completion.chunk",
        "created": 1735689600,
        "model": "gpt-4o-mini-2024-07-18",
        "service_tier": "default",
        "system_fingerprint": "fp_0aa8d3e20b",
        "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": None}],
        **more,
    }
    return b"data: " + json.dumps(chunk, separators=(",", ":")).encode() + b"\n\n"


USAGE = {"prompt_tokens": 1117, "completion_tokens": 200, "total_tokens": 1317}
EVENTS = [
    chunk_event({"role": "assistant", "content": ""}),
    *(chunk_event({"content": WORDS[i % len(WORDS)]}) for i in range(200)),
    b": keepalive\n\n",
    chunk_event({}, usage=USAGE),
    b"data: [DONE]\n\n",
]
STREAM = b"".join(EVENTS)
READ_BYTES = 16_384


def cut(stream: bytes, size: int) -> list[bytes]:
    return [stream[start : start + size] for start in range(0, len(stream), size)]


def request_body(size: int) -> bytes:
    """A chat request of about `size` bytes: turns of prose, code and tool calls, `model` last."""
    tool = {"name": "read_file", "arguments": json.dumps({"path": "src/main.py", "line": 12})}
    turn = [
        {
            "role": "user",
            "content": "Please look at \u00e4 and explain:\n\n```\nprint('hi')\n```\n" * 6,
        },
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "call_1", "type": "function", "function": tool}],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": "def main():\n    return 0\n" * 20},
    ]
    per_turn = len(json.dumps(turn))
    body = {
        "temperature": 0.2,
        "messages": turn * max(1, round(size / per_turn)),
        "stream": True,
        "stream_options": {"include_usage": True},
        "model": "acme/gpt-4o-mini",
    }
    return json.dumps(body).encode()


# What a model that thinks in its text sends: a block of reasoning, then the answer.
THOUGHT = [
    "<think>",
    "\n",
    *(WORDS[i % len(WORDS)] for i in range(400)),
    "</think>",
    "\n\n",
    *(WORDS[i % len(WORDS)] for i in range(200)),
]


# Deltas of each format, as its service writes them; and how the gateway frames those it writes.
FRAMES = {
    "openai": (
        b'{"id":"chatcmpl-9bXh2LzJkQ0d7RZ0cVwEoK1nQm5sT","object":"chat.completion.chunk",'
        b'"created":1735689600,"model":"gpt-4o-mini-2024-07-18","service_tier":"default",'
        b'"system_fingerprint":"fp_0aa8d3e20b","choices":[{"index":0,"delta":{"content":%b},'
        b'"logprobs":null,"finish_reason":null}],"usage":null,"obfuscation":"aKd83jfdlKa"}'
    ),
    "responses": (
        b'{"type":"response.output_text.delta","item_id":"msg_67c9fdcf37fc8190ba82116e33fb28c5",'
        b'"output_index":0,"content_index":0,"delta":%b,"logprobs":[],"sequence_number":7,'
        b'"obfuscation":"asdjkhf"}'
    ),
    "claude": (
        b'{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":%b}       }'
    ),
    "gemini": (
        b'{"candidates": [{"content": {"parts": [{"text": %b}],"role": "model"},"index": 0}],'
        b'"usageMetadata": {"promptTokenCount": 5,"candidatesTokenCount": 8,"totalTokenCount": 13,'
        b'"promptTokensDetails": [{"modality": "TEXT","tokenCount": 5}]},'
        b'"modelVersion": "gemini-2.5-flash","responseId": "k4s5aPqsD5-xvdIP0"}'
    ),
}
CALL_FRAME = (
    b'{"id":"chatcmpl-9bXh","object":"chat.completion.chunk","created":1735689600,'
    b'"model":"gpt-4o","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,'
    b'"function":{"arguments":%b}}]},"logprobs":null,"finish_reason":null}]}'
)
TEXTS = [WORDS[i % len(WORDS)] for i in range(200)]


def deltas(frame: bytes) -> list[bytes]:
    return [frame % json.dumps(text).encode() for text in TEXTS]


PEEKED = (b"model", b"stream", b"stream_options", b"max_tokens", b"n")


def split_all(twin: Any, chunks: list[bytes]) -> None:
    feed = twin.SseReader(8_388_608).feed
    for chunk in chunks:
        feed(chunk)


def read_all(twin: Any, events: list[bytes]) -> None:
    event_data = twin.event_data
    for event in events:
        event_data(event)


def split_thoughts(twin: Any, texts: list[str]) -> None:
    splitter = twin.ThinkTagSplitter()
    feed = splitter.feed
    for text in texts:
        feed(text)
    splitter.finish()


def read_deltas(reader: str) -> Callable[[Any, list[bytes]], None]:
    def work(twin: Any, payloads: list[bytes]) -> None:
        read = getattr(twin, reader)
        for payload in payloads:
            read(payload)

    return work


def write_deltas(twin: Any, texts: list[str]) -> None:
    write = twin.write_delta
    head, tail = (FRAMES["claude"] + b"\n\n").split(b"%b")
    for text in texts:
        write(head, text, tail)


def find_peeked(twin: Any, body: bytes) -> None:
    twin.find_members(body, PEEKED)


# What is measured: the twins' module, the call, its input, and how many events that is (0: none).
WORKLOADS: dict[str, tuple[str, Callable[[Any, Any], None], Any, int]] = {
    "split, events together (16 KiB reads)": (
        "sse",
        split_all,
        cut(STREAM, READ_BYTES),
        len(EVENTS),
    ),
    "split, each event alone": ("sse", split_all, EVENTS, len(EVENTS)),
    "split, CRLF, 1448-byte segments": (
        "sse",
        split_all,
        cut(STREAM.replace(b"\n", b"\r\n"), 1448),
        len(EVENTS),
    ),
    "split, one byte at a time": ("sse", split_all, cut(STREAM, 1), len(EVENTS)),
    "event_data of chat chunks": ("sse", read_all, EVENTS, len(EVENTS)),
    "event_data of events with a type": (
        "sse",
        read_all,
        [b"event: content_block_delta\n" + event for event in EVENTS],
        len(EVENTS),
    ),
    "think tags, each delta alone": ("thinktags", split_thoughts, THOUGHT, len(THOUGHT)),
    "think tags, deltas of 64 characters": (
        "thinktags",
        split_thoughts,
        ["".join(THOUGHT)[i : i + 64] for i in range(0, len("".join(THOUGHT)), 64)],
        len("".join(THOUGHT)) // 64,
    ),
    **{
        f"deltas read, {name}": ("deltas", read_deltas(f"read_{name}_delta"), deltas(frame), 200)
        for name, frame in FRAMES.items()
    },
    "deltas read, openai, of a call": (
        "deltas",
        read_deltas("read_openai_delta"),
        deltas(CALL_FRAME),
        200,
    ),
    "deltas written": ("deltas", write_deltas, TEXTS, len(TEXTS)),
    "find_members, 1 KB body": ("jsonscan", find_peeked, request_body(1_000), 0),
    "find_members, 100 KB body": ("jsonscan", find_peeked, request_body(100_000), 0),
    "find_members, 400 KB body": ("jsonscan", find_peeked, request_body(400_000), 0),
}


@pytest.fixture(scope="session")
def medians(pytestconfig: pytest.Config) -> Iterator[dict[tuple[str, str], float]]:
    """Collects the median of each workload and twin, in seconds; reports when all are there."""
    measured: dict[tuple[str, str], float] = {}
    yield measured
    if not measured:
        return
    lines = []
    for workload in WORKLOADS:
        if (workload, "py") in measured and (workload, "c") in measured:
            per = max(1, WORKLOADS[workload][3])
            slow, fast = (measured[workload, twin] * 1e6 / per for twin in TWINS)
            unit = "us/event" if per > 1 else "us"
            lines.append(f"{workload:40} {slow:12.3f} {fast:12.3f} {unit:9} {slow / fast:7.1f} x")
    capture = pytestconfig.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        print("\n\n{:40} {:>12} {:>12} {:>19}".format("workload", "python", "compiled", "ratio"))
        print("\n".join(lines))
    behind = [line for line in lines if float(line.split()[-2]) < ASKED_RATIO]
    assert not behind, f"compiled twins below {ASKED_RATIO} x"


@pytest.mark.parametrize("twin", TWINS)
@pytest.mark.parametrize("workload", WORKLOADS)
def test_twin(
    workload: str, twin: str, benchmark: Any, medians: dict[tuple[str, str], float]
) -> None:
    name, work, material, _ = WORKLOADS[workload]
    module = importlib.import_module(f"omniroute._speedups.{name}_{twin}")
    benchmark.group = workload
    benchmark(work, module, material)
    if benchmark.stats is not None:  # with --benchmark-disable nothing is measured
        medians[workload, twin] = benchmark.stats.stats.median


STREAM_EVENTS = 400
SHOWN = Shown("acme/model", "id-1", 1735689600)
PARTS: dict[str, tuple[ir.Part, Callable[[str], ir.Event]]] = {
    "text": (ir.Text(""), lambda text: ir.TextDelta(0, text)),
    "reasoning": (ir.Reasoning(), lambda text: ir.ReasoningDelta(0, text)),
    "call": (ir.ToolCall("call_1", "f", ""), lambda text: ir.ToolCallDelta(0, text)),
}


def stream_of(upstream: str, kind: str) -> list[bytes]:
    """A stream of one long part as the upstream would write it, event by event."""
    part, delta = PARTS[kind]
    encoder = CODECS[upstream].stream_encoder(SHOWN)
    out = [encoder.feed([ir.Start("x", "m", 1, origin=upstream), ir.PartStart(0, part)])]
    out += [encoder.feed([delta(TEXTS[i % len(TEXTS)])]) for i in range(STREAM_EVENTS)]
    out += [encoder.feed([ir.PartEnd(0), ir.Finish("stop")]), encoder.finish()]
    return [data for data in out if data]


@pytest.mark.parametrize("arriving", ["together", "alone"])
@pytest.mark.parametrize("kind", PARTS)
@pytest.mark.parametrize(
    ("upstream", "client"),
    [
        (upstream, client)
        for upstream in ("openai", "openai-responses", "claude", "gemini")
        for client in ("openai", "openai-responses", "claude", "gemini")
        if upstream != client
    ],
)
def test_whole_translated_stream(
    upstream: str, client: str, kind: str, arriving: str, benchmark: Any
) -> None:
    if kind == "call" and upstream == "gemini":
        pytest.skip("Gemini's calls come whole")
    data = stream_of(upstream, kind)
    chunks = data if arriving == "alone" else cut(b"".join(data), READ_BYTES)

    def translate() -> bytes:
        stream = TranslatedStream(
            CODECS[upstream],
            CODECS[client],
            SHOWN,
            8_388_608,
            tool_names={},
            custom=frozenset(),
            splits_thinking=True,
            request_bytes=100,
        )
        return b"".join([stream.feed(chunk) for chunk in chunks]) + stream.finish()

    benchmark.group = f"translated stream of {STREAM_EVENTS} deltas: {kind}, {arriving}"
    assert benchmark(translate)
