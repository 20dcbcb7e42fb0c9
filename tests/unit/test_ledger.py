"""What the ledger remembers after crashes, and what it forgets on purpose."""

from pathlib import Path

import pytest

from voxelmill.ledger import Ledger, digest, write_json


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
