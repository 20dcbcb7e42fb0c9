"""When a dataset that came in is taken, what it is called, and how its line gets into the sheet."""

import re
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxelmill.config import Config
from voxelmill.configfile import load_sheet, parse
from voxelmill.incoming import MOST_BYTES, Incoming, dataset_name
from voxelmill.layout import DATASET_STEPS
from voxelmill.plugin import BadConfig
from voxelmill.selection import choosing, chosen
from voxelmill.settling import (
    DAY_S,
    Content,
    Earlier,
    Listing,
    Rules,
    first_seen,
    judge,
    quiet_since,
    settled,
)
from voxelmill.sheetlines import extended, known

NUCLEI = {"channel": "DNA", "segmenter": {"kind": "threshold", "diameter_um": 12}}
RULES = Rules(3600, 3 * DAY_S)
WHOLE, HALF = Content(images=2, chunks=8), Content(images=2, chunks=8, missing=3)
TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), min_size=1, max_size=40)


def config(**changes: object) -> Config:
    dump = {"folder": "in", **changes}
    return parse(Config, {"datasets": "s.tsv", "objects": {"nuclei": NUCLEI}, "dump": dump}, "c")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"folder": "https://x.org/plates"}, "dump.folder: allowed: a folder, or s3://"),
        ({"folder": "s3://user@bucket"}, "dump.folder: allowed"),
        ({"patterns": []}, "dump.patterns"),
        ({"patterns": ["a/*.zarr"]}, "dump.patterns.0"),
        ({"settled_minutes": -1}, "dump.settled_minutes"),
        ({"command": "mail 'x"}, "dump.command: no command (No closing quotation)"),
        ({"command": " "}, "dump.command: no command (allowed: a program and its arguments)"),
        ({"webhok": "x"}, "Did you mean 'webhook'?"),
    ],
)
def test_mistakes_are_named(changes: dict[str, object], says: str) -> None:
    with pytest.raises(BadConfig, match=re.escape(says)):
        config(**changes)


@pytest.mark.parametrize("part", ["https://ann:h1dden@x.org/a", "https://x.org/a?key=h1dden", "h1"])
def test_an_address_with_a_secret_is_refused_and_not_shown(part: str) -> None:
    with pytest.raises(BadConfig, match="VOXELMILL_WEBHOOK") as error:
        config(webhook=part)
    assert part not in str(error.value)
    assert "h1dden" not in str(error.value)
    assert config(webhook="https://x.org/hooks/1").dump == Incoming(
        folder="in", webhook="https://x.org/hooks/1"
    )


@pytest.mark.parametrize(
    ("place", "name"),
    [
        ("plate 1.zarr", "plate_1"),
        ("2026/week47/plate1.ome.zarr", "2026_week47_plate1"),
        ("deep/plate.ozx", "deep_plate"),
        (".hidden.zarr", "hidden"),
        ("Zürich/µ-plate.zarr", "Zürich_µ-plate"),
        ("..zarr", "dataset"),
    ],
)
def test_names(place: str, name: str) -> None:
    assert dataset_name(place, (), "path") == name
    assert dataset_name(place, {name, f"{name}-2"}, "path") == f"{name}-3"


@given(st.lists(TEXT, max_size=8), st.sampled_from(["path", "name"]), st.sampled_from("\t,"))
def test_any_name_makes_a_line_that_is_read_back(
    places: list[str], names: str, delimiter: str
) -> None:
    taken: list[str] = []
    for place in places:
        taken.append(dataset_name(place, taken, names))  # type: ignore[arg-type]
    assert len(set(taken)) == len(taken)
    for name in taken:
        assert not name.startswith(".")
        assert all(c.isalnum() or c in "._-" for c in name)
        assert len(name.encode()) <= MOST_BYTES + 3
    rows = [(name, f"in/{name}/{i}") for i, name in enumerate(taken)]
    text = extended("", rows, delimiter)
    assert list(known(text, delimiter)) == rows


@given(st.lists(st.floats(0, 1e6), min_size=2, max_size=6), st.lists(st.integers(0, 1), min_size=6))
def test_what_changes_between_looks_is_not_settled_by_them(
    waits: list[float], changes: list[int]
) -> None:
    """Times of files say nothing here: only looks count."""
    now, listing, earlier, kept = 1e9, 0, None, 0.0
    for wait, change in zip(waits, changes, strict=False):
        now, listing = now + wait, listing + change
        kept = 0.0 if change or earlier is None else kept + wait
        seen = Listing(str(listing), 0)
        first = first_seen(now, seen, earlier)
        assert settled(now, quiet_since(now, seen, first), RULES) == (kept >= RULES.settled_s)
        earlier = Earlier(seen.digest, first)


@pytest.mark.parametrize(
    ("newest", "first", "expected"),
    [
        (1e9 - 3601, 1e9, True),
        (1e9 - 3599, 1e9, False),
        (1e9 + 9e9, 1e9, False),
        (1e9 + 9e9, 1e9 - 3600, True),
        (0, 1e9, False),
    ],
    ids=["changed long ago", "just now", "in the future", "in the future, but seen", "unknown"],
)
def test_the_first_look_believes_the_storage_alone(
    newest: float, first: float, expected: bool
) -> None:
    assert settled(1e9, quiet_since(1e9, Listing("x", newest), first), RULES) is expected


def test_a_clock_that_was_set_back_starts_anew() -> None:
    assert first_seen(1000, Listing("x", 0), Earlier("x", 2000)) == 1000
    assert first_seen(3000, Listing("x", 0), Earlier("x", 2000)) == 2000


@pytest.mark.parametrize(
    ("content", "days", "state"),
    [
        (WHOLE, 0, "ready"),
        (HALF, 2.9, "incomplete"),
        (HALF, 3, "ready"),
        (Content(images=3, unreadable=1, chunks=8), 0, "incomplete"),
        (Content(problem="no zarr.json"), 99, "incomplete"),
        (Content(images=2, missing=1, unfit="no channel"), 99, "unfit"),
        (Content(images=2, unfit="no channel"), 0, "unfit"),
    ],
)
def test_what_is_taken(content: Content, days: float, state: str) -> None:
    assert judge(1e9, 1e9 - days * DAY_S, content, RULES) == state
    if state == "ready" and not content.whole:
        assert judge(1e9, 1e9 - days * DAY_S, content, Rules(3600, None)) == "incomplete"


@given(st.integers(0, 9), st.integers(0, 9), st.floats(0, 1e7), st.floats(0, 1e7))
def test_waiting_longer_never_takes_back(missing: int, bad: int, one: float, other: float) -> None:
    content = Content(images=9, unreadable=bad, chunks=9, missing=missing)
    states = [judge(2e9, 2e9 - quiet, content, RULES) for quiet in sorted((one, other))]
    order = ["incomplete", "ready"]
    assert all(order.index(a) <= order.index(b) for a, b in pairwise(states))


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("last", [True, False])
def test_what_is_in_a_sheet_stays(ending: str, last: bool) -> None:
    lines = ["\ufeff# ours", "url\tdataset\tplate_map", "", "x.zarr\tx\tm.csv", "#y.zarr\ty\t"]
    text = ending.join(lines) + (ending if last else "")
    longer = extended(text, [("z", "in/z.zarr")], "\t")
    assert longer == ending.join([*lines, "in/z.zarr\tz\t", ""])
    assert list(known(longer, "\t")) == [("x", "x.zarr"), ("y", "y.zarr"), ("z", "in/z.zarr")]


def test_comments_are_no_lines(tmp_path: Path) -> None:
    (tmp_path / "a.zarr").mkdir()
    (tmp_path / "s.tsv").write_text("# by hand\ndataset\turl\n#b\tb.zarr\na\ta.zarr\n")
    assert [r.dataset for r in load_sheet(config(), tmp_path / "c.yaml")] == ["a"]


def test_choosing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert chosen("a")
    with choosing(["a", "b"]):
        assert (chosen("a"), chosen("c")) == (True, False)
        with choosing([]):
            assert not chosen("a")
        assert chosen("b")
    assert chosen("c")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s.tsv").write_text("dataset\turl\na\tgone.zarr\n")
    with pytest.raises(BadConfig, match=r"gone.zarr is not there"):
        load_sheet(config(), "c.yaml")
    with choosing(["b"]):
        (row,) = load_sheet(config(), "c.yaml")
    assert row.left_out
    records = tmp_path / "results/a/records"
    records.mkdir(parents=True)
    for step in DATASET_STEPS:
        assert not (records / f"{step}.json").exists()
        with pytest.raises(BadConfig, match=r"gone.zarr is not there"):
            load_sheet(config(), "c.yaml")
        (records / f"{step}.json").touch()
    (row,) = load_sheet(config(), "c.yaml")
    assert row.left_out
