"""The dialect hands each task to what does it."""

from omniroute.errors import ErrorKind, GatewayError
from omniroute.formats import openai_chat
from omniroute.formats.base import Codec, Dialect, PathFacts
from tests.formats.openai_chat.material import chunk


def test_a_request_on_its_way() -> None:
    dialect: Dialect = openai_chat.dialect()
    codec: Codec = openai_chat.codec()
    assert dialect.format == codec.format == openai_chat.FORMAT
    body = b'{"model":"acme/m","stream":true,"messages":[]}'
    peeked = dialect.peek(body, PathFacts())
    assert (peeked.model, peeked.stream, peeked.include_usage) == ("acme/m", True, False)
    sent = dialect.upstream_body(body, peeked, "m", ask_usage=True)
    assert b'"model":"m"' in sent
    assert b'"include_usage":true' in sent
    assert dialect.upstream_path("/v1/chat/completions?a=b", "m", stream=True) == (
        "/v1/chat/completions?a=b"
    )


def test_an_answer_on_its_way() -> None:
    dialect = openai_chat.dialect()
    tap = dialect.tap(strip_usage=True, max_event_bytes=1000)
    assert tap.feed(chunk("hi")) == chunk("hi")
    assert tap.characters == 2
    assert dialect.stream_content_type() == b"text/event-stream"
    assert dialect.keepalive().startswith(b":")
    usage = dialect.answer_usage(b'{"usage":{"prompt_tokens":3}}')
    assert usage is not None
    assert usage.input_tokens == 3
    assert dialect.upstream_error(b'{"error":{"message":"no"}}').message == "no"


def test_an_answer_is_cleaned_only_where_that_is_asked() -> None:
    dialect = openai_chat.dialect()
    foreign = chunk("hi", x_groq={"id": 1}, service_tier="on_demand")
    plain = dialect.tap(strip_usage=False, max_event_bytes=1000)
    assert plain.feed(foreign) == foreign
    cleaning = dialect.tap(strip_usage=False, max_event_bytes=1000, sanitises=True)
    kept = cleaning.feed(foreign[:9]) + cleaning.feed(foreign[9:])
    assert b"x_groq" not in kept
    assert b"service_tier" not in kept
    assert (kept.endswith(b"}\n\n"), cleaning.characters) == (True, 2)
    assert dialect.sanitised(b'{ "x_groq":1,"id":"a" }') == b'{ "id":"a" }'


def test_a_stream_that_fails_ends_with_the_error_and_the_terminator() -> None:
    dialect = openai_chat.dialect()
    error = GatewayError(ErrorKind.UPSTREAM_BROKEN, "gone")
    last = dialect.error_event(error)
    assert dialect.error_body(error) in last
    assert last.endswith(dialect.terminator)


def test_tokens_are_not_counted_here() -> None:
    dialect = openai_chat.dialect()
    assert dialect.counting_path("/v1/chat/completions", "m") == ""
    assert dialect.counted(5) == b""
