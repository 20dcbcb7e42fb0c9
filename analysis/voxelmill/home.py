"""Where files beside the modules lie: the workflow, profiles, examples, the lock, the citation."""

from pathlib import Path


def home(part: str) -> Path:
    """``workflow``, ``CITATION.cff`` and the like: of the package, or of the checkout."""
    package = Path(__file__).resolve().parent
    inside = package / part
    return inside if inside.exists() else package.parents[1] / part
