"""The table of built-in providers: its schema holds, and the table holds to it."""

from importlib import resources

import pytest

from omniroute.config.urls import endpoint_url, url_problem
from omniroute.formats.quirks import ANSWER_QUIRKS, CHAT_QUIRKS
from omniroute.providers.registry import (
    FORMATS,
    QUIRKS,
    TIERS,
    ProviderRow,
    RegistryError,
    load_registry,
    parse_registry,
)

ROWS = load_registry()
BY_ID = {row.id: row for row in ROWS}
each_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)

ENTRY = """
[[providers]]
id = "acme"
name = "Acme"
tier = "apikey"
format = "openai"
base_url = "https://api.acme.test/v1"
auth = "Authorization: Bearer {credential}"
"""


def test_every_chat_provider_of_the_survey_has_a_row() -> None:
    assert len(ROWS) == 132
    assert sum(len(row.models) for row in ROWS) == 556


def test_no_two_rows_claim_the_same_prefix() -> None:
    prefixes = [prefix for row in ROWS for prefix in row.prefixes]
    assert len(set(prefixes)) == len(prefixes)


def test_the_prefix_if_belongs_to_iflow_which_serves_its_documented_model() -> None:
    assert "if" in BY_ID["iflow"].prefixes
    assert any(model.id == "kimi-k2-thinking" for model in BY_ID["iflow"].models)
    assert "if" not in BY_ID["qoder"].prefixes


@each_row
def test_row_obeys_the_schema(row: ProviderRow) -> None:
    assert row.prefixes[0] == row.id
    assert row.name
    assert row.tier in TIERS
    assert row.format in FORMATS
    assert all(name == name.lower() for name, _ in row.headers)
    assert bool(row.auth_header) == bool(row.auth_value)
    if row.auth_header:
        assert row.auth_value.count("{credential}") == 1
    else:
        assert row.tier in ("local", "free")


@each_row
def test_row_is_complete_or_says_what_is_missing(row: ProviderRow) -> None:
    sentence = row.missing(spoken=FORMATS, has_credential=True)
    if row.format == "other" or row.needs:
        assert sentence
        assert row.name in sentence
    else:
        assert sentence == ""


def test_the_usual_local_and_remote_roots_are_roots_not_endpoints() -> None:
    for row in ROWS:
        assert not row.base_url.endswith(("/chat/completions", "/messages", "/responses"))
        if row.format == "claude":
            assert not row.base_url.endswith("/v1")


@each_row
def test_a_complete_row_resolves_to_an_endpoint(row: ProviderRow) -> None:
    if row.placeholders or not row.base_url:
        return
    url = endpoint_url(row.format, row.base_url, path=row.path, query=row.query)
    assert url.startswith(row.base_url + "/")
    filled = url.replace("{model}", "m").replace("{method}", "generateContent")
    assert url_problem(filled) == ""
    assert "//" not in filled.partition("://")[2]
    assert "/v1/v1" not in filled


@pytest.mark.parametrize(
    ("provider", "url"),
    [
        ("openai", "https://api.openai.com/v1/chat/completions"),
        ("perplexity", "https://api.perplexity.ai/chat/completions"),
        ("groq", "https://api.groq.com/openai/v1/chat/completions"),
        ("glm-cn", "https://open.bigmodel.cn/api/coding/paas/v4/chat/completions"),
        ("codex", "https://chatgpt.com/backend-api/codex/responses"),
        ("anthropic", "https://api.anthropic.com/v1/messages?beta=true"),
        ("kimi-coding-apikey", "https://api.kimi.com/coding/v1/messages"),
        ("ollama-local", "http://localhost:11434/api/chat"),
        (
            "gemini",
            "https://generativelanguage.googleapis.com/v1beta/models/{model}:generateContent",
        ),
        ("gemini-cli", "https://cloudcode-pa.googleapis.com/v1internal:{method}"),
        ("kiro", "https://codewhisperer.us-east-1.amazonaws.com/generateAssistantResponse"),
    ],
)
def test_the_endpoint_is_the_one_the_vendor_documents(provider: str, url: str) -> None:
    row = BY_ID[provider]
    assert endpoint_url(row.format, row.base_url, path=row.path, query=row.query) == url


def test_no_quirk_is_declared_in_vain() -> None:
    """Each one is a row's, or one that the formats act on, so that configuration can set it."""
    used = {quirk for row in ROWS for quirk in row.quirks}
    assert used | set(CHAT_QUIRKS) | set(ANSWER_QUIRKS) == set(QUIRKS)


def test_quirks_of_a_format_stand_in_rows_of_that_format_only() -> None:
    wrong = [
        (row.id, quirk)
        for row in ROWS
        for quirk in row.quirks
        if quirk in CHAT_QUIRKS and row.format != "openai"
    ]
    assert not wrong


@pytest.mark.parametrize(
    ("provider", "quirks"),
    [
        ("openai", {"openai-itself"}),
        ("deepseek", {"reasoning-required", "thinking-switch", "json-object-only"}),
        ("qwen", {"leading-system-message", "host-from-sign-in", "enable-thinking"}),
        ("mistral", {"nine-character-ids", "no-reasoning-history"}),
        ("groq", {"no-reasoning-history", "sanitise", "limits-per-model"}),
        ("openrouter", {"reasoning-details", "cache-control", "top-k", "limits-per-model"}),
        ("qianfan", {"system-to-user"}),
    ],
)
def test_a_row_says_how_its_service_departs(provider: str, quirks: set[str]) -> None:
    assert set(BY_ID[provider].quirks) == quirks


def test_no_secret_stands_in_the_table() -> None:
    text = resources.files("omniroute.providers").joinpath("registry.toml").read_text("utf-8")
    for telltale in ("client_secret", "sk-", "AIza", "GOCSPX", "password"):
        assert telltale not in text


def test_missing_speaks_of_the_first_obstacle() -> None:
    azure, codex, local = BY_ID["azure-openai"], BY_ID["codex"], BY_ID["lm-studio"]
    spoken = ("openai",)
    assert "base_url" in azure.missing(spoken=spoken, has_credential=True)
    root = "https://mine.openai.azure.com/openai/v1"
    assert azure.missing(spoken=spoken, base_url=root, has_credential=True) == ""
    assert "api_key" in azure.missing(spoken=spoken, base_url=root, has_credential=False)
    assert "openai-responses" in codex.missing(spoken=spoken, has_credential=True)
    assert "sign-in" in codex.missing(spoken=FORMATS, has_credential=False)
    assert local.missing(spoken=spoken, has_credential=False) == ""


def test_a_row_inherits_its_context_and_its_models_get_a_name() -> None:
    (row,) = parse_registry(
        ENTRY + 'context_tokens = 8\nmodels = [{ id = "a" }, { id = "b", context_tokens = 9 }]\n'
    )
    assert [(m.id, m.name, m.context_tokens) for m in row.models] == [("a", "a", 8), ("b", "b", 9)]


def test_header_sets_are_merged_under_lower_case_names() -> None:
    table = '[header_sets.common]\nX-One = "1"\n' + ENTRY
    (row,) = parse_registry(table + 'header_sets = ["common"]\n[providers.headers]\nX-Two = "2"\n')
    assert row.headers == (("x-one", "1"), ("x-two", "2"))


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ('tier = "rich"', "unknown tier"),
        ('format = "smoke"', "unknown format"),
        ('base_url = "https://api.acme.test/v1/"', "ends in a slash"),
        ('base_url = "https://api.acme.test/v1?x=1"', "not the root"),
        ('base_url = "https://{name}.acme.test/v1"', "needs and a base_url"),
        ('auth = "Bearer {credential}"', "neither 'none' nor"),
        ('auth = "Authorization: Bearer sk-1"', "neither 'none' nor"),
        ('id = "Acme!"', "not an id"),
        ('colour = "red"', "colour"),
        ('quirks = ["loud"]', "unknown quirk"),
        ('sign_in = "magic"', "unknown sign_in"),
        ('path = "/{tenant}/chat"', "only {model} and {method}"),
        ('header_sets = ["none-such"]', "unknown header set"),
        ('models = [{ id = "a" }, { id = "a" }]', "listed twice"),
        ('models = [{ id = "a", format = "smoke" }]', "unknown format of"),
        ('prefixes = ["acme"]', "named twice"),
        ('headers = { Authorization = "x" }', "the gateway decides"),
        ('headers = { X-A = "1", x-a = "2" }', "given twice"),
        ('headers = { X-A = "a\\nb" }', "not plain text"),
        ('quota = { url = "acme", reader = "glm" }', "not the URL of an endpoint"),
        ('quota = { url = "https://acme.example/q", reader = "x" }', "unknown quota reader"),
    ],
)
def test_a_wrong_entry_is_refused_with_its_reason(change: str, complaint: str) -> None:
    key = change.split(" =")[0]
    kept = [line for line in ENTRY.splitlines() if not line.startswith(f"{key} =")]
    with pytest.raises(RegistryError, match=complaint.replace("{", r"\{").replace("}", r"\}")):
        parse_registry("\n".join([*kept, change]))


@pytest.mark.parametrize(
    ("provider", "base_url", "url"),
    [
        ("claude", None, "https://api.anthropic.com/api/oauth/usage"),
        ("claude", "http://127.0.0.1:9/p/cc", "http://127.0.0.1:9/p/cc/api/oauth/usage"),
        ("codex", "http://127.0.0.1:9/p/cx/v1", "http://127.0.0.1:9/p/cx/backend-api/wham/usage"),
        ("codex", "http://own/backend-api/codex/", "http://own/backend-api/wham/usage"),
        ("openrouter", "http://own/api/v1", "http://own/api/v1/key"),
        ("openai", None, ""),
    ],
)
def test_quotas_are_asked_for_where_the_credential_goes(
    provider: str, base_url: str | None, url: str
) -> None:
    assert BY_ID[provider].quota_url(base_url) == url


def test_two_rows_of_one_id_or_prefix_are_refused() -> None:
    with pytest.raises(RegistryError, match="the id is taken"):
        parse_registry(ENTRY + ENTRY)
    other = ENTRY.replace('id = "acme"', 'id = "other"\nprefixes = ["acme"]')
    with pytest.raises(RegistryError, match="belongs to 'acme'"):
        parse_registry(ENTRY + other)


def test_a_damaged_file_is_refused() -> None:
    with pytest.raises(RegistryError, match=r"registry\.toml"):
        parse_registry("[[providers]")
