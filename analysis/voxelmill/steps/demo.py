"""The demo plate: a made-up screen as OME-Zarr 0.5, with planted faults, and its truth beside it.

Out: ``<out>`` (the plate) and ``<out without .zarr>.truth.json``:

    {"pixel_size_um", "channels", "faults": [{"image", "fault"}, …],
     "images": {"A/01/0": {"nuclei": n, "centroids_px": [[y, x], …], "areas_px": […]}, …}}

From the first column to the last cells get fewer and the second channel brighter, as under a drug.
"""

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from voxelmill.plugin import BadConfig
from voxelmill.store.documents import whole_folder
from voxelmill.store.plate import Field, write_plate
from voxelmill.store.write import Channel, write_image
from voxelmill.synthetic import SyntheticField, field

PIXEL_UM = 0.65
DIAMETER_UM = 12.0
CHANNELS = ("DNA", "AGP", "ER", "RNA", "Mito", "Golgi", "Tubulin")
COLOURS = ("4080FF", "40FF40", "FF4040", "FFC000", "FF40FF", "00E0E0", "FFFFFF")
WINDOWS = (3500.0, 1800.0, 1600.0)
"""Upper end of the display of the first channels in counts; the same in all images."""


@dataclass(frozen=True)
class Site:
    """One field of the plan: where it is, what is to be seen there and which `fault` it has."""

    row: str
    column: str
    number: int
    nuclei: int
    effect: float
    fault: str = ""

    @property
    def image(self) -> str:
        """Path of the image in the plate."""
        return f"{self.row}/{self.column}/{self.number}"


def write_demo_plate(
    out: Path,
    *,
    wells: int = 12,
    fields: int = 4,
    size: int = 1080,
    seed: int = 0,
    channels: int = 3,
    faults: bool = True,
    workers: int = 2,
) -> Path:
    """Write the plate and its truth.

    Parameters
    ----------
    out : Path
        Folder of the plate, to be created.
    wells, fields, channels : int
        Wells (a rectangle of about 3 : 4), fields a well, channels (at most 7).
    size : int
        Edge of a field in pixels of 0.65 µm; four chunks an image and channel.
    seed : int
        The plate is a function of it and the other numbers.
    faults : bool
        Plant one well out of focus, one saturated, one empty field, and one lost chunk.
    workers : int
        Threads.

    Returns
    -------
    Path
        The truth.

    Raises
    ------
    OutputExists
        The plate is there already (a truth without its plate is replaced).
    BadConfig
        A number is too small or too large; faults need 4 wells.
    """
    truth_file = out.with_name(out.name.removesuffix(".zarr") + ".truth.json")
    if not (wells > 0 and fields > 0 and 1 <= channels <= len(CHANNELS) and size >= 64):
        raise BadConfig(
            f"demo: {wells} wells, {fields} fields, {channels} channels, size {size}; "
            f"at least 1, 1, 1 and 64, at most {len(CHANNELS)} channels."
        )
    sites = plan_sites(wells, fields, size=size, seed=seed, faults=faults)
    groups: dict[tuple[str, str], list[Field]] = {}
    for site in sites:
        groups.setdefault((site.row, site.column), []).append(Field(str(site.number)))
    with whole_folder(out) as beside, ThreadPoolExecutor(max(1, workers)) as pool:
        make = partial(_make, beside, size=size, seed=seed, channels=channels)
        made = list(pool.map(make, sites))
        write_plate(str(beside), out.name.removesuffix(".zarr"), groups)
        _write_truth(truth_file, sites, made, channels)
    return truth_file


def _write_truth(
    file: Path, sites: Sequence[Site], made: Sequence[dict[str, Any]], channels: int
) -> None:
    truth = {
        "pixel_size_um": PIXEL_UM,
        "channels": list(CHANNELS[:channels]),
        "faults": [{"image": s.image, "fault": s.fault} for s in sites if s.fault],
        "images": {s.image: m for s, m in zip(sites, made, strict=True)},
    }
    file.write_text(json.dumps(truth, separators=(",", ":")) + "\n", encoding="utf-8")


def plan_sites(wells: int, fields: int, *, size: int, seed: int, faults: bool) -> list[Site]:
    """Plan what is to be seen where: 60 to 150 nuclei in 1080 x 1080 pixels, fewer by column.

    Raises
    ------
    BadConfig
        Faults are wanted on fewer than 4 wells.
    """
    rows = max(r for r in range(1, wells + 1) if wells % r == 0 and r * r * 4 <= wells * 3 + 3)
    columns = wells // rows
    if faults and wells < 4:
        raise BadConfig(f"demo: faults on {wells} wells; at least 4. Add wells, or plant none.")
    rng = np.random.default_rng([seed, 1])
    planned = []
    for row in range(rows):
        for column in range(columns):
            dose = column / max(1, columns - 1)
            mean = (135 - 65 * dose) * rng.uniform(0.92, 1.08) * (size / 1080) ** 2
            for number in range(fields):
                fault = _fault(row, column, number, rows, columns, fields) if faults else ""
                nuclei = 0 if fault == "empty" else max(1, round(mean * rng.uniform(0.9, 1.1)))
                name = chr(ord("A") + row)
                effect = 1 + 1.6 * dose
                planned.append(Site(name, f"{column + 1:02d}", number, nuclei, effect, fault))
    return planned


def _fault(row: int, column: int, number: int, rows: int, columns: int, fields: int) -> str:
    """Fault planted here: one whole well, then single fields of three other wells."""
    well, last = row * columns + column, rows * columns - 1
    if well == last // 2 + 1:
        return "out_of_focus"
    if well == last and number == fields - 1:
        return "saturated"
    if well == 0 and number == min(1, fields - 1):
        return "empty"
    if well == 1 and number == fields // 2:
        return "lost_chunk"
    return ""


def _make(out: Path, site: Site, *, size: int, seed: int, channels: int) -> dict[str, Any]:
    """Render and write one field; give its truth."""
    rendered = _render(site, size=size, seed=seed, channels=channels)
    _write_site(out, site, rendered)
    centroids, areas = rendered.truth()
    return {
        "nuclei": len(areas),
        "centroids_px": np.round(centroids, 2).tolist(),
        "areas_px": areas.tolist(),
    }


def _render(site: Site, *, size: int, seed: int, channels: int) -> SyntheticField:
    return field(
        [seed, ord(site.row), int(site.column), site.number],
        size=size,
        nuclei=site.nuclei,
        channels=CHANNELS[:channels],
        diameter_px=DIAMETER_UM / PIXEL_UM,
        effect=site.effect,
        defocus_px=8.0 if site.fault == "out_of_focus" else 0.0,
        exposure=120.0 if site.fault == "saturated" else 1.0,
    )


def _write_site(out: Path, site: Site, rendered: SyntheticField) -> None:
    pixels = rendered.pixels[None, :, None]
    half = -(-pixels.shape[-1] // 2)
    highs = [WINDOWS[min(c, 2)] for c in range(pixels.shape[1])]
    channels = [Channel(CHANNELS[c], COLOURS[c], (150.0, high)) for c, high in enumerate(highs)]
    place = out / site.image
    write_image(
        str(place), pixels, "cyx", (1.0, PIXEL_UM, PIXEL_UM), channels, chunk=(1, 1, 1, half, half)
    )
    if site.fault == "lost_chunk":
        (place / "0" / "c" / "0" / "1" / "1").unlink()
