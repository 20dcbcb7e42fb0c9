"""Where the workflow, the profiles and the example configurations lie."""

from pathlib import Path


def home(part: str) -> Path:
    """Folder ``workflow``, ``profiles`` or ``configs``: of the package, or the checkout."""
    package = Path(__file__).resolve().parent
    inside = package / part
    return inside if inside.is_dir() else package.parents[1] / part
