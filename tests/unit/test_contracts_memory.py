"""What plugins say of their memory is what they use; `voxelmill plan` stands on it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
KERNEL = Path("/proc/self/clear_refs")

needs_kernel = pytest.mark.skipif(
    not os.access(KERNEL, os.W_OK), reason=f"{KERNEL} cannot be written: no peak per call"
)


@needs_kernel
def test_plugins_use_no_more_than_they_say() -> None:
    done = subprocess.run(
        [sys.executable, TESTS / "allocations.py"], check=True, capture_output=True, text=True
    )
    found = json.loads(done.stdout)
    assert len(found) >= 6
    assert max(used for _, used in found.values()) > 8, "nothing was measured"
    assert {name: row for name, row in found.items() if row[1] > 1.3 * row[0]} == {}
