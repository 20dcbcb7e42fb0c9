"""Where the viewer's files are: in the installed package `neuroglancer`, which is not imported.

The package brings its web client, built, and a Python server for it that we do not need: nothing
of its code runs here, nor of the libraries that it asks for.
"""

from importlib.util import find_spec
from pathlib import Path

from voxelmill.plugin import BadConfig

PACKAGE = "neuroglancer"
PAGE = "index.html"
KINDS = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".wasm": "application/wasm",
}
"""Files that are served, by suffix: not the source maps."""


def client_folder() -> Path:
    """Folder of the built client.

    Raises
    ------
    BadConfig
        The package is not installed, or has no client.
    """
    spec = find_spec(PACKAGE)
    for root in (spec.submodule_search_locations or ()) if spec else ():
        folder = Path(root) / "static" / "client"
        if (folder / PAGE).is_file():
            return folder
    raise BadConfig(
        f"view: the package {PACKAGE}, whose viewer is shown, is not installed. "
        "pip install voxelmill[view], or only: pip install --no-deps neuroglancer"
    )


def client_file(folder: Path, name: str) -> tuple[str, bytes] | None:
    """Content type and content of a file of the client; None where there is no such file."""
    kind = KINDS.get(Path(name).suffix)
    known = {path.name for path in folder.iterdir()} if kind else set()
    return (kind, (folder / name).read_bytes()) if kind and name in known else None
