"""What is simulated: costs and counts follow from what was measured and from the engine's rules."""

import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from benchmarks.scaling import document, plates, volume
from benchmarks.scaling.clock import Waits, own, timed
from benchmarks.scaling.noted import costs, line, save
from benchmarks.scaling.plot import Dots, Line, Panel, picture
from benchmarks.scaling.simulate import Curve, Point
from benchmarks.scaling.workloads import (
    Geometry,
    Plates,
    crowding,
    image_stages,
    images_of,
    plate_jobs,
)
from voxelmill.blocks import Grid
from voxelmill.config import Settings

STEP = {"start_s": 2.0, "serial_s": 0.1, "images_s": [1.0, 2.0, 3.0]}
LIGHT = {"start_s": 1.0, "image_s": 0.5}
PLATES = {
    "field_px": 100,
    "channels": 5,
    "alone": {"qc": STEP, "segment": STEP, "measure": STEP},
    "beside": {"qc": STEP, "segment": {**STEP, "images_s": [4.0]}, "measure": STEP},
    "crowded": {"qc": 1.0, "segment": 2.5, "measure": 1.0},
    "aggregate": LIGHT,
    "report": LIGHT,
}
ENGINE = {
    "segment": {
        "objects_s": 1e-3,
        "stages_s": {"look": [1.0], "fit": [0.5], "segment": [1.0] * 4, "pair": [0.1] * 4,
                     "write": [0.3], "finish": [0.2]},
    },
    "measure": {"objects_s": 2e-3, "stages_s": {"measure": [0.5] * 4}},
}  # fmt: skip
SETTINGS = Settings.model_validate(
    {"objects": {"n": {"channel": "0", "segmenter": {"kind": "watershed", "diameter_px": 20}}}}
)
WAS = Geometry((1, 1024, 1024), (1, 512, 512), (0, 64, 64), 100)


def test_jobs_of_plates_are_those_of_the_workflow() -> None:
    of = Plates(2, 10, 400, cores=4, images=4)
    jobs = plate_jobs({"plates": PLATES}, of)
    assert len(jobs) == 2 * (3 * 3 + 2)
    qc, segment, measure, aggregate, report = (jobs[i] for i in (0, 1, 2, 9, 10))
    assert (qc.needs, segment.needs, measure.needs) == ((), (), (1,))
    assert aggregate.needs == (0, 2, 3, 5, 6, 8)
    assert report.needs == (9,)
    assert {job.cores for job in jobs} == {4, 1}
    # Four times the pixels: four times the costs, but not the start of a job.
    assert segment.work_s == 4 * 4 * 4.0 * 1.25
    assert segment.wide_s == 16.0 * 1.25
    assert segment.alone_s == pytest.approx(2.0 + 4 * 4 * 0.1)
    assert aggregate.alone_s == pytest.approx(1.0 + 10 * 4 * 0.5)
    assert qc.size == 4 * 400 * 5 * 2
    assert plate_jobs({"plates": PLATES}, of) == jobs
    assert plate_jobs({"plates": PLATES}, of, seed=1) != jobs
    assert plate_jobs({"plates": PLATES}, of, "alone")[1].work_s < segment.work_s
    assert plate_jobs({"plates": PLATES}, replace(of, cores=1))[1].work_s == 4 * 4 * 4.0


def test_threads_are_slower_than_processes_by_what_these_do_not_hold_yet() -> None:
    # Alone 2 s on average, beside another process 4 s, two threads 2.5 times as long as one alone.
    assert crowding(PLATES, "beside", "segment") == 1.25
    assert crowding(PLATES, "alone", "segment") == 2.5
    assert crowding(PLATES, "beside", "measure") == 1


def test_batches_take_the_minutes_of_a_site() -> None:
    assert images_of({"plates": PLATES}, 40, 8, 400, "measure") == 40 * 60 * 8 // 16


def test_blocks_read_their_halo() -> None:
    of = Geometry((40, 300, 700), (16, 128, 256), (5, 30, 10), 0)
    grid = Grid(of.shape, of.block, of.halo)
    assert of.read().tolist() == [float(np.prod(block.read.shape)) for block in grid]


def test_an_image_as_measured_costs_what_was_measured() -> None:
    steps = image_stages(ENGINE, WAS, WAS, SETTINGS)
    stages = {stage.name: stage for stage in (*steps["segment"], *steps["measure"])}
    assert sum(stages["segment"].costs) == pytest.approx(4.0)
    assert sum(stages["measure"].costs) == pytest.approx(2.0)
    assert sum(stages["write"].costs) == pytest.approx(0.3)
    assert stages["pair"].serial_s == pytest.approx(100 * 1e-3)
    assert stages["measure"].serial_s == pytest.approx(100 * 2e-3)


def test_costs_grow_with_the_image_and_many_tasks_are_taken_together() -> None:
    large = Geometry((1, 16384, 16384), (1, 512, 512), (0, 64, 64), 25_600)
    stages = {s.name: s for s in image_stages(ENGINE, WAS, large, SETTINGS)["segment"]}
    assert len(stages["segment"].costs) == 1024
    assert sum(stages["look"].costs) == pytest.approx(256.0)
    assert stages["pair"].serial_s == pytest.approx(25.6)
    assert stages["segment"].weight == 1
    tiny = replace(large, block=(1, 16, 16), halo=(0, 2, 2))
    stages = {s.name: s for s in image_stages(ENGINE, WAS, tiny, SETTINGS)["segment"]}
    pair = stages["pair"]
    assert len(pair.costs) <= 2 * 80_000
    assert len(pair.costs) * pair.weight == pytest.approx(1024**2, rel=0.01)
    assert sum(pair.costs) == pytest.approx(0.4 * 256, rel=0.01)


def test_tasks_taken_together_cost_the_driver_as_much() -> None:
    crew = volume.Crew(8, chunk_s=0.2, task_s=0.1, worker_s=0.05)
    singly = volume.simulate([volume.Stage("a", [0.5] * 600)], crew)
    together = volume.simulate([volume.Stage("a", [1.5] * 200, weight=3)], crew)
    assert together.busy_s == pytest.approx(singly.busy_s)
    assert together.wall_s == pytest.approx(singly.wall_s, rel=0.05)


def test_the_first_task_of_a_stage_loads_kernels() -> None:
    assert costs([("a", 9, 2.5), ("b", 9, 0.5), ("c", 9, 0.5)]) == ([0.5, 0.5, 0.5], 2.0)
    assert costs([("a", 9, 0.55), ("b", 9, 0.5), ("c", 9, 0.5)]) == ([0.55, 0.5, 0.5], 0.0)
    assert line((4, 3.0), (24, 5.0)) == (pytest.approx(2.6), pytest.approx(0.1))
    assert line((4, 3.0), (24, 2.0)) == (3.0, 0.0)


def test_efficiency_and_limits_of_a_curve() -> None:
    points = tuple(Point(n, w) for n, w in ((1, 100.0), (2, 52.0), (4, 40.0), (8, 40.0)))
    curve = Curve("c", 10, 500.0, points, {"jobs in flight": 20.0, document.CHAIN: 10.0})
    assert curve.busy == 0.5
    assert [round(curve.efficiency(p), 3) for p in points] == [1, 0.962, 0.625, 0.312]
    assert (curve.good().nodes, curve.soon().nodes) == (2, 4)
    assert curve.least(52.0) == points[1]
    assert curve.least(1.0) is None
    assert document.limit(curve).startswith("jobs in flight")
    assert document.limit(replace(curve, lifted={"a": 39.0, document.CHAIN: 38.0})).startswith(
        document.CHAIN
    )


def test_the_picture_is_small_and_well_formed() -> None:
    points = [(1, 100.0), (10, 20.0), (2000, 1.0)]
    panel = Panel("a & b", "h", [Line("x < y", points)], (0.5, 200), [(1, "1"), (100, "100")],
                  marks=[(168, "7 days")], ideal=points)  # fmt: skip
    text = picture("t", [panel, replace(panel, log=False)], Dots("d", [(1, 1), (20, 22)], "ab"))
    root = ElementTree.fromstring(text)  # noqa: S314 - our own
    shown = [e.text for e in root.iter() if e.tag.endswith("text")]
    assert shown.count("x < y") == 2
    assert {"7 days", "1  a", "2  b"} <= set(shown)
    assert len(text) < 20_000
    assert "nan" not in text


def test_every_table_of_the_page_can_be_made() -> None:
    for mark, text in document.sections().items():
        assert text.startswith("|"), mark
        widths = {row.count("|") for row in text.splitlines()}
        assert len(widths) == 1, mark


def test_a_command_is_timed_and_its_threads_are_seen(tmp_path: Path) -> None:
    took = timed(["sh", "-c", "i=0; while [ $i -lt 60000 ]; do i=$((i+1)); done"], tmp_path)
    assert 0 < took.own_s <= took.wall_s
    with pytest.raises(RuntimeError, match=r"exit code 3; said"):
        timed(["sh", "-c", "echo said; exit 3"], tmp_path)
    waits = Waits({1: (30, 10), 2: (60, 0)})
    assert waits.since({1: (20, 9)}) == [(10, 1), (60, 0)]


def test_an_interval_counts_for_what_was_done_in_it() -> None:
    assert own(10, [(10, 0)], cores=2) == 10
    assert own(10, [(10, 0), (10, 0)], cores=2) == 10
    # One thread got half a core; two got a half together.
    assert own(10, [(5, 5)], cores=2) == 5
    assert own(10, [(2.5, 7.5), (2.5, 7.5)], cores=2) == 2.5
    # Three shared two cores that nobody else wanted.
    assert own(10, [(20 / 3, 10 / 3)] * 3, cores=2) == pytest.approx(10)
    # An event loop that wakes up now and then waits long and does nothing.
    assert own(10, [(5, 5), (0.01, 2)], cores=2) == pytest.approx(5, rel=0.01)
    # Nothing to do but wait for something else; or no core at all.
    assert own(10, [(0, 0)], cores=2) == 10
    assert own(10, [(0, 10)], cores=2) == 0


def test_what_is_kept_reads_as_it_was(tmp_path: Path) -> None:
    value = {"a": {"b": [1.5, 2], "c": "µs"}, "d": {}}
    save(tmp_path / "x.json", value)
    assert json.loads((tmp_path / "x.json").read_text()) == value


def test_local_jobs_need_no_asking() -> None:
    assert plates.simulate([plates.Job(1.0)], plates.Cluster(1, 1)).wall_s == 1
