"""Boxes of pixels from trees that zarr wrote: every type, order, axis subset and kind of damage."""

import json
import pickle
import shutil
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
import zarr.codecs
from hypothesis import given, settings
from hypothesis import strategies as st

from trees import image_attributes, put, put_array, put_group, put_plate, write_image
from voxelmill.blocks import Box
from voxelmill.plugin import AccessDenied, BadInput, StoreUnavailable
from voxelmill.store import inventory, open_dataset, open_image, read_box, remote
from webserver import serve

VERSIONS = ["0.4", "0.5"]
SUBSETS = ["yx", "cyx", "zyx", "tyx", "czyx", "tcyx", "tzyx", "tczyx"]
TYPES = [f"{order}{kind}" for order in "<>" for kind in ("u2", "u4", "u8", "i2", "i4", "i8")]
TYPES += ["|u1", "|i1", "|b1", "<f2", ">f2", "<f4", ">f4", "<f8", ">f8"]


def _pixels(letters: str, dtype: str = "<u2") -> np.ndarray:
    sizes = {"t": 2, "c": 3, "z": 4, "y": 9, "x": 11}
    shape = [sizes[a] for a in letters]
    values = np.arange(1, 1 + np.prod(shape)).reshape(shape)
    return (values % 2 == 0 if dtype == "|b1" else values % 101 + 1).astype(dtype)


def _full(image_shape: tuple[int, ...]) -> Box:
    return Box((0, 0, 0), (image_shape[2], image_shape[3], image_shape[4]))


def _canonical(pixels: np.ndarray, letters: str) -> np.ndarray:
    """Return pixels as (t, c, z, y, x)."""
    absent = [a for a in "tczyx" if a not in letters]
    order = "".join(absent) + letters
    whole = pixels.reshape((1,) * len(absent) + pixels.shape)
    return whole.transpose([order.index(a) for a in "tczyx"])


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("letters", SUBSETS)
def test_axis_subsets(tmp_path: Path, version: str, letters: str) -> None:
    pixels = _pixels(letters)
    write_image(tmp_path / "i.zarr", pixels, letters, version, chunks=[2] * len(letters))
    image = open_image(str(tmp_path / "i.zarr"))
    truth = _canonical(pixels, letters)
    assert image.shape == truth.shape
    assert image.axes == letters
    box = Box((0, 1, 3), (image.shape[2], 8, 10))
    for t in range(image.shape[0]):
        found = read_box(image, t, range(image.shape[1]), box)
        np.testing.assert_array_equal(found, truth[t][:, *box.slices])
        assert found.flags.c_contiguous


@pytest.mark.parametrize("space", ["".join(p) for p in permutations("zyx")] + ["xy"])
def test_space_axes_in_any_order(tmp_path: Path, space: str) -> None:
    letters = f"tc{space}"
    pixels = _pixels(letters)
    write_image(tmp_path / "i.zarr", pixels, letters, "0.5")
    image = open_image(str(tmp_path / "i.zarr"))
    assert bool(image.warnings) == (space != "zyx")
    found = read_box(image, 1, [0, 1, 2], _full(image.shape))
    np.testing.assert_array_equal(found, _canonical(pixels, letters)[1])


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("dtype", TYPES)
def test_types_and_byte_orders(tmp_path: Path, version: str, dtype: str) -> None:
    pixels = _pixels("cyx", dtype)
    write_image(tmp_path / "i.zarr", pixels, "cyx", version, chunks=(1, 4, 4))
    image = open_image(str(tmp_path / "i.zarr"))
    read_as = "|u1" if dtype == "|b1" else dtype
    assert image.dtype == read_as
    found = read_box(image, 0, [0, 1, 2], _full(image.shape))
    assert found.dtype == np.dtype(read_as).newbyteorder("=")
    np.testing.assert_array_equal(found[:, 0], pixels)


@settings(deadline=None, max_examples=25)
@given(data=st.data())
def test_any_box(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    root = tmp_path_factory.getbasetemp() / "any.zarr"
    pixels = _pixels("tczyx")
    if not root.exists():
        write_image(root, pixels, "tczyx", "0.5", (1, 1, 2, 3, 4), (1, 3, 4, 6, 8), ("s0", "s1"))
    image = open_image(str(root))
    level = data.draw(st.integers(0, 1))
    truth = pixels[..., :: 2**level, :: 2**level]
    extent = image.shape_at(level)[2:]
    starts = [data.draw(st.integers(0, n - 1)) for n in extent]
    stops = [data.draw(st.integers(a + 1, n)) for a, n in zip(starts, extent, strict=True)]
    box = Box(tuple(starts), tuple(stops))  # type: ignore[arg-type]
    channels = data.draw(st.lists(st.integers(0, 2), min_size=1, max_size=4))
    t = data.draw(st.integers(0, 1))
    found = read_box(image, t, channels, box, level)
    np.testing.assert_array_equal(found, truth[t][channels][:, *box.slices])


def test_levels_names_and_pickling(tmp_path: Path) -> None:
    pixels = _pixels("zyx")
    write_image(tmp_path / "i.zarr", pixels, "zyx", "0.4", paths=("s0", "deep/s1"))
    image = open_image(f"{tmp_path}/i.zarr/")
    assert [level.path for level in image.levels] == ["s0", "deep/s1"]
    assert image.levels[1].spacing_um == (0.5, 1.0, 1.0)
    assert image.shape_at(1) == (1, 1, 4, 5, 6)
    there = pickle.loads(pickle.dumps(image))  # noqa: S301
    assert there == image
    assert len(pickle.dumps(image)) < 4096
    found = read_box(there, 0, [0], Box((0, 0, 0), (4, 5, 6)), 1)
    np.testing.assert_array_equal(found[0], pixels[:, ::2, ::2])


@pytest.mark.parametrize(
    ("t", "channels", "start", "stop", "level"),
    [
        (1, [0], (0, 0, 0), (1, 2, 2), 0),
        (-1, [0], (0, 0, 0), (1, 2, 2), 0),
        (0, [3], (0, 0, 0), (1, 2, 2), 0),
        (0, [], (0, 0, 0), (1, 2, 2), 0),
        (0, [0], (0, 0, 0), (1, 10, 2), 0),
        (0, [0], (0, -1, 0), (1, 2, 2), 0),
        (0, [0], (0, 2, 0), (1, 2, 2), 0),
        (0, [0], (0, 0, 0), (1, 2, 2), 1),
    ],
)
def test_beyond_the_image(
    tmp_path: Path,
    t: int,
    channels: list[int],
    start: tuple[int, int, int],
    stop: tuple[int, int, int],
    level: int,
) -> None:
    write_image(tmp_path / "i.zarr", _pixels("cyx"), "cyx", "0.5")
    image = open_image(str(tmp_path / "i.zarr"))
    with pytest.raises(BadInput, match=r"^i\.zarr: "):
        read_box(image, t, channels, Box(start, stop), level)


CODECS_V2 = ["none", "zlib", "gzip", "bz2", "lzma", "zstd", "blosc", "lz4"]


def _v2_options(codec: str) -> dict[str, object]:
    import numcodecs

    made = {
        "none": None,
        "zlib": numcodecs.Zlib(),
        "gzip": numcodecs.GZip(),
        "bz2": numcodecs.BZ2(),
        "lzma": numcodecs.LZMA(),
        "zstd": numcodecs.Zstd(),
        "blosc": numcodecs.Blosc(),
        "lz4": numcodecs.LZ4(),
    }
    return {"compressors": made[codec]}


def _v3_options(codec: str) -> dict[str, object]:
    made = {
        "none": None,
        "gzip": zarr.codecs.GzipCodec(),
        "zstd": zarr.codecs.ZstdCodec(),
        "blosc": zarr.codecs.BloscCodec(),
        "crc32c": zarr.codecs.Crc32cCodec(),
    }
    return {"compressors": made[codec]}


LAYOUTS = [("0.4", codec, "") for codec in CODECS_V2]
LAYOUTS += [
    ("0.5", codec, index)
    for codec in ("none", "gzip", "zstd", "blosc", "crc32c")
    for index in ("", "start", "end")
]


@pytest.mark.parametrize(("version", "codec", "index"), LAYOUTS)
@pytest.mark.parametrize("damage", ["half", "empty", "garbage", "gone", "last byte"])
def test_damaged_chunk_is_never_pixels(
    tmp_path: Path, version: str, codec: str, index: str, damage: str
) -> None:
    rng = np.random.default_rng(1)
    pixels = rng.integers(1, 999, (16, 16)).astype("<u2")
    options = _v2_options(codec) if version == "0.4" else _v3_options(codec)
    write_image(
        tmp_path / "i.zarr",
        pixels,
        "yx",
        version,
        chunks=(4, 4) if index else (16, 16),
        shards={"shape": (16, 16), "index_location": index} if index else None,
        array_options=options,
    )
    image = open_image(str(tmp_path / "i.zarr"))
    assert image.levels[0].array.index_at_end == (index != "start")
    box = _full(image.shape)
    corner = Box((0, 9, 9), (1, 16, 16))
    np.testing.assert_array_equal(read_box(image, 0, [0], box)[0, 0], pixels)
    np.testing.assert_array_equal(read_box(image, 0, [0], corner)[0, 0], pixels[9:, 9:])
    chunk = tmp_path / "i.zarr" / "0" / ("0/0" if version == "0.4" else "c/0/0")
    data = chunk.read_bytes()
    if damage == "gone":
        chunk.unlink()
    else:
        garbage = rng.bytes(len(data) - 1)
        damaged = {"half": data[: len(data) // 2], "empty": b"", "last byte": data[:-1]}
        chunk.write_bytes(damaged.get(damage, garbage))
    for part in (box, corner):
        with pytest.raises(StoreUnavailable) as error:
            read_box(image, 0, [0], part)
        assert str(error.value).startswith("i.zarr")
        assert "\n" not in str(error.value)


def test_sparse_reads_background(tmp_path: Path) -> None:
    write_image(tmp_path / "i.zarr", _pixels("yx"), "yx", "0.5", chunks=(4, 4))
    shutil.rmtree(tmp_path / "i.zarr" / "0" / "c" / "0")
    image = open_image(str(tmp_path / "i.zarr"))
    with pytest.raises(StoreUnavailable, match=r"chunk 0/c/0/0 is missing"):
        read_box(image, 0, [0], Box((0, 0, 0), (1, 2, 2)))
    found = read_box(image, 0, [0], Box((0, 0, 0), (1, 9, 11)), sparse=True)
    assert not found[0, 0, :4].any()
    np.testing.assert_array_equal(found[0, 0, 4:], _pixels("yx")[4:])


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"dtype": "|O"}, '"|O"'),
        ({"dtype": "<U4"}, '"<U4"'),
        ({"dtype": [["a", "<u2"]]}, '"a"'),
        ({"dtype": "<c8"}, '"<c8"'),
        ({"dtype": "<M8[ns]"}, '"<M8[ns]"'),
        ({"compressor": {"id": "pickle"}}, '"pickle"'),
        ({"compressor": {"id": "evil"}}, '"evil"'),
        ({"filters": [{"id": "json2"}]}, '"json2"'),
        ({"filters": [{"id": "msgpack2"}]}, '"msgpack2"'),
        ({"filters": [{"id": "vlen-utf8"}]}, '"vlen-utf8"'),
        ({"filters": [{"id": "vlen-bytes"}]}, '"vlen-bytes"'),
        ({"filters": [{"id": "categorize"}]}, '"categorize"'),
    ],
)
def test_v2_codecs_that_can_run_code(tmp_path: Path, change: dict[str, object], named: str) -> None:
    root = tmp_path / "i.zarr"
    put_group(root, image_attributes("yx", "0.4"), "0.4")
    put_array(root / "0", (4, 4), "0.4")
    document = json.loads((root / "0" / ".zarray").read_text())
    put(root / "0" / ".zarray", document | change)
    with pytest.raises(BadInput, match="refused") as error:
        open_image(str(root))
    assert named in str(error.value)


SHARD = {
    "name": "sharding_indexed",
    "configuration": {
        "chunk_shape": [2, 2],
        "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}],
        "index_codecs": [{"name": "bytes", "configuration": {"endian": "little"}}],
    },
}


def _shard(**change: object) -> dict[str, object]:
    return {"codecs": [{**SHARD, "configuration": {**SHARD["configuration"], **change}}]}  # type: ignore[dict-item]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"data_type": "string"}, '"string"'),
        ({"data_type": "complex64"}, '"complex64"'),
        ({"data_type": "variable_length_bytes"}, "variable_length_bytes"),
        ({"data_type": {"name": "numpy.datetime64"}}, "numpy.datetime64"),
        ({"codecs": [{"name": "vlen-utf8"}]}, '"vlen-utf8"'),
        ({"codecs": [{"name": "numcodecs.pickle"}]}, '"pickle"'),
        ({"codecs": [{"name": "numcodecs.json2"}]}, '"json2"'),
        ({"codecs": [{"name": "mine"}]}, '"mine"'),
        ({"codecs": ["mine", "bytes"]}, '"mine"'),
        (_shard(codecs=[{"name": "numcodecs.pickle"}]), '"pickle"'),
        (_shard(codecs=[SHARD]), "sharding_indexed"),
        (_shard(index_codecs=[{"name": "bytes"}, {"name": "gzip"}]), "index_codecs"),
        (_shard(chunk_shape=[3, 3]), "whole multiples"),
        ({"chunk_grid": {"name": "rectangular"}}, "rectangular"),
        ({"storage_transformers": [{"name": "x"}]}, "storage transformers"),
        ({"shape": [0, 4]}, "at least 1"),
    ],
)
def test_v3_metadata_refused(tmp_path: Path, change: dict[str, object], named: str) -> None:
    root = tmp_path / "i.zarr"
    put_group(root, image_attributes("yx", "0.5"), "0.5")
    put_array(root / "0", (4, 4), "0.5", "yx")
    document = json.loads((root / "0" / "zarr.json").read_text())
    put(root / "0" / "zarr.json", document | change)
    with pytest.raises(BadInput) as error:
        open_image(str(root))
    assert named in str(error.value)
    assert "\n" not in str(error.value)


def test_plate_with_broken_parts(tmp_path: Path) -> None:
    root = tmp_path / "p.zarr"
    put_plate(root, "0.5", {"A/1": ["0"], "A/2": ["0", "1"], "B/3": ["0"]})
    write_image(root / "A/2/1", _pixels("yx"), "yx", "0.5")
    (root / "A/1/zarr.json").write_text("{")
    shutil.rmtree(root / "B/3")
    dataset = open_dataset(str(root))
    assert [ref.path for ref in dataset.images] == ["A/2/0", "A/2/1"]
    assert [path for path, _ in dataset.problems] == ["A/1", "B/3"]
    assert dataset.images[1].well == "A02"
    assert dataset.images[1].acquisition == 0
    assert open_image(dataset.url, "A/2/1").shape == (1, 1, 1, 9, 11)
    with pytest.raises(BadInput, match=r"p\.zarr/A/2/0: no such image"):
        open_image(dataset.url, "A/2/0")


def test_collections(tmp_path: Path) -> None:
    root = tmp_path / "c.zarr"
    put_group(root, {"bioformats2raw.layout": 3}, "0.4")
    with pytest.raises(BadInput, match="no series"):
        open_dataset(str(root))
    for series in ("0", "1", "3"):
        write_image(root / series, _pixels("yx"), "yx", "0.4")
    assert [ref.path for ref in open_dataset(str(root)).images] == ["0", "1"]
    put_group(root / "OME", {}, "0.4")
    assert [ref.path for ref in open_dataset(str(root)).images] == ["0", "1"]
    put_group(root / "OME", {"series": ["3", "0"]}, "0.4")
    assert [ref.series for ref in open_dataset(str(root)).images] == ["3", "0"]
    put_group(root / "OME", {"series": ["../secret"]}, "0.4")
    with pytest.raises(BadInput, match="stays inside"):
        open_dataset(str(root))
    put_group(root, {"bioformats2raw.layout": 2}, "0.4")
    with pytest.raises(BadInput, match=r"bioformats2raw\.layout: 2"):
        open_dataset(str(root))


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"no zarr\.json or \.zattrs"):
        open_dataset(str(tmp_path / "no.zarr"))
    with pytest.raises(BadInput, match=r"gs://; must be a local path, s3://, http:// or https://"):
        open_dataset("gs://bucket/x.zarr")
    (tmp_path / "file.zarr").write_text("x")
    with pytest.raises(BadInput):
        open_dataset(str(tmp_path / "file.zarr"))


@pytest.mark.parametrize("shard", [False, True])
@pytest.mark.parametrize("version", VERSIONS)
def test_over_http(tmp_path: Path, version: str, shard: bool) -> None:
    pixels = _pixels("czyx")
    shards = (3, 4, 8, 12) if shard and version == "0.5" else None
    write_image(tmp_path / "a b" / "i.zarr", pixels, "czyx", version, (1, 2, 4, 4), shards)
    with serve(tmp_path) as server:
        url = f"{server.url}/a b/i.zarr/"
        assert open_dataset(url).kind == "image"
        image = open_image(url)
        local = open_image(str(tmp_path / "a b" / "i.zarr"))
        assert image.levels == local.levels
        assert inventory(image) == inventory(local)
        found = read_box(image, 0, [2, 0], _full(image.shape))
        np.testing.assert_array_equal(found, pixels[[2, 0]])
        metadata = [path for verb, path in server.requests if path.endswith(("json", ".zattrs"))]
        server.requests.clear()
        read_box(image, 0, [0], _full(image.shape))
        assert metadata
        assert not [r for r in server.requests if r[1].endswith(("json", ".zarray", ".zattrs"))]


def test_plate_over_http(tmp_path: Path) -> None:
    wells = {f"{row}/{column}": ["0"] for row in "AB" for column in range(1, 13)}
    put_plate(tmp_path / "p.zarr", "0.4", wells)
    write_image(tmp_path / "p.zarr/B/3/0", _pixels("yx"), "yx", "0.4")
    (tmp_path / "p.zarr/A/1/.zattrs").unlink()
    with serve(tmp_path) as server:
        dataset = open_dataset(f"{server.url}/p.zarr")
        assert len(dataset.images) == 23
        assert dataset.problems[0][0] == "A/1"
        assert open_image(dataset.url, "B/3/0").shape == (1, 1, 1, 9, 11)


def test_http_faults(tmp_path: Path) -> None:
    write_image(tmp_path / "i.zarr", _pixels("yx"), "yx", "0.5", chunks=(4, 4))
    whole = Box((0, 0, 0), (1, 9, 11))
    with serve(tmp_path) as server:
        url = f"{server.url}/i.zarr"
        image = open_image(url)
        server.faults["c/1/1"] = 404
        gaps = inventory(image)
        assert (gaps.stored, gaps.expected, gaps.missing) == (8, 9, ("0/c/1/1",))
        with pytest.raises(StoreUnavailable, match="missing"):
            read_box(image, 0, [0], whole)
        for status in (401, 403):
            server.faults["c/1/1"] = status
            for call in (inventory, lambda im: read_box(im, 0, [0], whole)):
                with pytest.raises(AccessDenied):
                    call(image)
        server.faults["c/1/1"] = 410
        with pytest.raises(StoreUnavailable):
            read_box(image, 0, [0], whole)
        server.faults = {"zarr.json": 403}
        with pytest.raises(AccessDenied, match="refuses"):
            open_dataset(url)
        server.faults = {"i.zarr": 404}
        with pytest.raises(BadInput, match=r"no zarr\.json or \.zattrs"):
            open_dataset(url)


@pytest.mark.parametrize("version", VERSIONS)
def test_where_what_is_absent_is_refused(tmp_path: Path, version: str) -> None:
    """As on S3 for those who may get objects, but not list them."""
    pixels = _pixels("yx")
    write_image(tmp_path / "i.zarr", pixels, "yx", version, chunks=(4, 4))
    with serve(tmp_path) as server:
        server.absent = 403
        image = open_image(f"{server.url}/i.zarr")
        assert inventory(image).complete
        np.testing.assert_array_equal(read_box(image, 0, [0], _full(image.shape))[0, 0], pixels)
        with pytest.raises(AccessDenied, match=r"i\.zarr/nothing"):
            open_image(image.url, "nothing")
        chunk = next(p for p in (tmp_path / "i.zarr/0").rglob("*") if p.name.isdigit() and
                     p.is_file())  # fmt: skip
        chunk.unlink()
        for sparse in (False, True):
            with pytest.raises(AccessDenied):
                read_box(image, 0, [0], _full(image.shape), sparse=sparse)
        with pytest.raises(AccessDenied):
            inventory(image)


def test_http_web_page_instead_of_metadata(tmp_path: Path) -> None:
    (tmp_path / "i.zarr").mkdir()
    (tmp_path / "i.zarr" / "zarr.json").write_text("<html>Log in</html>")
    with serve(tmp_path) as server, pytest.raises(BadInput, match="must be JSON"):
        open_dataset(f"{server.url}/i.zarr")


def test_no_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(remote.RETRY, "max_retries", 1)
    write_image(tmp_path / "i.zarr", _pixels("yx"), "yx", "0.5", chunks=(4, 4))
    with serve(tmp_path) as server:
        url = f"{server.url}/i.zarr"
        image = open_image(url)
    for call in (
        lambda: open_dataset(url),
        lambda: inventory(image),
        lambda: read_box(image, 0, [0], Box((0, 0, 0), (1, 4, 4))),
    ):
        with pytest.raises(StoreUnavailable) as error:
            call()
        assert "\n" not in str(error.value)


def test_folder_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_image(tmp_path / "i.zarr", _pixels("yx"), "yx", "0.5")

    def refuse(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(AccessDenied, match="permission denied"):
        open_dataset(str(tmp_path / "i.zarr"))


@pytest.mark.parametrize("index", ["start", "end"])
def test_chunk_absent_inside_a_shard(tmp_path: Path, index: str) -> None:
    pixels = _pixels("yx")
    pixels[:4, :4] = 0
    root = tmp_path / "i.zarr"
    shards = {"shape": (12, 12), "index_location": index}
    write_image(root, pixels, "yx", "0.5", (4, 4), shards, empty=False)
    image = open_image(str(root))
    assert inventory(image).missing == ("0/c/0/0 inner 0,0",)
    for box in (Box((0, 0, 0), (1, 9, 11)), Box((0, 0, 0), (1, 2, 2))):
        with pytest.raises(StoreUnavailable, match="lacks inner 0,0"):
            read_box(image, 0, [0], box)
        found = read_box(image, 0, [0], box, sparse=True)
        np.testing.assert_array_equal(found[0, 0], pixels[box.slices[1:]])
