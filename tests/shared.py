"""Where the real data lie, for tests that use them; they are not part of the project."""

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"

needs_shared = pytest.mark.skipif(
    not (SHARED / "data").is_dir(), reason="real images (../shared/data) are not on this machine"
)
