"""Every limit of a site can be broken, and is then named with what to change; and the costs."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxelmill.config import Config
from voxelmill.costs import Costs
from voxelmill.estimate import Group, Places, estimate
from voxelmill.extent import Extent
from voxelmill.footprint import Footprint, footprint
from voxelmill.quotas import (
    Ask,
    Storages,
    asked_gib,
    buckets,
    fitting,
    fullest,
    hours,
    job_refusals,
    job_units,
    minutes,
    month_units,
    partition_of,
    short_note,
    storage_refusals,
)
from voxelmill.site import Billing, SiteFile, Storage, load_site

GIB = 2**30
FIELD = Extent((1, 3, 1, 1080, 1080), "<u2", (1.0, 0.65, 0.65))
CONFIG = Config.model_validate(
    {
        "datasets": "sheet.tsv",
        "objects": {
            "nuclei": {"channel": "0", "segmenter": {"kind": "watershed", "diameter_um": 9}}
        },
    }
)
SITE = SiteFile.model_validate(
    {
        "partitions": {
            "small": {"max_runtime": "2h", "max_mem_mb": 65536, "max_threads": 32},
            "large": {"max_runtime": 120, "max_mem_mb": 1048576, "max_threads": 8},
        },
        "site": {
            "name": "Test",
            "max_jobs": 10,
            "cores": 8,
            "scratch": {"files": 1000, "gib": 10, "units_tib_hour": 6},
            "objects": {"files": 500, "gib": 100, "buckets": 3, "units_tib_hour": 1},
            "billing": {"core_hour": 0.75, "gib_hour": 0.375},
        },
    }
)
footprints = st.builds(Footprint, st.integers(0, 600), st.integers(0, 8 * GIB), st.integers(0, 300))


def storages(
    datasets: list[Footprint], zipped: list[Footprint] | None = None, labels: str = "folder"
) -> Storages:
    named = [
        {f"d{n}": each for n, each in enumerate(found)} for found in (datasets, zipped or datasets)
    ]
    return Storages(named[0], named[1], labels)


def jobs(cores: int = 8, gib: float = 4, images: int = 10) -> list[str]:
    """Refusals where one step asks for so much."""
    group: Group = ((FIELD, images),)
    run = estimate({"a": [group]}, CONFIG, Costs(), Places(10, 8, by_core=False))
    asks = {name: Ask(1, 1) for name in run.steps} | {"segment": Ask(cores, gib)}
    return job_refusals(run, asks, SITE, [], lambda name, gib: f"{name} within {gib:g}")


def test_nothing_is_refused_that_keeps_all_limits() -> None:
    assert jobs() == []
    assert storage_refusals(storages([Footprint(400, GIB, 100)]), SITE) == []


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"cores": 64}, "segment: jobs of 64 cores; allowed: 32. Set site.cores"),
        ({"gib": 2000}, "segment: a job asks for 2000 GiB; allowed: 1024 GiB. segment within 1024"),
        ({"cores": 16, "gib": 100}, "segment: a job asks for 100 GiB; allowed: 64 GiB"),
        ({"images": 500_000}, "no partition allows more than 2.0 h. Set batches: {minutes: 30}"),
    ],
)
def test_each_limit_of_a_job(asked: dict[str, Any], words: str) -> None:
    assert any(words in line for line in jobs(**asked)), jobs(**asked)


def test_one_image_that_takes_too_long_cannot_be_cut_further() -> None:
    vast = replace(FIELD, shape=(1, 3, 1, 10**6, 10**6))
    run = estimate({"a": [((vast, 1),)]}, CONFIG, Costs(), Places(10, 8, by_core=False))
    asks = {name: Ask(8, 4) for name in run.steps}
    found = job_refusals(run, asks, SITE, ["a"], lambda *_: "")
    assert "segment" in found[1]
    assert "compute: {kind: slurm" in found[1]


@pytest.mark.parametrize(
    ("datasets", "zipped", "words"),
    [
        # files
        ([(2000, 1, 0)], [(20, 1, 0)], "scratch: 2,002 files; allowed: 1,000. Set labels: zip"),
        (
            [(750, 1, 0)] * 3,
            [(700, 1, 0)] * 3,
            "scratch: 2,252 files; allowed: 1,000. Run 1 of 3 datasets at a time",
        ),
        (
            [(450, 1, 0)] * 9,
            [(250, 1, 0)] * 9,
            "Set labels: zip and run 3 of 9 datasets at a time and move",
        ),
        ([(5398, 1, 0)], None, "scratch: 5,400 files; allowed: 1,000. Ask for a larger quota"),
        # bytes
        ([(9, 6 * GIB, 0)] * 3, None, "scratch: 18 GiB; allowed: 10 GiB. Run 1 of 3 datasets"),
        # objects
        ([(600, 1, 0)], [(6, 1, 0)], "objects: 600 of one dataset; allowed: 500 a bucket. Set"),
        ([(600, 1, 0)], None, "objects: 600 of one dataset; allowed: 500 a bucket. Split"),
        ([(300, 1, 0)] * 4, None, "objects: 4 buckets; allowed: 3"),
        ([(9, 60 * GIB, 0)] * 2, None, "objects: 120 GiB; allowed: 100 GiB. Ask for"),
    ],
)
def test_each_quota(
    datasets: list[tuple[int, int, int]], zipped: list[tuple[int, int, int]] | None, words: str
) -> None:
    found = storages(
        [Footprint(*each) for each in datasets],
        [Footprint(*each) for each in zipped] if zipped else None,
    )
    lines = storage_refusals(found, SITE)
    assert any(words in line for line in lines), lines
    assert not any("\n" in line for line in lines)


def test_results_on_a_store_share_a_bucket_and_leave_no_labels_on_scratch() -> None:
    datasets = [Footprint(300, 2 * GIB, 0, 200, GIB)] * 2
    found = replace(storages(datasets), store=True)
    (line,) = storage_refusals(found, SITE)
    assert "objects: 600 in one bucket; allowed: 500 a bucket. Split the sheet" in line
    assert storage_refusals(storages(datasets), SITE) == []
    many = [Footprint(900, 9 * GIB, 0, 890, 9 * GIB)] * 5
    assert found.total.scratch_files == 202
    assert storage_refusals(replace(storages(many), store=True), SITE)[0].startswith("objects: 4,5")
    assert storage_refusals(storages([replace(many[0], away=0)] * 5), SITE)[0].startswith("scratch")


@given(st.lists(footprints, min_size=1, max_size=6), footprints)
def test_more_data_never_breaks_fewer_limits(datasets: list[Footprint], more: Footprint) -> None:
    def broken(found: list[Footprint]) -> set[str]:
        lines = storage_refusals(storages(found), SITE)
        return {line.partition(":")[0] + line.partition(";")[0].split()[-1] for line in lines}

    # More objects in one dataset are told before more buckets.
    assert len(broken(datasets)) <= len(broken([*datasets, more]))


@given(st.lists(footprints, max_size=8))
def test_what_fits_keeps_the_quota_and_one_more_does_not(datasets: list[Footprint]) -> None:
    quota = SITE.site.scratch
    named = {str(n): each for n, each in enumerate(datasets)}
    number = fitting(named, quota)
    for count, holds in ((number, True), (number + 1, False)):
        part = datasets[:count]
        if len(part) == count:
            files = sum(f.scratch_files for f in part)
            size = sum(f.scratch_bytes for f in part)
            assert (files <= 1000 and size <= 10 * GIB) is holds


@given(st.lists(footprints, max_size=8))
def test_buckets_hold_everything_and_none_is_overfull(datasets: list[Footprint]) -> None:
    named = {str(n): replace(f, files=min(f.files, 500)) for n, f in enumerate(datasets)}
    number, most = buckets(named, SITE.site.objects), fullest(named, SITE.site.objects)
    assert most <= 500
    assert sum(f.files for f in named.values()) <= number * 500


def test_a_job_pays_for_cores_or_for_memory() -> None:
    billing = Billing(core_hour=0.75, gib_hour=0.375)
    assert job_units(Ask(8, 4), 2.0, billing) == 12
    # From 2 GiB a core on, memory decides.
    assert job_units(Ask(8, 16), 1.0, billing) == 6
    assert job_units(Ask(8, 32), 1.0, billing) == 12
    # 91.7 thousand units for 91 TiB in a week, as CSC's price list gives them.
    week = month_units(91 * 2**40, Storage(units_tib_hour=6)) * 168 / 730
    assert week == pytest.approx(91_728)


@pytest.mark.parametrize(
    ("text", "found"),
    [(4320, 4320), ("90", 90), ("72h", 4320), ("1d12h", 2160), ("30m", 30), (None, None)],
)
def test_time_limits_are_read_as_snakemake_reads_them(
    text: int | str | None, found: float | None
) -> None:
    assert minutes(text) == found


def test_partitions_of_roihu() -> None:
    roihu = load_site("roihu")
    assert partition_of(roihu, Ask(8, 16), 3600) == "small"
    assert partition_of(roihu, Ask(8, 16), 80 * 3600) == "longrun"
    assert partition_of(roihu, Ask(8, 2000), 3600) == "hugemem"
    assert partition_of(roihu, Ask(400, 16), 3600) is None
    assert roihu.site.scratch == Storage(files=500_000, gib=250, units_tib_hour=6)
    assert asked_gib(4 * GIB) == 5


def test_many_short_jobs_are_noted() -> None:
    group: Group = ((FIELD, 10),)
    places = Places(200, 8, by_core=False)
    many = estimate({"a": [group] * 50}, CONFIG, Costs(), places)
    assert "Set batches: {minutes: 40}" in short_note(many, SITE)
    few = estimate({"a": [group] * 5}, CONFIG, Costs(), places)
    assert short_note(few, SITE) == ""


def test_labels_in_zips_are_one_file_a_batch() -> None:
    groups: list[Group] = [((FIELD, 100),)] * 3
    sizes = Costs().found.bytes
    folder = footprint(groups, CONFIG, sizes)
    zipped = footprint(groups, CONFIG, sizes, "zip")
    assert folder.files > 100 * 3 * 9
    assert zipped.files < 3 * 12 + 26
    # The list of checksums has a line a file.
    assert zipped.bytes == folder.bytes - 90 * (folder.files - zipped.files + 3)
    stored = footprint(groups, CONFIG.model_copy(update={"results": "s3://bucket/x"}), sizes)
    assert (stored.files, stored.bytes) == (folder.files, folder.bytes)
    assert stored.scratch_files < 3 * 12 + 26
    assert stored.scratch_bytes < folder.scratch_bytes - 40_000_000
    more = footprint([*groups, ((FIELD, 1),)], CONFIG, sizes)
    assert more.files > folder.files
    assert more.bytes > folder.bytes


def test_times_for_people() -> None:
    assert [hours(s) for s in (9.4, 600, 7200, 10**6)] == ["9 s", "10 min", "2.0 h", "11.6 days"]


def test_a_gate_leaves_its_files() -> None:
    groups = [((FIELD, 48),)] * 3
    qc = CONFIG.qc.model_copy(update={"gate": "ask"})
    sizes = Costs().found.bytes
    plain = footprint(groups, CONFIG, sizes)
    gated = footprint(groups, CONFIG.model_copy(update={"qc": qc}), sizes)
    # Record and page of the review, the approval, and a file of each batch at most.
    assert gated.files == plain.files + 2 + 1 + 3
    assert gated.tracked == plain.tracked + 2
    assert gated.bytes > plain.bytes
