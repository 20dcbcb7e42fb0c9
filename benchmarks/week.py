"""A facility's planned week as a DAG: seconds and memory from the manifest to Snakemake's plan.

    python -m benchmarks.week [--plates 600 --fields 2200000]

600 plates, 2.2 million fields of 2160² in five channels of uint16 (100 TB); only the manifest is
made, no pixel. A dry run of the repository's Snakefile with ``site: roihu`` scans from it, cuts the
batches and makes the DAG: once with no batch file there yet, once with all of them. Seconds are
elapsed, memory is the largest sum over all processes, looked at every 50 ms.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from benchmarks.timing import Row, children_s, less_is_better, memory, status, table
from voxelmill.batchtable import BatchTable
from voxelmill.configfile import load_config
from voxelmill.costs import load_costs
from voxelmill.home import home
from voxelmill.layout import manifest
from voxelmill.need import STEPS
from voxelmill.plan import GIB
from voxelmill.site import load_site
from voxelmill.tables import TableWriter

PLATES, FIELDS, SIZE, CHANNELS, WELLS = 600, 2_200_000, 2160, 5, 384
MOST_S, MOST_GIB = 120, 4.0
"""The limits; half of each is the aim."""
EVERY_S = 0.05
CONFIG = """
datasets: week.tsv
results: results
site: roihu
objects:
  nuclei: {channel: DNA, segmenter: {kind: watershed, diameter_um: 12}}
  cells: {channel: AGP, segmenter: {kind: propagate, seeds: nuclei}}
  cytoplasm: {subtract: [cells, nuclei]}
"""
NAMES = ["DNA", "ER", "RNA", "AGP", "Mito"]


def plate(name: str, fields: int) -> dict[str, list[object]]:
    """Columns of the manifest for one plate of 384 wells."""
    wells = [(r, c) for r in "ABCDEFGHIJKLMNOP" for c in range(1, 25)]
    per_well = [fields // WELLS + (w < fields % WELLS) for w in range(WELLS)]
    places = [(r, c, s) for (r, c), n in zip(wells, per_well, strict=True) for s in range(n)]
    shape = json.dumps([1, CHANNELS, 1, SIZE, SIZE])
    same = {"axes": "cyx", "shape": shape, "dtype": "uint16", "channels": json.dumps(NAMES),
            "spacing_um": json.dumps([1.0, 0.325, 0.325]), "reason": "", "warnings": "",
            "batch": ""}  # fmt: skip
    return {
        "dataset": [name] * fields,
        "url": [f"plates/{name}.zarr"] * fields,
        "image": [f"{r}/{c:02d}/{s}" for r, c, s in places],
        "plate": [name] * fields,
        "well": [f"{r}{c:02d}" for r, c, _ in places],
        "row": [r for r, _, _ in places],
        "column": [f"{c:02d}" for _, c, _ in places],
        "site": [str(s) for _, _, s in places],
        "acquisition": [None] * fields,
        **{column: [value] * fields for column, value in same.items()},
    }


def make(folder: Path, plates: int, fields: int) -> None:
    """Write sheet, configuration and manifest of a week; the plates are empty folders."""
    names = [f"plate{i:04d}" for i in range(plates)]
    lines = ["dataset\turl", *(f"{name}\tplates/{name}.zarr" for name in names)]
    (folder / "week.tsv").write_text("\n".join(lines) + "\n")
    (folder / "week.yaml").write_text(CONFIG)
    with TableWriter(manifest(folder / "results")) as writer:
        for i, name in enumerate(names):
            (folder / "plates" / f"{name}.zarr").mkdir(parents=True)
            writer.add(plate(name, fields // plates + (i < fields % plates)))


def resident(root: int) -> int:
    """Bytes that a process and all below it hold."""
    found, waiting = 0, [root]
    while waiting:
        pid = waiting.pop()
        try:
            found += memory(status(pid), "VmRSS")
            for task in Path(f"/proc/{pid}/task").iterdir():
                waiting += map(int, (task / "children").read_text().split())
        except OSError:
            continue
    return found


def dry_run(folder: Path) -> tuple[float, float, int]:
    """Elapsed seconds, processor seconds and peak bytes of a dry run."""
    snakefile = str(home("workflow") / "Snakefile")
    command = [sys.executable, "-m", "snakemake", "--snakefile", snakefile, "--configfile",
               "week.yaml", "--cores", "8", "--dry-run", "--quiet", "rules"]  # fmt: skip
    before, start, peak = children_s(), time.perf_counter(), 0
    with (folder / "log").open("w+") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
        while process.poll() is None:
            peak = max(peak, resident(process.pid))
            time.sleep(EVERY_S)
        elapsed = time.perf_counter() - start
        log.seek(0)
        text = log.read()
    if process.returncode or "This was a dry-run" not in text:
        raise RuntimeError(text[-2000:])
    return elapsed, children_s() - before, peak


def minutes(folder: Path) -> dict[str, list[float]]:
    """Minutes of each job by step, by the costs that the batches were cut by."""
    config = load_config(folder / "week.yaml")
    site, costs = load_site("roihu").site, load_costs("roihu")
    table = BatchTable.read(folder / "results").entries
    loads = [entry.load for entries in table.values() for entry in entries]
    found: dict[str, list[float]] = {step: [] for step in STEPS}
    for load in loads:
        if load.extent is None:
            continue
        for step, cores in costs.cores(load.extent, config, site.cores).items():
            work = costs.work(step, [(load.extent, load.images)], config)
            found[step].append(costs.seconds(step, work, config, cores) / 60)
    return found


def measure(plates: int = PLATES, fields: int = FIELDS) -> list[Row]:
    """Make the manifest, run both dry runs."""
    with tempfile.TemporaryDirectory(prefix="voxelmill-bench-") as name:
        folder = Path(name)
        make(folder, plates, fields)
        head = f"planned week of {fields / 1e6:g} M fields in {plates} plates"
        rows = []
        for what in ("first time", "again"):
            elapsed, cpu, peak = dry_run(folder)
            rows += [
                less_is_better(f"{head}, manifest to DAG, {what}", elapsed, MOST_S,
                               "the limit", "s", 1, 2),
                _row(f"{head}, manifest to DAG, {what}: processor", cpu, "s"),
                less_is_better(f"{head}, manifest to DAG, {what}: memory", peak / GIB, MOST_GIB,
                               "the limit", "GiB", 1, 2),
            ]  # fmt: skip
        found = minutes(folder)
    batches = len(found["measure"])
    rows += [
        _row(f"{head}, batches", batches, "batches"),
        _row(f"{head}, jobs", len(found) * batches + 2 * plates + 1, "jobs"),
    ]
    for step, each in found.items():
        for what, of in (("shortest", min), ("median", median), ("longest", max)):
            rows.append(_row(f"{head}, {what} job of {step}", of(each), "min"))
    return rows


def _row(name: str, value: float, unit: str) -> Row:
    return Row(name, round(value, 1), None, None, unit, None, None, None)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plates", type=int, default=PLATES)
    parser.add_argument("--fields", type=int, default=FIELDS)
    given = parser.parse_args()
    print(table(measure(given.plates, given.fields)))
