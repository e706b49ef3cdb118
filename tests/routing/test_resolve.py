"""From a model's name to a provider and its own name of the model."""

import pytest

from omniroute.errors import ErrorKind, GatewayError
from omniroute.routing.resolve import resolve
from omniroute.snapshot import ModelView, ProviderView


def provider(id: str, *prefixes: str, models=(), **more) -> ProviderView:
    return ProviderView(
        id=id,
        prefixes=(id, *prefixes),
        name=id.title(),
        format="openai",
        base_url="https://x.example/v1",
        url="https://x.example/v1/chat/completions",
        tier="apikey",
        models=tuple(ModelView(model, model) for model in models),
        **more,
    )


ACME = provider("acme", "ac", models=("plain", "vendor/x"))
ROUTER = provider("router", models=("router/auto", "acme/plain", "other/y"))
STRICT = provider("strict", models=("a", "b"), restrict=True)
NEEDY = provider("needy", models=("n",), needs="A sign-in that is not built yet.")
PREFIXES = {prefix: each for each in (ACME, ROUTER, STRICT, NEEDY) for prefix in each.prefixes}


def route(name: str, pinned: str | None = None) -> tuple[str, str]:
    found = resolve(name, PREFIXES, pinned)
    return found.provider.id, found.model


def refused(name: str, pinned: str | None = None, prefixes=PREFIXES) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        resolve(name, prefixes, pinned)
    assert caught.value.param == "model"
    return caught.value


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("acme/plain", ("acme", "plain")),
        ("ac/plain", ("acme", "plain")),
        ("acme/not-listed", ("acme", "not-listed")),
        ("acme/vendor/x", ("acme", "vendor/x")),
        ("acme/acme/plain", ("acme", "acme/plain")),
        ("acme//x", ("acme", "/x")),
        ("acme/ ", ("acme", " ")),
        ("router/router/auto", ("router", "router/auto")),
        ("strict/a", ("strict", "a")),
    ],
)
def test_the_text_before_the_first_slash_is_the_provider(name, expected):
    assert route(name) == expected


@pytest.mark.parametrize(
    ("name", "pinned", "expected"),
    [
        ("plain", "acme", ("acme", "plain")),
        ("acme/plain", "acme", ("acme", "plain")),
        ("ac/plain", "acme", ("acme", "plain")),
        ("acme/plain", "ac", ("acme", "plain")),
        ("unknown/model", "acme", ("acme", "unknown/model")),
        ("vendor/x", "acme", ("acme", "vendor/x")),
        ("acme/plain", "router", ("router", "acme/plain")),  # its own model of that name
        ("router/auto", "router", ("router", "router/auto")),
        ("router/router/auto", "router", ("router", "router/auto")),
        ("router/new", "router", ("router", "new")),
        ("a", "strict", ("strict", "a")),
    ],
)
def test_a_path_with_a_provider_adds_the_prefix_where_it_is_missing(name, pinned, expected):
    assert route(name, pinned) == expected


def test_a_model_of_another_provider_is_refused_under_a_providers_path():
    error = refused("strict/a", "acme")
    assert error.status == 400
    assert "'strict'" in error.message
    assert "/v1/providers/strict/" in error.message


def test_a_name_without_a_provider_is_told_who_has_it():
    error = refused("plain")
    assert error.kind is ErrorKind.UNKNOWN_MODEL
    assert "provider/model" in error.message
    assert "acme/plain" in error.message
    error = refused("nobody-has-this")
    assert "acme, needy, router, strict" in error.message


def test_a_provider_that_is_nearly_right_is_suggested():
    error = refused("amce/plain")
    assert error.kind is ErrorKind.UNKNOWN_MODEL
    assert "did you mean 'acme'" in error.message
    assert "configured: acme, needy, router, strict" in error.message
    assert "did you mean" not in refused("zzzzzz/plain").message


def test_an_unknown_provider_of_a_path_is_told():
    assert "'nobody'" in refused("plain", "nobody").message


def test_with_nothing_configured_the_way_there_is_told():
    assert "none yet: add one to omniroute.toml" in refused("a/b", prefixes={}).message


@pytest.mark.parametrize("name", ["acme/", "/plain", "/", "//"])
def test_half_a_name_is_refused(name):
    assert refused(name).status in (400, 404)


def test_a_provider_without_a_model_is_told_apart():
    error = refused("acme/")
    assert error.status == 400
    assert "names no model" in error.message


@pytest.mark.parametrize(("name", "pinned"), [("strict/c", None), ("c", "strict")])
def test_a_restricted_provider_serves_its_list_only(name, pinned):
    error = refused(name, pinned)
    assert error.kind is ErrorKind.UNKNOWN_MODEL
    assert "(a, b)" in error.message


@pytest.mark.parametrize(("name", "pinned"), [("needy/n", None), ("n", "needy")])
def test_a_provider_that_cannot_be_used_says_what_is_missing(name, pinned):
    error = refused(name, pinned)
    assert error.kind is ErrorKind.NOT_CONFIGURED
    assert error.message == "Needy: A sign-in that is not built yet."
