"""Which disk a step of small images works on, and why not."""

import os
import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from voxelmill import localscratch
from voxelmill.ledger import Ledger
from voxelmill.localscratch import local_place
from voxelmill.plugin import OutputExists

MIB = 2**20


@pytest.fixture
def disks(tmp_path: Path) -> dict[str, str]:
    """A folder for each variable that may name a disk."""
    names = ("VOXELMILL_SCRATCH", "LOCAL_SCRATCH", "SLURM_TMPDIR", "TMPDIR")
    for name in names:
        (tmp_path / name).mkdir()
    return {name: str(tmp_path / name) for name in names}


def base(environment: dict[str, str], shared: Path = Path("s")) -> str | None:
    place = local_place(shared, MIB, environment, Path("none"))
    assert not place.note
    return place.folder and place.folder.parent.name


def test_the_first_that_is_set_decides(disks: dict[str, str]) -> None:
    job = {"SLURM_JOB_ID": "7", **disks}
    assert base({}) is None
    assert base({"TMPDIR": disks["TMPDIR"]}) is None, "no job: nobody clears it"
    assert base({"SLURM_TMPDIR": disks["SLURM_TMPDIR"]}) is None
    assert base({"LOCAL_SCRATCH": disks["LOCAL_SCRATCH"]}) == "LOCAL_SCRATCH"
    for name in disks:
        assert base(job) == name
        del job[name]
    assert base(job) is None


def test_an_empty_choice_is_none(disks: dict[str, str]) -> None:
    assert base({**disks, "SLURM_JOB_ID": "7", "VOXELMILL_SCRATCH": ""}) is None
    assert base({**disks, "LOCAL_SCRATCH": ""} | {"VOXELMILL_SCRATCH": ""}) is None
    del disks["VOXELMILL_SCRATCH"]
    job = {**disks, "SLURM_JOB_ID": "7", "LOCAL_SCRATCH": ""}
    assert base(job) == "SLURM_TMPDIR", "an empty variable of a site is as good as none"


def test_each_batch_has_its_own_folder_for_one_user(tmp_path: Path) -> None:
    environment = {"VOXELMILL_SCRATCH": str(tmp_path)}
    folders = [
        local_place(tmp_path / name, MIB, environment).folder for name in ("a", "b", "x/../a")
    ]
    assert folders[0] == folders[2] != folders[1]
    for folder in folders:
        assert folder is not None
        assert folder.stat().st_mode & 0o777 == 0o700


def note(tmp_path: Path, environment: dict[str, str], mounts: str = "") -> str:
    (tmp_path / "mounts").write_text(mounts)
    place = local_place(tmp_path / "results" / "s", MIB, environment, tmp_path / "mounts")
    assert (place.folder is None) == bool(place.note)
    assert not place.note or place.note.endswith(f"scratch files go to {tmp_path}/results/s")
    return place.note


def test_a_disk_that_will_not_do_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = {"VOXELMILL_SCRATCH": str(tmp_path)}
    assert "no such folder" in note(tmp_path, {"LOCAL_SCRATCH": f"{tmp_path}/none"})
    with monkeypatch.context() as patch:
        patch.setattr(os, "access", lambda *_: False)
        assert "not writable" in note(tmp_path, chosen)
    with monkeypatch.context() as patch:
        patch.setattr(os, "getuid", lambda: 12345)
        assert "somebody else" in note(tmp_path, chosen)
    assert not note(tmp_path, chosen)


def test_somebody_elses_link_is_not_followed(tmp_path: Path) -> None:
    environment = {"VOXELMILL_SCRATCH": str(tmp_path / "tmp")}
    (tmp_path / "tmp").mkdir()
    folder = local_place(tmp_path / "results" / "s", MIB, environment).folder
    assert folder is not None
    folder.rmdir()
    (tmp_path / "home").mkdir()
    folder.symlink_to(tmp_path / "home")
    assert "somebody else" in note(tmp_path, environment)


def test_memory_is_no_disk_unless_it_is_chosen(tmp_path: Path) -> None:
    mounts = (
        f"tmpfs / tmpfs rw 0 0\nnone {tmp_path.parent} ext4 rw 0 0\nx {tmp_path} tmpfs rw 0 0\n"
    )
    job = {"SLURM_JOB_ID": "7", "TMPDIR": str(tmp_path)}
    assert "lies in memory" in note(tmp_path, job, mounts)
    assert not note(tmp_path, {**job, "VOXELMILL_SCRATCH": str(tmp_path)}, mounts)
    assert not note(tmp_path, {**job, "TMPDIR": str(tmp_path.parent)}, mounts)


def test_a_full_disk_is_not_used_and_left_clean(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = {"VOXELMILL_SCRATCH": str(tmp_path / "tmp")}
    (tmp_path / "tmp").mkdir()
    usage = namedtuple("usage", "free")
    free = MIB // 2
    monkeypatch.setattr(localscratch.shutil, "disk_usage", lambda _: usage(free))
    folder = tmp_path / "tmp"
    assert "0 MiB free, 1 MiB needed" in note(tmp_path, environment)
    assert not list(folder.iterdir())
    free = MIB
    assert not note(tmp_path, environment)
    (own,) = folder.iterdir()
    (own / "old").write_bytes(bytes(MIB))
    free = 0
    assert not note(tmp_path, environment), "what an earlier start has left there counts as free"


def start(tmp_path: Path, scratch: str | None, identity: str = "a", key: str = "") -> list[str]:
    """Open a ledger, add a task with its file, and leave it as a killed process would."""
    place = tmp_path / scratch if scratch else None
    ledger = Ledger(tmp_path / "s", identity, scratch=lambda: place)
    found = sorted(ledger.done)
    if key:
        (ledger.scratch / key).write_text(key)
        ledger.add(key, 1)
    for name in found:
        assert (ledger.scratch / name).exists(), "a task in the ledger whose file is not there"
    ledger.close()
    return found


def test_a_ledger_goes_on_only_with_its_files(tmp_path: Path) -> None:
    assert start(tmp_path, "node1", key="one") == []
    assert start(tmp_path, "node1", key="two") == ["one"]
    assert start(tmp_path, "node1") == ["one", "two"]
    assert start(tmp_path, "node2", key="three") == [], "another node"
    assert start(tmp_path, "node1") == [], "what is left there belongs to an older ledger"
    assert sorted(p.name for p in (tmp_path / "node1").iterdir()) == [".mark"]


@pytest.mark.parametrize("change", ["gone", "emptied", "results", "identity"])
def test_a_ledger_whose_files_are_gone_is_void(tmp_path: Path, change: str) -> None:
    start(tmp_path, "node", key="one")
    if change == "gone":
        shutil.rmtree(tmp_path / "node")
    if change == "emptied":
        (tmp_path / "node" / ".mark").write_text("")
    assert start(tmp_path, None if change == "results" else "node", change) == []
    if change != "results":
        assert not (tmp_path / "node" / "one").exists()
        start(tmp_path, "node", change, key="two")
        assert start(tmp_path, "node", change) == ["two"]


def test_from_the_results_to_a_disk(tmp_path: Path) -> None:
    start(tmp_path, None, key="one")
    assert start(tmp_path, "node", key="two") == []
    assert not (tmp_path / "s" / "one").exists()


def test_nothing_is_left_on_the_disk(tmp_path: Path) -> None:
    with Ledger(tmp_path / "s", "a", scratch=lambda: tmp_path / "node") as ledger:
        assert not ledger.kept
        (ledger.scratch / "deep").mkdir()
        ledger.discard()
    assert not (tmp_path / "node").exists()
    assert not (tmp_path / "s").exists()
    with pytest.raises(KeyError), Ledger(tmp_path / "s", "a", scratch=lambda: tmp_path / "node"):
        raise KeyError
    assert not (tmp_path / "node").exists()
    assert (tmp_path / "s" / "ledger.jsonl").exists(), "it says how far it came"


def test_the_lock_lies_among_the_results(tmp_path: Path) -> None:
    """Whatever disk the other process works on; until it is held nothing is touched there."""

    def second() -> Path:
        raise AssertionError

    with (
        Ledger(tmp_path / "s", "a", scratch=lambda: tmp_path / "node1"),
        pytest.raises(OutputExists, match="works on this batch"),
    ):
        Ledger(tmp_path / "s", "a", patience_s=0.1, scratch=second)
