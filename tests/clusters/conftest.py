"""Real servers, each started for the tests that need it and stopped after them."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

import pytest

from clusters import image as product_image
from clusters import kubectl, kuberuns, oidc, rgw, slurmctl
from clusters import protected as protected_buckets

KEPT = os.environ.get("VOXELMILL_KEEP_CLUSTERS") == "1"


@contextmanager
def served(server: ModuleType, *, kept: bool = False) -> Iterator[None]:
    """Start a server, or skip with the reason; stop it and look that no process of it is left."""
    if reason := server.missing():
        pytest.skip(reason)
    server.up()
    yield
    if not kept:
        server.down()
        assert slurmctl.left_running(server.DAEMONS) == []


@pytest.fixture(scope="session")
def slurm() -> Iterator[None]:
    """A SLURM of three nodes with accounting; no process of it is left afterwards.

    With VOXELMILL_KEEP_CLUSTERS=1 one that runs already is used, and left running.
    """
    with served(slurmctl, kept=KEPT):
        yield


@pytest.fixture(scope="session")
def rados() -> Iterator[None]:
    """A Ceph RadosGW without buckets; no process of it is left afterwards."""
    with served(rgw):
        yield


@pytest.fixture(scope="session")
def openid() -> Iterator[None]:
    """An OpenID provider like Life Science AAI; no process of it is left afterwards."""
    with served(oidc):
        yield


@pytest.fixture(scope="session")
def protected(rados: None, openid: None) -> None:
    """Both, so that the store lets people in whom the provider knows: see ``protected``."""
    protected_buckets.register()


@pytest.fixture(scope="session")
def kubernetes() -> Iterator[None]:
    """A Kubernetes of one node, with a namespace like a Rahti project; nothing is left afterwards.

    With VOXELMILL_KEEP_CLUSTERS=1 one that runs already is used, and left running.
    """
    with served(kubectl, kept=KEPT):
        yield
    assert KEPT or kubectl.left() == []


@pytest.fixture(scope="session")
def image() -> str:
    """Name of the product's image, built from the checkout; it stays, with what it is made of."""
    if reason := product_image.missing():
        pytest.skip(reason)
    return product_image.build()


@pytest.fixture(scope="session")
def project(kubernetes: None, rados: None, image: str) -> str:
    """A namespace that has the product's rights, a node with its image, an empty store."""
    kubectl.load(image)
    kuberuns.apply_role()
    return image


@pytest.fixture
def idle(slurm: None) -> Iterator[None]:
    """The same, with all nodes up and without jobs before and after the test."""
    slurmctl.tidy()
    yield
    slurmctl.tidy()
