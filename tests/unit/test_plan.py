"""Prediction of memory, and the refusal of what cannot fit: pure, so over many shapes."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.large import write_large
from benchmarks.memory import configuration, peaks_of
from counting import calls
from voxelmill.config import Config, Settings
from voxelmill.execution import Blocks, Compute
from voxelmill.extent import Extent
from voxelmill.home import home
from voxelmill.machine import Limit, limit
from voxelmill.need import STEPS, need, tasks
from voxelmill.plan import Load, bound, check, fit_blocks, fit_fewer, label_files
from voxelmill.plugin import BadConfig
from voxelmill.steps import plan
from voxelmill.steps.prepare import Prepared
from voxelmill.steps.survey import survey
from voxelmill.tables import write_table

GIB = 2**30
SETTINGS = Settings.model_validate(
    {
        "objects": {
            "nuclei": {"channel": "0", "segmenter": {"kind": "watershed", "diameter_um": 12}},
            "cells": {"channel": "1", "segmenter": {"kind": "propagate", "seeds": "nuclei"}},
            "cytoplasm": {"subtract": ["cells", "nuclei"]},
        }
    }
)
SLIDE = Extent((1, 2, 1, 100_000, 100_000), "<u2", (1.0, 0.65, 0.65), 1024 * 1024)
FIELD = replace(SLIDE, shape=(1, 2, 1, 1080, 1080))

extents = st.builds(
    Extent,
    st.tuples(
        st.integers(1, 3),
        st.integers(1, 5),
        st.sampled_from([1, 1, 7, 300]),
        st.integers(1, 60_000),
        st.integers(1, 60_000),
    ),
    st.sampled_from(["|u1", "<u2", ">f4"]),
    st.tuples(st.floats(0.5, 4), st.floats(0.1, 2), st.floats(0.1, 2)),
    st.sampled_from([0, 2**20]),
    st.sampled_from([1, 24]),
)
loads = st.builds(
    Load,
    st.just(SETTINGS),
    st.builds(Blocks, size=st.integers(16, 9000), depth=st.integers(1, 128)),
    st.builds(Compute, processes=st.booleans()),
    st.integers(1, 16),
    st.integers(1, 4),
)


@settings(max_examples=40, deadline=None)
@given(extents, loads, st.integers(16, 9000))
def test_smaller_blocks_never_need_more(extent: Extent, load: Load, size: int) -> None:
    low, high = sorted((size, load.blocks.size))
    blocks = [load.blocks.model_copy(update={"size": n}) for n in (low, high)]
    for step in STEPS:
        small, large = (replace(load, blocks=b, workers=1).need(extent, step).parts for b in blocks)
        for stage in {"segment", "measure", "write", "qc"} & set(small):
            assert small[stage] <= large[stage], stage


@settings(max_examples=40, deadline=None)
@given(extents, loads, st.floats(0.2, 64))
def test_what_is_proposed_fits(extent: Extent, load: Load, gib: float) -> None:
    images, most = {"a": extent}, Limit(int(gib * GIB), "test")
    blocks, fewer = fit_blocks(images, load, most), fit_fewer(images, load, most)
    if blocks is not None:
        assert blocks.size <= load.blocks.size
        check(images, replace(load, blocks=blocks), most)
    if fewer is not None:
        check(images, fewer, most)
        assert fewer.jobs * fewer.workers < load.jobs * load.workers
    if load.total(images) <= most.size:
        check(images, load, most)
        return
    with pytest.raises(BadConfig) as refusal:
        check(images, load, most)
    text = str(refusal.value)
    alone = replace(load, workers=1, jobs=1)
    if blocks is not None:
        assert f"Set blocks: {{size: {blocks.size}" in text
    elif fewer is not None:
        assert f". Use {fewer.jobs * fewer.workers} core" in text
    elif (lone := fit_blocks(images, alone, most)) is not None:
        assert f". Use 1 core and set blocks: {{size: {lone.size}" in text
    else:
        least = float(text.split("at least ")[1].split()[0])
        assert gib - 0.01 <= least <= alone.total(images) / GIB + 0.01
    assert "\n" not in text


def test_need_does_not_grow_with_the_image() -> None:
    load = Load(SETTINGS, Blocks(), Compute(processes=True), 4)
    for step in STEPS:
        slide = load.need(SLIDE, step)
        field = load.need(replace(SLIDE, shape=(1, 2, 1, 10_000, 10_000)), step)
        assert slide.worker <= 1.02 * field.worker
        assert slide.total <= 1.15 * field.total


def test_a_refusal_takes_no_longer_for_a_larger_image() -> None:
    """It comes within the first second, whatever the size: nothing is tried block by block."""
    load = Load(SETTINGS, Blocks(size=8192), Compute(), 4)

    def refuse(extent: Extent) -> None:
        with pytest.raises(BadConfig):
            check({"image": extent}, load, Limit(GIB, "memory of this machine"))

    vast = replace(SLIDE, shape=(1, 2, 1, 10**6, 10**6))
    assert calls(lambda: refuse(vast)) < 200_000


def test_the_refusal_names_what_would_do() -> None:
    load = Load(SETTINGS, Blocks(size=8192), Compute(), 4)
    with pytest.raises(BadConfig) as refusal:
        check({"slide": SLIDE}, load, Limit(4 * GIB, "memory of this machine"))
    text = str(refusal.value)
    assert text.startswith("slide: blocks of 8192 x 8192 with 4 workers need ")
    assert "there are 4.00 GiB (memory of this machine). Set blocks: {size: " in text
    tight = Limit(GIB // 10, "ulimit -v")
    with pytest.raises(BadConfig, match=r"No block size would do: at least 0\.\d+ GiB"):
        check({"field": FIELD}, replace(load, blocks=Blocks(size=64)), tight)


def test_workers_elsewhere_are_judged_by_the_setting_only() -> None:
    machine = Limit(GIB, "memory of this machine")
    away = Compute(kind="address", address="tcp://scheduler:8786")
    assert bound(away, machine) is None
    assert bound(Compute(), machine) == machine
    told = bound(away.model_copy(update={"memory_gib": 2.5}), machine)
    assert told == Limit(int(2.5 * GIB), "compute.memory_gib")


@pytest.mark.parametrize(
    ("group", "file", "text", "found"),
    [
        ("4:memory:/job/step", "sys/fs/cgroup/memory/job/memory.limit_in_bytes", "1048576", 2**20),
        ("4:memory:/job", "sys/fs/cgroup/memory/memory.limit_in_bytes", f"{2**63 - 1}", None),
        ("0::/pod/box", "sys/fs/cgroup/pod/memory.max", "2097152\n", 2**21),
        ("0::/pod/box", "sys/fs/cgroup/memory.max", "4096", 4096),
        ("0::/pod/box", "sys/fs/cgroup/pod/memory.max", "max\n", None),
        ("7:cpu:/job", "sys/fs/cgroup/memory/job/memory.limit_in_bytes", "1048576", None),
    ],
)
def test_control_groups_are_read(
    tmp_path: Path, group: str, file: str, text: str, found: int | None
) -> None:
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text(f"7:cpu:/\n{group}\n")
    (tmp_path / file).parent.mkdir(parents=True)
    (tmp_path / file).write_text(text)
    smallest = limit(tmp_path)
    assert smallest is not None
    in_group = smallest.source.startswith("control group")
    assert (smallest.size if in_group else None) == found


def test_a_limit_of_the_shell_counts() -> None:
    code = "from voxelmill.machine import limit; print(limit().size, limit().source)"
    done = subprocess.run(
        ["bash", "-c", f"ulimit -v 3000000; {sys.executable} -c '{code}'"],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert done.stdout.split(maxsplit=1) == [str(3000000 * 1024), "ulimit -v\n"]


def test_tasks_of_a_slide() -> None:
    counts = tasks(SLIDE, SETTINGS, Blocks())
    assert counts["segment"] == 2 * 49 * 49
    assert counts["pair"] == 49 * 49
    assert counts["write"] == 3 * 25 * 25
    assert tasks(replace(SLIDE, shape=(2, 1, 1, 900, 900)), SETTINGS, Blocks())["pair"] == 0


@pytest.mark.parametrize("processes", [False, True], ids=["threads", "processes"])
def test_the_prediction_holds(tmp_path: Path, processes: bool) -> None:
    """Whole steps in processes of their own, as the workflow starts them."""
    image = write_large(tmp_path / "image.zarr", 2500)
    block, settings_ = 1300, Settings.model_validate(configuration("threshold"))
    extent = Extent((1, 1, 1, 2500, 2500), "<u2", (1.0, 0.65, 0.65), 1024 * 1024)
    for step, found in peaks_of(image, tmp_path / "run", "threshold", processes, block):
        said = need(extent, settings_, Blocks(size=block), Compute(processes=processes), 2, step)
        assert said.driver / 1.3 <= found.driver <= 1.3 * said.driver, (step, said, found)
        if processes:
            assert said.worker / 1.3 <= found.worker <= 1.3 * said.worker, (step, said, found)
    labels = tmp_path / "run" / "results" / "large" / "labels.ome.zarr"
    files = sum(path.is_file() for path in labels.rglob("*"))
    assert abs(files - label_files(extent, settings_)) <= 3


def test_zipped_labels_are_one_file_a_batch() -> None:
    field = Extent((1, 3, 1, 1080, 1080), "<u2", (1.0, 0.65, 0.65), 0, 48)
    zipped = SETTINGS.model_copy(update={"labels": "zip"})
    assert [label_files(field, zipped, n) for n in (1, 48, 49, 96)] == [1, 1, 2, 2]
    assert label_files(field, SETTINGS, 96) == 96 * label_files(field, SETTINGS)
    assert label_files(field, SETTINGS, 48) > 48 * 6


def test_the_command_refuses_with_exit_code_2(tmp_path: Path) -> None:
    write_large(tmp_path / "image.zarr", 600)
    (tmp_path / "sheet.tsv").write_text("dataset\turl\none\timage.zarr\n")
    config = {"datasets": "sheet.tsv", "results": str(tmp_path / "r"), **configuration("threshold")}
    command = [sys.executable, "-m", "voxelmill", "plan", "config.yaml", "--cores", "2", "--json"]
    for memory, code in ((64, 0), (0.1, 2)):
        (tmp_path / "config.yaml").write_text(
            json.dumps(config | {"compute": {"memory_gib": memory}})
        )
        done = subprocess.run(command, cwd=tmp_path, check=False, capture_output=True, text=True)
        assert done.returncode == code, done.stderr
        planned = json.loads(done.stdout)
        assert planned["datasets"]["one"]["images"] == 1
        assert bool(planned["refusal"]) == (code == 2)
        assert planned["limit_bytes"] == int(memory * GIB)


def test_a_site_s_limits_are_refused_with_exit_code_2(tmp_path: Path) -> None:
    write_large(tmp_path / "image.zarr", 600)
    (tmp_path / "sheet.tsv").write_text("dataset\turl\none\timage.zarr\n")
    config = {"datasets": "sheet.tsv", "results": "r", **configuration("threshold")}
    (tmp_path / "config.yaml").write_text(json.dumps(config))
    site = yaml.safe_load((home("profiles") / "slurm" / "roihu.yaml").read_text())
    for files, code in ((500_000, 0), (10, 2)):
        site["site"]["scratch"]["files"] = files
        (tmp_path / "site.yaml").write_text(json.dumps(site))
        command = [sys.executable, "-m", "voxelmill", "plan", "config.yaml", "--site", "site.yaml"]
        done = subprocess.run(command, cwd=tmp_path, check=False, capture_output=True, text=True)
        assert done.returncode == code, done.stderr
        last = done.stdout.splitlines()[-1]
        assert (last == "fits") == (code == 0)
        if code:
            assert last.startswith("scratch: ")
            assert "; allowed: 10. " in last
        done = subprocess.run(
            [*command, "--json"], cwd=tmp_path, check=False, capture_output=True, text=True
        )
        planned = json.loads(done.stdout)
        assert len(planned["refusals"]) == (code == 2)
        assert planned["run"]["steps"]["segment"]["partition"] == "small"
        assert planned["written"]["scratch"]["files_allowed"] == files
    wrong = [sys.executable, "-m", "voxelmill", "plan", "config.yaml", "--site", "nowhere"]
    done = subprocess.run(wrong, cwd=tmp_path, check=False, capture_output=True, text=True)
    assert done.returncode == 2
    assert "allowed: lumi, rahti, roihu" in done.stderr


def test_planning_for_a_site_leaves_the_results_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_large(tmp_path / "image.zarr", 300)
    (tmp_path / "sheet.tsv").write_text("dataset\turl\none\timage.zarr\n")
    config = {"datasets": "sheet.tsv", "results": "r", **configuration("threshold")}
    (tmp_path / "config.yaml").write_text(json.dumps(config))
    monkeypatch.chdir(tmp_path)
    plan.plan(Path("config.yaml"), 2)
    before = {p: p.stat().st_mtime_ns for p in Path("r").rglob("*")}
    planned = plan.plan(Path("config.yaml"), None, "roihu")
    assert planned["datasets"]["one"]["images"] == 1
    assert {p: p.stat().st_mtime_ns for p in Path("r").rglob("*")} == before


def manifest_of(path: Path, plates: int, fields: int, batch: int = 50) -> Prepared:
    """Write the manifest of plates whose pixels are nowhere, and what `prepare` would say of it."""
    rows = [(p, f) for p in range(plates) for f in range(fields)]
    shapes = ["[1, 2, 1, 1080, 1080]", "[1, 2, 1, 540, 540]"]
    columns = {
        "dataset": [f"p{p}" for p, _ in rows],
        "url": [f"nowhere/p{p}.zarr" for p, _ in rows],
        "image": [f"A/01/{f}" for _, f in rows],
        "shape": ["[]" if f == 7 else shapes[f % 10 == 3] for _, f in rows],
        "dtype": ["" if f == 7 else "<u2" for _, f in rows],
        "spacing_um": ["[]" if f == 7 else "[1.0, 0.65, 0.65]" for _, f in rows],
        "batch": [f"{f // batch:04d}" for _, f in rows],
    }
    write_table(path / "manifest.parquet", columns)
    names = tuple(f"{n:04d}" for n in range(-(-fields // batch)))
    config = Config.model_validate(
        {"datasets": "sheet.tsv", "results": str(path), **SETTINGS.model_dump(mode="json")}
    )
    return Prepared(config, {f"p{p}": names for p in range(plates)}, {})


def test_the_survey_counts_by_batch(tmp_path: Path) -> None:
    found = survey(manifest_of(tmp_path, 3, 120))
    assert found.images == 3 * 119
    assert [len(groups) for groups in found.batches.values()] == [3, 3, 3]
    counts = [[sum(n for _, n in group) for group in g] for g in found.batches.values()]
    assert counts == [[49, 50, 20]] * 3
    kinds = {k.extent.shape[-1]: k.images for k in found.kinds["p1"]}
    assert kinds == {1080: 107, 540: 12}
    assert {k.extent.batch for k in found.kinds["p1"]} == {50}
    assert [*found.extents()] == ["p0/A/01/0", "p0/A/01/3"]


def test_the_survey_does_no_work_for_a_row(tmp_path: Path) -> None:
    """A week is two million rows: Python's part must not grow with them."""
    few, many = (manifest_of(tmp_path / str(n), 2, n, batch=n) for n in (100, 4000))
    assert calls(lambda: survey(many)) < 1.2 * calls(lambda: survey(few))
