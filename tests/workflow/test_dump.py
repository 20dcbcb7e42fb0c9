"""Three weeks of a facility: plates come in, whole or not, before it runs and while; some go."""

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from runs import jobs
from trees import digests
from voxelmill.layout import BATCH_STEPS, DATASET_STEPS
from voxelmill.steps.demo import write_demo_plate
from webserver import serving

SETTLED_S = 1.5
CONFIG = f"""
datasets: sheet.tsv
objects: {{nuclei: {{channel: AGP, segmenter: {{kind: threshold, diameter_um: 12}}}}}}
features: [{{kind: shape}}]
dump:
  folder: incoming
  settled_minutes: {SETTLED_S / 60}
  command: {sys.executable} told.py 'with blanks'
"""
TOLD = """
import json, os, sys
found = {k: v for k, v in os.environ.items() if k.startswith("VOXELMILL_")}
json.dump([sys.argv[1:], sys.stdin.read(), found], open("told.json", "w"))
"""
HOOK = "services/T00/B00/n0t4n7b0dy"
STEPS = (*BATCH_STEPS, *DATASET_STEPS)


class Facility:
    """A folder that plates come into, and `voxelmill dump` beside it."""

    def __init__(self, folder: Path, address: str) -> None:
        self.folder, self.incoming = folder, folder / "incoming"
        self.results = folder / "results"
        self.environment = {**os.environ, "VOXELMILL_WEBHOOK": f"{address}/{HOOK}"}
        self.posted: list[dict[str, object]] = []
        self.output = ""

    def call(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """Call `voxelmill` here."""
        done = subprocess.run([sys.executable, "-m", "voxelmill", *words], cwd=self.folder,
                              env=self.environment, capture_output=True, text=True, check=False,
                              timeout=280)  # fmt: skip
        self.output += done.stdout + done.stderr
        return done

    def dump(self) -> "subprocess.CompletedProcess[str]":
        """Run the week."""
        return self.call("dump", "config.yaml", "--cores", "2")

    def arrive(self, name: str, channels: int = 2) -> Path:
        """Put a plate there."""
        path = self.incoming / f"{name}.zarr"
        write_demo_plate(path, wells=1, fields=2, size=96, channels=channels, faults=False)
        return path

    def sheet(self) -> list[str]:
        """Lines of the sheet."""
        return (self.folder / "sheet.tsv").read_text().splitlines()

    def states(self) -> dict[Path, int]:
        """Times of all files of the results, but those that say times."""
        files = (p for p in self.results.glob("*/**/*") if p.is_file() and "logs" not in p.parts)
        return {p: p.stat().st_mtime_ns for p in files}


@pytest.fixture
def facility(tmp_path: Path) -> Iterator[Facility]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            found.posted.append({**json.loads(body), "path": self.path})
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with serving(Handler) as address:
        found = Facility(tmp_path, address)
        found.incoming.mkdir()
        (tmp_path / "config.yaml").write_text(CONFIG)
        (tmp_path / "told.py").write_text(TOLD)
        yield found


def last(done: "subprocess.CompletedProcess[str]") -> str:
    """The line that says it all."""
    return done.stdout.splitlines()[-1]


def of(n: int) -> dict[str, int]:
    """Jobs of so many datasets of one batch."""
    return {**dict.fromkeys(STEPS, n), "check": 1}


def writing(path: Path) -> Callable[[], None]:
    """Write to a file again and again, with times of long ago; the function ends that."""
    ended = threading.Event()

    def write() -> None:
        while not ended.wait(0.1):
            with path.open("ab") as file:
                file.write(b"more")
            os.utime(path, (1e9, 1e9))

    thread = threading.Thread(target=write)
    thread.start()

    def end() -> None:
        ended.set()
        thread.join()

    return end


def test_three_weeks(facility: Facility, tmp_path: Path) -> None:
    lost = first_week(facility, tmp_path)
    second_week(facility, tmp_path, lost)
    third_week(facility)
    everyone_was_told(facility)


def test_one_that_fails_in_qc_keeps_no_other_behind_the_gate(facility: Facility) -> None:
    with (facility.folder / "config.yaml").open("a") as file:
        file.write("qc: {gate: auto}\n")
    for name in ("c", "d"):
        facility.arrive(name)
    # A folder where the job's log goes: its shell cannot open it.
    (facility.results / "d/logs/qc/0000.log/x").mkdir(parents=True)
    time.sleep(SETTLED_S)
    done = facility.dump()
    assert done.returncode == 1
    assert "2 new (1 finished, 1 failed: d), 0 finished before; " in last(done)


def first_week(facility: Facility, tmp_path: Path) -> Path:
    """Two plates that are whole, one with half of its fields, one that somebody writes."""
    for name in ("a", "night/b", "half"):
        facility.arrive(name)
    lost = Path(shutil.move(facility.incoming / "half.zarr/A/01/1", tmp_path / "lost"))
    busy = facility.arrive("busy")
    time.sleep(SETTLED_S)
    end = writing(busy / "A/01/0/0/c/0/0/0")
    done = facility.dump()
    end()
    assert done.returncode == 0, done.stderr
    assert jobs(done) == of(2)
    assert facility.sheet() == [
        "dataset\turl",
        "a\tincoming/a.zarr",
        "night_b\tincoming/night/b.zarr",
    ]
    assert "2 new (2 finished), 0 finished before, 2 waiting (busy.zarr still changing; " in last(
        done
    )
    assert "half.zarr incomplete: 1 of 2 images (" in last(done)
    assert last(done).endswith("; results/index.html")
    assert not (facility.results / "half").exists()
    return lost


def second_week(facility: Facility, tmp_path: Path, lost: Path) -> None:
    """The half has its other half; another one arrives while it is processed."""
    shutil.rmtree(facility.incoming / "busy.zarr")
    shutil.copytree(lost, facility.incoming / "half.zarr/A/01/1")
    sheet = facility.folder / "sheet.tsv"
    sheet.write_text("# kept by voxelmill dump\n" + sheet.read_text())
    write_demo_plate(tmp_path / "late.zarr", wells=1, fields=2, size=96, channels=2, faults=False)
    before = facility.states()
    seconds: list[subprocess.CompletedProcess[str]] = []

    def meanwhile() -> None:
        stop = time.monotonic() + 200
        while not (facility.results / "half/batches/0000.json").exists():
            assert time.monotonic() < stop
            time.sleep(0.05)
        shutil.copytree(tmp_path / "late.zarr", facility.incoming / "late.zarr")
        seconds.append(facility.dump())

    time.sleep(SETTLED_S)
    thread = threading.Thread(target=meanwhile)
    thread.start()
    done = facility.dump()
    thread.join()
    assert done.returncode == 0, done.stderr
    assert jobs(done) == {**of(2), "check": 2}, "one run after the other, and nothing of before"
    assert before.items() <= facility.states().items()
    assert "2 new (2 finished), 2 finished before; " in last(done)
    assert facility.sheet()[0] == "# kept by voxelmill dump"
    assert [line.split("\t")[0] for line in facility.sheet()[4:]] == ["half", "late"]
    (second,) = seconds
    assert second.returncode == 75
    assert second.stdout.count("\n") == 1
    assert "busy: process" in second.stdout
    assert not jobs(second)


def third_week(facility: Facility) -> None:
    """Nothing new, and space was needed; then one fails, one is broken, and one cannot be taken."""
    shutil.rmtree(facility.incoming / "a.zarr")
    logs = list((facility.folder / ".snakemake/log").iterdir())
    done = facility.dump()
    assert done.returncode == 0, done.stderr
    assert last(done) == "voxelmill dump: 0 new, 4 finished before; results/index.html"
    assert list((facility.folder / ".snakemake/log").iterdir()) == logs, "no Snakemake"

    before = digests(facility.results / "a")
    (facility.folder / "config.yaml").write_text(CONFIG.replace("kind: shape", "kind: intensity"))
    for name in ("c", "d"):
        facility.arrive(name)
    facility.arrive("other", channels=1)
    (facility.incoming / "broken.zarr").mkdir()
    with (facility.folder / "sheet.tsv").open("a") as sheet:
        sheet.write("broken\tincoming/broken.zarr\n")
    # A file where segment makes a folder.
    (facility.results / "d").mkdir()
    (facility.results / "d/labels.ome.zarr").touch()
    group = facility.incoming / "night/b.zarr/zarr.json"
    group.write_text(group.read_text() + "\n")
    time.sleep(SETTLED_S)
    done = facility.dump()
    assert done.returncode == 1
    assert "2 new, 1 again (1 finished, 2 failed: broken, d), 4 finished before" in last(done)
    assert "1 unfit (other.zarr: no channel 'AGP' (objects.nuclei); it has 'DNA')" in last(done)
    assert "1 changed since processed (night_b)" in last(done)
    assert "failed: d: segment 0000: " in done.stdout
    assert "failed: broken: incoming/broken.zarr: no zarr.json or .zattrs there" in done.stdout
    assert jobs(done)["report"] == 1

    # What failed is tried again; what is finished is not, whatever the configuration says now.
    (facility.results / "d/labels.ome.zarr").unlink()
    shutil.rmtree(facility.incoming / "other.zarr")
    sheet = facility.folder / "sheet.tsv"
    sheet.write_text(sheet.read_text().replace("broken\t", "#broken\t"))
    done = facility.dump()
    assert done.returncode == 0, done.stderr
    assert "1 again (1 finished), 5 finished before" in last(done)
    assert jobs(done) == dict.fromkeys((*STEPS[1:], "check"), 1)
    page = (facility.results / "index.html").read_text()
    assert [
        n for n in ("a", "night_b", "half", "late", "c", "d") if f"./{n}/report.html" not in page
    ] == []

    # By hand everything is brought up to date but what is gone, which stays as it is.
    done = facility.call("run", "config.yaml", "--cores", "2", "--", "--until", "measure")
    assert done.returncode == 0, done.stderr
    assert jobs(done) == {"measure": 3}
    assert digests(facility.results / "a") == before


def everyone_was_told(facility: Facility) -> None:
    weeks = [post["exit_code"] for post in facility.posted]
    assert weeks == [0, 0, 0, 1, 0]
    third = facility.posted[3]
    assert third["path"] == f"/{HOOK}"
    assert third["finished"] == ["c"]
    assert set(third["failed"]) == {"broken", "d"}  # type: ignore[call-overload]
    words, text, environment = json.loads((facility.folder / "told.json").read_text())
    assert words == ["with blanks"]
    assert (
        text.splitlines()[0] == facility.posted[4]["text"] == environment["VOXELMILL_DUMP_SUMMARY"]
    )
    assert environment["VOXELMILL_DUMP_FINISHED"] == "1"
    files = [p for p in facility.folder.rglob("*") if p.is_file()]
    assert [p for p in files if HOOK.encode() in p.read_bytes()] == []
    assert HOOK not in facility.output
    assert "nobody was told" not in facility.output
