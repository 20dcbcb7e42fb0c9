"""From the timings of `voxelmill calibrate` to costs.

In: what the workers and a whole run took (`Measured`). Out: `Calibration`. What a step costs beside
its plugins is the rest when they are taken off. What a call costs beside its images, and an image
beside its pixels, follows from one tiny image, small ones and large ones; the first is a part of
the start that jobs are charged for.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np

from voxelmill import __version__
from voxelmill.calibration import Calibration, Rate, assumed, cpu_model
from voxelmill.costs import columns_of, plugin_key
from voxelmill.extent import Extent
from voxelmill.features import features
from voxelmill.qc import Metric
from voxelmill.sizes import diameter_px
from voxelmill.steps.gauge import COPIES, FAMILIES, PLATES, settings_of
from voxelmill.steps.gaugeplugins import NETWORK_EDGE, SETS
from voxelmill.steps.wholerun import JOBS, Whole

SPACING = (1.0, 0.65, 0.65)
CHANNELS = 3


@dataclass(frozen=True)
class Measured:
    """Timings of all workers, as their JSON files hold them."""

    single: Sequence[Mapping[str, Any]]
    """One thread in each."""
    several: Sequence[Mapping[str, Any]]
    """Several threads in each; none on one core."""
    whole: Whole
    threads: int
    cores: int
    fields: Mapping[str, int]
    """Fields by plate, for workers of one thread."""
    edges: Mapping[str, int]
    quiet: bool
    networks: tuple[str, ...] = ()
    """Names of segmenters that were given a part of the field only."""

    def seconds(self, name: str) -> float:
        """Core-seconds of a call: median over all rounds of all workers."""
        return median(self._of(r) for w in self.single for r in w["rounds"][name])

    def load(self, name: str) -> float:
        """Seconds that the first call took longer."""
        firsts = [self._of(w["first"][name]) for w in self.single if name in w["first"]]
        return max(0.0, median(firsts) - self.seconds(name)) if firsts else 0.0

    def voxels(self, plate: str) -> int:
        """Voxels of one field and channel."""
        return self.edges[plate] ** 2

    def names(self, group: str) -> list[str]:
        """Calls of one group, without the number of channels."""
        found = [n for n in self.single[0]["rounds"] if n.startswith(f"{group} ")]
        return [n.removesuffix(" 1") for n in found if group != "feature" or n.endswith(" 1")]

    def _of(self, sample: Sequence[float]) -> float:
        used, elapsed = sample
        # Among other programs the clock tells how long one waited for them.
        return elapsed if self.quiet else used


def fitted(found: Measured) -> Calibration:
    """Costs that explain the timings."""
    plugins = _plugins(found)
    image, voxel = _steps(found, plugins)
    return Calibration(
        voxelmill=__version__,
        cpu=cpu_model(),
        cores=found.cores,
        quiet=found.quiet,
        start=_starts(found),
        image=image,
        voxel=voxel,
        value=_value(found),
        plugins=plugins,
        serial=_serial(found),
        snakemake=_snakemake(found),
        bytes=_bytes(found),
    )


def _plugins(found: Measured) -> dict[str, Rate]:
    whole = found.voxels("large")
    rates = {
        name: Rate(voxel=found.seconds(name) / (whole * CHANNELS), start=found.load(name))
        for name in found.names("metric")
    }
    for name in found.names("segmenter"):
        part = min(whole, NETWORK_EDGE**2) if name in found.networks else whole
        rates[name] = Rate(voxel=found.seconds(name) / part, start=found.load(name))
    for name in found.names("feature"):
        rates[name] = _family(found, name)
    return rates


def _family(found: Measured, name: str) -> Rate:
    """Cost a voxel and set, and a voxel for each column, from one and from all channels."""
    # Two sets were measured.
    voxels = 2 * found.voxels("large")
    few, many = (found.seconds(f"{name} {n}") / voxels for n in (1, CHANNELS))
    family = features()[name.partition(" ")[2]]()
    names = tuple(map(str, range(CHANNELS)))
    one, all_ = columns_of(family, names[:1]), columns_of(family, names)
    column = max(0.0, (many - few) / (all_ - one)) if all_ > one else 0.0
    start = max(found.load(f"{name} {n}") for n in (1, CHANNELS))
    return Rate(voxel=max(0.0, many - column * all_), column=column, start=start)


def _steps(
    found: Measured, plugins: Mapping[str, Rate]
) -> tuple[dict[str, float], dict[str, float]]:
    """What steps cost an image, and a voxel, beside their plugins."""
    whole = found.voxels("large")
    image, slope = {}, {}
    for step, name in (("qc", "qc {}"), ("segment", "segment {} 3"), ("measure", "measure {} 3")):
        image[step], slope[step] = _line(found, name)
    image["column"] = _column(found, plugins)
    image["measure"] = max(0.0, image["measure"] - image["column"] * len(SETS) * _columns(FAMILIES))
    # A set is a set: what is made of one image is made mostly of the files of its sets.
    image["set"] = image["segment"] / len(SETS)
    less = {n: _field(found, f"segment large {n}") - n * image["set"] for n in (1, 2, 3)}
    grown, first = (plugins[f"segmenter {k}"].voxel for k in ("propagate", "watershed"))
    write = max(0.0, (less[2] - less[1]) / whole - grown)
    judged = sum(plugins[plugin_key(m)].voxel for m in settings_of().qc.of(Metric))
    rates = {k: plugins[f"feature {k}"] for k in FAMILIES}
    each = sum(rate.voxel + rate.column * _columns([k]) for k, rate in rates.items())
    one = _field(found, "measure large 1") - image["measure"] - image["column"] * _columns(FAMILIES)
    one /= whole
    labels = max(0.0, (slope["measure"] - one) / 2 - each)
    voxel = {
        "qc": max(0.0, slope["qc"] / CHANNELS - judged),
        "segment": max(0.0, less[1] / whole - first - write),
        "write": write,
        "subtract": max(0.0, (less[3] - less[2]) / whole),
        "measure": labels,
        "read": max(0.0, (one - each - labels) / CHANNELS),
    }
    image |= {"segment": 0.0} | _datasets(found)
    return image, voxel


def _column(found: Measured, plugins: Mapping[str, Rate]) -> float:
    """What an image and set cost for each column, from all families together."""
    names = [name.partition(" ")[2] for name in found.names("feature")]
    more = [name for name in names if name not in FAMILIES]
    rates = {name: plugins[f"feature {name}"] for name in more}
    made = sum(r.voxel + r.column * _columns([name]) for name, r in rates.items())
    takes = _field(found, "measure rich 3") - _field(found, "measure large 3")
    left = takes - len(SETS) * found.voxels("large") * made
    return max(0.0, left / (len(SETS) * max(1, _columns(more))))


def _columns(kinds: Sequence[str]) -> int:
    names = tuple(map(str, range(CHANNELS)))
    return sum(columns_of(features()[kind](), names) for kind in kinds)


def _field(found: Measured, name: str) -> float:
    """Core-seconds of a field in a call over all fields of a plate."""
    step, plate, *sets = name.split()
    # What is not for images is mostly for the tables of the sets.
    fixed = _fixed(found, step) * (int(sets[0]) / len(SETS) if sets else 1.0)
    return (found.seconds(name) - fixed) / found.fields["large" if plate == "rich" else plate]


def _fixed(found: Measured, step: str) -> float:
    """Core-seconds of a call beside its images."""
    names = {plate: f"qc {plate}" if step == "qc" else f"{step} {plate} 3" for plate in PLATES}
    takes = {plate: found.seconds(name) for plate, name in names.items()}
    number = {plate: float(found.fields[plate]) for plate in PLATES}
    rows = [(1.0, number[p], number[p] * found.voxels(p)) for p in PLATES]
    fixed = np.linalg.solve(np.array(rows), np.array([takes[p] for p in PLATES]))[0]
    return float(np.clip(fixed, 0.0, takes["tiny"]))


def _line(found: Measured, name: str) -> tuple[float, float]:
    """Core-seconds an image, and a voxel, from small and large fields."""
    small, large = (_field(found, name.format(plate)) for plate in ("small", "large"))
    few, many = found.voxels("small"), found.voxels("large")
    slope = max(0.0, (large - small) / (many - few))
    return max(0.0, small - slope * few), slope


def _datasets(found: Measured) -> dict[str, float]:
    """What the steps over whole datasets cost an image."""
    more = found.fields["small"] - found.fields["tiny"]
    row = max(0.0, (found.seconds("aggregate small") - found.seconds("aggregate tiny")) / more)
    shown = found.seconds("report large") - found.seconds("report tiny")
    large = found.fields["large"]
    listed = found.seconds("provenance large") - found.seconds("provenance tiny")
    return {
        "aggregate": row,
        "provenance": max(0.0, listed / (large - found.fields["tiny"])),
        "report": row,
        "thumbnail": max(0.0, shown / large),
    }


def _value(found: Measured) -> float:
    more = found.seconds("aggregate many") - found.seconds("aggregate large")
    return max(0.0, more / ((COPIES - 1) * _count(found, "values")))


def _count(found: Measured, name: str) -> float:
    return float(median(w["counts"][name] for w in found.single))


def _starts(found: Measured) -> dict[str, float]:
    steps = [name.partition(" ")[2] for name in found.names("start")]
    return {step: found.seconds(f"start {step}") for step in steps}


def _serial(found: Measured) -> dict[str, float]:
    """Share of the work that only one thread does, from how long several take."""
    if not found.quiet:
        # Several threads of one process get less of the cores then than as many processes.
        return dict(assumed().serial)
    shares = {}
    for step, name in (("qc", "qc large"), ("segment", "segment large 3"),
                       ("measure", "measure large 3")):  # fmt: skip
        if not found.several:
            continue
        # By the clock, with all cores as busy in one case as in the other.
        alone = median(s[1] for w in found.single for s in w["rounds"][name])
        fields = 2 * found.threads
        beside = median(s[1] for w in found.several for s in w["rounds"][name])
        ideal = alone / found.fields["large"] * fields / found.threads
        shares[step] = min(1.0, max(0.0, (beside / ideal - 1) / (found.threads - 1)))
    return shares


def _snakemake(found: Measured) -> dict[str, float]:
    start = _starts(found)
    by_clock = found.quiet
    dry, run = (each[by_clock] for each in (found.whole.dry, found.whole.run))
    alone = sum(start.values())
    if by_clock and found.cores > 1:
        alone += max(start["qc"], start["segment"]) - start["qc"] - start["segment"]
        alone += max(start["report"], start["check"]) - start["report"] - start["check"]
    return {"start": dry, "job": max(0.0, (run - dry - alone) / JOBS)}


def _bytes(found: Measured) -> dict[str, float]:
    objects, values = _count(found, "objects"), _count(found, "values")
    extent = Extent((1, CHANNELS, 1, found.edges["large"], found.edges["large"]), "<u2", SPACING)
    settings = settings_of()
    wide = diameter_px(extent, settings, settings.objects["nuclei"])
    return {
        "label": _count(found, "labels") / (objects * wide),
        "value": _count(found, "tables") / values,
        "index": _count(found, "index") / objects,
        "record": _count(found, "records") / found.fields["large"],
    }
