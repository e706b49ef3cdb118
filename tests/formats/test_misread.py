"""The member that a document was refused for is named as the client wrote it."""

import msgspec
import pytest

from omniroute.formats.misread import member_of


class _Tool(msgspec.Struct):
    name: str


class _Request(msgspec.Struct):
    model: str
    stream: bool = False
    tools: list[_Tool] = []


@pytest.mark.parametrize(
    ("body", "member"),
    [
        (b'{"model": 1}', "model"),
        (b'{"model": "m", "stream": "yes"}', "stream"),
        (b'{"model": "m", "tools": [{"name": 1}]}', "tools[0].name"),
        (b'{"model": "m", "tools": [{}]}', "tools[0]"),
        (b"{}", "model"),
        (b"[]", None),
        (b'{"model": ', None),
    ],
)
def test_the_member_is_the_one_that_the_message_names(body: bytes, member: str | None) -> None:
    with pytest.raises(msgspec.DecodeError) as refused:
        msgspec.json.decode(body, type=_Request)
    assert member_of(str(refused.value)) == member
