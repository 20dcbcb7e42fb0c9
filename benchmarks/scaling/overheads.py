"""What is no work on pixels: Dask's and the driver's part of a task, Snakemake's part of a job.

Processor seconds, by the difference of a short and a long run.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.scaling.noted import line
from benchmarks.scaling.scenes import PLATE, Scene, command, environment, write_plate
from benchmarks.timing import children_s, fresh

TASKS = 2000
PAYLOAD = [[list(range(400, 421)) for _ in range(21)] for _ in range(2)]
"""Of the size of a fitted segmenter: it travels with every task."""
TRIVIAL = """
rule all:
    input: expand("{{n}}.out", n=range({jobs}))
rule one:
    output: "{{n}}.out"
    shell: ": > {{output}}"
"""


def used(line_: Sequence[str], folder: Path) -> float:
    """Processor seconds of a command and its children.

    Raises
    ------
    RuntimeError
        It failed.
    """
    before = children_s()
    with (folder / "log").open("w") as log:
        code = subprocess.run(line_, cwd=folder, env=environment(), stdout=log, stderr=log,
                              check=False).returncode  # fmt: skip
    if code:
        raise RuntimeError(f"{' '.join(line_)}: {(folder / 'log').read_text()[-2000:]}")
    return children_s() - before


def snakemake(folder: Path) -> dict[str, Any]:
    """Start of the main process, of a job's own Snakemake; each job's part of both."""
    real = [(jobs, _trivial(folder / f"{jobs}", jobs)) for jobs in (5, 105)]
    dry = [(jobs, _trivial(folder / f"dry{jobs}", jobs, "--dry-run")) for jobs in (5, 1005)]
    write_plate(folder / "plate.zarr", 6, size=256)
    scene = Scene(folder / "scene", "../plate.zarr", PLATE)
    (batch,) = scene.prepare()
    head = used(command("run", str(scene.path), "--", "--dry-run", "--quiet"), scene.folder)
    return {"local_s": round(line(*real)[1], 4), "head_s": round(head, 3),
            "graph_s": round(line(*dry)[1], 5), "job_s": round(_job(scene, batch), 3)}  # fmt: skip


def _trivial(place: Path, jobs: int, *more: str) -> float:
    """Processor seconds of a workflow whose jobs do nothing."""
    place.mkdir()
    (place / "Snakefile").write_text(TRIVIAL.format(jobs=jobs))
    return used([sys.executable, "-m", "snakemake", "--cores", "1", *more], place)


def _job(scene: Scene, batch: str) -> float:
    """Processor seconds of a Snakemake that is told to make one file, as in a SLURM job."""
    snakefile = Path(__file__).resolve().parents[2] / "workflow" / "Snakefile"
    record = scene.folder / "results" / "scene" / "records" / "qc" / f"{batch}.json"
    line_ = [sys.executable, "-m", "snakemake", "--snakefile", str(snakefile)]
    line_ += ["--configfile", str(scene.path), "--cores", "1", "--dry-run", "--quiet", "all"]
    line_ += ["--", str(record)]
    return used(line_, scene.folder)


def aggregates(folder: Path, few: Scene, many: Scene) -> dict[str, Any]:
    """Core-seconds of aggregate and report: at all, and by image."""
    found = {}
    points: dict[str, list[tuple[int, float]]] = {"aggregate": [], "report": []}
    for scene, images in ((few, 4), (many, 24)):
        results = scene.folder / "results" / "scene"
        records = results / "records"
        batch = str(results / "batches" / "0000.json")
        for step in points:
            arguments = [step, batch, "--record", str(records / f"{step}.json")]
            arguments += ["--config", str(scene.path)]
            points[step].append((images, used(command(*arguments), folder)))
    for step, (short, long) in points.items():
        start, each = line(short, long)
        found[step] = {"start_s": round(start, 3), "image_s": round(each, 5)}
    return found


def dask(_folder: Path) -> dict[str, Any]:
    """The driver's part of a chunk and of a task, with threads and with worker processes."""
    return {kind: fresh("benchmarks.scaling.overheads", kind) for kind in ("threads", "processes")}


def nothing(_number: int, _payload: object) -> int:
    """Do what an empty block would."""
    return 0


def _driver(processes: bool, most: int, tasks: int, folder: Path) -> tuple[float, ...]:
    """Processor seconds of a stage of empty tasks: driver, workers; of their starts likewise."""
    from voxelmill.execution import Compute
    from voxelmill.ledger import Ledger
    from voxelmill.progress import Progress
    from voxelmill.run import pool
    from voxelmill.run import tasks as paced

    paced.MOST = most
    calls = {f"nuclei: segment image@0 0,0,{i}": (i, PAYLOAD) for i in range(tasks)}
    start = time.process_time()
    with (
        Ledger(folder / f"{most}", "bench") as ledger,
        pool(Compute(processes=processes), 2, Progress(show=False)) as crew,
    ):
        crew.run("warm", nothing, {f"{i}": (i, PAYLOAD) for i in range(20)})
        others = _others()
        before = time.process_time()
        crew.run("empty", nothing, calls, ledger)
        found = time.process_time() - before, _others() - others
        return *found, before - start, others / 2


def _others() -> float:
    """Processor seconds of all processes below this one."""
    tick, found = os.sysconf("SC_CLK_TCK"), 0.0
    parents, spent = {}, {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            text = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents[int(folder.name)], spent[int(folder.name)] = (
            int(text[1]),
            int(text[11]) + int(text[12]),
        )
    family = {os.getpid()}
    while more := {p for p, up in parents.items() if up in family} - family:
        family |= more
    found = sum(spent.get(p, 0) for p in family - {os.getpid()})
    return found / tick


def main() -> None:
    """Print the costs of one kind of workers as JSON."""
    processes = sys.argv[1] == "processes"
    with tempfile.TemporaryDirectory() as name:
        singly = _driver(processes, 1, TASKS, Path(name))
        together = _driver(processes, 500, 20 * TASKS, Path(name))
    task = together[0] / (20 * TASKS)
    found = {
        "head_s": singly[2],
        "worker_start_s": singly[3],
        "chunk_s": max(0.0, singly[0] / TASKS - task),
        "task_s": task,
        "worker_s": singly[1] / TASKS,
    }
    print(json.dumps({k: round(v, 6) for k, v in found.items()}))


if __name__ == "__main__":
    main()
