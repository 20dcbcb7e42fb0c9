"""Real servers, each started for the tests that need it and stopped after them."""

import os
from collections.abc import Iterator

import pytest

from clusters import kubectl, rgw, slurmctl


@pytest.fixture(scope="session")
def slurm() -> Iterator[None]:
    """A SLURM of three nodes with accounting; no process of it is left afterwards.

    With VOXELMILL_KEEP_CLUSTERS=1 one that runs already is used, and left running.
    """
    if reason := slurmctl.missing():
        pytest.skip(reason)
    slurmctl.up()
    yield
    if os.environ.get("VOXELMILL_KEEP_CLUSTERS") != "1":
        slurmctl.down()
        assert slurmctl.left_running(slurmctl.DAEMONS) == []


@pytest.fixture(scope="session")
def rados() -> Iterator[None]:
    """A Ceph RadosGW without buckets; no process of it is left afterwards."""
    if reason := rgw.missing():
        pytest.skip(reason)
    rgw.up()
    yield
    rgw.down()
    assert slurmctl.left_running(rgw.DAEMONS) == []


@pytest.fixture(scope="session")
def kubernetes() -> Iterator[None]:
    """A Kubernetes of one node, with a namespace like a Rahti project; nothing is left afterwards.

    With VOXELMILL_KEEP_CLUSTERS=1 one that runs already is used, and left running.
    """
    if reason := kubectl.missing():
        pytest.skip(reason)
    kubectl.up()
    yield
    if os.environ.get("VOXELMILL_KEEP_CLUSTERS") != "1":
        kubectl.down()
        assert slurmctl.left_running(kubectl.DAEMONS) == []
        assert kubectl.left() == []


@pytest.fixture
def idle(slurm: None) -> Iterator[None]:
    """The same, with all nodes up and without jobs before and after the test."""
    slurmctl.tidy()
    yield
    slurmctl.tidy()
