"""Content codings undone: the same as the reference libraries, and never more than allowed."""

import gzip
import random
import tracemalloc
import zlib
from contextlib import suppress
from itertools import pairwise

import brotli
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from omniroute.gateway import decoding
from omniroute.gateway.decoding import (
    CODINGS,
    Decoder,
    DecodingError,
    TooLarge,
    UnknownCoding,
    is_identity,
)

MIB = 1 << 20


def raw_deflate(data: bytes, level: int = 6) -> bytes:
    packer = zlib.compressobj(level, wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


PACKERS = {
    "gzip": (b"gzip", gzip.compress),
    "x-gzip": (b"x-gzip", gzip.compress),
    "deflate": (b"deflate", zlib.compress),
    "raw deflate": (b"deflate", raw_deflate),
    "stored deflate": (b"deflate", lambda data: raw_deflate(data, 0)),
    "br": (b"br", lambda data: brotli.compress(data, quality=4)),
    "zstd": (b"zstd", zstandard.ZstdCompressor().compress),
}


@pytest.fixture(params=list(PACKERS))
def packer(request):
    return PACKERS[request.param]


def unpack(coding: bytes, pieces: list[bytes], limit: int = MIB) -> bytes:
    decoder = Decoder(coding, limit)
    out = b"".join([decoder.feed(piece) for piece in pieces])
    decoder.finish()
    return out


def cut(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


TEXT = b'{"role":"user","content":"' + bytes(range(32, 127)) * 50 + b'"}'
NOISE = random.Random(7).randbytes(50_000)


@pytest.mark.parametrize("body", [b"", b"x", TEXT, NOISE, b"a" * 300_000], ids=len)
@pytest.mark.parametrize("size", [10**9, 5000, 7])
def test_every_coding_is_undone_however_it_is_cut(packer, body, size):
    coding, pack = packer
    assert unpack(coding, cut(pack(body), size)) == body


def test_every_coding_is_undone_byte_by_byte(packer):
    coding, pack = packer
    assert unpack(coding, cut(pack(TEXT), 1)) == TEXT


@given(
    name=st.sampled_from(list(PACKERS)),
    body=st.binary(max_size=2000) | st.binary(max_size=40).map(lambda each: each * 500),
    data=st.data(),
)
def test_cuts_do_not_matter(name, body, data):
    coding, pack = PACKERS[name]
    packed = pack(body)
    places = data.draw(st.lists(st.integers(0, len(packed)), max_size=6).map(sorted))
    edges = [0, *places, len(packed)]
    pieces = [packed[a:b] for a, b in pairwise(edges)]
    assert unpack(coding, pieces) == body


@given(
    name=st.sampled_from(list(PACKERS)), body=st.binary(min_size=1, max_size=300), data=st.data()
)
def test_a_cut_off_body_is_refused(name, body, data):
    coding, pack = PACKERS[name]
    packed = pack(body)
    kept = data.draw(st.integers(0, len(packed) - 1))
    decoder = Decoder(coding, MIB)
    with pytest.raises(DecodingError):
        feed_and_finish(decoder, packed[:kept])


def feed_and_finish(decoder: Decoder, data: bytes) -> bytes:
    out = decoder.feed(data)
    decoder.finish()
    return out


@pytest.mark.parametrize("coding", CODINGS)
@given(junk=st.binary(min_size=20, max_size=200))
def test_garbage_is_refused_and_crashes_nothing(coding, junk):
    decoder = Decoder(coding.encode(), MIB)
    try:
        feed_and_finish(decoder, b"\xff\xff" + junk)
    except DecodingError:
        pass
    else:
        pytest.fail("taken for compressed")


@given(name=st.sampled_from(list(PACKERS)), data=st.data())
def test_damage_is_refused_or_harmless(name, data):
    coding, pack = PACKERS[name]
    packed = bytearray(pack(TEXT))
    for _ in range(data.draw(st.integers(1, 3))):
        packed[data.draw(st.integers(0, len(packed) - 1))] ^= data.draw(st.integers(1, 255))
    decoder = Decoder(coding, 4 * len(TEXT))
    with suppress(DecodingError):
        assert len(feed_and_finish(decoder, bytes(packed))) <= 4 * len(TEXT)


# --- limits -------------------------------------------------------------------------------------


def test_what_just_fits_passes_and_one_byte_more_does_not(packer):
    coding, pack = packer
    for size in (1, 1000, 200_000):
        packed = pack(b"z" * size)
        assert len(unpack(coding, [packed], limit=size)) == size
        assert len(unpack(coding, cut(packed, 3), limit=size)) == size
        for pieces in ([packed], cut(packed, 3)):
            with pytest.raises(TooLarge):
                unpack(coding, pieces, limit=size - 1)


BOMB_BYTES = 64 * MIB


@pytest.fixture(scope="module")
def bombs() -> dict[str, bytes]:
    zeros = bytes(BOMB_BYTES)
    return {name: pack(zeros) for name, (_, pack) in PACKERS.items() if name != "stored deflate"}


@pytest.mark.parametrize("size", [10**9, 1000])
@pytest.mark.parametrize("name", [name for name in PACKERS if name != "stored deflate"])
def test_a_bomb_is_stopped_at_the_limit_with_bounded_memory(bombs, name, size):
    decoder = Decoder(PACKERS[name][0], MIB)
    pieces = cut(bombs[name], size)
    expanded = 0

    def expand() -> None:
        nonlocal expanded
        for piece in pieces:
            expanded += len(decoder.feed(piece))

    tracemalloc.start()
    try:
        with pytest.raises(TooLarge):
            expand()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert expanded <= MIB
    assert peak < 28 * MIB  # zstd's own window is up to 8, its bite up to 8 more, twice over


@pytest.mark.parametrize("name", ["gzip", "zstd"])
def test_a_bomb_of_many_small_members_is_stopped_soon(name):
    coding, pack = PACKERS[name]
    packed = pack(b"") * (2 * MIB // len(pack(b"")))
    with pytest.raises(DecodingError, match="more than 1024"):
        unpack(coding, [packed])


# --- members, frames, what follows --------------------------------------------------------------


@pytest.mark.parametrize("size", [10**9, 11, 1])
@pytest.mark.parametrize("name", ["gzip", "zstd"])
def test_members_follow_one_another(name, size):
    coding, pack = PACKERS[name]
    packed = pack(b"one ") + pack(b"") + pack(b"two ") + pack(TEXT)
    assert unpack(coding, cut(packed, size)) == b"one two " + TEXT


@pytest.mark.parametrize("name", ["gzip", "zstd"])
def test_members_count_together_against_the_limit(name):
    coding, pack = PACKERS[name]
    with pytest.raises(TooLarge):
        unpack(coding, [pack(b"a" * 600) + pack(b"b" * 600)], limit=1000)


@pytest.mark.parametrize("name", ["gzip", "zstd"])
def test_a_member_cut_off_after_a_whole_one_is_refused(name):
    coding, pack = PACKERS[name]
    with pytest.raises(DecodingError, match="cut off"):
        unpack(coding, [pack(b"one") + pack(TEXT)[:-5]])


@pytest.mark.parametrize("together", [True, False])
def test_bytes_behind_the_end_are_refused(packer, together):
    coding, pack = packer
    packed = pack(TEXT)
    pieces = [packed + b"trailing"] if together else [packed, b"trailing"]
    with pytest.raises(DecodingError):
        unpack(coding, pieces)


def test_a_skippable_frame_of_zstd_is_skipped():
    frame = b"\x50\x2a\x4d\x18\x03\0\0\0abc"
    assert unpack(b"zstd", [frame + zstandard.compress(TEXT)]) == TEXT


def test_zstd_may_not_ask_for_a_window_beyond_8_mib():
    parameters = zstandard.ZstdCompressionParameters(window_log=24)
    packer = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    packed = packer.compress(b"x") + packer.flush()
    with pytest.raises(DecodingError):
        unpack(b"zstd", [packed])


# --- names --------------------------------------------------------------------------------------


@pytest.mark.parametrize("coding", [b"GZIP", b" gzip ", b"gZip"])
def test_names_of_codings_know_no_case(coding):
    assert unpack(coding, [gzip.compress(b"x")]) == b"x"


@pytest.mark.parametrize("coding", [b"compress", b"gzip, br", b"", b"identity", b"\xff", b"zip"])
def test_an_unknown_coding_is_refused_by_name(coding):
    with pytest.raises(UnknownCoding, match="is not one of gzip, deflate, br, zstd"):
        Decoder(coding, MIB)


def test_no_coding_is_identity():
    for coding in (None, b"", b"identity", b" Identity "):
        assert is_identity(coding)
    for coding in (b"gzip", b"identity, gzip"):
        assert not is_identity(coding)


def test_every_coding_that_is_offered_is_known():
    for coding in CODINGS:
        assert Decoder(coding.encode(), 1)
    assert decoding.MAX_MEMBERS * 65536 >= 32 * MIB  # bgzip's blocks in the largest body
