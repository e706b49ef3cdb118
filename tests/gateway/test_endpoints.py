"""Which path leads where."""

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.gateway.endpoints import EXACT, Kind, find, query_key

LEADS = [
    "/v1/",
    "/",
    "/v1/v1/",
    "/codex/",
    "/codex/v1/",
    "/v1/codex/",
    "//v1/",
    "/v1//",
    "/v1/v1/v1/",
]
UNBUILT = [
    "completions",
    "responses",
    "messages",
    "messages/count_tokens",
    "embeddings",
    "images/generations",
    "audio/transcriptions",
    "audio/speech",
    "moderations",
    "rerank",
]


@pytest.mark.parametrize("tail", ["", "/", "?api-version=1", "/?x=/healthz"])
@pytest.mark.parametrize("lead", LEADS)
def test_chat_is_reached_however_tools_are_configured(lead, tail):
    endpoint = find(f"{lead}chat/completions{tail}".encode())
    assert endpoint.kind is Kind.CHAT
    assert endpoint.name == "/v1/chat/completions"
    assert endpoint.provider is None
    assert endpoint.methods == (b"POST",)
    assert endpoint.needs_key


@pytest.mark.parametrize("lead", LEADS)
@pytest.mark.parametrize("path", UNBUILT)
def test_what_the_contract_names_but_is_not_built_is_known(lead, path):
    endpoint = find(f"{lead}{path}".encode())
    assert endpoint.kind is not Kind.UNKNOWN
    assert endpoint.name == f"/v1/{path}"
    assert endpoint.needs_key


@pytest.mark.parametrize("lead", LEADS)
def test_models_are_listed_and_found(lead):
    assert find(f"{lead}models".encode()).kind is Kind.MODELS
    for name in ("acme/plain", "acme%2Fplain", "acme%2fpl%61in"):
        endpoint = find(f"{lead}models/{name}?x=1".encode())
        assert (endpoint.kind, endpoint.argument) == (Kind.MODEL, "acme/plain")
    assert find(f"{lead}models/".encode()).kind is Kind.MODELS


@pytest.mark.parametrize("inner", ["", "v1/", "v1/v1/", "/", "codex/"])
@pytest.mark.parametrize("lead", LEADS)
def test_each_also_under_a_provider(lead, inner):
    under = f"{lead}providers/acme/{inner}"
    chat = find(f"{under}chat/completions".encode())
    assert (chat.kind, chat.provider) == (Kind.CHAT, "acme")
    models = find(f"{under}models".encode())
    assert (models.kind, models.provider) == (Kind.MODELS, "acme")
    model = find(f"{under}models/vendor/x".encode())
    assert (model.kind, model.provider, model.argument) == (Kind.MODEL, "acme", "vendor/x")
    assert find(f"{under}responses".encode()).provider == "acme"


@pytest.mark.parametrize(
    "target",
    [
        "/v1/providers",
        "/v1/providers/",
        "/v1/providers//chat/completions",
        "/v1/providers/acme",
        "/v1/providers/acme/",
        "/v1/providers/acme/nothing",
        "/v1/providers/a/providers/b/chat/completions",
        "/v1/providers/a/v1/providers/b/chat/completions",
        "/v1/providers/ac%2Fme/chat/completions",
    ],
)
def test_a_provider_path_without_a_provider_or_an_endpoint_leads_nowhere(target):
    assert find(target.encode()).kind is Kind.UNKNOWN


def test_the_provider_of_a_path_is_decoded():
    assert find(b"/v1/providers/my%2Dacme/chat/completions").provider == "my-acme"


@pytest.mark.parametrize(
    "target",
    [
        "/v1",
        "/v1/",
        "/v2/chat/completions",
        "/v1/chat",
        "/v1/chat/completions/x",
        "/v1/Chat/Completions",
        "/v1/chat%20completions",
        "/v1chat/completions",
        "/x/v1/chat/completions",
        "/v1/../chat/completions",
        "/v1/%2e%2e/chat/completions",
        "/codex",
        "/favicon.ico",
        "*",
        "",
        "?",
        "/%ff%fe",
    ],
)
def test_other_paths_lead_nowhere_and_serve_no_method(target):
    endpoint = find(target.encode())
    assert endpoint.kind is Kind.UNKNOWN
    assert endpoint.methods == ()
    assert endpoint.needs_key


def test_an_escaped_letter_is_the_letter():
    assert find(b"/v1/chat%2Fcompletions").kind is Kind.CHAT
    assert find(b"/%761/ch%61t/completions").kind is Kind.CHAT


@pytest.mark.parametrize(
    ("target", "kind"),
    [
        ("/", Kind.ROOT),
        ("/healthz", Kind.HEALTH),
        ("/readyz", Kind.READY),
        ("/healthz?x", Kind.HEALTH),
    ],
)
def test_probes_need_no_key(target, kind):
    endpoint = find(target.encode())
    assert endpoint.kind is kind
    assert not endpoint.needs_key


def test_only_probes_and_management_need_no_key():
    """The short list: whatever else is added to the table is behind the key check."""
    open_paths = {path for path, endpoint in EXACT.items() if not endpoint.needs_key}
    assert open_paths == {b"/", b"/healthz", b"/readyz"}


def test_the_quick_table_and_the_search_agree():
    for path, endpoint in EXACT.items():
        assert find(path) == find(path + b"?x=1") == endpoint


# --- the data plane and the management plane never meet -----------------------------------------


@pytest.mark.parametrize(
    "target",
    [
        "/api",
        "/api/",
        "/api/keys",
        "/api?x",
        "/dashboard",
        "/dashboard/",
        "/dashboard/app.js?v=1",
        "/metrics",
        "/api/v1/chat/completions",
        "/api/../v1/chat/completions",
    ],
)
def test_management_paths_are_relayed(target):
    assert find(target.encode()).kind is Kind.MANAGEMENT


@pytest.mark.parametrize(
    "target",
    [
        "/v1/api/keys",
        "/codex/api/keys",
        "//api/keys",
        "/%61pi/keys",
        "/api%2Fkeys",
        "/apis",
        "/API/keys",
        "/dashboards",
        "/metrics/x",
        "/./api/keys",
        "/v1/../api/keys",
        "/v1/providers/acme/api/keys",
        "/healthz/../api/keys",
    ],
)
def test_nothing_else_is(target):
    """What the other side could read as its own path must not get there by a detour."""
    assert find(target.encode()).kind is Kind.UNKNOWN


@given(st.text(alphabet="/v1codexapidashboardmetricsmodelsproviders%2Fe.?=", max_size=60))
def test_management_is_exactly_its_three_prefixes(text):
    target = f"/{text}".encode()
    path = target.partition(b"?")[0]
    expected = path in (b"/api", b"/dashboard", b"/metrics") or path.startswith(
        (b"/api/", b"/dashboard/")
    )
    assert (find(target).kind is Kind.MANAGEMENT) is expected


@given(st.binary(max_size=80))
def test_no_bytes_break_the_search(target):
    assert find(target).kind in Kind
    query_key(target)


@given(st.text(min_size=1, max_size=30).filter(lambda name: name.strip("/") == name))
def test_any_name_of_a_model_survives_its_escape(name):
    assert find(f"/v1/models/{quote(name, safe='')}".encode()).argument == name


def test_a_long_path_of_prefixes_is_no_burden():
    assert find(b"/v1" * 5000 + b"/chat/completions").kind is Kind.CHAT
    assert find(b"/v1/providers/a" * 1000).kind is Kind.UNKNOWN


# --- ?key= --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "key"),
    [
        ("/v1/models", None),
        ("/v1/models?", None),
        ("/v1/models?key=sk-1", b"sk-1"),
        ("/v1/models?alt=sse&key=sk-1&x=2", b"sk-1"),
        ("/v1/models?monkey=1", None),
        ("/v1/models?Key=1", None),
        ("/v1/models?key", b""),
        ("/v1/models?key=", b""),
        ("/v1/models?key=a%2Bb%20c", b"a+b c"),
        ("/v1/models?key=a=b", b"a=b"),
        ("/v1/models?key=first&key=second", b"first"),
        ("/v1/models?key=%ff", "\ufffd".encode()),
        ("/v1/models?key=%C3%A4", "ä".encode()),
    ],
)
def test_a_key_in_the_query_is_found(target, key):
    assert query_key(target.encode()) == key
