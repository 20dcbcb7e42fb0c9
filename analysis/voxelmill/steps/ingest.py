"""`voxelmill ingest`: a folder of TIFFs in, an OME-Zarr 0.5 plate out.

The plate is written beside its place and renamed when whole, so a half one never looks finished.
Nothing is filled in: a field that lacks a plane is refused.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from voxelmill.ingest_pattern import Place, check_complete, distinct, match_names, rename
from voxelmill.plugin import Array, BadInput, OutputExists
from voxelmill.progress import Progress
from voxelmill.store.documents import whole_folder
from voxelmill.store.plate import Field, write_plate
from voxelmill.store.write import image_shard, write_image
from voxelmill.tiffs import SUFFIXES, Pages, read_tiff, tiff_spacing

FILE_AXES = ("t", "channel", "z")


@dataclass(frozen=True)
class Job:
    """What is the same for all fields of a plate; `channel_labels` are pairs NAME=LABEL."""

    src: Path
    out: Path
    pages: Pages
    channel_labels: tuple[str, ...]
    pixel_size_um: float | None
    z_step_um: float | None


@dataclass(frozen=True)
class Written:
    """What one field turned out to be; must be the same for all fields but along y and x."""

    shape: tuple[int, ...]
    dtype: str
    channels: tuple[str, ...]
    spacing_um: tuple[float | None, float | None]


def ingest(
    src: Path,
    pattern: str,
    out: Path,
    *,
    pixel_size_um: float | None = None,
    z_step_um: float | None = None,
    channels: Sequence[str] = (),
    name: str | None = None,
    pages: Pages = "z",
    workers: int = 1,
    progress: bool = True,
) -> str:
    """Make a plate from a folder of TIFFs.

    Parameters
    ----------
    src : Path
        Folder; files below it are found at any depth.
    pattern : str
        Regular expression with groups ``well`` (or ``row`` and ``col``), ``site``, ``channel``,
        ``z``, ``t``, searched in the path below `src`.
    out : Path
        Plate to create.
    pixel_size_um, z_step_um : float, optional
        Voxel size; default: what the files tell, if reliable, else none is written.
    channels : sequence of str
        Pairs ``NAME=LABEL`` that rename channels.
    name : str, optional
        Name of the plate; default: that of `out`.
    pages : {'z', 'c', 't'}
        What pages of a file are along, where the file does not say.
    workers : int
        Threads; each holds one field.
    progress : bool
        Show a bar on a terminal.

    Returns
    -------
    str
        What was made, in one line or two.

    Raises
    ------
    BadInput
        The files, or the pattern, do not make a whole plate.
    OutputExists
        `out` is there already.
    """
    if out.exists():
        raise OutputExists(f"{out}: is there already. Remove it, or name another output.")
    if not src.is_dir():
        raise BadInput(f"{src}: no folder; a folder of TIFF files. Check the path.")
    found, others = match_names(_names(src), pattern)
    check_complete(found)
    fields: dict[str, dict[Place, Path]] = {}
    for place, file in found.items():
        fields.setdefault(place.image, {})[place] = src / file
    with whole_folder(out) as partial_out:
        job = Job(src, partial_out, pages, tuple(channels), pixel_size_um, z_step_um)
        written = _write_fields(job, fields, workers, progress=progress)
        label = name or out.name.removesuffix(".zarr").removesuffix(".ome")
        write_plate(str(partial_out), label, _wells(found))
    return _summary(label, written, fields, len(found), others)


def _names(src: Path) -> list[str]:
    files = (p for p in src.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
    return sorted(p.relative_to(src).as_posix() for p in files)


def _write_fields(
    job: Job, fields: dict[str, dict[Place, Path]], workers: int, *, progress: bool
) -> dict[str, Written]:
    written: dict[str, Written] = {}
    first = next(iter(fields))
    with (
        Progress(show=progress).stage("ingest", len(fields)) as step,
        ThreadPoolExecutor(max(1, workers)) as pool,
    ):
        try:
            results = pool.map(partial(_write_field, job), fields, fields.values())
            for image, result in zip(fields, results, strict=True):
                written[image] = result
                _check_same(first, written[first], image, result)
                step()
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return written


def _write_field(job: Job, image: str, files: dict[Place, Path]) -> Written:
    pixels, names = _assemble(image, files, job.pages)
    labels = rename(names, job.channel_labels)
    size, depth = job.pixel_size_um, job.z_step_um
    if size is None or (depth is None and pixels.shape[2] > 1):
        told_size, told_depth = tiff_spacing(next(iter(files.values())))
        size, depth = size or told_size, depth or told_depth
    axes = "".join(a for a, n in zip("tczyx", pixels.shape, strict=True) if n > 1 or a in "cyx")
    shard = image_shard(pixels.shape, pixels.dtype.itemsize)
    write_image(
        str(job.out / image), pixels, axes, (depth, size, size), labels, shard=shard, name=image
    )
    return Written(pixels.shape, str(pixels.dtype), tuple(labels), (size, depth))


def _assemble(image: str, files: dict[Place, Path], pages: Pages) -> tuple[Array, list[str]]:
    """Put the files of a field together: (t, c, z, y, x) pixels and channel names."""
    of = {axis: distinct(getattr(p, axis) for p in files) for axis in FILE_AXES}
    parts = {place: read_tiff(file, pages) for place, file in files.items()}
    first = next(iter(parts.values()))
    inner, outer = first.shape[:3], tuple(len(of[a]) for a in FILE_AXES)
    for axis, inside, outside in zip(FILE_AXES, inner, outer, strict=True):
        if inside > 1 and outside > 1:
            raise BadInput(
                f"{next(iter(files.values()))}: {inside} pages along {axis}, and {axis} in the "
                "pattern; one of them. Drop the group, or say what pages are with --pages."
            )
    counts = [a * b for a, b in zip(inner, outer, strict=True)]
    pixels = np.empty((*counts, *first.shape[3:]), dtype=first.dtype)
    for place, part in parts.items():
        if part.shape != first.shape or part.dtype != first.dtype:
            raise BadInput(
                f"{files[place]}: {part.dtype} {part.shape}; other files of {image} are "
                f"{first.dtype} {first.shape}. Export them alike."
            )
        starts = [of[a].index(getattr(place, a)) for a in FILE_AXES]
        pixels[tuple(slice(s, s + n) for s, n in zip(starts, inner, strict=True))] = part
    names = of["channel"] if inner[1] == 1 else [str(i) for i in range(inner[1])]
    return pixels, names


def _check_same(first: str, a: Written, image: str, b: Written) -> None:
    if a.shape[:3] != b.shape[:3] or a.dtype != b.dtype or a.channels != b.channels:
        raise BadInput(
            f"{image}: {b.dtype}, t c z = {b.shape[:3]}; {first} has {a.dtype}, {a.shape[:3]}. "
            "One plate, one kind of field: make the pattern leave the others out."
        )
    if a.spacing_um != b.spacing_um:
        raise BadInput(
            f"{image}: pixel size and z step {b.spacing_um} µm; {first} has {a.spacing_um}. "
            "Say which with --pixel-size-um and --z-step-um."
        )


def _wells(places: Sequence[Place] | dict[Place, str]) -> dict[tuple[str, str], list[Field]]:
    wells: dict[tuple[str, str], dict[str, Field]] = {}
    for place in places:
        wells.setdefault((place.row, place.column), {})[place.site] = Field(place.site)
    return {well: list(fields.values()) for well, fields in wells.items()}


def _summary(
    label: str,
    written: dict[str, Written],
    fields: dict[str, dict[Place, Path]],
    files: int,
    others: Sequence[str],
) -> str:
    one = next(iter(written.values()))
    wells = {image.rsplit("/", 1)[0] for image in fields}
    shapes = sorted({w.shape[3:] for w in written.values()})
    extent = " or ".join(f"{y} x {x}" for y, x in shapes)
    size, depth = one.spacing_um
    spacing = f"{size:g} µm pixels" if size else "pixel size unknown (--pixel-size-um)"
    if one.shape[2] > 1:
        spacing += f", {one.shape[2]} planes" + (f" every {depth:g} µm" if depth else "")
    line = (
        f"plate {label}: {len(wells)} wells, {len(fields)} fields, channels "
        f"{', '.join(one.channels)}, {extent} {one.dtype}, {spacing}; {files} files read"
    )
    if others:
        line += f"\n{len(others)} TIFF files do not match the pattern, such as {others[0]}"
    return line
