"""The snapshot joins settings and registry, keeps secrets sealed, and refuses contradictions."""

from collections.abc import Callable
from pathlib import Path

import pytest

from omniroute.compiling import SPOKEN_FORMATS, compile_snapshot
from omniroute.config import ConfigError, load
from omniroute.installation import Installation, InstallationError
from omniroute.providers.registry import ProviderRow, load_registry, parse_registry
from omniroute.snapshot import (
    KeyView,
    Snapshot,
    SnapshotError,
    decode,
    encode,
)

REGISTRY = """
[[providers]]
id = "vendor"
prefixes = ["ve"]
name = "Vendor"
tier = "apikey"
format = "openai"
base_url = "https://api.vendor.example/v1"
auth = "Authorization: Bearer {credential}"
headers = { X-Title = "OmniRoute" }
models = [{ id = "large", name = "Large", context_tokens = 1000, max_output_tokens = 100 }]

[[providers]]
id = "odd"
name = "Odd"
tier = "apikey"
format = "openai"
base_url = "https://odd.example/v2"
path = "/chat"
query = "v=1"
auth = "api-key: {credential}"

[[providers]]
id = "nearby"
name = "Nearby"
tier = "local"
format = "openai"
base_url = "http://localhost:1234/v1"
auth = "none"

[[providers]]
id = "members"
name = "Members"
tier = "subscription"
format = "openai"
base_url = "https://members.example/v1"
auth = "Authorization: Bearer {credential}"
sign_in = "oauth"

[[providers]]
id = "yours"
name = "Yours"
tier = "apikey"
format = "openai"
base_url = "https://{account}.yours.example/v1"
needs = "a base_url with your account"
auth = "Authorization: Bearer {credential}"

[[providers]]
id = "foreign"
name = "Foreign"
tier = "apikey"
format = "claude"
base_url = "https://foreign.example"
auth = "x-api-key: {credential}"
headers = { Anthropic-Version = "2023-06-01" }
quirks = ["bearer-or-x-api-key"]

[[providers]]
id = "distant"
name = "Distant"
tier = "apikey"
format = "ollama"
base_url = "https://distant.example"
auth = "Authorization: Bearer {credential}"
"""

Compile = Callable[..., Snapshot]


@pytest.fixture
def installation() -> Installation:
    return Installation.ephemeral(Path())


@pytest.fixture
def registry() -> tuple[ProviderRow, ...]:
    return parse_registry(REGISTRY)


@pytest.fixture
def compiled(
    tmp_path: Path, installation: Installation, registry: tuple[ProviderRow, ...]
) -> Compile:
    def compiled(text: str, stored_keys: tuple[KeyView, ...] = ()) -> Snapshot:
        file = tmp_path / "omniroute.toml"
        file.write_text(text)
        settings = load({}, {}, file, tmp_path, working_dir=tmp_path)
        return compile_snapshot(settings, registry, stored_keys, installation)

    return compiled


ACME = """
[[providers]]
id = "acme"
format = "openai"
base_url = "http://127.0.0.1:9101/v1/chat/completions"
"""


def connection(provider: str, more: str = 'api_key = "secret-1"') -> str:
    return f'\n[[connections]]\nprovider = "{provider}"\n{more}\n'


# --- what is in it ---


def test_an_empty_configuration_names_no_provider(compiled: Compile) -> None:
    snapshot = compiled("")
    assert (snapshot.providers, snapshot.connections, snapshot.keys) == ((), (), ())
    assert len(snapshot.instance_id) == 16


def test_a_custom_provider_stands_with_what_the_file_says(compiled: Compile) -> None:
    snapshot = compiled(
        ACME + 'models = ["plain", "plain", "think"]\nrestrict = true\ntier = "cheap"\n'
        'headers = { X-Team = "blue" }\nproxy = "http://proxy:1"\n' + connection("acme")
    )
    (view,) = snapshot.providers
    assert (view.id, view.prefixes, view.name, view.format) == ("acme", ("acme",), "acme", "openai")
    assert view.base_url == "http://127.0.0.1:9101/v1"
    assert view.url == "http://127.0.0.1:9101/v1/chat/completions"
    assert (view.auth_header, view.auth_value) == ("authorization", "Bearer {credential}")
    assert view.headers == (("x-team", "blue"),)
    assert [model.id for model in view.models] == ["plain", "think"]
    assert (view.restrict, view.tier, view.proxy) == (True, "cheap", "http://proxy:1")
    assert (view.declared, view.allow_private, view.needs) == (True, True, "")


def test_a_built_in_provider_needs_only_a_connection(compiled: Compile) -> None:
    snapshot = compiled(connection("vendor"))
    (view,) = snapshot.providers
    assert view.url == "https://api.vendor.example/v1/chat/completions"
    assert view.prefixes == ("vendor", "ve")
    assert view.headers == (("x-title", "OmniRoute"),)
    assert (view.models[0].name, view.models[0].context_tokens) == ("Large", 1000)
    assert (view.declared, view.allow_private, view.needs) == (False, False, "")


def test_the_file_overrides_a_row_only_in_what_it_names(compiled: Compile) -> None:
    snapshot = compiled(
        '[[providers]]\nid = "vendor"\nbase_url = "http://10.0.0.1/v1"\n'
        'headers = { X-TITLE = "mine" }\nmodels = ["large", "new"]\n' + connection("vendor")
    )
    (view,) = snapshot.providers
    assert view.url == "http://10.0.0.1/v1/chat/completions"
    assert view.headers == (("x-title", "mine"),)
    assert [(model.id, model.context_tokens) for model in view.models] == [
        ("large", 1000),
        ("new", None),
    ]
    assert view.tier == "apikey"
    assert view.allow_private


def test_a_prefix_as_id_means_the_built_in_provider(compiled: Compile) -> None:
    snapshot = compiled(
        '[[providers]]\nid = "ve"\nmodels = ["mine"]\n'
        + '[[connections]]\nprovider = "vendor"\napi_key = "k-123456789"'
    )
    (view,) = snapshot.providers
    assert view.id == "vendor"
    assert [model.id for model in view.models] == ["mine"]


def test_a_prefix_with_format_and_base_url_is_a_provider_of_ones_own(compiled: Compile) -> None:
    own = '[[providers]]\nid = "ve"\nformat = "openai"\nbase_url = "http://127.0.0.1:9/v1"\n'
    snapshot = compiled(own)
    assert [view.id for view in snapshot.providers] == ["ve"]


def test_a_connection_may_name_its_provider_by_prefix(compiled: Compile) -> None:
    assert compiled(connection("ve")).connections[0].id == "vendor/main"


def test_a_path_and_a_query_of_the_rows_own_are_kept_for_other_roots(compiled: Compile) -> None:
    snapshot = compiled(
        connection("odd") + connection("odd", 'name = "b"\nbase_url = "http://127.0.0.1/x/chat"')
    )
    assert snapshot.providers[0].url == "https://odd.example/v2/chat?v=1"
    assert [one.url for one in snapshot.connections] == [
        "https://odd.example/v2/chat?v=1",
        "http://127.0.0.1/x/chat?v=1",
    ]
    assert [one.allow_private for one in snapshot.connections] == [False, True]
    assert snapshot.providers[0].auth_header == "api-key"


def test_what_wants_no_sign_in_gets_a_connection_by_itself(compiled: Compile) -> None:
    snapshot = compiled(ACME + '[[providers]]\nid = "nearby"\n')
    assert [one.id for one in snapshot.connections] == ["acme/default", "nearby/default"]
    assert [one.secret for one in snapshot.connections] == [b"", b""]


def test_a_local_provider_that_nobody_names_is_not_in_it(compiled: Compile) -> None:
    assert "nearby" not in [view.id for view in compiled(ACME).providers]


def test_a_provider_may_use_another_format_and_then_loses_what_belongs_to_its_own(
    compiled: Compile,
) -> None:
    snapshot = compiled(
        '[[providers]]\nid = "foreign"\nformat = "openai"\n'
        'base_url = "https://foreign.example/openai/v1"\n' + connection("foreign")
    )
    (view,) = snapshot.providers
    assert view.url == "https://foreign.example/openai/v1/chat/completions"
    assert (view.auth_header, view.headers, view.quirks) == ("authorization", (), ())
    assert view.needs == ""


def test_quirks_of_the_file_take_the_place_of_the_rows(compiled: Compile) -> None:
    foreign = connection("foreign")
    assert compiled(foreign).providers[0].quirks == ("bearer-or-x-api-key",)
    own = '[[providers]]\nid = "foreign"\nquirks = '
    assert compiled(own + '["think-tags", "think-tags"]' + foreign).providers[0].quirks == (
        "think-tags",
    )
    assert compiled(own + "[]" + foreign).providers[0].quirks == ()


def test_a_quirk_that_nobody_knows_is_refused_with_those_there_are(compiled: Compile) -> None:
    with pytest.raises(ConfigError) as raised:
        compiled(ACME + 'quirks = ["sanitise", "loud"]')
    assert raised.value.key == "providers[0].quirks[1]"
    assert "'loud' is no quirk" in str(raised.value)
    assert "sanitise, signed-headers, system-to-user, think-tags" in str(raised.value)


def test_a_credential_header_of_ones_own_is_used(compiled: Compile) -> None:
    text = ACME + 'auth_header = "X-Key"\n'
    view = compiled(text + connection("acme")).providers[0]
    assert (view.auth_header, view.auth_value) == ("x-key", "{credential}")
    view = compiled(ACME + 'auth_value = "Key {credential}"\n' + connection("acme")).providers[0]
    assert (view.auth_header, view.auth_value) == ("authorization", "Key {credential}")


def test_private_upstreams_are_allowed_where_the_configuration_says_so(compiled: Compile) -> None:
    custom = '[[providers]]\nid = "a"\nformat = "openai"\nbase_url = "https://a.example/v1"\n'
    assert not compiled(custom).providers[0].allow_private
    assert compiled(custom + "allow_private = true\n").providers[0].allow_private
    assert compiled("[upstream]\nallow_private = true\n" + custom).connections[0].allow_private


# --- what is missing is said ---


@pytest.mark.parametrize(
    ("text", "fragment"),
    [
        ('[[providers]]\nid = "vendor"\n', "needs an api_key"),
        ('[[providers]]\nid = "members"\n', "sign-in, which is not built yet"),
        (connection("members", ""), "sign-in, which is not built yet"),
        (connection("yours"), "needs a base_url with your account"),
        (connection("distant"), "'ollama' of Distant is not supported yet"),
    ],
)
def test_what_cannot_be_used_yet_says_what_is_missing(
    compiled: Compile, text: str, fragment: str
) -> None:
    snapshot = compiled(text)
    (view,) = snapshot.providers
    assert fragment in view.needs
    assert snapshot.problems == (f"{view.id}: {view.needs}",)


@pytest.mark.parametrize(
    "text",
    [
        connection("members"),
        connection("yours", 'api_key = "secret-1"\nbase_url = "https://me.yours.example/v1"'),
        '[[providers]]\nid = "yours"\nbase_url = "https://me.yours.example/v1"\n'
        + connection("yours"),
        '[[providers]]\nid = "vendor"\nheaders = { Authorization = "Bearer x" }\n',
    ],
)
def test_what_is_given_is_no_longer_missing(compiled: Compile, text: str) -> None:
    assert compiled(text).problems == ()


# --- contradictions ---


@pytest.mark.parametrize(
    ("text", "key", "line", "fragments"),
    [
        ('[[providers]]\nid = "acme"', "providers[0].format", 1, ["not a built-in provider"]),
        (
            '[[providers]]\nid = "acme"\nformat = "openai"',
            "providers[0].base_url",
            1,
            ["not a built-in provider"],
        ),
        (ACME + ACME, "providers[1].id", 8, ["declared twice"]),
        (
            '[[providers]]\nid = "foreign"\nformat = "openai"',
            "providers[0].base_url",
            1,
            ["its own root"],
        ),
        (connection("vendro"), "connections[0].provider", 3, ["did you mean vendor?"]),
        (
            connection("vendor") + connection("ve"),
            "connections[1].name",
            6,
            ["name of another connection of vendor"],
        ),
        (connection("vendor", ""), "connections[0].api_key", 2, ["is missing"]),
        (
            '[[providers]]\nid = "vendor"\nheaders = { authorization = "x" }\n'
            + connection("vendor"),
            "providers[0].headers",
            3,
            ["one of the two places"],
        ),
        (
            '[[keys]]\nname = "a"\nkey = "sk-12345678"\n[[keys]]\nname = "b"\nkey = "sk-12345678"',
            "keys[1].key",
            6,
            ["is the key of 'a', too"],
        ),
    ],
)
def test_a_contradiction_is_refused_with_its_place(
    compiled: Compile, text: str, key: str, line: int, fragments: list[str]
) -> None:
    with pytest.raises(ConfigError) as caught:
        compiled(text)
    assert (caught.value.key, caught.value.line) == (key, line)
    for fragment in fragments:
        assert fragment in str(caught.value)


# --- keys ---


def test_keys_are_known_by_their_digest_only(compiled: Compile, installation: Installation) -> None:
    snapshot = compiled('[[keys]]\nname = "laptop"\nkey = "sk-12345678"\n')
    digest = installation.key_digest(b"sk-12345678")
    assert snapshot.keys == (KeyView("file/laptop", "laptop", digest),)


def test_a_key_that_file_and_store_both_know_is_the_files(
    compiled: Compile, installation: Installation
) -> None:
    digest = installation.key_digest(b"sk-12345678")
    stored = (KeyView("k1", "old", digest), KeyView("k2", "other", b"d" * 32))
    snapshot = compiled('[[keys]]\nname = "laptop"\nkey = "sk-12345678"\n', stored)
    assert [key.id for key in snapshot.keys] == ["file/laptop", "k2"]


# --- sealing ---


SECRETS = """
[server]
proxy = "http://user:hunter2@proxy:1"
[[keys]]
name = "laptop"
key = "sk-hunter2-hunter2"
[[providers]]
id = "acme"
format = "openai"
base_url = "http://127.0.0.1:9101/v1"
headers = { X-Secret = "hunter2" }
[[connections]]
provider = "acme"
api_key = "hunter2"
"""


def test_what_was_encoded_is_decoded(compiled: Compile, installation: Installation) -> None:
    snapshot = compiled(SECRETS)
    assert decode(encode(snapshot, installation), installation) == snapshot


def test_no_secret_stands_in_the_stored_bytes(
    compiled: Compile, installation: Installation
) -> None:
    blob = encode(compiled(SECRETS), installation)
    assert b"hunter2" not in blob
    assert b"acme" not in blob


def test_credentials_stay_ciphertext_in_the_snapshot(
    compiled: Compile, installation: Installation
) -> None:
    (one,) = compiled(SECRETS).connections
    assert b"hunter2" not in one.secret
    assert installation.decrypt(one.secret) == b"hunter2"


def test_another_installations_snapshot_does_not_open(
    compiled: Compile, installation: Installation
) -> None:
    with pytest.raises(InstallationError):
        decode(encode(compiled(""), installation), Installation.ephemeral(Path()))


def test_a_snapshot_of_another_version_is_told(installation: Installation) -> None:
    with pytest.raises(SnapshotError, match="does not fit this version"):
        decode(installation.encrypt(b"\x81\xa1a\x01"), installation)


# --- the registry that ships ---


def test_every_built_in_provider_compiles_with_a_key_and_says_what_it_needs(
    tmp_path: Path, installation: Installation
) -> None:
    rows = load_registry()
    file = tmp_path / "omniroute.toml"
    file.write_text("".join(connection(row.id) for row in rows))
    settings = load({}, {}, file, tmp_path, working_dir=tmp_path)
    snapshot = compile_snapshot(settings, rows, (), installation)
    assert len(snapshot.providers) == len(rows)
    for view in snapshot.providers:
        assert view.needs or view.url.startswith(("https://", "http://")), view.id
        assert view.needs or view.format in SPOKEN_FORMATS, view.id
