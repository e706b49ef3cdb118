"""Deltas read and written by themselves: on both twins, against typed decoders and encoders.

Whatever the readers take, the stream decoders must make of it what they make of it without them;
whatever they do not take is None. Nothing that comes may raise.
"""

import importlib
import random
import re
from collections.abc import Iterator
from importlib.util import find_spec
from types import ModuleType

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute._speedups import deltas_py
from omniroute._speedups.contract import ARGUMENTS, REASONING, SUMMARY, TEXT
from omniroute.formats import ir
from omniroute.formats.claude import decoder as claude
from omniroute.formats.claude import tap as claude_tap
from omniroute.formats.gemini import reading as gemini
from omniroute.formats.openai_chat import stream_decoding as openai
from omniroute.formats.openai_chat import tap as openai_tap
from omniroute.formats.openai_responses import stream_decoding as responses
from omniroute.formats.table import CODECS, DIALECTS

COMPILED = "omniroute._speedups.deltas_c"
TWINS = ["py", "c"] if find_spec(COMPILED) else ["py"]
CASES = 25_000  # for each of four formats

# Format -> the reader's name, the module that reads streams with it, events that begin a stream,
# and deltas as services write them.
OPENAI_CHUNK = (
    b'{"id":"chatcmpl-9bXh","object":"chat.completion.chunk","created":1735689600,'
    b'"model":"gpt-4o","service_tier":"default","choices":[{"index":0,"delta":%b,'
    b'"logprobs":null,"finish_reason":null}],"usage":null,"obfuscation":"aKd8"}'
)
CALL_BEGINS = b'{"tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"f"}}]}'
CLAUDE_DELTA = b'{"type":"content_block_delta","index":%d,"delta":{"type":"%b","%b":%b} }'
CLAUDE_START = b'{"type":"content_block_start","index":%d,"content_block":%b}'
RESPONSES_DELTA = (
    b'{"type":"response.%b.delta","item_id":"msg_67c9","output_index":%d,"%b":0,'
    b'"delta":%b,"logprobs":[],"sequence_number":7,"obfuscation":"x"}'
)
RESPONSES_CALL = (
    b'{"type":"response.output_item.added","output_index":1,'
    b'"item":{"type":"function_call","id":"fc","call_id":"c","name":"f"}}'
)
GEMINI_CHUNK = (
    b'{"candidates": [{"content": {"parts": [{"text": %b%b}],"role": "model"},"index": 0,'
    b'"safetyRatings": [{"category": "C","probability": "LOW"}]}],'
    b'"usageMetadata": {"promptTokenCount": 5,"candidatesTokenCount": %d,"promptTokensDetails": '
    b'[{"modality": "TEXT","tokenCount": 5}]},"modelVersion": "g","responseId": "r"}'
)
FORMATS: dict[str, tuple[str, ModuleType, list[bytes], list[bytes]]] = {
    "openai": (
        "read_openai_delta",
        openai,
        [OPENAI_CHUNK % b'{"role":"assistant","content":"a"}', OPENAI_CHUNK % CALL_BEGINS],
        [
            OPENAI_CHUNK % b'{"content":" quick"}',
            OPENAI_CHUNK % b'{"content":null,"reasoning_content":"so \\u00e9\\ud83d\\ude00"}',
            OPENAI_CHUNK % b'{"tool_calls":[{"index":0,"function":{"arguments":"{\\"a\\""}}]}',
        ],
    ),
    "openai-responses": (
        "read_responses_delta",
        responses,
        [
            b'{"type":"response.created","response":{"id":"r"}}',
            RESPONSES_DELTA % (b"output_text", 0, b"content_index", b'"a"'),
            RESPONSES_CALL,
        ],
        [
            RESPONSES_DELTA % (b"output_text", 0, b"content_index", b'" quick"'),
            RESPONSES_DELTA % (b"function_call_arguments", 1, b"nothing", b'"{\\"a\\""'),
            RESPONSES_DELTA % (b"reasoning_summary_text", 2, b"summary_index", '"é"'.encode()),
            RESPONSES_DELTA % (b"reasoning_text", 3, b"content_index", b'"so"'),
        ],
    ),
    "claude": (
        "read_claude_delta",
        claude,
        [
            b'{"type":"message_start","message":{"id":"m","model":"c"}}',
            CLAUDE_START % (0, b'{"type":"text","text":""}'),
            CLAUDE_START % (1, b'{"type":"thinking","thinking":""}'),
            CLAUDE_START % (2, b'{"type":"tool_use","id":"t","name":"f","input":{}}'),
        ],
        [
            CLAUDE_DELTA % (0, b"text_delta", b"text", b'" quick"'),
            CLAUDE_DELTA % (1, b"thinking_delta", b"thinking", '"é"'.encode()),
            CLAUDE_DELTA % (2, b"input_json_delta", b"partial_json", b'"{\\"a\\""'),
        ],
    ),
    "gemini": (
        "read_gemini_delta",
        gemini,
        [GEMINI_CHUNK % (b'"a"', b"", 1)],
        [
            GEMINI_CHUNK % (b'"quick \\u003c"', b"", 2),
            GEMINI_CHUNK % (b'"so"', b',"thought": true', 3),
        ],
    ),
}
TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[-0-9.]+|[a-z]+|[ ]+|[^ ]')
# What mutations put in: values, members with a meaning, broken things, odd spellings.
SPICE = (
    b"null true false 0 1 -0 -1 01 1.5 1. 1e3 1234567890 999999999 "
    b"12345678901234567890123456789012 123456789012345678901234567890123 NaN [] {} [0] "
    b'"" "x" "a\\nb" "\\ud83d\\ude00" "\\ud83d" "\\ude00" "\\u00g0" "\\q" "\\u0000" '
    b'"\xc3\xa9" "\xff" "\xed\xa0\x80" "con\\u0074ent" "tex\\u0074" "typ\\u0065" , : [ ] { } " '
    b'"content":"y" "content":null "content":"" "index":0 "index":1 "usage":{} "usage":null '
    b'"error":null "error":"x" "finish_reason":"stop" "finish_reason":null "message":null '
    b'"refusal":"x" "refusal":"" "tool_calls":null "tool_calls":[] "role":"assistant" '
    b'"reasoning":"r" "reasoning_text":"t" "logprobs":[] "logprobs":{} "id":"" "id":"z" '
    b'"name":"" "name":"n" "arguments":"b" "type":"text" "type":null "citation":null '
    b'"citation":{} "stop_reason":"end_turn" "signature":"" "signature":"s" "text":"y" '
    b'"thinking":"h" "partial_json":"p" "delta":"d" "part":null "item":{} "content_index":1 '
    b'"summary_index":2 "output_index":3 "thought":true "thought":null "thoughtSignature":"" '
    b'"thoughtSignature":"s" "functionCall":null "finishReason":"STOP" "finishReason":"" '
    b'"promptFeedback":{} "usageMetadata":null "totalTokenCount":7 "x":[[[[]]]] '
    b'"x":{"y":{"z":1}} "x":[1,2,{"a":null}] "x":[1,] "x":{"a":1,} "x":{"a"} \n \r'
).split(b" ")
DEEP = [b'"x":' + b"[" * depth + b"]" * depth for depth in (16, 17, 40)]


@pytest.fixture(params=TWINS)
def twin(request: pytest.FixtureRequest) -> ModuleType:
    return importlib.import_module(f"omniroute._speedups.deltas_{request.param}")


def mutated(payload: bytes, rng: random.Random) -> bytes:
    """The payload with a few of its tokens replaced, dropped, doubled, or joined by others."""
    tokens = TOKEN.findall(payload)
    for _ in range(rng.choice((0, 1, 1, 1, 2, 3))):
        at = rng.randrange(len(tokens))
        spice = rng.choice(SPICE) if rng.random() < 0.97 else rng.choice(DEEP)
        match rng.randrange(6):
            case 0:
                tokens[at] = spice
            case 1 if len(tokens) > 1:
                del tokens[at]
            case 2:
                tokens.insert(at, tokens[at])
            case 3:
                tokens.insert(at, rng.choice((b" ", b"\t", b"\n", b"\r\n", b"\xc3")))
            case 4:
                commas = [i for i, token in enumerate(tokens) if token in (b",", b"}")]
                if commas:
                    tokens.insert(rng.choice(commas), b"," + spice)
            case _:
                braces = [i for i, token in enumerate(tokens) if token == b"{"]
                if braces:
                    tokens.insert(rng.choice(braces) + 1, spice + b",")
    return b"".join(tokens)


def inputs(name: str, count: int) -> Iterator[bytes]:
    rng = random.Random(name)
    deltas = FORMATS[name][3]
    for _ in range(count):
        yield mutated(rng.choice(deltas), rng)


def told(name: str, payload: bytes) -> tuple[list[ir.Event], str, bool]:
    """What the format's stream decoder makes of the payload within a stream."""
    decoder = CODECS[name].stream_decoder(1 << 20)
    for opening in FORMATS[name][2]:
        decoder.feed(b"data: " + opening + b"\n\n")
    data = b"".join(b"data: " + line + b"\n" for line in re.split(rb"\r\n|[\r\n]", payload))
    events: list[ir.Event] = []
    error = ""
    try:
        # Once in the part that is open, and once more in the one that this opened.
        events = decoder.feed(data + b"\n")
        events += decoder.feed(data + b"\n")
        events += decoder.finish()
    except ir.FormatError as caught:
        error = str(caught)
    return events, error, decoder.done


@pytest.mark.parametrize("name", FORMATS)
def test_twins_agree_and_decoders_tell_the_same_with_and_without(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, module, _, _ = FORMATS[name]
    reference = getattr(deltas_py, reader)
    twins = [importlib.import_module(f"omniroute._speedups.deltas_{twin}") for twin in TWINS]
    taken = 0
    for payload in inputs(name, CASES):
        delta = reference(payload)
        for twin in twins:
            assert getattr(twin, reader)(payload) == delta, payload
        if delta is None:
            continue
        taken += 1
        monkeypatch.setattr(module, reader, reference)
        short = told(name, payload)
        monkeypatch.setattr(module, reader, lambda _: None)
        assert told(name, payload) == short, payload
    assert taken > CASES // 10


@pytest.mark.parametrize("name", FORMATS)
def test_deltas_as_services_write_them_are_taken(name: str, twin: ModuleType) -> None:
    read = getattr(twin, FORMATS[name][0])
    expected = {
        "openai": [
            (TEXT, 0, 0, " quick"),
            (REASONING, 0, 0, "so é\U0001f600"),
            (ARGUMENTS, 0, 0, '{"a"'),
        ],
        "openai-responses": [
            (TEXT, 0, 0, " quick"),
            (ARGUMENTS, 1, 0, '{"a"'),
            (SUMMARY, 2, 0, "é"),
            (REASONING, 3, 0, "so"),
        ],
        "claude": [(TEXT, 0, 0, " quick"), (REASONING, 1, 0, "é"), (ARGUMENTS, 2, 0, '{"a"')],
        "gemini": [(TEXT, 0, 1, "quick <"), (REASONING, 0, 1, "so")],
    }
    assert [read(payload) for payload in FORMATS[name][3]] == expected[name]


@pytest.mark.parametrize(
    ("name", "payload"),
    [
        ("openai", OPENAI_CHUNK % b'{"content":""}'),
        ("openai", OPENAI_CHUNK % b'{"content":"a","content":"b"}'),
        ("openai", OPENAI_CHUNK % b'{"content":"a","reasoning":"b"}'),
        ("openai", OPENAI_CHUNK % b'{"content":[{"type":"text","text":"a"}]}'),
        ("openai", OPENAI_CHUNK % CALL_BEGINS),
        ("openai", (OPENAI_CHUNK % b'{"content":"a"}').replace(b"null}]", b'"stop"}]')),
        ("openai", (OPENAI_CHUNK % b'{"content":"a"}').replace(b'"usage":null', b'"usage":{}')),
        ("openai", (OPENAI_CHUNK % b'{"content":"a"}')[:-1]),
        ("openai", OPENAI_CHUNK % b'{"content":"a"}' + b"x"),
        ("openai", b'{"choices":[]}'),
        ("openai", b"[DONE]"),
        ("openai", b""),
        ("openai-responses", RESPONSES_DELTA % (b"refusal", 0, b"content_index", b'"a"')),
        ("openai-responses", RESPONSES_DELTA % (b"output_text", 0, b"content_index", b"null")),
        ("openai-responses", b'{"output_index":0,"delta":"a"}'),
        ("claude", CLAUDE_DELTA % (0, b"signature_delta", b"signature", b'"a"')),
        ("claude", b'{"type":"message_delta","delta":{"text":"a"}}'),
        ("claude", b'{"delta":{"text":"a"}}'),
        ("gemini", GEMINI_CHUNK % (b'"a"', b',"thoughtSignature":"s"', 1)),
        ("gemini", GEMINI_CHUNK % (b'"a"', b',"functionCall":{"name":"f"}', 1)),
        ("gemini", (GEMINI_CHUNK % (b'"a"', b"", 1)).replace(b'"index"', b'"finishReason":"STOP"')),
    ],
)
def test_what_says_more_or_less_is_left_to_the_typed_decoder(
    name: str, payload: bytes, twin: ModuleType
) -> None:
    assert getattr(twin, FORMATS[name][0])(payload) is None


@pytest.mark.parametrize("name", FORMATS)
@given(payload=st.one_of(st.binary(max_size=80), st.text(max_size=80).map(str.encode)))
def test_no_bytes_raise(name: str, payload: bytes) -> None:
    for number in TWINS:
        read = getattr(
            importlib.import_module(f"omniroute._speedups.deltas_{number}"), FORMATS[name][0]
        )
        assert read(payload) is None
        inside = payload.join(FORMATS[name][3][0].split(b" quick", 1))
        assert read(inside) == getattr(deltas_py, FORMATS[name][0])(inside)


@given(text=st.text())
def test_any_text_is_read_as_it_was_written(text: str) -> None:
    for number in TWINS:
        twin = importlib.import_module(f"omniroute._speedups.deltas_{number}")
        written = twin.write_delta(b'{"choices":[{"delta":{"content":', text, b"}}]}")
        wanted = (TEXT, 0, 0, text) if text else None
        assert twin.read_openai_delta(written) == wanted
        assert twin.write_delta(b"", text, b"") == msgspec.json.encode(text)


def test_every_character_is_written_as_the_encoder_writes_it(twin: ModuleType) -> None:
    for first in range(0, 0x11000, 0x100):
        text = "".join(chr(c) for c in range(first, first + 0x100) if not 0xD800 <= c < 0xE000)
        assert twin.write_delta(b"<", text, b">") == b"<" + msgspec.json.encode(text) + b">"


def test_halves_of_surrogate_pairs_are_not_written(twin: ModuleType) -> None:
    with pytest.raises(UnicodeEncodeError):
        twin.write_delta(b"", "a\ud800", b"")


def test_other_types_are_refused(twin: ModuleType) -> None:
    for name, _, _, _ in FORMATS.values():
        with pytest.raises(TypeError):
            getattr(twin, name)("{}")
    with pytest.raises(TypeError):
        twin.write_delta(b"", b"", b"")


@pytest.mark.parametrize(("name", "tap"), [("openai", openai_tap), ("claude", claude_tap)])
def test_taps_count_the_same_with_and_without(
    name: str, tap: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = FORMATS[name][0]

    def tapped(payload: bytes, *, strip: bool) -> tuple[object, ...]:
        reading = DIALECTS[name].tap(strip_usage=strip, max_event_bytes=1 << 20)
        out = reading.feed(b"data: " + re.sub(rb"[\r\n]", b" ", payload) + b"\n\n")
        return out, reading.generated, reading.characters, reading.usage, reading.error

    for payload in inputs(name, CASES // 5):
        if getattr(deltas_py, reader)(payload) is None:
            continue
        for strip in (False, True):
            monkeypatch.setattr(tap, reader, getattr(deltas_py, reader))
            short = tapped(payload, strip=strip)
            monkeypatch.setattr(tap, reader, lambda _: None)
            assert tapped(payload, strip=strip) == short, payload
