"""What the ledger remembers after crashes, and what it forgets on purpose."""

import errno
import os
import threading
from pathlib import Path

import pytest

from counting import calls
from voxelmill.ledger import Ledger, digest, write_json
from voxelmill.plugin import BlocksFailed, OutputExists


def fill(folder: Path, *keys: str, identity: object = "a") -> None:
    with Ledger(folder, identity) as ledger:
        for key in keys:
            ledger.add(key, {"of": key})


def done(folder: Path, identity: object = "a") -> list[str]:
    with Ledger(folder, identity) as ledger:
        assert all(value == {"of": key} for key, value in ledger.done.items())
        return list(ledger.done)


def test_what_was_added_is_there_again(tmp_path: Path) -> None:
    fill(tmp_path / "s", "one", "two words\nand a line", "Größe")
    assert done(tmp_path / "s") == ["one", "two words\nand a line", "Größe"]
    fill(tmp_path / "s", "more")
    assert done(tmp_path / "s")[-1] == "more"


def test_it_is_on_disk_when_add_returns(tmp_path: Path) -> None:
    with Ledger(tmp_path / "s", "a") as ledger:
        ledger.add("one", 1)
        assert '"one"' in ledger.path.read_text()


@pytest.mark.parametrize("cut", [1, 2, 10, 20])
def test_a_torn_last_line_is_ignored_and_mended(tmp_path: Path, cut: int) -> None:
    fill(tmp_path / "s", "one", "two")
    path = tmp_path / "s" / "ledger.jsonl"
    path.write_bytes(path.read_bytes()[:-cut])
    expected = ["one"]
    assert done(tmp_path / "s") == expected
    fill(tmp_path / "s", "three")
    assert done(tmp_path / "s") == [*expected, "three"]


def test_a_line_torn_within_a_character_is_ignored(tmp_path: Path) -> None:
    fill(tmp_path / "s", "one")
    with (tmp_path / "s" / "ledger.jsonl").open("ab") as file:
        file.write(b'{"key": "\xc3')
    assert done(tmp_path / "s") == ["one"]


@pytest.mark.parametrize("start", [b"", b"{", b"\n", b'{"identity": "x"}\n', b"[]\n"])
def test_a_ledger_of_another_run_goes_with_its_scratch(tmp_path: Path, start: bytes) -> None:
    fill(tmp_path / "s", "one")
    (tmp_path / "s" / "deep").mkdir()
    (tmp_path / "s" / "deep" / "block.npy").write_text("old")
    path = tmp_path / "s" / "ledger.jsonl"
    path.write_bytes(start + path.read_bytes().split(b"\n", 1)[1])
    assert done(tmp_path / "s") == []
    assert not (tmp_path / "s" / "deep").exists()


def test_another_identity_starts_anew(tmp_path: Path) -> None:
    fill(tmp_path / "s", "one", identity={"x": 1, "y": [2]})
    assert done(tmp_path / "s", {"y": [2], "x": 1}) == ["one"]
    assert done(tmp_path / "s", {"x": 1, "y": [3]}) == []


def test_discard_leaves_nothing(tmp_path: Path) -> None:
    with Ledger(tmp_path / "s", "a") as ledger:
        ledger.add("one", 1)
        ledger.discard()
    assert not (tmp_path / "s").exists()


def test_digest_depends_on_values_alone() -> None:
    assert digest({"a": 1, "b": [1.5, None]}) == digest({"b": [1.5, None], "a": 1})
    assert digest({"a": 1}) != digest({"a": "1"})


def test_json_is_written_whole_with_the_same_bytes(tmp_path: Path) -> None:
    for name, value in (("a", {"x": 1, "y": 2}), ("b", {"y": 2, "x": 1})):
        write_json(tmp_path / "deep" / name, value)
    assert (tmp_path / "deep" / "a").read_bytes() == (tmp_path / "deep" / "b").read_bytes()
    with pytest.raises(TypeError):
        write_json(tmp_path / "deep" / "a", {"x": object()})
    assert '"x": 1' in (tmp_path / "deep" / "a").read_text()
    assert sorted(p.name for p in (tmp_path / "deep").iterdir()) == ["a", "b"]


def full_after(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    """The disk takes `most` bytes more: a write stores a part of its data, the next one fails."""
    left = [most]
    pwrite = os.pwrite

    def short(file: int, data: bytes, offset: int) -> int:
        if left[0] == 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        size = min(left[0], len(data))
        left[0] -= size
        return pwrite(file, data[:size], offset)

    monkeypatch.setattr(os, "pwrite", short)


def fits(ledger: Ledger) -> bool:
    key = f"more {len(ledger.done)}"
    try:
        ledger.add(key, {"of": key})
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        return False
    return True


@pytest.mark.parametrize("most", [0, 1, 25, 60, 200])
def test_a_full_disk_leaves_no_torn_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    with Ledger(tmp_path / "s", "a") as ledger:
        ledger.add("one", {"of": "one"})
        with monkeypatch.context() as patch:
            full_after(patch, most)
            while fits(ledger):
                pass
        kept = list(ledger.done)
        assert ledger.path.read_bytes().endswith(b"\n")
        ledger.add("two", {"of": "two"})
    assert done(tmp_path / "s") == [*kept, "two"]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_anywhere_in_the_step_is_one_line(tmp_path: Path, code: int) -> None:
    with (
        pytest.raises(BlocksFailed, match=r"/x/table: disk full \(.*\)\. Make room"),
        Ledger(tmp_path / "s", "a"),
    ):
        raise OSError(code, os.strerror(code), "/x/table")
    with pytest.raises(IsADirectoryError), Ledger(tmp_path / "s", "a"):
        raise IsADirectoryError(errno.EISDIR, "is a directory")


def test_a_disk_that_is_full_from_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full_after(monkeypatch, 0)
    with pytest.raises(BlocksFailed, match="disk full"):
        Ledger(tmp_path / "s", "a")


def test_two_processes_never_share_a_folder(tmp_path: Path) -> None:
    with Ledger(tmp_path / "s", "a") as first:
        with pytest.raises(OutputExists, match=rf"/s: process {os.getpid()} on .* works on this"):
            Ledger(tmp_path / "s", "b", patience_s=0.3)
        first.add("one", {"of": "one"})
    assert done(tmp_path / "s") == ["one"]
    assert sorted(p.name for p in (tmp_path / "s").iterdir()) == ["ledger.jsonl"]


def test_the_second_gets_the_folder_when_the_first_is_done(tmp_path: Path) -> None:
    first = Ledger(tmp_path / "s", "a")
    threading.Timer(0.3, first.discard).start()
    with Ledger(tmp_path / "s", "b", patience_s=5.0) as second:
        second.add("one", 1)
        assert second.path.exists()
        assert second.path.read_text().count("\n") == 2


def test_lines_in_the_middle_that_are_none_end_the_ledger(tmp_path: Path) -> None:
    fill(tmp_path / "s", "one", "two", "three")
    path = tmp_path / "s" / "ledger.jsonl"
    for bad in (b"\0" * 20, b"[]", b'{"key": "x"}', b"{}"):
        lines = path.read_bytes().splitlines(keepends=True)
        path.write_bytes(b"".join([*lines[:2], bad + b"\n", *lines[2:]]))
        assert done(tmp_path / "s") == ["one"]


def test_opening_costs_a_few_calls_a_line(tmp_path: Path) -> None:
    def work(lines: int) -> int:
        folder = tmp_path / str(lines)
        fill(folder)
        with (folder / "ledger.jsonl").open("a") as file:
            file.writelines(f'{{"key": "segment {i}", "value": {i}}}\n' for i in range(lines))
        count = calls(lambda: opened.append(Ledger(folder, "a")))
        with opened[-1] as ledger:
            assert len(ledger.done) == lines
        return count

    opened: list[Ledger] = []
    # Decoding one line of JSON takes twenty.
    assert work(20_000) - work(10_000) < 25 * 10_000


def test_lines_are_synced_in_batches_and_all_of_them_in_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda file: synced.append(os.fstat(file).st_size))
    with Ledger(tmp_path / "s", "a") as ledger:
        for i in range(1000):
            ledger.add(str(i), i)
        ledger.sync()
        assert synced[-1] == ledger.path.stat().st_size
    assert len(synced) < 50


def test_no_part_of_a_json_file_stays_behind(tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        write_json(tmp_path / "a", {"x": object()})
    assert list(tmp_path.iterdir()) == []
