"""A Zarr array's metadata → ArrayInfo. Object types, pickle and unknown codecs are refused here.

Refusing happens on the metadata alone, before any byte of a chunk is decoded: object codecs can
run code that the data bring along.

Sources: Zarr storage specification v2; Zarr core specification v3 and its sharding codec.
"""

import json
import re
from typing import Any

from voxelmill.ngff.arrayinfo import ArrayInfo
from voxelmill.ngff.node import Node, parse_json
from voxelmill.plugin import BadInput

_COMPRESSORS = {"blosc", "zlib", "gzip", "bz2", "lzma", "zstd", "lz4"}
_CHECKSUMS = {"crc32", "crc32c", "adler32", "fletcher32", "jenkins_lookup3"}
_FILTERS = {"shuffle", "delta", "packbits", "fixedscaleoffset", "quantize", "bitround", "astype"}
_BYTES_CODECS = frozenset(_COMPRESSORS | _CHECKSUMS | _FILTERS)
"""Codecs of numcodecs that only compute numbers from bytes."""
_V3_CODECS = frozenset({"bytes", "transpose", "blosc", "gzip", "zstd", "crc32c"})
_V3_TYPES = {
    "bool": "b1",
    **{f"{kind}{8 * n}": f"{kind[0]}{n}" for kind in ("int", "uint") for n in (1, 2, 4, 8)},
    **{f"float{8 * n}": f"f{n}" for n in (2, 4, 8)},
}
_V2_TYPE = r"[<>|](b1|[iu][1248]|f[248])"


def parse_array(document: bytes, version: str, place: str) -> ArrayInfo:
    """Read and check an array's metadata document.

    Parameters
    ----------
    document : bytes
        Content of ``.zarray`` (0.4) or ``zarr.json`` (0.5).

    Raises
    ------
    BadInput
        Breaks a rule of Zarr, or needs a type or codec that is not read.
    """
    node = parse_json(document, place)
    return _parse_v2(node) if version == "0.4" else _parse_v3(node)


def _parse_v2(node: Node) -> ArrayInfo:
    node.need("zarr_format").integer(2, 2)
    dtype = node.need("dtype")
    if not isinstance(dtype.value, str) or not re.fullmatch(_V2_TYPE, dtype.value):
        raise _bad_type(dtype)
    filters, compressor = node.get("filters"), node.get("compressor")
    chain = (filters.each() if filters else []) + ([compressor] if compressor else [])
    shape = _extent(node.need("shape"), 1)
    separator = node.get("dimension_separator")
    return ArrayInfo(
        shape=shape,
        dtype=dtype.value,
        chunks=_extent(node.need("chunks"), 1, len(shape)),
        shards=None,
        codecs=tuple(_allowed(codec.need("id"), _BYTES_CODECS) for codec in chain),
        key_prefix="",
        separator=separator.one_of(".", "/") if separator else ".",
        document=_document(node),
    )


def _parse_v3(node: Node) -> ArrayInfo:
    node.need("zarr_format").integer(3, 3)
    node.need("node_type").one_of("array")
    kind = node.need("data_type")
    if not isinstance(kind.value, str) or kind.value not in _V3_TYPES:
        raise _bad_type(kind)
    transformers = node.get("storage_transformers")
    if transformers is not None and transformers.each():
        raise transformers.bad("storage transformers are not read")
    shape = _extent(node.need("shape"), 1)
    grid = node.need("chunk_grid")
    grid.need("name").one_of("regular")
    stored = _extent(grid.need("configuration").need("chunk_shape"), 1, len(shape))
    prefix, separator = _keys(node.need("chunk_key_encoding"))
    chain = node.need("codecs").each(1)
    outer = [_name(codec) for codec in chain]
    inner = None
    layout: dict[str, Any] = {}
    if "sharding_indexed" in outer:
        inner = chain[outer.index("sharding_indexed")].need("configuration")
        layout = _index_layout(inner)
        if outer != ["sharding_indexed"]:
            raise node.need("codecs").bad("sharding must be the only codec around its chunks")
    chunks = _extent(inner.need("chunk_shape"), 1, len(shape)) if inner else stored
    if any(s % c for s, c in zip(stored, chunks, strict=True)):
        raise grid.bad(f"shards must be whole multiples of their chunks {list(chunks)}")
    codecs = inner.need("codecs").each(1) if inner else chain
    names = [_v3_codec(codec) for codec in codecs]
    return ArrayInfo(
        shape=shape,
        dtype=_order(codecs, _V3_TYPES[kind.value]),
        chunks=chunks,
        shards=stored if inner else None,
        codecs=tuple(name for name in names if name not in ("bytes", "transpose")),
        key_prefix=prefix,
        separator=separator,
        document=_document(node),
        dimension_names=_names(node, len(shape)),
        **layout,
    )


def _index_layout(config: Node) -> dict[str, Any]:
    """Read where a shard keeps its index, and how."""
    location = config.get("index_location")
    index = config.need("index_codecs").each(1)
    names = [_v3_codec(entry) for entry in index]
    if names not in (["bytes"], ["bytes", "crc32c"]):
        raise config.need("index_codecs").bad("must be bytes, or bytes and crc32c")
    return {
        "index_at_end": location is None or location.one_of("start", "end") == "end",
        "index_crc": "crc32c" in names,
        "index_order": _order(index, "u8")[0],
    }


def _name(codec: Node) -> str:
    return codec.text() if isinstance(codec.value, str) else codec.need("name").text()


def _v3_codec(codec: Node) -> str:
    name = _name(codec)
    allowed = _BYTES_CODECS if name.startswith("numcodecs.") else _V3_CODECS
    return _allowed(codec.child("name", name.removeprefix("numcodecs.")), allowed)


def _allowed(name: Node, allowed: frozenset[str]) -> str:
    if name.text() not in allowed:
        raise name.bad(
            f"codec refused: only {', '.join(sorted(allowed))} are decoded",
            "Object and pickle codecs can run code.",
        )
    return name.text()


def _order(codecs: list[Node], kind: str) -> str:
    """Numpy type string of `kind` in the byte order that the bytes codec names."""
    if kind[-1] == "1":
        return f"|{kind}"
    for codec in codecs:
        if _name(codec) == "bytes":
            endian = codec.need("configuration").need("endian").one_of("little", "big")
            return f"{'<' if endian == 'little' else '>'}{kind}"
    raise BadInput(f"{codecs[0].place}: codecs hold no bytes codec; Zarr v3 requires one.")


def _keys(encoding: Node) -> tuple[str, str]:
    name = encoding.need("name").one_of("default", "v2")
    config = encoding.get("configuration")
    separator = config.get("separator") if config else None
    usual = "/" if name == "default" else "."
    return "c" if name == "default" else "", separator.one_of(".", "/") if separator else usual


def _names(node: Node, count: int) -> tuple[str | None, ...] | None:
    names = node.get("dimension_names")
    if names is None:
        return None
    return tuple(None if e.value is None else e.text() for e in names.each(count, count))


def _extent(node: Node, least: int, count: int | None = None) -> tuple[int, ...]:
    extent = tuple(entry.integer(least) for entry in node.each(1))
    if count is not None and len(extent) != count:
        raise node.bad(f"must have {count} entries, one a dimension")
    return extent


def _bad_type(node: Node) -> BadInput:
    return node.bad(
        "data type refused: must be boolean, integer or floating-point", "Objects can run code."
    )


def _document(node: Node) -> str:
    kept = {k: v for k, v in node.members().items() if k != "attributes"}
    return json.dumps(kept, separators=(",", ":"), sort_keys=True)
