"""The first file of a form comes out as it went in, however the body is cut."""

from collections.abc import AsyncGenerator

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from omniroute.control.api.multipart import boundary_of, first_file
from omniroute.control.refusal import Denied

BOUNDARY = b"b0undary"


def form(*parts: tuple[bytes, bytes], end: bytes = b"--\r\n") -> bytes:
    """Parts of (head, content)."""
    body = b"".join(
        b"--" + BOUNDARY + b"\r\n" + head + b"\r\n\r\n" + content + b"\r\n"
        for head, content in parts
    )
    return body + b"--" + BOUNDARY + end


FIELD = (b'Content-Disposition: form-data; name="note"', b"not the file")
HEAD = b'content-disposition: form-data; name="file"; filename="x.sqlite"\r\nContent-Type: a/b'


def read(body: bytes, size: int = 65536) -> bytes:
    async def pieces() -> AsyncGenerator[bytes, None]:
        for start in range(0, len(body), size):
            yield body[start : start + size]

    async def run() -> bytes:
        return b"".join([piece async for piece in first_file(pieces(), BOUNDARY)])

    return trio.run(run)


@given(
    content=st.lists(
        st.sampled_from([b"\r\n--", b"\r\n", b"--", b"b0", b"b0undar", b"x", b"\0", b"\r\n\r\n"])
    ).map(b"".join),
    size=st.integers(1, 50),
    has_field=st.booleans(),
)
def test_the_file_comes_out_whole(content: bytes, size: int, has_field: bool) -> None:
    parts = [FIELD] * has_field + [(HEAD, content), (HEAD, b"a second file")]
    assert read(form(*parts), size) == content


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no form at all",
        form(FIELD),
        form(),
        form((HEAD, b"cut off"))[:-20],
        form((b"x" * 9000, b"content")),
    ],
)
def test_a_form_without_a_whole_file_is_refused(body: bytes) -> None:
    with pytest.raises(Denied) as denied:
        read(body)
    assert denied.value.status == 400


def test_what_comes_before_the_first_part_does_not_count() -> None:
    assert read(b"a preamble\r\n" + form((HEAD, b"content"))) == b"content"


@pytest.mark.parametrize(
    "header",
    ["multipart/form-data; boundary=abc", 'multipart/form-data; charset=x; Boundary="abc"'],
)
def test_the_boundary_is_read(header: str) -> None:
    assert boundary_of(header) == b"abc"


def test_a_form_without_a_boundary_is_refused() -> None:
    with pytest.raises(Denied):
        boundary_of("multipart/form-data")
