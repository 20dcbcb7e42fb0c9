"""Where a login may lie: refused is what others can read, get to, or replace."""

import os
import threading
from pathlib import Path

import pytest

from voxelmill.access.files import check_folder, read_private, write_private
from voxelmill.plugin import AccessDenied


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "state" / "voxelmill" / "session.json"
    write_private(path, b"secret")
    return path


def test_what_is_written_is_private_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        write_private(tmp_path / "state" / "voxelmill" / "a", b"1")
        write_private(tmp_path / "state" / "voxelmill" / "a", b"2")
    finally:
        os.umask(before)
    folder = tmp_path / "state" / "voxelmill"
    assert folder.parent.stat().st_mode & 0o777 == 0o700
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "a").stat().st_mode & 0o777 == 0o600
    assert read_private(folder / "a") == b"2"
    assert [p.name for p in folder.iterdir()] == ["a"]


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o620, 0o602, 0o601, 0o777])
def test_a_file_that_others_have_a_right_to_is_refused(path: Path, mode: int) -> None:
    path.chmod(mode)
    with pytest.raises(AccessDenied, match=f"mode {mode:04o}.*chmod 600 {path}"):
        read_private(path)
    path.chmod(0o600)
    assert read_private(path) == b"secret"


@pytest.mark.parametrize("mode", [0o755, 0o750, 0o701, 0o711, 0o777])
def test_a_folder_that_others_get_into_is_refused_for_reading_and_writing(
    path: Path, mode: int
) -> None:
    path.parent.chmod(mode)
    for use in (lambda: read_private(path), lambda: write_private(path, b"new")):
        with pytest.raises(AccessDenied, match=f"chmod 700 {path.parent}"):
            use()
    path.parent.chmod(0o700)
    assert read_private(path) == b"secret"


def test_a_folder_above_that_all_can_write_to_is_refused_unless_sticky(path: Path) -> None:
    above = path.parents[1]
    above.chmod(0o777)
    with pytest.raises(AccessDenied, match=f"chmod o-w {above}"):
        read_private(path)
    above.chmod(0o1777)
    assert read_private(path) == b"secret"
    # A home folder that all may list is as usual as it is harmless.
    above.chmod(0o755)
    assert read_private(path) == b"secret"


def test_a_folder_that_is_not_there_yet_is_judged_by_those_above(tmp_path: Path) -> None:
    check_folder(tmp_path / "new" / "voxelmill")
    tmp_path.chmod(0o777)
    with pytest.raises(AccessDenied, match="everybody can replace"):
        check_folder(tmp_path / "new" / "voxelmill")
    tmp_path.chmod(0o700)


def test_a_link_is_no_session_and_a_linked_folder_is_judged_where_it_lies(path: Path) -> None:
    link = path.with_name("link.json")
    link.symlink_to(path)
    with pytest.raises(AccessDenied, match="Remove it"):
        read_private(link)
    elsewhere = path.parents[2] / "elsewhere"
    elsewhere.symlink_to(path.parent)
    assert read_private(elsewhere / path.name) == b"secret"
    path.parents[1].chmod(0o777)
    with pytest.raises(AccessDenied, match="everybody can replace"):
        read_private(elsewhere / path.name)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
@pytest.mark.parametrize("which", ["file", "folder"])
def test_what_belongs_to_another_user_is_refused(path: Path, which: str) -> None:
    os.chown(path if which == "file" else path.parent, 12345, -1)
    with pytest.raises(AccessDenied, match="belongs to user 12345"):
        read_private(path)


def test_what_a_killed_writer_has_left_is_no_hindrance(path: Path) -> None:
    path.with_name(".session.json.part").write_bytes(b"half")
    write_private(path, b"whole")
    assert read_private(path) == b"whole"
    assert [p.name for p in path.parent.iterdir()] == ["session.json"]


def test_a_reader_sees_the_old_or_the_new_and_nothing_between(path: Path) -> None:
    texts = [bytes([i]) * 50_000 for i in (65, 66)]
    write_private(path, texts[0])
    seen: set[bytes | None] = set()
    over = threading.Event()

    def look() -> None:
        while not over.is_set():
            seen.add(read_private(path))

    reader = threading.Thread(target=look)
    reader.start()
    for i in range(50):
        write_private(path, texts[i % 2])
    over.set()
    reader.join()
    assert seen <= set(texts)
