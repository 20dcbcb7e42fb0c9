"""Looking at what came in, on disk; and what is said of it, by a server and a command, too."""

import json
import os
import shutil
import sys
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from voxelmill.config import Config
from voxelmill.configfile import parse
from voxelmill.incoming import Incoming
from voxelmill.plugin import BadConfig, BadInput, StoreUnavailable
from voxelmill.settling import Earlier
from voxelmill.steps.arrivals import Arrival, look
from voxelmill.steps.demo import write_demo_plate
from voxelmill.steps.dump import MOST_BYTES, _fitting
from voxelmill.steps.dumpresult import Outcome
from voxelmill.steps.dumpsheet import Sheet
from voxelmill.steps.dumpstate import Memory, read_memory, write_memory
from voxelmill.steps.dumptext import as_json, details, summary
from voxelmill.steps.notify import tell
from voxelmill.store.archive import pack
from voxelmill.store.trees import find, top, tree
from webserver import serving

NUCLEI = {"channel": "DNA", "segmenter": {"kind": "threshold", "diameter_um": 12}}
HOUR = 3600.0


@pytest.fixture(scope="module")
def plate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("plate") / "plate.zarr"
    write_demo_plate(path, wells=1, fields=2, size=64, channels=2, faults=False)
    return path


def config(folder: Path, **changes: object) -> Config:
    dump = {"folder": str(folder / "in"), "settled_minutes": 0, **changes.pop("dump", {})}  # type: ignore[dict-item]
    given = {"datasets": "s.tsv", "results": str(folder / "results"), "dump": dump}
    return parse(Config, {**given, "objects": {"nuclei": NUCLEI}, **changes}, "c.yaml")


def looked(
    found: Config, earlier: dict[str, Earlier] | None = None, known: tuple[str, ...] = ()
) -> dict[str, Arrival]:
    assert found.dump
    seen = look(found, found.dump, lambda url: Path(url).name in known, earlier or {})
    return {arrival.place: arrival for arrival in seen.arrivals}


def test_datasets_are_found_down_to_a_depth_and_not_inside_others(tmp_path: Path) -> None:
    for place in ("a.zarr/b.zarr", "x/y/c.zarr", "x/y/z/d.zarr", ".hidden/e.zarr", ".f.zarr",
                  "results/p/labels.ome.zarr", "x/notes"):  # fmt: skip
        (tmp_path / place).mkdir(parents=True)
    (tmp_path / "x/g.ozx").touch()
    (tmp_path / "x/h.zarr").touch()
    wants = Incoming(folder="x").wants
    found = find(str(tmp_path), 3, wants, str(tmp_path / "results"))
    assert found.datasets == ("a.zarr", "x/g.ozx", "x/y/c.zarr")
    assert "x/y/z/d.zarr" in find(str(tmp_path), 4, wants).datasets
    assert find(str(tmp_path), 1, Incoming(folder="x", patterns=("x",)).wants).datasets == ("x",)
    with pytest.raises(StoreUnavailable, match="No such file"):
        find(str(tmp_path / "none"), 3, wants)


def test_a_tree_knows_every_change(tmp_path: Path, plate: Path) -> None:
    copy = Path(shutil.copytree(plate, tmp_path / "p.zarr"))
    before = tree(str(copy))
    assert before.bytes == sum(p.stat().st_size for p in plate.rglob("*") if p.is_file())
    assert before.digest == tree(str(copy)).digest == tree(str(plate)).digest, "times were kept"
    assert before.newest > time.time() - 600 > max(p.stat().st_mtime for p in plate.iterdir()) - 999
    chunk = next(p for p in copy.rglob("c/0/0/0") if p.is_file())
    for change in (lambda: os.utime(chunk), lambda: (copy / "A/.x.upload").touch(), chunk.unlink):
        change()
        assert tree(str(copy)).digest != before.digest
        before = tree(str(copy))


def test_the_first_level_tells_a_plate_that_was_replaced(tmp_path: Path, plate: Path) -> None:
    copy = Path(shutil.copytree(plate, tmp_path / "p.zarr"))
    before = top(str(copy))
    (copy / ".DS_Store").touch()
    os.utime(copy)
    assert top(str(copy)) == before
    shutil.rmtree(copy)
    shutil.copytree(plate, copy, copy_function=shutil.copy)
    assert top(str(copy)) != before
    (tmp_path / "empty.zarr").mkdir()
    assert top(str(tmp_path / "empty.zarr")) == ""


def test_what_is_whole_is_ready_and_what_is_not_says_why(tmp_path: Path, plate: Path) -> None:
    names = ("whole", "field", "chunk", "level", "shardless", "well", "known")
    at = {n: Path(shutil.copytree(plate, tmp_path / f"in/{n}.zarr")) for n in names}
    pack(plate, tmp_path / "in/packed.ozx")
    (tmp_path / "in/cut.ozx").write_bytes((tmp_path / "in/packed.ozx").read_bytes()[:-999])
    (tmp_path / "in/none.zarr").mkdir()
    (tmp_path / "in/new\nline.zarr").mkdir()
    shutil.rmtree(at["field"] / "A/01/1")
    next(p for p in (at["chunk"] / "A/01/0/0/c").rglob("*") if p.is_file()).unlink()
    next(p for p in (at["shardless"] / "A/01/0/0/c").rglob("*") if p.is_file()).write_bytes(b"")
    last = max(p for p in (at["level"] / "A/01/0").iterdir() if p.is_dir())
    next(p for p in (last / "c").rglob("*") if p.is_file()).unlink()
    (at["well"] / "A/01/zarr.json").unlink()
    found = looked(config(tmp_path), known=("known.zarr",))
    states = {place: arrival.state for place, arrival in found.items()}
    ready = {"whole.zarr", "packed.ozx"}
    assert {p for p, s in states.items() if s == "ready"} == ready
    assert states.pop("new\nline.zarr") == "unfit"
    assert {s for p, s in states.items() if p not in ready} == {"incomplete"}
    assert "known.zarr" not in states
    assert found["field.zarr"].why.startswith("1 of 2 images (")
    assert found["chunk.zarr"].why == found["shardless.zarr"].why
    assert found["chunk.zarr"].why.startswith("1 of ")
    assert found["level.zarr"].why.endswith(" chunks")
    assert "A/01" in found["well.zarr"].why
    assert "damaged or cut short" in found["cut.ozx"].why
    sparse = looked(config(tmp_path, sparse="allow"))
    assert [sparse[f"{n}.zarr"].state for n in ("chunk", "field")] == ["ready", "incomplete"]
    given_up = looked(config(tmp_path, dump={"incomplete_days": 0}))
    assert [given_up[f"{n}.zarr"].state for n in ("chunk", "none")] == ["ready", "incomplete"]
    other = {"nuclei": {**NUCLEI, "channel": "ER"}}
    unfit = looked(config(tmp_path, objects=other))["whole.zarr"]
    assert (unfit.state, unfit.why) == (
        "unfit", "no channel 'ER' (objects.nuclei); it has 'DNA', 'AGP'",
    )  # fmt: skip


def test_a_copy_that_keeps_times_is_not_taken_for_old(tmp_path: Path, plate: Path) -> None:
    for path in plate.rglob("*"):
        os.utime(path, (1e9, 1e9))
    copy = Path(shutil.copytree(plate, tmp_path / "in/p.zarr"))
    assert max(p.stat().st_mtime for p in copy.rglob("*")) == 1e9
    found = config(tmp_path, dump={"settled_minutes": 60})
    assert looked(found)["p.zarr"].state == "changing"
    digest = tree(str(copy)).digest
    hour_ago, just_now = time.time() - HOUR, time.time() - HOUR / 2
    assert looked(found, {"p.zarr": Earlier(digest, hour_ago)})["p.zarr"].state == "ready"
    assert looked(found, {"p.zarr": Earlier(digest, just_now)})["p.zarr"].state == "changing"
    assert looked(found, {"p.zarr": Earlier("other", hour_ago)})["p.zarr"].state == "changing"


def test_lines_are_added_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "configs").mkdir()
    (tmp_path / "results").mkdir()
    (tmp_path / "results/index.html").touch()
    (tmp_path / "real.tsv").write_text("dataset\turl\na\t../in/a.zarr\n")
    (tmp_path / "configs/s.tsv").symlink_to("../real.tsv")
    found = parse(Config, {"datasets": "s.tsv", "objects": {"nuclei": NUCLEI},
                           "dump": {"folder": "in"}}, "c")  # fmt: skip
    assert found.dump
    sheet = Sheet(found, tmp_path / "configs/c.yaml", found.dump)
    arrivals = [Arrival(p, f"in/{p}", "ready", "", 0) for p in ("a b.zarr", "index.html.zarr")]
    for place in ("a.zarr", "a b.zarr"):
        (tmp_path / "in" / place).mkdir(parents=True)
    assert sheet.knows()(str(tmp_path / "in/a.zarr"))
    assert not sheet.knows()("in/a b.zarr")
    assert list(sheet.add(arrivals)) == ["a_b", "index.html-2"]
    assert sheet.knows()("in/a b.zarr")
    assert (tmp_path / "configs/s.tsv").is_symlink()
    assert (tmp_path / "real.tsv").read_text().splitlines()[1:] == [
        "a\t../in/a.zarr", "a_b\t../in/a b.zarr", "index.html-2\t../in/index.html.zarr",
    ]  # fmt: skip
    assert [row.dataset for row in sheet.sorted().gone] == ["index.html-2"]
    assert [row.dataset for row in sheet.sorted().open] == ["a", "a_b"]


def test_memory_is_whole_or_an_error(tmp_path: Path) -> None:
    assert read_memory(str(tmp_path)) == Memory()
    memory = Memory({"in/a.zarr": Earlier("d", 1.5e9 + 0.25)}, {"b": "top"})
    write_memory(str(tmp_path), memory)
    assert read_memory(str(tmp_path)) == memory
    for damaged in ("{", "[]", '{"coming": 3, "taken": {}}', '{"taken": {}}'):
        (tmp_path / "dump.json").write_text(damaged)
        with pytest.raises(BadInput, match="Delete it"):
            read_memory(str(tmp_path))


def outcome(**changes: Any) -> Outcome:  # noqa: ANN401
    found = Outcome("results", 0, new=["p7", "p8", "p9"], tried=["p7", "p8", "p9"], before=12,
                    finished=["p8", "p9"], failed={"p7": "segment 0000: no"}, bytes=41 * 10**9,
                    seconds=720, index="results/index.html", began=1.7e9)  # fmt: skip
    for name, value in changes.items():
        setattr(found, name, value)
    return found


def test_the_line() -> None:
    waiting = [Arrival("A.zarr", "", "changing", "", 0),
               Arrival("B\x1b.zarr", "", "incomplete", "3 of 1200 chunks", 1.78e9)]  # fmt: skip
    found = outcome(waiting=waiting, quarantined={"p8": 1})
    assert summary(found) == (
        "voxelmill dump: 3 new (2 finished, 1 failed: p7), 12 finished before, 2 waiting (A.zarr "
        "still changing; B?.zarr incomplete: 3 of 1200 chunks since 2026-05-28), 1 image "
        "quarantined; 41 GB in 12 min; results/index.html"
    )
    assert details(found)[0] == "failed: p7: segment 0000: no"
    json.dumps(as_json(found))
    many = outcome(
        failed={f"q{i}": "" for i in range(9)}, tried=[f"q{i}" for i in range(9)], new=[]
    )
    assert "9 again (2 finished, 9 failed: q0, q1, q2, q3, q4, and 4 more)" in summary(many)
    stopped = outcome(error=BadConfig("c.yaml: no\nfolder"))
    assert summary(stopped).startswith("voxelmill dump: stopped: c.yaml: no folder, 3 new")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({}, 1),
        ({"failed": {}}, 0),
        ({"failed": {}, "asked": ["p1"], "changed": ["p2"], "closed": {"x": ""}}, 0),
        ({"failed": {}, "waiting": [Arrival("A", "", "incomplete", "", 0)]}, 0),
        ({"failed": {}, "unfit": [Arrival("A", "", "unfit", "", 0)]}, 1),
        ({"failed": {}, "quarantined": {"p8": 1}}, 1),
        ({"failed": {}, "quarantined": {"p8": 1}, "allowed": 1}, 0),
        ({"failed": {}, "code": 1}, 1),
        ({"failed": {}, "error": StoreUnavailable("x")}, 1),
        ({"error": BadConfig("x")}, 2),
    ],
)
def test_exit_codes(changes: dict[str, Any], code: int) -> None:
    assert outcome(**changes).exit_code == code
    assert as_json(outcome(**changes))["exit_code"] == code


@pytest.mark.parametrize("status", [302, 404, 500])
def test_nobody_told_is_a_warning_without_the_address(
    status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(self.path)
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.send_header("Location", "/elsewhere")
            self.end_headers()

        do_GET = do_POST  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with serving(Handler) as address:
        tell(f"{address}/h1dden", "", ["line"], as_json(outcome()))
    tell(f"{address}/h1dden", "", ["line"], as_json(outcome()))
    tell("http://ann:h1dden@x/", "", ["line"], as_json(outcome()))
    tell("file:///h1dden", "", ["line"], as_json(outcome()))
    said = capsys.readouterr().err
    assert asked == ["/h1dden"]
    assert said.count("dump.webhook: nobody was told") == 4
    assert f"HTTP {status}\n" in said
    assert "h1dden" not in said


def test_a_command_that_fails_is_a_warning(capsys: pytest.CaptureFixture[str]) -> None:
    tell("", f"{sys.executable} -c 'raise SystemExit(3)'", ["line"], as_json(outcome()))
    tell("", "/nowhere/mail -s x", ["line"], as_json(outcome()))
    said = capsys.readouterr().err
    assert "exit code 3" in said
    assert "No such file" in said


def test_a_run_has_no_more_datasets_than_a_command_line_can_name() -> None:
    names = [f"plate-{i:05}" for i in range(9000)]
    first = _fitting("results", names)
    assert 1000 < len(first) < len(names)
    assert len(" ".join(f"results/{n}/records/aggregate.json" for n in first)) < MOST_BYTES
    assert _fitting("x" * MOST_BYTES, names) == names[:1]
    assert _fitting("results", []) == []
