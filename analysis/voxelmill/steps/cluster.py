"""Where Snakemake sends jobs to other machines: which cluster a profile means, and what it can do.

In: a Snakemake profile, the configuration, options for Snakemake. Out: `Cluster`, or None where
jobs run on this machine. Each kind of cluster is a file of its own.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol

import yaml

from voxelmill.config import Config
from voxelmill.steps.kubejobs import Kubernetes
from voxelmill.steps.loginguard import Share
from voxelmill.steps.slurmjobs import Slurm


class Cluster(Protocol):
    """A cluster, as one run uses it."""

    hint: ClassVar[str]
    """Where to find what failed jobs have said; empty: where `voxelmill status` looks."""
    stuck_s: ClassVar[float]
    """How long Snakemake may take to see that its jobs were cancelled."""

    @property
    def snakefile(self) -> Path:
        """The workflow, where its jobs find it."""

    @property
    def share(self) -> Share | None:
        """Where its jobs find what they enter stores with; None: where this process does."""

    @property
    def flags(self) -> list[str]:
        """Options for the Python that runs Snakemake."""

    def options(self) -> list[str]:
        """Options for Snakemake."""

    def environment(self, before: dict[str, str]) -> dict[str, str]:
        """Environment variables of Snakemake, from those of this process."""

    def check(self) -> None:
        """Refuse what would only fail, or hang, after jobs have been submitted."""

    def cancel(self) -> object:
        """Cancel the jobs of this run; wait for none of them."""

    def cancel_leftovers(self) -> int:
        """Cancel jobs that a killed run has left, and wait until they have ended; how many."""

    def sweep(self) -> None:
        """Remove what Snakemake leaves of jobs that have ended."""

    def jobs(self) -> list[str]:
        """Jobs of this run that live."""

    def abandoned(self) -> list[str]:
        """Jobs that a Snakemake which has ended should have waited for, or cancelled."""

    def mend(self) -> object:
        """Put right what Snakemake does not see; raise `guard.Hopeless` if nothing will."""


def cluster_of(
    profile: Path, config: Config, config_path: Path, account: str | None, extra: Sequence[str]
) -> Cluster | None:
    """Cluster of a profile; None if its jobs run here.

    Parameters
    ----------
    profile : Path
        Folder of a Snakemake profile.
    config : Config
    config_path : Path
        File of `config`.
    account : str, optional
        What jobs are billed to.
    extra : sequence of str
        The user's options for Snakemake, which go before the profile's.

    Raises
    ------
    BadConfig
        The configuration cannot run there.
    """
    found = settings(profile)
    kind = found.get("executor", "local")
    if kind == "slurm":
        return Slurm.of(config.folder, config.site, account)
    if kind == "kubernetes":
        return Kubernetes.of(config, config_path, found, extra)
    return None


def settings(profile: Path) -> dict[str, Any]:
    """Options that a Snakemake profile gives."""
    for name in ("config.v9+.yaml", "config.v8+.yaml", "config.yaml"):
        if (profile / name).exists():
            return dict(yaml.safe_load((profile / name).read_text(encoding="utf-8")) or {})
    return {}
