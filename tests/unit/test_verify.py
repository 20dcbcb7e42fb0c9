"""`voxelmill verify` on results of real steps: whatever is done to a file, that file is named."""

import json
import os
import re
import shutil
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from zipfile import ZipFile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runs import OBJECTS
from sealing import listed, md5_of, seal, write_list
from voxelmill.configfile import load_config, load_part, load_settings
from voxelmill.layout import Layout
from voxelmill.plugin import BadInput
from voxelmill.published import Published
from voxelmill.steps import sumlist, verify
from voxelmill.steps.aggregate import aggregate
from voxelmill.steps.demo import write_demo_plate
from voxelmill.steps.measure import measure
from voxelmill.steps.provenance import provenance
from voxelmill.steps.qc import qc
from voxelmill.steps.report import report
from voxelmill.steps.scan import scan
from voxelmill.steps.segment import segment
from voxelmill.steps.work import Execution
from voxelmill.store import local
from voxelmill.verification import CRATE, LIST, Finding, part_of
from webserver import serve

CHUNK = "labels.ome.zarr/A/01/1/labels/cells/0/c/0/0"
TABLE = "objects/nuclei/0000.parquet"
often = settings(max_examples=60, deadline=None)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Datasets with labels in a folder and zipped, as runs leave them."""
    home = tmp_path_factory.mktemp("made")
    write_demo_plate(home / "plate.zarr", wells=1, fields=2, size=256, faults=False)
    (home / "sheet.tsv").write_text("dataset\turl\np\tplate.zarr\n")
    before = Path.cwd()
    os.chdir(home)
    try:
        return {labels: home / _run(labels).root for labels in ("folder", "zip")}
    finally:
        os.chdir(before)


def _run(labels: str) -> Layout:
    """Every step of a run, as its jobs call them."""
    config = f"{OBJECTS}\ndatasets: sheet.tsv\nlabels: {labels}\nresults: {labels}\n"
    Path("config.yaml").write_text(config)
    scan(load_config("config.yaml"), "config.yaml")
    layout, how = Layout(Path(labels) / "p"), Execution()
    chosen, batch = load_settings("config.yaml"), layout.batch("0000")
    qc(batch, layout.record("qc", "0000"), chosen, how)
    segmented = layout.record("segment", "0000")
    segment(batch, segmented, chosen, how)
    measure(batch, segmented, layout.record("measure", "0000"), chosen, how)
    aggregate([batch], layout.record("aggregate"), chosen)
    report([batch], layout.record("report"), chosen)
    published = load_part(Published, chosen.model_dump_json())
    provenance([batch], layout.record("provenance"), published)
    return layout


@pytest.fixture(params=["folder", "zip"])
def dataset(made: dict[str, Path], request: pytest.FixtureRequest) -> Path:
    return made[request.param]


@pytest.fixture
def copy(made: dict[str, Path], tmp_path: Path) -> Path:
    """A dataset to spoil."""
    return Path(shutil.copytree(made["folder"], tmp_path / "copied"))


def findings(dataset: Path) -> dict[str, str]:
    """Kind of each finding by its path."""
    (found,) = verify.verify(str(dataset), None).datasets
    assert len(found.findings) == sum(found.kinds.values())
    return {finding.path: finding.kind for finding in found.findings}


def only(dataset: Path) -> Finding:
    (found,) = verify.verify(str(dataset), None).datasets
    (finding,) = found.findings
    return finding


@contextmanager
def spoilt(*files: Path) -> Iterator[None]:
    """Put files back as they were; remove those that were not there."""
    kept = {file: file.read_bytes() if file.exists() else None for file in files}
    try:
        yield
    finally:
        for file, content in kept.items():
            if content is None:
                file.unlink()
            else:
                file.write_bytes(content)


def test_untouched(dataset: Path) -> None:
    found = verify.verify(str(dataset))
    assert found.exit_code == 0
    files = listed(dataset)
    assert found.files == len(files) > 7
    assert found.bytes == sum((dataset / path).stat().st_size for path in files)
    assert verify.text(found)[-1].endswith("all as recorded")


@often
@given(data=st.data())
def test_any_flipped_bit_names_its_file(made: dict[str, Path], data: st.DataObject) -> None:
    dataset = made[data.draw(st.sampled_from(["folder", "zip"]))]
    path = data.draw(st.sampled_from(listed(dataset)))
    content = bytearray((dataset / path).read_bytes())
    bit = data.draw(st.integers(0, 8 * len(content) - 1))
    content[bit // 8] ^= 1 << bit % 8
    with spoilt(dataset / path):
        (dataset / path).write_bytes(content)
        assert findings(dataset) == {path: "changed"}


@often
@given(data=st.data())
def test_any_file_that_is_cut_or_longer_or_gone(made: dict[str, Path], data: st.DataObject) -> None:
    dataset = made[data.draw(st.sampled_from(["folder", "zip"]))]
    path = data.draw(st.sampled_from(listed(dataset)))
    content = (dataset / path).read_bytes()
    length = data.draw(st.one_of(st.none(), st.integers(0, len(content) - 1), st.just(-1)))
    with spoilt(dataset / path):
        if length is None:
            (dataset / path).unlink()
        else:
            (dataset / path).write_bytes(content + b"\0" if length < 0 else content[:length])
        assert findings(dataset) == {path: "missing" if length is None else "changed"}


@often
@given(data=st.data())
def test_swapped_files_are_both_named(made: dict[str, Path], data: st.DataObject) -> None:
    dataset = made["folder"]
    one, other = data.draw(st.lists(st.sampled_from(listed(dataset)), min_size=2, max_size=2))
    contents = (dataset / one).read_bytes(), (dataset / other).read_bytes()
    with spoilt(dataset / one, dataset / other):
        (dataset / other).write_bytes(contents[0])
        (dataset / one).write_bytes(contents[1])
        same = contents[0] == contents[1]
        assert findings(dataset) == ({} if same else {one: "changed", other: "changed"})


@often
@given(
    st.lists(
        st.text("aZ09 .-_+é\\\n/", min_size=1, max_size=12), min_size=1, max_size=4, unique=True
    )
)
def test_files_that_nobody_listed(made: dict[str, Path], names: list[str]) -> None:
    dataset = made["folder"]
    folder = dataset / "objects" / "new"
    paths = [folder / f"x{name.replace('/', '/x')}" for name in names]
    files = [path for path in paths if not any(path in other.parents for other in paths)]
    try:
        for path in files:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"")
        new = [path.relative_to(dataset).as_posix() for path in files]
        assert findings(dataset) == dict.fromkeys(new, "unexpected")
    finally:
        shutil.rmtree(folder)


@pytest.mark.parametrize("name", ["logs/segment/0000.log", "scratch/x/y", ".hidden", "a/.b/c"])
def test_what_is_no_result_is_not_looked_at(copy: Path, name: str) -> None:
    (copy / name).parent.mkdir(parents=True, exist_ok=True)
    (copy / name).write_text("new")
    assert findings(copy) == {}


def test_a_cell_of_a_table(dataset: Path) -> None:
    path = dataset / TABLE
    with spoilt(path):
        table = pq.read_table(path)
        name = "Nuclei_AreaShape_Area"
        values = table.column(name).to_pylist()
        values[3] += 1
        column = pa.array(values, table.schema.field(name).type)
        pq.write_table(table.set_column(table.column_names.index(name), name, column), path)
        finding = only(dataset)
        assert (finding.path, finding.kind) == (TABLE, "changed")
        assert "table of nuclei, batch 0000" in str(finding)
        assert finding.recorded
        assert finding.found
        assert finding.found.bytes == path.stat().st_size != finding.recorded.bytes


def test_a_chunk_of_labels_is_named_as_what_it_is(copy: Path) -> None:
    (copy / CHUNK).write_bytes(b"other")
    finding = only(copy)
    assert "labels of cells in A/01/1, level 0, chunk 0/0" in str(finding)
    assert finding.found
    assert finding.found.md5 == md5_of(b"other")
    shutil.rmtree((copy / CHUNK).parents[4])
    assert set(findings(copy).values()) == {"missing"}


def test_a_chunk_in_an_archive_is_named_as_what_it_is(made: dict[str, Path]) -> None:
    archive = made["zip"] / "labels" / "0000.ozx"
    inside = CHUNK.removeprefix("labels.ome.zarr/")
    with ZipFile(archive) as zipped:
        chunk = zipped.read(inside)
    with spoilt(archive):
        content = bytearray(archive.read_bytes())
        content[content.index(chunk) + len(chunk) // 2] ^= 4
        archive.write_bytes(content)
        finding = only(made["zip"])
        assert finding.path == "labels/0000.ozx"
        assert finding.reason == "labels of cells in A/01/1, level 0, chunk 0/0"


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("labels.ome.zarr/labels/a/0/c/0/1/2", "labels of a, level 0, chunk 0/1/2"),
        ("labels.ome.zarr/B/0/labels/a/1/zarr.json", "labels of a in B/0, metadata of level 1"),
        ("labels.ome.zarr/B/0/labels/a/zarr.json", "labels of a in B/0, metadata"),
        ("labels.ome.zarr/B/zarr.json", "labels"),
        ("records/segment/0001.json", "record of segment, batch 0001"),
        ("records/aggregate.json", "record of aggregate"),
        ("wells.parquet", "table of wells"),
        ("notes.txt", ""),
    ],
)  # fmt: skip
def test_words_for_files(path: str, words: str) -> None:
    assert part_of(path) == words


def test_an_edited_list_is_named_and_no_file_that_the_crate_knows(copy: Path) -> None:
    text = (copy / LIST).read_text()
    digest = md5_of((copy / TABLE).read_bytes())
    (copy / LIST).write_text(text.replace(digest, "0" * 32))
    assert findings(copy) == {LIST: "changed"}
    lines = text.splitlines(keepends=True)
    (copy / LIST).write_text("".join(reversed(lines)))
    assert findings(copy) == {LIST: "changed"}
    (copy / LIST).write_text("".join(line for line in lines if CHUNK not in line))
    assert findings(copy) == {LIST: "changed", CHUNK: "unexpected"}
    (copy / LIST).write_text("\n".join([*lines[:2], "no sum  x", f"{'0' * 32}  ../out"]))
    assert findings(copy)[LIST] == "changed"
    (copy / LIST).unlink()
    assert findings(copy) == {LIST: "missing"}


@often
@given(data=st.data())
def test_any_flipped_bit_of_the_list_names_it(made: dict[str, Path], data: st.DataObject) -> None:
    dataset = made["folder"]
    content = bytearray((dataset / LIST).read_bytes())
    bit = data.draw(st.integers(0, 8 * len(content) - 1))
    content[bit // 8] ^= 1 << bit % 8
    with spoilt(dataset / LIST):
        (dataset / LIST).write_bytes(content)
        found = findings(dataset)
        assert found.pop(LIST) == "changed"
        assert len(found) <= 3, "what stood in that line, and no other file"


def test_a_list_made_anew_hides_no_change(copy: Path) -> None:
    """Who edits a table, and the list with it, is told by the crate."""
    (copy / TABLE).write_bytes(b"other")
    write_list(copy)
    assert findings(copy) == {LIST: "changed", TABLE: "changed"}


def test_an_edited_crate(copy: Path) -> None:
    document = json.loads((copy / CRATE).read_text())
    entity = next(e for e in document["@graph"] if e["@id"] == TABLE)
    entity["sha256"] = entity["sha256"][::-1]
    (copy / CRATE).write_text(json.dumps(document))
    assert findings(copy) == {TABLE: "changed"}
    (copy / CRATE).write_text(json.dumps(document)[:-9])
    assert findings(copy) == {CRATE: "changed"}
    (copy / CRATE).unlink()
    assert findings(copy) == {CRATE: "missing"}
    (copy / LIST).unlink()
    with pytest.raises(BadInput, match=r"no ro-crate-metadata\.json"):
        verify.verify(str(copy))


@often
@given(data=st.data())
def test_any_flipped_bit_of_the_crate_is_judged(made: dict[str, Path], data: st.DataObject) -> None:
    """A crate that cannot be read is named; what it says of a file, the file contradicts."""
    dataset = made["folder"]
    content = bytearray((dataset / CRATE).read_bytes())
    sums = [m.span(1) for m in re.finditer(rb'"sha256": "([0-9a-f]{64})"', content)]
    start, stop = data.draw(st.sampled_from([*sums, (0, len(content))]))
    bit = data.draw(st.integers(8 * start, 8 * stop - 1))
    content[bit // 8] ^= 1 << bit % 8
    with spoilt(dataset / CRATE):
        (dataset / CRATE).write_bytes(content)
        found = findings(dataset)
        assert len(found) <= 1 or CRATE in found
        assert found or (start, stop) not in sums


def test_a_link_to_itself_cannot_be_read(copy: Path) -> None:
    (copy / TABLE).unlink()
    (copy / TABLE).symlink_to(copy / TABLE)
    finding = only(copy)
    assert (finding.path, finding.kind) == (TABLE, "unreadable")
    assert "symbolic links" in finding.reason


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_what_cannot_be_read(copy: Path) -> None:
    (copy / TABLE).chmod(0)
    (copy / CHUNK).parent.chmod(0)
    try:
        found = findings(copy)
    finally:
        (copy / CHUNK).parent.chmod(0o700)
    assert found == {
        TABLE: "unreadable",
        CHUNK: "unreadable",
        CHUNK.removesuffix("0"): "unreadable",
    }


def test_a_folder_in_place_of_a_file(copy: Path) -> None:
    (copy / TABLE).unlink()
    (copy / TABLE).mkdir()
    assert findings(copy) == {TABLE: "missing"}


def test_all_datasets_of_a_results_folder(made: dict[str, Path], tmp_path: Path) -> None:
    results = tmp_path / "results"
    shutil.copytree(made["folder"].parent, results)
    shutil.copytree(made["zip"], results / "another")
    found = verify.verify(str(results))
    assert [one.name for one in found.datasets] == ["another", "p"]
    assert found.exit_code == 0
    (results / "p" / CRATE).unlink()
    (results / "p" / LIST).unlink()
    found = verify.verify(str(results))
    assert found.exit_code == 1
    assert "  unfinished: no crate. Finish its run" in verify.text(found)
    document = json.loads(verify.as_json(found))
    assert document["datasets"]["p"]["findings"][0]["kind"] == "unfinished"
    assert document["datasets"]["another"]["findings"] == []


@pytest.mark.parametrize("content", [b"", b"no table", b"PAR1"])
def test_a_damaged_table_of_batches_is_a_finding_and_no_end(copy: Path, content: bytes) -> None:
    (copy.parent / "batches.parquet").write_bytes(content)
    (copy / TABLE).write_bytes(b"other")
    table, found = verify.verify(str(copy.parent)).datasets
    told = [(each.path, each.kind) for each in (*table.findings, *found.findings)]
    assert told == [("batches.parquet", "changed"), (TABLE, "changed")]
    assert "/" not in str(table.findings[0]), "the path of a copy"
    with (
        serve(copy.parent) as server,
        pytest.raises(BadInput, match=f"^{server.url}/batches.parquet: no table of batches"),
    ):
        verify.verify(server.url)


def test_few_lines_are_printed_and_all_are_counted(copy: Path) -> None:
    for number in range(50):
        (copy / f"new{number:02}").write_text("")
    (copy / TABLE).unlink()
    lines = verify.text(verify.verify(str(copy)))
    assert lines[0].startswith("copied: 1 missing, 50 unexpected; ")
    assert len(lines) == 1 + verify.LINES + 2
    assert lines[-2] == "… and 31 more: --json"
    document = json.loads(verify.as_json(verify.verify(str(copy), None)))
    assert len(document["datasets"]["copied"]["findings"]) == 51


def test_on_a_web_server(copy: Path) -> None:
    (copy / CHUNK).unlink()
    (copy / TABLE).write_bytes(b"other")
    (copy / "new").write_text("")
    with serve(copy.parent) as server:
        (found,) = verify.verify(f"{server.url}/copied").datasets
    kinds = {finding.path: finding.kind for finding in found.findings}
    assert kinds == {CHUNK: "missing", TABLE: "changed"}, "it cannot list what nobody named"


def test_no_results(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no such folder"):
        verify.verify(str(tmp_path / "none"))
    with pytest.raises(BadInput, match="Check the path, or finish the run"):
        verify.verify(str(tmp_path))


def test_memory_does_not_grow_with_the_number_of_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sumlist, "IN_MEMORY", 1 << 12)
    monkeypatch.setattr(local, "PIECE", 1 << 12)
    peaks = []
    for number in (400, 400, 6000):
        folder = tmp_path / f"of-{number}"
        for n in range(number):
            path = folder / "labels.ome.zarr" / str(n // 100) / f"{n:05}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"%d" % n)
        seal(folder)
        tracemalloc.start()
        found = verify.verify(str(folder))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert (found.files, found.exit_code) == (number, 0)
    assert peaks[2] - peaks[1] < 20 * 5600, "bytes; a path and a digest would be 150 a file"
