"""Providers: what the file wishes over what is built in, and what is missing."""

from collections.abc import Callable

import pytest

from omniroute.config import ConfigError
from omniroute.snapshot import Snapshot
from tests.compiling.material import ACME, connection

Compile = Callable[..., Snapshot]


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


def test_connections_are_chosen_as_the_provider_says_else_as_routing_says(
    compiled: Compile,
) -> None:
    view = compiled(ACME).providers[0]
    assert (view.strategy, view.sticky_limit) == ("fill-first", 3)
    routing = '[routing]\nstrategy = "p2c"\nsticky_limit = 7\n'
    view = compiled(routing + ACME).providers[0]
    assert (view.strategy, view.sticky_limit) == ("p2c", 7)
    view = compiled(routing + ACME + 'strategy = "round-robin"\nsticky_limit = 1').providers[0]
    assert (view.strategy, view.sticky_limit) == ("round-robin", 1)


def test_a_model_is_added_to_what_is_listed(compiled: Compile) -> None:
    own = '[[models]]\nprovider = "ve"\nid = "x-1"\nname = "X"\ncontext_tokens = 5\n'
    (view,) = compiled(connection("vendor") + own).providers
    assert [model.id for model in view.models] == ["large", "x-1"]
    added = view.models[1]
    assert (added.name, added.context_tokens, added.max_output_tokens) == ("X", 5, None)


def test_a_built_in_model_keeps_what_the_file_does_not_change(compiled: Compile) -> None:
    own = '[[models]]\nprovider = "vendor"\nid = "large"\nmax_output_tokens = 7\n'
    (view,) = compiled(connection("vendor") + own).providers
    (model,) = view.models
    assert (model.name, model.context_tokens, model.max_output_tokens) == ("Large", 1000, 7)


def test_a_model_that_is_off_is_not_listed_and_told_as_refused(compiled: Compile) -> None:
    own = '[[models]]\nprovider = "vendor"\nid = "large"\nenabled = false\n'
    (view,) = compiled(connection("vendor") + own).providers
    assert (view.models, view.models_off) == ((), ("large",))


def test_models_of_nobody_are_refused_and_those_of_the_unconfigured_noted(
    compiled: Compile, refused: Callable[[str], ConfigError]
) -> None:
    own = '[[models]]\nprovider = "{}"\nid = "x"\n'
    assert "did you mean vendor?" in str(refused(own.format("vendro")))
    assert "vendor/x has no effect" in compiled(own.format("ve")).problems[0]
    assert "stands here twice" in str(refused(own.format("ve") + own.format("vendor")))


def test_a_provider_whose_connections_are_all_off_says_so(compiled: Compile) -> None:
    snapshot = compiled(ACME + connection("acme", "enabled = false"))
    assert snapshot.connections == ()
    assert snapshot.providers[0].needs == "All connections of acme are switched off."
    assert snapshot.problems == ("acme: All connections of acme are switched off.",)
