"""Which requests take part in what is shared, and that their answers are given in any form."""

import json

import pytest

from omniroute.config import CacheSettings
from omniroute.errors import ErrorKind, GatewayError
from omniroute.formats.base import PathFacts, Shown
from omniroute.formats.table import CODECS, DIALECTS
from omniroute.formats.translate import decode_request
from omniroute.gateway.keeping import KeptBytes
from omniroute.gateway.sharing import Meanings, asked_of, stands_for
from omniroute.installation import Installation
from omniroute.routing.resolve import Names
from omniroute.similarity.embedding import load
from omniroute.snapshot import ComboView, MemberView, ProviderView
from omniroute.state.memory_answers import MemoryAnswers
from omniroute.usage import Usage
from omniroute.wire.http1 import Limits, RequestReader

PATH = PathFacts()
SETTINGS = CacheSettings()
JSON = b"application/json"
NOW = 1_000_000


def head(extra=b""):
    reader = RequestReader(Limits(65536, 100))
    reader.feed(
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n%b\r\n"
        % extra
    )
    return reader.next_request()


def question(text="What is 2+2?", **more):
    messages = [{"role": "user", "content": text}]
    return {"model": "acme/plain", "temperature": 0, "messages": messages, **more}


def asked(body, extra=b"", *, who="alice", format_="openai", decode=None, meanings=None):
    raw = json.dumps(body).encode() if isinstance(body, dict) else body
    dialect = DIALECTS[format_]
    peeked = dialect.peek(raw, PATH)
    return asked_of(
        SETTINGS,
        who,
        None,
        head(extra),
        raw,
        peeked,
        dialect,
        shown=Shown(peeked.model, "id", 1_700_000_000, peeked.include_usage),
        decode=decode or (lambda: decode_request(CODECS[format_], raw, PATH)),
        usage=lambda: Usage(9, 0, 0, 3, 0),
        stands_for=peeked.model,
        meanings=meanings,
    )


def undecodable():
    raise GatewayError(ErrorKind.BAD_REQUEST, "only the provider can tell")


def refused_to_decode():
    raise AssertionError("nothing is decoded for a request that takes no part")


def test_a_request_that_is_one_of_a_kind_takes_no_part():
    assert asked(question(temperature=1), decode=refused_to_decode) is None
    no_cache = b"x-omniroute-no-cache: true\r\n"
    assert asked(question(), no_cache, decode=refused_to_decode) is None
    keyed = asked(question(temperature=1), b"x-request-id: r\r\n", decode=refused_to_decode)
    assert keyed.idempotency_key
    assert keyed.cache_key == b""


def test_what_cannot_be_decoded_or_refers_elsewhere_is_only_not_cached():
    assert asked(question(), decode=undecodable) is None
    image = [{"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}]
    assert asked(question(image)) is None
    assert asked(question(image), b"idempotency-key: k\r\n").cache_key == b""


def test_the_same_meaning_has_one_key_and_another_none():
    first = asked(question())
    turned = b'{"messages":[{"content":"What is 2+2?","role":"user"}],"temperature":0.0 ,'
    assert asked(turned + b'"model":"acme/plain"}').cache_key == first.cache_key
    assert asked(question(stream=True)).cache_key == first.cache_key
    claude = question(max_tokens=9)
    openai = question(max_completion_tokens=9)
    assert asked(claude, format_="claude").cache_key == asked(openai).cache_key
    others = [
        asked(question("What is 2+3?")),
        asked(question(max_tokens=5)),
        asked(question() | {"model": "acme/other"}),
        asked(question(tools=[{"type": "function", "function": {"name": "f"}}])),
        asked(question(), who="bob"),
    ]
    assert len({first.cache_key, *(other.cache_key for other in others)}) == 6


def test_only_clients_of_one_form_share_bytes():
    forms = [
        asked(question()),
        asked(question(stream=True)),
        asked(question(stream=True, stream_options={"include_usage": True})),
        asked(question(max_tokens=9), format_="claude"),
    ]
    assert len({each.form for each in forms}) == 4
    assert asked(question()).form == forms[0].form


ANSWER = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Four."},
            "finish_reason": "stop",
        }
    ],
}


def test_an_answer_is_given_again_in_any_form():
    told = KeptBytes(200, JSON, b"", False, json.dumps(ANSWER).encode())
    kept = asked(question()).keep(told)
    again = asked(question()).replay(kept)
    assert (again.streamed, again.content_type) == (False, JSON)
    body = json.loads(again.body)
    assert body["choices"][0]["message"]["content"] == "Four."
    assert body["usage"]["completion_tokens"] == 3  # counted, though the answer did not tell
    streamed = asked(question(stream=True)).replay(kept)
    assert streamed.streamed
    assert streamed.content_type == b"text/event-stream"
    assert b'"content":"Four."' in streamed.body
    assert streamed.body.endswith(b"data: [DONE]\n\n")
    claude = json.loads(asked(question(max_tokens=9), format_="claude").replay(kept).body)
    assert claude["content"][0]["text"] == "Four."
    # A stream is kept like a whole answer.
    assert asked(question(stream=True)).keep(streamed) is not None


@pytest.mark.parametrize("body", [b"", b"{}", b'{"error":{"message":"no"}}'])
def test_what_is_no_answer_is_not_kept(body):
    assert asked(question()).keep(KeptBytes(200, JSON, b"", False, body)) is None


def test_what_cannot_be_read_is_a_value_error():
    with pytest.raises(ValueError, match="kept"):
        asked(question()).replay(b"of another version")


# --- the semantic tier ---


@pytest.fixture(scope="module")
def embedder():
    return load()


class Tier:
    def __init__(self, embedder, folder):
        self.kept = MemoryAnswers()
        self.installation = Installation.ephemeral(folder)
        self.meanings = Meanings(embedder, self.kept, self.installation, lambda: NOW)

    def answer(self, each):
        """As flights do it: the entry first, then its neighbour."""
        times = {"now_ms": NOW, "expires_ms": NOW + 10**7}
        self.kept.put(each.cache_key, b"o" * 16, b"sealed", limit_bytes=1 << 20, **times)
        each.remember()


@pytest.fixture
def tier(embedder, tmp_path):
    return Tier(embedder, tmp_path)


FIRST = "How do I reverse a list in Python?"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Please, how do I reverse a list in Python?", True),
        ("How do I reverse a list in Java?", False),
        ("How do I not reverse a list in Python?", False),
        ("What is the capital of France?", False),
    ],
)
def test_a_question_in_other_words_finds_the_answer_and_another_does_not(tier, text, found):
    first = asked(question(FIRST), meanings=tier.meanings)
    assert first.similar() is None
    tier.answer(first)
    second = asked(question(text), meanings=tier.meanings)
    assert second.cache_key != first.cache_key
    assert second.similar() == (first.cache_key if found else None)


def test_questions_are_compared_only_where_all_else_is_equal(tier):
    tier.answer(asked(question(FIRST), meanings=tier.meanings))
    text = "Please, how do I reverse a list in Python?"
    assert asked(question(text), meanings=tier.meanings).similar() is not None
    assert asked(question(text), meanings=tier.meanings, who="bob").similar() is None
    assert asked(question(text, max_tokens=5), meanings=tier.meanings).similar() is None
    tool = {"type": "function", "function": {"name": "f"}}
    assert asked(question(text, tools=[tool]), meanings=tier.meanings).similar() is None


def test_no_word_of_a_question_lies_open(tier):
    each = asked(question("Who is Rumpelstiltskin of Knaresborough?"), meanings=tier.meanings)
    tier.answer(each)
    ((neighbour,),) = [list(kept.values()) for kept in tier.kept._buckets.values()]
    for word in (b"umpelstiltskin", b"naresborough"):
        assert word not in neighbour.features + neighbour.vector


def test_features_of_another_key_are_as_good_as_none(tier, tmp_path):
    first = asked(question(FIRST), meanings=tier.meanings)
    tier.answer(first)
    other = Meanings(
        tier.meanings._embedder, tier.kept, Installation.ephemeral(tmp_path), lambda: NOW
    )
    assert asked(question(FIRST), meanings=other).similar() is None


def test_a_request_without_the_tier_has_no_question():
    assert asked(question()).similar is None
    assert asked(question()).remember is None


def test_a_name_stands_for_all_targets_of_its_combos_in_order():
    providers = [
        ProviderView(
            id=name, prefixes=(name,), name=name, format="openai", base_url="", url="", tier="free"
        )
        for name in ("a", "b")
    ]
    inner = ComboView(name="inner", members=(MemberView("b", "y"), MemberView("a", "z")))
    outer = ComboView(name="outer", members=(MemberView("a", "x"), MemberView(combo="inner")))
    names = Names(providers, combos=(inner, outer))
    assert stands_for(names.resolve("outer")) == "outer: a/x, b/y, a/z"
    assert stands_for(names.resolve("a/x")) == ": a/x"
