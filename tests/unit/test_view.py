"""`voxelmill view` itself: what it says, what it opens, what it refuses."""

import socket
from pathlib import Path

import pytest

from view_samples import results
from voxelmill.plugin import BadConfig, BadInput
from voxelmill.steps import view as step
from voxelmill.steps.view import First, view
from voxelmill.viewing.server import Server

ALL = First()


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """Addresses that a browser was told to open; the server is interrupted at once."""
    found: list[str] = []

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Server, "serve_forever", interrupted)
    monkeypatch.setattr(step, "client_folder", lambda: tmp_path)
    monkeypatch.setattr(step.webbrowser, "open", found.append)
    monkeypatch.delenv("SSH_CONNECTION", raising=False)
    monkeypatch.setenv("DISPLAY", ":0")
    return found


def shown(results: Path, first: First = ALL, port: int = 0, *, browser: bool = True) -> str:
    said: list[str] = []
    view(str(results), first, port, said.append, browser=browser)
    return "\n".join(said)


def test_the_address_is_said_and_opened(opened: list[str], tmp_path: Path) -> None:
    said = shown(results(tmp_path))
    assert len(opened) == 1
    assert opened[0] in said
    assert opened[0].startswith("http://127.0.0.1:")
    assert len(opened[0].split("/")[3]) >= 20


@pytest.mark.parametrize(
    ("first", "number"),
    [(First(image="B/03/1"), 1), (First(image="/B/03/0/"), 0), (First(well="b03"), 0)],
)
def test_an_image_is_opened_at_once(
    opened: list[str], tmp_path: Path, first: First, number: int
) -> None:
    shown(results(tmp_path), first)
    assert opened[0].endswith(f"/open/p/{number}")


def test_no_browser(opened: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = results(tmp_path)
    shown(there, browser=False)
    monkeypatch.setattr(step.sys, "platform", "linux")
    monkeypatch.setenv("SSH_CONNECTION", "a b")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    assert "ssh -L" in shown(there)
    assert opened == []


def test_each_start_has_another_address(opened: list[str], tmp_path: Path) -> None:
    there = results(tmp_path)
    shown(there)
    shown(there)
    assert len({url.split("/")[3] for url in opened}) == 2


@pytest.mark.usefixtures("opened")
def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    there = results(tmp_path)
    for first, words in (
        (First(dataset="q"), "no dataset 'q'; it has p"),
        (First(image="C/01/0"), "no image 'C/01/0'; it has B/03/0"),
        (First(well="C01"), "no image 'C01'"),
    ):
        with pytest.raises(BadInput, match=words):
            shown(there, first)
    (there / "q").symlink_to(there / "p")
    with pytest.raises(BadInput, match="of which dataset"):
        shown(there, First(well="B03"))


@pytest.mark.usefixtures("opened")
def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(BadConfig, match="--port"):
        shown(results(tmp_path), port=taken.getsockname()[1])
