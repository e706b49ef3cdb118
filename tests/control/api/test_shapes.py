"""What goes over the wire follows from the settings, for every kind of things."""

import msgspec
import pytest

from omniroute.config import ConnectionSettings, ModelSettings
from omniroute.config.stored import SECTIONS
from omniroute.control.api.openapi import document_of
from omniroute.control.api.shapes import given, patched, shown, taken, values_of, wire_path
from omniroute.control.app import API
from omniroute.control.editing import struct_of


@pytest.mark.parametrize("kind", SECTIONS)
def test_every_kind_can_be_described(kind: str) -> None:
    struct = struct_of(kind)
    shapes = [taken("New", struct), patched("Change", struct), given("One", struct)]
    schemas, _ = msgspec.json.schema_components(shapes)
    assert len(schemas) == 3


@pytest.mark.parametrize("kind", SECTIONS)
def test_a_change_may_name_nothing(kind: str) -> None:
    body = msgspec.json.decode(b"{}", type=patched("Change", struct_of(kind)))
    assert values_of(body) == {}


def test_what_is_given_comes_out_by_the_settings_names() -> None:
    text = b'{"provider": "a", "maxConcurrent": 3, "isActive": null, "quotas": [{"window": "5h",'
    text += b' "limit": 2}]}'
    body = msgspec.json.decode(text, type=taken("ConnectionNew", ConnectionSettings))
    assert values_of(body) == {
        "provider": "a",
        "max_concurrent": 3,
        "enabled": None,
        "quotas": [{"window": "5h", "limit": 2.0}],
    }


@pytest.mark.parametrize("text", [b'{"provider": "a", "rpm": 0}', b'{"provider": "a", "x": 1}'])
def test_bounds_and_names_are_those_of_the_settings(text: bytes) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(text, type=taken("ConnectionNew", ConnectionSettings))


def test_what_is_shown_is_whole_and_fits_its_description() -> None:
    made = shown(ConnectionSettings, {"provider": "a", "quotas": [{"window": "5h", "limit": 2}]})
    assert made["queueWaitS"] is None
    always = {"id": "a/main", "source": "stored", "version": 1, "problem": ""}
    msgspec.convert(made | always, given("Connection", ConnectionSettings))


def test_fields_are_told_as_they_are_sent() -> None:
    assert wire_path(ConnectionSettings, "quotas[0].queue_wait_s") == "quotas[0].queueWaitS"
    assert wire_path(ModelSettings, "id") == "modelId"


def test_no_two_shapes_of_the_api_have_the_same_name() -> None:
    # msgspec cannot tell two of one name apart.
    assert "ClientKey" in document_of(API)["components"]["schemas"]
