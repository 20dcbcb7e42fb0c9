"""How many cores a container says it may use."""

import os
from pathlib import Path

import pytest

from voxelmill.cores import usable_cores

HERE = len(os.sched_getaffinity(0))
V2, V1 = "sys/fs/cgroup/pod/cpu.max", "sys/fs/cgroup/cpu/cpu.cfs_quota_us"


@pytest.mark.parametrize(
    ("group", "files", "cores"),
    [
        ("0::/pod/box", {V2: "100000 100000\n"}, 1),
        ("0::/pod/box", {V2: "50000 100000\n"}, 1),
        ("0::/pod/box", {V2: "max 100000\n"}, HERE),
        ("0::/pod/box", {V2: "9900000 100000\n"}, HERE),
        ("7:cpuacct,cpu:/x", {V1: "95000", V1.replace("quota", "period"): "100000\n"}, 1),
        ("7:cpuacct,cpu:/x", {V1: "-1\n", V1.replace("quota", "period"): "100000\n"}, HERE),
        ("7:memory:/x", {V1: "95000", V1.replace("quota", "period"): "100000\n"}, HERE),
        ("", {}, HERE),
    ],
)
def test_a_limited_container_has_fewer(
    tmp_path: Path, group: str, files: dict[str, str], cores: int
) -> None:
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text(group)
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert usable_cores(tmp_path) == cores
