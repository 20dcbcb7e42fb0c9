"""A planned run of plates that are not there yet: from the manifest alone to Snakemake's DAG."""

import re
from pathlib import Path

from benchmarks.week import dry_run, make, minutes
from voxelmill.batchtable import BatchTable


def test_a_planned_week_becomes_a_dag(tmp_path: Path) -> None:
    """Three plates of 49 minutes each at the site, whose jobs take 40: each is cut in halves."""
    make(tmp_path, 3, 3 * 7000)
    dry_run(tmp_path)
    found = re.findall(r"^(\w+) +(\d+)$", (tmp_path / "log").read_text(), re.MULTILINE)
    assert dict(found) == {
        "qc": "6", "segment": "6", "measure": "6", "aggregate": "3", "report": "3",
        "provenance": "3", "check": "1",
        "all": "1", "total": "29",
    }  # fmt: skip
    entries = [e for each in BatchTable.read(tmp_path / "results").entries.values() for e in each]
    assert [e.images for e in entries] == [3500] * 6
    assert all(20 < m < 40 for m in minutes(tmp_path)["measure"])
