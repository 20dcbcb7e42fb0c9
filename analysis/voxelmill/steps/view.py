"""`voxelmill view`: results and their images, labels over them, in a browser on this machine.

In: results, and what to show of them first. Out: a server on the loopback address, until it is
interrupted.
"""

import os
import secrets
import socket
import sys
import webbrowser
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote

from voxelmill.plugin import BadConfig, BadInput
from voxelmill.steps.viewdata import Results, results_at
from voxelmill.steps.viewsite import Site, number_of
from voxelmill.viewing.client import client_folder
from voxelmill.viewing.server import Server


@dataclass(frozen=True)
class First:
    """What is shown first: a dataset, and an image or a well of it; empty: all, the list."""

    dataset: str = ""
    image: str | None = None
    well: str = ""


def view(
    address: str, first: First, port: int, say: Callable[[str], None], *, browser: bool = True
) -> None:
    """Serve results until interrupted.

    Parameters
    ----------
    address : str
        Folder of the results, or s3://bucket/prefix.
    first : First
    port : int
        0: one that is free.
    say : callable
        Gets lines for the user.
    browser : bool
        Open a browser.

    Raises
    ------
    BadInput
        No results there, or not what is to be shown first.
    BadConfig
        The viewer is not installed, or the port is taken.
    StoreUnavailable, AccessDenied
        A store did not answer, or refused to.
    """
    client = client_folder()
    with TemporaryDirectory(prefix="voxelmill-view-") as folder:
        results = results_at(address, Path(folder))
        names = _chosen(results, first.dataset)
        token = secrets.token_urlsafe(16)
        site = Site(results, names, client, token)
        start = _start(site, names, first)
        try:
            server = Server(port, token, site)
        except OSError as error:
            raise BadConfig(f"--port {port}: {error.strerror}. Give another, or 0") from None
        with server:
            say(f"{results.name}: {server.url}{start}")
            say("Only this machine and this address; Ctrl-C ends it.")
            if "SSH_CONNECTION" in os.environ:
                one = f"{server.server_port}:127.0.0.1:{server.server_port}"
                say(f"On your own machine, first: ssh -L {one} {socket.gethostname()}")
            if browser and _has_display():
                webbrowser.open(f"{server.url}{start}")
            try:
                server.serve_forever()
            except KeyboardInterrupt:
                say("")


def _has_display() -> bool:
    """Whether a browser could be seen: without a display, one in the terminal would be started."""
    screens = ("DISPLAY", "WAYLAND_DISPLAY")
    return sys.platform in ("darwin", "win32") or any(os.environ.get(name) for name in screens)


def _chosen(results: Results, dataset: str) -> list[str]:
    known = results.datasets()
    if dataset and dataset not in known:
        raise BadInput(f"{results.name}: no dataset '{dataset}'; it has {', '.join(known[:20])}")
    return [dataset] if dataset else known


def _start(site: Site, names: list[str], first: First) -> str:
    """Path of the first page, below the token."""
    if first.image is None and not first.well:
        return ""
    if len(names) > 1:
        raise BadInput(f"--image, --well: of which dataset? Add --dataset, one of {names[:20]}")
    entries = site.entries(names[0])
    number = number_of(entries, first.image, first.well, names[0])
    return f"open/{quote(names[0], safe='')}/{number}"
