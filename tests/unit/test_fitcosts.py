"""Timings of a calibration → costs: timings made from known costs give these costs back."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from voxelmill.calibration import Calibration, assumed
from voxelmill.costs import Costs, columns_of
from voxelmill.extent import Extent
from voxelmill.features import features
from voxelmill.steps.calibrationtext import text
from voxelmill.steps.fitcosts import CHANNELS, Measured, fitted
from voxelmill.steps.gauge import COPIES, settings_of
from voxelmill.steps.wholerun import JOBS, Whole

FIELDS = {"large": 2, "small": 6, "tiny": 1}
EDGES = {"large": 1080, "small": 270, "tiny": 64}
KNOWN = assumed().model_copy(update={"image": {**assumed().image, "column": 2e-4}})
VALUES = 10_000
CALL_S = 0.03
"""What a call takes beside its images, with three sets."""


def extent(plate: str) -> Extent:
    return Extent((1, CHANNELS, 1, EDGES[plate], EDGES[plate]), "<u2", (1.0, 0.65, 0.65))


def seconds_of(known: Calibration) -> dict[str, float]:
    """What every call of a worker would take."""
    costs, found = Costs(known), dict[str, float]()
    for plate in FIELDS:
        for step, sets in (("qc", 3), *((s, n) for s in ("segment", "measure") for n in (1, 2, 3))):
            takes = FIELDS[plate] * costs.image(step, extent(plate), settings_of(sets))
            takes += CALL_S * sets / 3
            found[f"{step} {plate}" + (f" {sets}" if step != "qc" else "")] = takes
    rich = settings_of(3, tuple(features()))
    takes = FIELDS["large"] * costs.image("measure", extent("large"), rich)
    found["measure rich 3"] = takes + CALL_S
    whole = EDGES["large"] ** 2
    for name, rate in known.plugins.items():
        group, _, kind = name.partition(" ")
        if group == "feature":
            family = features()[kind]()
            for n in (1, CHANNELS):
                columns = columns_of(family, tuple(map(str, range(n))))
                found[f"{name} {n}"] = 2 * whole * (rate.voxel + rate.column * columns)
        else:
            found[name] = whole * rate.voxel * (CHANNELS if group == "metric" else 1)
    found |= {f"aggregate {p}": 0.01 + n * known.image["aggregate"] for p, n in FIELDS.items()}
    found["aggregate many"] = found["aggregate large"] + (COPIES - 1) * VALUES * known.value
    found |= {f"provenance {p}": 0.02 + FIELDS[p] * known.image["provenance"] for p in FIELDS}
    found["report tiny"] = 0.01
    found["report large"] = 0.01 + FIELDS["large"] * known.image["thumbnail"]
    return found | {f"start {step}": s for step, s in known.start.items()}


def measured(known: Calibration, *, quiet: bool = True, **more: object) -> Measured:
    takes = seconds_of(known)
    # By the clock all takes twice as long where others work too.
    sample = {name: [s, s if quiet else 2 * s] for name, s in takes.items()}
    load = {
        name: [s + known.plugins.get(name.removesuffix(" 1"), known.plugins["metric focus"]).start
               for s in sample[name]]
        for name in sample
    }  # fmt: skip
    counts = {"objects": 500, "values": VALUES, "labels": 9e4, "tables": 5e4, "index": 5e3,
              "records": 1.4e4}  # fmt: skip
    worker: Mapping[str, Any] = {
        "rounds": {name: [each, each] for name, each in sample.items()},
        "first": load,
        "counts": counts,
    }
    start = known.snakemake["start"]
    alone = sum(known.start.values()) + JOBS * known.snakemake["job"]
    whole = Whole((start, start), (start + alone, start + alone))
    given: dict[str, Any] = {"threads": 1, "cores": 1, "several": (), **more}
    return Measured(
        single=[worker, worker], whole=whole, fields=FIELDS, edges=EDGES, quiet=quiet, **given
    )


@pytest.mark.parametrize("quiet", [True, False])
def test_known_costs_come_back(quiet: bool) -> None:
    found = fitted(measured(KNOWN, quiet=quiet))
    assert found.quiet is quiet
    for step in ("qc", "segment", "measure"):
        for plate in ("large", "small"):
            said = Costs(found).image(step, extent(plate), settings_of())
            true = Costs(KNOWN).image(step, extent(plate), settings_of())
            assert said == pytest.approx(true, rel=1e-3), (step, plate)
    for name, rate in KNOWN.plugins.items():
        assert found.plugins[name].voxel == pytest.approx(rate.voxel, rel=1e-3, abs=1e-13), name
        assert found.plugins[name].column == pytest.approx(rate.column, rel=1e-3, abs=1e-13), name
    assert found.value == pytest.approx(KNOWN.value)
    assert found.start == pytest.approx(KNOWN.start)
    assert found.image["thumbnail"] == pytest.approx(KNOWN.image["thumbnail"])
    assert found.image["provenance"] == pytest.approx(KNOWN.image["provenance"])
    assert found.snakemake == pytest.approx(KNOWN.snakemake)
    assert found.bytes["value"] == pytest.approx(5)


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_the_serial_share_follows_from_several_threads(share: float) -> None:
    takes, threads = seconds_of(KNOWN), 4
    names = ("qc large", "segment large 3", "measure large 3")
    # Twice as many fields as threads, on each of them.
    beside = {
        n: takes[n] / FIELDS["large"] * 2 * threads * (share + (1 - share) / threads) for n in names
    }
    worker = {"rounds": {n: [[s, s]] for n, s in beside.items()}}
    found = fitted(measured(KNOWN, threads=threads, cores=4, several=[worker]))
    assert found.serial == pytest.approx(dict.fromkeys(("qc", "segment", "measure"), share))
    busy = fitted(measured(KNOWN, quiet=False, threads=threads, cores=4, several=[worker]))
    assert busy.serial == KNOWN.serial


def test_a_network_is_given_a_part_of_the_field() -> None:
    name = 'segmenter cellpose {"model": "cyto3"}'
    given = measured(KNOWN)
    for worker in given.single:
        worker["rounds"][name] = [[5.0, 5.0]]
    whole = fitted(given).plugins[name].voxel
    part = fitted(replace(given, networks=(name,))).plugins[name].voxel
    assert part / whole == pytest.approx(1080**2 / 512**2)


def test_the_table_shows_every_plugin_and_step() -> None:
    lines = text(KNOWN).splitlines()
    for name in (*KNOWN.plugins, *KNOWN.start):
        assert any(line.startswith(name) for line in lines), name
    assert max(map(len, lines)) <= 80
