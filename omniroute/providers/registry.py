"""Read the table of built-in providers, `registry.toml`.

A provider is a row of data plus the codec of its wire format, so adding an OpenAI-compatible one is
one entry in the table and no code. `load_registry()` reads the table, checks it whole and returns
immutable rows; it is called where configuration is compiled, never on the way of a request, and
takes about 25 ms.

Invariants of what it returns:
- ids are unique, and no two rows share a prefix; a row's own id is always its first prefix;
- header names are lower case, and no fixed header is one that the gateway itself decides;
- `base_url` is a root as the vendor's SDK takes it, without a trailing slash. It may hold
  placeholders in braces, which only the person can fill in, or be empty: see
  `ProviderRow.missing`;
- `path`, where given, is the whole way from the root to the chat call; `{model}` and `{method}` in
  it are filled in per request.
"""

import re
import tomllib
from collections.abc import Collection, Mapping
from importlib import resources
from urllib.parse import urlsplit

import msgspec

from omniroute.formats.quirks import ANSWER_QUIRKS, CHAT_QUIRKS
from omniroute.resilience.verdict import LIMITS_PER_MODEL

__all__ = [
    "FORMATS",
    "QUIRKS",
    "QUOTA_READERS",
    "SIGN_INS",
    "TIERS",
    "ModelRow",
    "ProviderRow",
    "QuotaRow",
    "RegistryError",
    "load_registry",
    "parse_registry",
]

TIERS = ("subscription", "apikey", "cheap", "free", "local")

FORMATS = (
    "openai",
    "openai-responses",
    "claude",
    "gemini",
    "gemini-cli",
    "antigravity",
    "kiro",
    "cursor",
    "ollama",
    "other",  # a dialect of the vendor's own that no codec is planned for
)

SIGN_INS: Mapping[str, str] = {
    "oauth": "a browser sign-in",
    "service-account": "a token made from a Google service account",
    "iam": "a token exchanged for an IBM Cloud API key",
}

QUIRKS: Mapping[str, str] = {
    **CHAT_QUIRKS,
    **ANSWER_QUIRKS,
    "bearer-or-x-api-key": "a console key goes into x-api-key, a sign-in token into Authorization",
    "tool-name-prefix": "tool names are prefixed on the way in and restored on the way out",
    "always-stream": "answers only as a stream, and stores nothing",
    "instructions-required": "refuses a request without instructions",
    "effort-suffix": "a suffix of the model id sets the reasoning effort",
    "leading-system-message": "wants a system message first, even an empty one",
    "host-from-sign-in": "the sign-in names the host that serves the account",
    "at-most-128-tools": "refuses a request with more than 128 tools",
    "reasoning-text": "reasoning comes as reasoning_text",
    "signed-headers": "each request carries a session, a time and their HMAC",
    "project-envelope": "request and answer are wrapped, beside the Google project id",
    "aws-event-stream": "answers in AWS event-stream frames",
    "connect-rpc": "ConnectRPC with protobuf over HTTP/2",
    LIMITS_PER_MODEL: "limits of rate are those of each model, not of the account",
    "device-headers": "a sign-in token goes with headers that describe the device",
    "long-thinking-preset": "by default 65536 output tokens, of them 24576 for thinking",
}

QUOTA_READERS = frozenset(
    (
        "claude",
        "codex",
        "copilot",
        "crof",
        "deepseek",
        "glm",
        "kimi",
        "minimax",
        "minimax-coding",
        "nanogpt",
        "openrouter",
    )
)
"""Shapes of quota endpoints; `providers.quota_endpoints` reads them."""

_AUTH = re.compile(r"([A-Za-z][A-Za-z0-9-]*): ((?:[A-Za-z]+ )?\{credential\})")
_ID = re.compile(r"[a-z0-9][a-z0-9.-]*")
_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")
_URL = re.compile(r"https?://[^\s/?#]+(?:/[^\s?#]*)?")
_PER_REQUEST = frozenset({"model", "method"})
# Hop-by-hop, framing and credential headers belong to the gateway, whatever a row says.
_RESERVED_HEADERS = frozenset(
    [
        "accept-encoding",
        "authorization",
        "connection",
        "content-length",
        "cookie",
        "expect",
        "host",
        "keep-alive",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "x-api-key",
    ]
)


class RegistryError(ValueError):
    """The table of built-in providers contradicts its schema; the message names the row."""


class ModelRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A model that a provider is known to serve. Models that are not listed pass all the same."""

    id: str
    name: str = ""
    """For people; the id where nobody gave a better one."""
    context_tokens: int | None = None
    max_output_tokens: int | None = None
    format: str = ""
    """The format this model is spoken to in, where it differs from the provider's."""
    tools: bool = True
    drop_params: tuple[str, ...] = ()
    """Sampling parameters that this model refuses."""


class QuotaRow(msgspec.Struct, frozen=True, kw_only=True):
    """Where a provider tells an account's quotas, and how it is asked: a GET."""

    url: str
    reader: str
    """One of `QUOTA_READERS`."""
    auth_header: str
    """Lower case."""
    auth_value: str
    """With `{credential}` where the key or token goes."""
    headers: tuple[tuple[str, str], ...]
    """Values may hold `{account}`: the account's id at the vendor, which only a sign-in tells."""
    sign_in: bool
    """Whether only the token of a sign-in is accepted, no plain key."""


class ProviderRow(msgspec.Struct, frozen=True, kw_only=True):
    """One built-in provider, checked and with its defaults filled in."""

    id: str
    prefixes: tuple[str, ...]
    """What stands before the slash in a model name; the id comes first."""
    name: str
    tier: str
    format: str
    base_url: str
    path: str
    """The way from the root to the chat call; empty where it is the usual one of the format."""
    query: str
    """Added to the chat call's URL, without the question mark."""
    alternates: tuple[str, ...]
    """Further roots, tried in order when the first one is overloaded."""
    auth_header: str
    """Lower case; empty for a provider that wants no credential."""
    auth_value: str
    """With `{credential}` where the key or token goes."""
    headers: tuple[tuple[str, str], ...]
    models: tuple[ModelRow, ...]
    sign_in: str
    """The key of `SIGN_INS` that yields the credential; empty where a plain key does."""
    needs: str
    """What a person has to give so that `base_url` is complete; empty where it is."""
    quirks: tuple[str, ...]
    website: str
    quota: QuotaRow | None = None
    """None where no endpoint is known; headers of answers may tell all the same."""

    @property
    def placeholders(self) -> tuple[str, ...]:
        """The names in braces that stand in `base_url`, each once, in order."""
        return tuple(dict.fromkeys(_PLACEHOLDER.findall(self.base_url)))

    def quota_url(self, base_url: str | None = None) -> str:
        """Where the quota endpoint is; empty where none is known.

        `base_url`: what configuration puts in place of the row's own. The endpoint is then looked
        for at the same place below it, so that a credential is shown to nobody but who gets it
        anyway.
        """
        if self.quota is None:
            return ""
        if base_url is None:
            return self.quota.url
        root = base_url.rstrip("/")
        own = urlsplit(self.base_url).path
        for ending in (own, "/v1", "/v1beta"):
            if ending and root.endswith(ending):
                root = root.removesuffix(ending)
                break
        return root + urlsplit(self.quota.url).path

    def missing(
        self, *, spoken: Collection[str], base_url: str | None = None, has_credential: bool
    ) -> str:
        """Say what keeps this row from working, as one sentence; empty when nothing does.

        `spoken` holds the formats that have a codec, `base_url` what configuration puts in place
        of the row's own, `has_credential` whether a connection brings a key.
        """
        if self.format == "other":
            return (
                f"{self.name} has a chat call of its own shape, which is not supported; if it also "
                f"offers an OpenAI-compatible one, declare that as a provider with another id."
            )
        if self.format not in spoken:
            return f"The wire format {self.format!r} of {self.name} is not supported yet."
        root = self.base_url if base_url is None else base_url
        if not root or _PLACEHOLDER.search(root):
            shape = f" (its shape: {self.base_url})" if self.base_url else ""
            return f"{self.name} needs {self.needs}{shape}."
        if self.auth_header and not has_credential:
            if self.sign_in:
                return (
                    f"{self.name} needs {SIGN_INS[self.sign_in]}, which is not built yet; a token "
                    f"obtained elsewhere works as api_key."
                )
            return f"{self.name} needs an api_key."
        return ""


class _QuotaEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    url: str
    reader: str
    auth: str = "Authorization: Bearer {credential}"
    headers: dict[str, str] = msgspec.field(default_factory=dict)
    sign_in: bool = False


class _Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An entry as it stands in the file."""

    id: str
    name: str
    tier: str
    format: str
    base_url: str
    auth: str
    prefixes: tuple[str, ...] = ()
    path: str = ""
    query: str = ""
    alternates: tuple[str, ...] = ()
    header_sets: tuple[str, ...] = ()
    headers: dict[str, str] = msgspec.field(default_factory=dict)
    sign_in: str = ""
    needs: str = ""
    quirks: tuple[str, ...] = ()
    context_tokens: int | None = None
    website: str = ""
    models: tuple[ModelRow, ...] = ()
    quota: _QuotaEntry | None = None


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    providers: tuple[_Entry, ...]
    header_sets: dict[str, dict[str, str]] = msgspec.field(default_factory=dict)


def load_registry() -> tuple[ProviderRow, ...]:
    """The built-in providers, in the order of the file.

    Raises `RegistryError` when the installed table is damaged.
    """
    text = resources.files(__package__).joinpath("registry.toml").read_text(encoding="utf-8")
    return parse_registry(text)


def parse_registry(text: str) -> tuple[ProviderRow, ...]:
    """Rows out of the text of a table; raises `RegistryError` naming the first offending row."""
    try:
        table = msgspec.convert(tomllib.loads(text), _File)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise RegistryError(f"registry.toml: {error}") from error
    rows: list[ProviderRow] = []
    owners: dict[str, str] = {}
    for entry in table.providers:
        try:
            row = _row(entry, table.header_sets)
            for prefix in row.prefixes:
                owner = owners.setdefault(prefix, row.id)
                _demand(owner == row.id, f"the prefix {prefix!r} belongs to {owner!r}")
            _demand(all(row.id != other.id for other in rows), "the id is taken")
        except RegistryError as error:
            raise RegistryError(f"registry.toml: provider {entry.id!r}: {error}") from None
        rows.append(row)
    return tuple(rows)


def _row(entry: _Entry, header_sets: Mapping[str, Mapping[str, str]]) -> ProviderRow:
    prefixes = (entry.id, *entry.prefixes)
    for prefix in prefixes:
        _demand(_ID.fullmatch(prefix) is not None, f"{prefix!r} is not an id")
    _demand(len(set(prefixes)) == len(prefixes), "a prefix is named twice")
    _demand(entry.tier in TIERS, f"unknown tier {entry.tier!r}")
    _demand(entry.format in FORMATS, f"unknown format {entry.format!r}")
    _demand(not entry.sign_in or entry.sign_in in SIGN_INS, f"unknown sign_in {entry.sign_in!r}")
    for quirk in entry.quirks:
        _demand(quirk in QUIRKS, f"unknown quirk {quirk!r}")
    _check_urls(entry)
    auth_header, auth_value = _auth(entry.auth)
    return ProviderRow(
        id=entry.id,
        prefixes=prefixes,
        name=entry.name,
        tier=entry.tier,
        format=entry.format,
        base_url=entry.base_url,
        path=entry.path,
        query=entry.query,
        alternates=entry.alternates,
        auth_header=auth_header,
        auth_value=auth_value,
        headers=_headers(entry, header_sets),
        models=_models(entry),
        sign_in=entry.sign_in,
        needs=entry.needs,
        quirks=entry.quirks,
        website=entry.website,
        quota=None if entry.quota is None else _quota(entry.quota),
    )


def _quota(entry: _QuotaEntry) -> QuotaRow:
    _demand(_URL.fullmatch(entry.url) is not None, f"{entry.url!r} is not the URL of an endpoint")
    _demand(entry.reader in QUOTA_READERS, f"unknown quota reader {entry.reader!r}")
    auth_header, auth_value = _auth(entry.auth)
    return QuotaRow(
        url=entry.url,
        reader=entry.reader,
        auth_header=auth_header,
        auth_value=auth_value,
        headers=tuple((name.lower(), value) for name, value in entry.headers.items()),
        sign_in=entry.sign_in,
    )


def _check_urls(entry: _Entry) -> None:
    for url in (entry.base_url, *entry.alternates):
        if url:
            _demand(_URL.fullmatch(url) is not None, f"{url!r} is not the root of an API")
            _demand(not url.endswith("/"), f"{url!r} ends in a slash")
    incomplete = not entry.base_url or _PLACEHOLDER.search(entry.base_url) is not None
    _demand(incomplete == bool(entry.needs), "needs and a base_url to complete go together")
    _demand(not entry.path or entry.path.startswith("/"), f"path {entry.path!r} has no slash")
    unknown = set(_PLACEHOLDER.findall(entry.path)) - _PER_REQUEST
    _demand(not unknown, f"path {entry.path!r}: only {{model}} and {{method}} are filled in")
    _demand(not entry.query.startswith("?"), "query is written without the question mark")


def _auth(text: str) -> tuple[str, str]:
    if text == "none":
        return "", ""
    match = _AUTH.fullmatch(text)
    if match is None:
        raise RegistryError(
            f"auth {text!r} is neither 'none' nor 'Header: [Scheme ]{{credential}}'"
        )
    return match[1].lower(), match[2]


def _headers(
    entry: _Entry, header_sets: Mapping[str, Mapping[str, str]]
) -> tuple[tuple[str, str], ...]:
    merged: dict[str, str] = {}
    for name in entry.header_sets:
        _demand(name in header_sets, f"unknown header set {name!r}")
    for source in (*(header_sets[name] for name in entry.header_sets), entry.headers):
        for name, value in source.items():
            lower = name.lower()
            _demand(lower not in _RESERVED_HEADERS, f"the gateway decides on the header {name!r}")
            _demand(value.isprintable() and value.isascii(), f"header {name!r} is not plain text")
            _demand(lower not in merged, f"header {name!r} is given twice")
            merged[lower] = value
    return tuple(merged.items())


def _models(entry: _Entry) -> tuple[ModelRow, ...]:
    ids = [model.id for model in entry.models]
    _demand(len(set(ids)) == len(ids), "a model is listed twice")
    for model in entry.models:
        _demand(not model.format or model.format in FORMATS, f"unknown format of {model.id!r}")
    return tuple(
        msgspec.structs.replace(
            model,
            name=model.name or model.id,
            context_tokens=model.context_tokens or entry.context_tokens,
        )
        for model in entry.models
    )


def _demand(holds: bool, otherwise: str) -> None:
    if not holds:
        raise RegistryError(otherwise)
