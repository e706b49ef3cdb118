"""Providers are found by id or prefix, and those that are off are gone."""

from collections.abc import Callable

from omniroute.config import ConfigError
from omniroute.snapshot import Snapshot
from tests.compiling.material import ACME, connection

Compile = Callable[..., Snapshot]


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


def test_what_is_switched_off_is_gone_with_its_connections(compiled: Compile) -> None:
    snapshot = compiled(ACME + "enabled = false\n" + connection("acme") + connection("vendor"))
    assert [view.id for view in snapshot.providers] == ["vendor"]
    assert [one.id for one in snapshot.connections] == ["vendor/main"]
    assert snapshot.problems == ()


def test_what_is_blocked_is_gone_whichever_of_its_names_is_used(compiled: Compile) -> None:
    for name in ("vendor", "ve"):
        blocked = f'[routing]\nblocked_providers = ["{name}"]\n'
        assert compiled(blocked + connection("vendor")).providers == ()


def test_only_a_provider_can_be_blocked(refused: Callable[[str], ConfigError]) -> None:
    error = refused('[routing]\nblocked_providers = ["vendor", "vendro"]')
    assert error.key == "routing.blocked_providers[1]"
    assert "did you mean vendor?" in str(error)
