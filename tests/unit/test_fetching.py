"""Chunks that lie side by side in a shard come with one request, and no byte beside them."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trees import write_image
from voxelmill.blocks import Box
from voxelmill.store import fetching, open_image, read_box
from voxelmill.store.fetching import Piece, in_runs
from webserver import serve


@st.composite
def pieces(draw: st.DrawFn) -> list[Piece]:
    """Chunks of two shards, with gaps, and some that are not stored."""
    found = []
    for key in ("a", "b"):
        at = 0
        for n in range(draw(st.integers(0, 12))):
            at += draw(st.sampled_from([0, 0, 7]))
            length = draw(st.sampled_from([0, 1, 40, 100]))
            found.append(Piece((len(key), n), key, at, length))
            at += length
    return draw(st.permutations(found))


@given(pieces(), st.sets(st.integers(0, 12)))
def test_runs(found: list[Piece], cached: set[int]) -> None:
    kept = {piece.place for piece in found if piece.place[1] in cached}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fetching, "MOST", 150)
        runs = list(in_runs(found, kept))
    assert sorted((p.key, p.start, p.place) for run in runs for p in run) == sorted(
        (p.key, p.start, p.place) for p in found
    )
    for run in runs:
        assert len({p.key for p in run}) == 1
        for one, other in pairwise(run):
            assert one.length
            assert other.length
            assert one.start + one.length == other.start
        assert len(run) == 1 or not kept & {p.place for p in run}
        assert len(run) == 1 or sum(p.length or 0 for p in run) <= 150


def test_whole_objects_are_never_joined() -> None:
    found = [Piece((n,), "a") for n in range(3)]
    assert list(in_runs(found, set())) == [(piece,) for piece in found]


@pytest.mark.parametrize("size", [32, 64])
def test_neighbours_in_a_shard_are_one_request_for_their_bytes(tmp_path: Path, size: int) -> None:
    """In the Morton order that zarr writes, a quarter of a shard lies in one piece."""
    pixels = np.random.default_rng(0).integers(0, 60_000, (64, 64)).astype(np.uint16)
    raw = {"compressors": None}
    write_image(tmp_path / "i.zarr", pixels, "yx", "0.5", (16, 16), (64, 64), array_options=raw)
    with serve(tmp_path) as server:
        image = open_image(f"{server.url}/i.zarr")
        before, asked = server.bytes, len(server.requests)
        found = read_box(image, 0, [0], Box((0, 0, 0), (1, size, size)), halo=(0, 0, 0))
        requests, read = server.requests[asked:], server.bytes - before
    np.testing.assert_array_equal(found[0, 0], pixels[:size, :size])
    assert requests == [("GET", "i.zarr/0/c/0/0")] * 2, "the index, and all chunks"
    index = 16 * 16 + 4
    assert read == index + size**2 * 2
