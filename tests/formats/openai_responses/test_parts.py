"""Content parts and output items, where the golden cases do not say it."""

import json
from typing import Any

from msgspec import Raw

from omniroute.formats import ir
from omniroute.formats.openai_responses import parts


def read(**members: Any) -> ir.Part:
    return parts.part(Raw(json.dumps(members).encode()), "here")


def test_a_data_url_is_taken_apart() -> None:
    assert parts.split_data_url("data:image/png;base64,aGk=") == ("image/png", "aGk=")
    assert parts.split_data_url("data:text/plain;charset=utf-8;base64,aGk=") == (
        "text/plain",
        "aGk=",
    )
    assert parts.split_data_url("data:text/plain,hi") is None
    assert parts.split_data_url("https://example.com/a,b") is None


def test_bare_file_data_has_the_type_of_its_name() -> None:
    file = read(type="input_file", file_data="aGk=", filename="A.PDF")
    assert file == ir.File("application/pdf", "aGk=", filename="A.PDF")


def test_audio_is_read() -> None:
    part = read(type="input_audio", input_audio={"data": "aGk=", "format": "mp3"})
    assert part == ir.Audio("audio/mp3", "aGk=")


def test_a_part_of_an_unknown_type_is_kept() -> None:
    part = read(type="input_smell", text=5)
    assert isinstance(part, ir.Opaque)
    assert part.kind == "content.input_smell"


def test_only_a_true_namespace_is_part_of_the_name() -> None:
    assert parts.full_name("f", None) == parts.full_name("f", "f") == "f"
    assert parts.full_name("f", "ns") == "ns::f"


def test_a_made_image_is_an_image() -> None:
    item = {"type": "image_generation_call", "id": "ig", "result": "aGk=", "output_format": "webp"}
    assert parts.output_item(Raw(json.dumps(item).encode()), "x") == [
        ir.Image("image/webp", "aGk=")
    ]


def test_an_annotation_that_cannot_be_read_is_kept_all_the_same() -> None:
    raw = Raw(b'{"url":5}')
    assert parts.citation(raw) == ir.Citation(origin="openai-responses", raw=raw)
