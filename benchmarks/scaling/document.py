"""Tables and the picture of docs/scaling.md, from ``measured.json`` and ``curves.json``."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import mean
from typing import Any

from benchmarks.scaling.inputs import MEASURED, load
from benchmarks.scaling.plot import Dots, Line, Panel, picture
from benchmarks.scaling.simulate import (
    BANDWIDTH,
    CORES,
    NODE_BANDWIDTH,
    WEEK_S,
    Curve,
    Point,
)
from benchmarks.timing import Row

CURVES = MEASURED.with_name("curves.json")
PAGE = Path(__file__).resolve().parents[2] / "docs" / "scaling.md"
PICTURE = PAGE.parent / "images" / "scaling.svg"
HOUR = 3600.0
MUST, AIM = round(1 / 1.15, 3), 0.95


def keep(curves: Mapping[str, Sequence[Curve]]) -> None:
    """Write curves for the documents."""
    found = {kind: [asdict(curve) for curve in many] for kind, many in curves.items()}
    text = json.dumps(found, separators=(",", ":"))
    CURVES.write_text(text.replace('{"name"', '\n{"name"') + "\n", encoding="utf-8")


def kept() -> dict[str, list[Curve]]:
    """Curves as `keep` has written them."""
    found = json.loads(CURVES.read_text(encoding="utf-8"))
    return {kind: [_curve(c) for c in many] for kind, many in found.items()}


def _curve(value: Mapping[str, Any]) -> Curve:
    points = tuple(Point(**point) for point in value["points"])
    return Curve(value["name"], value["cores"], value["work_s"], points, value["lifted"])


def sections() -> dict[str, str]:
    """Text between the marks of docs/scaling.md, by mark."""
    measured, curves = load(), kept()
    return {
        "scaling-inputs": inputs(measured),
        "scaling-checked": checked(measured["validated"]),
        "scaling-week": week(curves["week"], curves["small"][0]),
        "scaling-volume": one_volume(curves["volume"]),
        "scaling-stages": stages(curves["volume"]),
    }


def _table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    rows = [head, ["---"] * len(head), *lines]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def inputs(measured: Mapping[str, Any]) -> str:
    """What the simulation is fed with."""
    plates, volume = measured["plates"], measured["volume"]
    dask, snake, slurm = measured["dask"], measured["snakemake"], measured["slurm"]
    side = round(plates["field_px"] ** 0.5)
    of = f"{side}² x {plates['channels']}"
    lines = []
    for step, found in plates["beside"].items():
        costs = sorted(found["images_s"])
        low, high = costs[len(costs) // 20], costs[-1 - len(costs) // 20]
        wide = f"{mean(costs):.2f} s ({low:.2f} … {high:.2f})"
        alone = f"{found['serial_s']:.3f} s; {found['start_s']:.1f} s"
        lines += [
            [f"`{step}`, a field of {of}, on the job's cores", wide, "measured"],
            [f"`{step}`, a field, on one core of the job; a job's start", alone, "measured"],
        ]
    for step in ("aggregate", "report"):
        alone = f"{plates[step]['image_s']:.3f} s; {plates[step]['start_s']:.1f} s"
        lines += [[f"`{step}`, a field; a job's start", alone, "measured"]]
    block = " x ".join(map(str, volume["block"]))
    costs = volume["apart"]["segment"]["stages_s"]["segment"]
    per_object = [1e6 * volume["apart"][s]["objects_s"] for s in ("segment", "measure")]
    lines += [
        [f"a block of {block} of a volume, segmented",
         f"{mean(costs):.2f} s ({min(costs):.2f} … {max(costs):.2f})", "measured"],
        ["numbers and tables, an object, on the driver alone",
         f"{per_object[0]:.0f} + {per_object[1]:.0f} µs", "measured"],
        ["driver and Dask's scheduler, a chunk of tasks; a task",
         f"{1e3 * dask['processes']['chunk_s']:.1f} ms; {1e3 * dask['processes']['task_s']:.2f} ms",
         "measured"],
        ["the same with threads for workers",
         f"{1e3 * dask['threads']['chunk_s']:.2f} ms; {1e3 * dask['threads']['task_s']:.2f} ms",
         "measured"],
        ["start of a worker process", f"{dask['processes']['worker_start_s']:.1f} s", "measured"],
        ["start of `voxelmill run`; each job in its graph",
         f"{snake['head_s']:.1f} s; {1e3 * snake['graph_s']:.2f} ms", "measured"],
        ["Snakemake in a SLURM job, before its step",
         f"{slurm['snakemakes']} x {snake['job_s']:.1f} s", "measured"],
        ["Snakemake submits a job", f"{slurm['submit_s']:.2f} s", slurm["source"]],
        ["SLURM takes a job; starts it",
         f"{slurm['sbatch_s']:.2f} s; {slurm['dispatch_s']:.2f} s", slurm["source"]],
        ["Snakemake asks for ended jobs", "every {:.0f} s, + {:.0f} s while none, at most {:.0f} s"
         .format(*slurm["poll_s"]), "its source and the profile"],
        ["pixels (decoded) that a node gets; all nodes",
         f"{NODE_BANDWIDTH / 1e9:g} GB/s; {BANDWIDTH / 1e9:g} GB/s", "**assumed**"],
    ]  # fmt: skip
    return _table((f"on {measured['machine']}", "core-seconds", "from"), lines)


def checked(rows: Sequence[Mapping[str, Any]]) -> str:
    """What was run for real."""
    lines = [
        [str(i), row["name"], f"{row['simulated_s']:.1f} s", f"{row['measured_s']:.1f} s",
         f"{row['simulated_s'] / row['measured_s']:.2f}"]
        for i, row in enumerate(rows, 1)
    ]  # fmt: skip
    return _table(("", "run", "simulated", "measured", "ratio"), lines)


def week(curves: Sequence[Curve], small: Curve) -> str:
    """The plates."""
    lines = []
    for curve in curves:
        least, soon, good = curve.least(WEEK_S), curve.soon(), curve.good()
        lines.append([
            curve.name, f"{curve.work_s / HOUR:.0f}", str(least.nodes) if least else "never",
            f"{curve.points[0].wall_s / HOUR:.1f} h ({curve.busy:.0%})", _nodes(good.nodes),
            f"{soon.wall_s / HOUR:.1f} h on {soon.nodes}", limit(curve),
        ])  # fmt: skip
    enough = small.least(WEEK_S)
    if enough:
        first = f"{small.points[0].wall_s / HOUR:.1f} h ({small.busy:.0%})"
        name = f"nodes of {small.cores} cores, one job on each"
        work = f"{small.work_s / HOUR:.0f}"
        lines.append([name, work, f"**{enough.nodes}**", first, "", "", ""])
    head = ("scenario", "core-hours", "nodes for 7 days", "one node (cores busy)",
            "≥ 80 % efficient up to", "fastest", "what limits it then")  # fmt: skip
    return _table(head, lines)


def _nodes(number: int) -> str:
    return f"{number} node{'s' * (number > 1)}"


def limit(curve: Curve) -> str:
    """Limit whose lifting would help most, and by how much; the longest chain where none does."""
    others = {k: v for k, v in curve.lifted.items() if k != CHAIN}
    best = min(others, key=lambda k: others[k])
    wall = curve.points[-1].wall_s
    if others[best] < 0.9 * wall:
        return f"{best} (without: {others[best] / HOUR:.1f} h)"
    return f"{CHAIN} ({curve.lifted[CHAIN] / HOUR:.1f} h)"


CHAIN = "longest chain of jobs"


def one_volume(curves: Sequence[Curve]) -> str:
    """The volume, by nodes."""
    head = ["nodes", *(part for c in curves for part in (c.name, "efficiency"))]
    lines = []
    for points in zip(*(c.points for c in curves), strict=True):
        cells = [str(points[0].nodes)]
        for curve, point in zip(curves, points, strict=True):
            cells += [f"{point.wall_s / HOUR:.2f} h", f"{curve.efficiency(point):.0%}"]
        lines.append(cells)
    return _table(head, lines)


def stages(curves: Sequence[Curve]) -> str:
    """Where the time of the volume goes with most nodes."""
    names = [name for name in curves[0].lifted if curves[0].lifted[name] > 1]
    also = {"pair": "pair, then numbers", "measure": "measure, then tables"}
    lines = [
        [also.get(name, name), *(f"{c.lifted[name] / 60:.1f} min" for c in curves)]
        for name in names
    ]
    most = curves[0].points[-1].nodes
    return _table((f"stage, {most} nodes", *(c.name for c in curves)), lines)


def draw(measured: Mapping[str, Any], curves: Mapping[str, Sequence[Curve]]) -> None:
    """Write the picture."""
    hours = [(0.1, "6 min"), (1, "1 h"), (10, "10 h"), (100, "100 h"),
             (1000, "1 000 h")]  # fmt: skip
    shares = [(i / 5, f"{20 * i} %") for i in range(6)]
    panels = []
    for kind, title in (("week", "A week's plates, 103 TB"), ("volume", "One volume of 10 TB")):
        many = curves[kind]
        ideal = [(p.nodes, many[0].points[0].wall_s / HOUR / p.nodes) for p in many[0].points]
        walls = [Line(c.name, [(p.nodes, p.wall_s / HOUR) for p in c.points]) for c in many]
        good = [Line(c.name, [(p.nodes, c.efficiency(p)) for p in c.points]) for c in many]
        marks = [(WEEK_S / HOUR, "7 days")]
        span = (0.05, 20_000)
        panels += [
            Panel(f"{title}: wall-clock", "", walls, span, hours, marks=marks, ideal=ideal),
            Panel(f"{title}: efficiency", "", good, (0, 1.05), shares, log=False,
                  marks=[(0.8, "80 %")], legend=False),
        ]  # fmt: skip
    rows = measured["validated"]
    dots = Dots("Simulated against measured, seconds",
                [(r["measured_s"], r["simulated_s"]) for r in rows],
                [r["name"] for r in rows])  # fmt: skip
    text = picture("Wall-clock and efficiency from 1 to 2 000 nodes", panels, dots)
    PICTURE.write_text(text, encoding="utf-8")


def rows(measured: Mapping[str, Any], curves: Mapping[str, Sequence[Curve]]) -> list[Row]:
    """Rows for ``benchmarks/results.json``."""
    found = []
    for row in measured["validated"]:
        simulated, real = row["simulated_s"], row["measured_s"]
        ratio = round(min(simulated / real, real / simulated), 3)
        found.append(Row(f"scaling, {row['name']}", simulated, real, "measured", "s", ratio,
                         MUST, AIM))  # fmt: skip
    for curve in (*curves["week"], *curves["small"]):
        least = curve.least(WEEK_S)
        name = f"scaling, 100 TB in a week, {curve.name}: nodes of {curve.cores} cores, simulated"
        found.append(Row(name, least.nodes if least else -1, None, None, "nodes", None, None, None))
    for curve in curves["volume"]:
        name = f"scaling, 10 TB volume, {curve.name}: one node of {CORES} cores, simulated"
        hours = round(curve.points[0].wall_s / HOUR, 2)
        found.append(Row(name, hours, None, None, "h", None, None, None))
    return found
