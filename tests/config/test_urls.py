"""What people write as a base URL leads to the endpoint they mean, and nothing is doubled."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.config.urls import (
    chat_url,
    endpoint_url,
    host_and_port,
    names_private_host,
    root_url,
    url_problem,
)

H = "https://api.example.org"
GEMINI_TAIL = "/v1beta/models/{model}:generateContent"

CASES = [
    # openai: the root is taken as it is
    ("openai", f"{H}/v1", f"{H}/v1/chat/completions"),
    ("openai", f"{H}/v1/", f"{H}/v1/chat/completions"),
    ("openai", f"{H}/v1//", f"{H}/v1/chat/completions"),
    ("openai", f"{H}/v1/chat/completions", f"{H}/v1/chat/completions"),
    ("openai", f"{H}/v1/chat/completions/", f"{H}/v1/chat/completions"),
    ("openai", f"{H}/v1/responses", f"{H}/v1/chat/completions"),
    ("openai", H, f"{H}/chat/completions"),
    ("openai", f"{H}/openai/v1", f"{H}/openai/v1/chat/completions"),
    ("openai", f"{H}/api/paas/v4", f"{H}/api/paas/v4/chat/completions"),
    ("openai", f"{H}/v1/openai", f"{H}/v1/openai/chat/completions"),
    ("openai", "http://127.0.0.1:9101/v1", "http://127.0.0.1:9101/v1/chat/completions"),
    ("openai", f"{H}/d/gpt?api-version=1", f"{H}/d/gpt/chat/completions?api-version=1"),
    (
        "openai",
        f"{H}/d/gpt/chat/completions?api-version=1",
        f"{H}/d/gpt/chat/completions?api-version=1",
    ),
    # openai-responses
    ("openai-responses", f"{H}/v1", f"{H}/v1/responses"),
    ("openai-responses", f"{H}/v1/responses", f"{H}/v1/responses"),
    ("openai-responses", f"{H}/v1/chat/completions", f"{H}/v1/responses"),
    ("openai-responses", f"{H}/backend-api/codex", f"{H}/backend-api/codex/responses"),
    # claude: the bare root; /v1 and the endpoint are recognised
    ("claude", H, f"{H}/v1/messages"),
    ("claude", f"{H}/", f"{H}/v1/messages"),
    ("claude", f"{H}/v1", f"{H}/v1/messages"),
    ("claude", f"{H}/v1/", f"{H}/v1/messages"),
    ("claude", f"{H}/v1/messages", f"{H}/v1/messages"),
    ("claude", f"{H}/api/anthropic", f"{H}/api/anthropic/v1/messages"),
    ("claude", f"{H}/api/anthropic/v1", f"{H}/api/anthropic/v1/messages"),
    ("claude", f"{H}?beta=true", f"{H}/v1/messages?beta=true"),
    ("claude", f"{H}/v1/messages?beta=true", f"{H}/v1/messages?beta=true"),
    ("claude", f"{H}/proxy/messages", f"{H}/proxy/messages"),
    # gemini: the bare root; the beta is what is put on, another version is kept
    ("gemini", H, H + GEMINI_TAIL),
    ("gemini", f"{H}/v1beta", H + GEMINI_TAIL),
    ("gemini", f"{H}/v1beta/", H + GEMINI_TAIL),
    ("gemini", f"{H}/v1beta/models", H + GEMINI_TAIL),
    ("gemini", f"{H}/v1beta/models/gemini-pro:generateContent", H + GEMINI_TAIL),
    ("gemini", f"{H}/v1beta/models/gemini-pro:streamGenerateContent?alt=sse", None),
    ("gemini", f"{H}/v1", f"{H}/v1/models/{{model}}:generateContent"),
    ("gemini", f"{H}/v1/models", f"{H}/v1/models/{{model}}:generateContent"),
    ("gemini", f"{H}/v1alpha", f"{H}/v1alpha/models/{{model}}:generateContent"),
    ("gemini", f"{H}/proxy/google", f"{H}/proxy/google{GEMINI_TAIL}"),
    # the rest
    ("ollama", "http://localhost:11434", "http://localhost:11434/api/chat"),
    ("ollama", "http://localhost:11434/api", "http://localhost:11434/api/chat"),
    ("ollama", "http://localhost:11434/api/chat", "http://localhost:11434/api/chat"),
    ("kiro", f"{H}/generate", f"{H}/generate"),
]


@pytest.mark.parametrize(("format", "base_url", "expected"), CASES)
def test_a_base_url_leads_to_its_endpoint(format: str, base_url: str, expected: str | None) -> None:
    if expected is None:
        expected = H + GEMINI_TAIL + "?alt=sse"
    assert chat_url(format, base_url) == expected


@pytest.mark.parametrize(("format", "base_url", "expected"), CASES)
def test_the_root_of_a_base_url_leads_to_the_same_endpoint(
    format: str, base_url: str, expected: str | None
) -> None:
    assert chat_url(format, root_url(format, base_url)) == chat_url(format, base_url)


@given(
    st.sampled_from(["openai", "openai-responses", "claude", "gemini", "ollama", "kiro"]),
    st.lists(
        st.sampled_from(["v1", "v1beta", "v2", "api", "chat", "completions", "models", "messages"]),
        max_size=4,
    ),
    st.sampled_from(["", "/", "//"]),
)
def test_an_endpoint_given_as_base_url_is_itself(
    format: str, segments: list[str], end: str
) -> None:
    base_url = "/".join([H, *segments]) + end
    endpoint = chat_url(format, base_url)
    written = endpoint.replace("{model}", "some-model")
    assert chat_url(format, written) == endpoint


@pytest.mark.parametrize(
    ("base_url", "path", "query", "expected"),
    [
        (f"{H}/v2", "/chat", "", f"{H}/v2/chat"),
        (f"{H}/v2/", "/chat", "", f"{H}/v2/chat"),
        (f"{H}/v2/chat", "/chat", "", f"{H}/v2/chat"),
        (f"{H}/v2?a=1", "/chat", "b=2", f"{H}/v2/chat?a=1&b=2"),
        (f"{H}/v1", "", "b=2", f"{H}/v1/chat/completions?b=2"),
        (f"{H}/v1?b=2", "", "b=2", f"{H}/v1/chat/completions?b=2"),
    ],
)
def test_a_path_and_a_query_of_the_providers_own_are_put_on_once(
    base_url: str, path: str, query: str, expected: str
) -> None:
    assert endpoint_url("openai", base_url, path=path, query=query) == expected


@pytest.mark.parametrize(
    "url",
    [
        "",
        "api.example.org/v1",
        "ftp://api.example.org",
        "https://",
        "https:///v1",
        "https://user:secret@api.example.org",
        "https://api.example.org/v1#top",
        "https://api.example.org:0/v1",
        "https://api.example.org:65536/v1",
        "https://api.example.org:port/v1",
        "https://api.example org/v1",
        "https://api.example.org/v 1",
        "https://{account}.example.org",
        "https://<region>.example.org",
        "https://api.example.org/v1\r\nX: y",
    ],
)
def test_what_is_no_base_url_is_refused_without_repeating_it(url: str) -> None:
    problem = url_problem(url)
    assert problem
    assert "secret" not in problem


@pytest.mark.parametrize("url", [H, f"{H}/v1?x=1", "http://[::1]:80/v1", "HTTPS://EXAMPLE.org"])
def test_a_base_url_is_accepted(url: str) -> None:
    assert url_problem(url) == ""


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://a.example/v1", ("a.example", 80, False)),
        ("https://a.example/v1", ("a.example", 443, True)),
        ("https://[::1]:8443/v1?x=1", ("::1", 8443, True)),
    ],
)
def test_host_and_port_are_told(url: str, expected: tuple[str, int, bool]) -> None:
    assert host_and_port(url) == expected


@pytest.mark.parametrize(
    ("host", "private"),
    [
        ("localhost", True),
        ("api.localhost", True),
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("10.1.2.3", True),
        ("172.16.0.1", True),
        ("172.32.0.1", False),
        ("192.168.1.1", True),
        ("100.64.0.1", True),
        ("[::1]", True),
        ("[fd00::1]", True),
        ("[::ffff:127.0.0.1]", True),
        ("8.8.8.8", False),
        ("localhost.example.org", False),
        ("10.example.org", False),
        ("api.example.org", False),
    ],
)
def test_only_an_address_or_localhost_in_the_url_names_a_private_host(
    host: str, private: bool
) -> None:
    assert names_private_host(f"http://{host}:1/v1") is private
