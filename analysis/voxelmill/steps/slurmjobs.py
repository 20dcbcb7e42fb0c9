"""A run whose jobs SLURM runs: options for Snakemake, checks before it, leftovers of a killed run.

A `cluster.Cluster`. SLURM is asked by its own commands; no other step knows it.
"""

import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import ClassVar

from voxelmill.home import home
from voxelmill.plugin import BadConfig, StoreUnavailable
from voxelmill.site import load_site, site_path

MIN_JOB_AGE_S = 200
"""SLURM must know an ended job at least so long: Snakemake asks every 180 s when little happens."""
GONE_S = 120.0
"""How long cancelled jobs may take to end."""
ANSWER_S = 60.0


@dataclass(frozen=True)
class Slurm:
    """SLURM, as one run uses it."""

    prefix: str
    """Begins the names of this run's jobs, and of all runs in the same results folder."""
    site: str | None
    account: str | None

    @classmethod
    def of(cls, results: Path, site: str | None, account: str | None) -> "Slurm":
        """SLURM for the jobs of one results folder."""
        name = sha256(str(results.resolve()).encode()).hexdigest()[:10]
        return cls(f"voxelmill-{name}", site, account)

    hint: ClassVar[str] = ""
    stuck_s: ClassVar[float] = 300.0
    """It asks every 180 s when little happens."""

    @property
    def snakefile(self) -> Path:
        """The workflow, which all nodes see where it is."""
        return home("workflow") / "Snakefile"

    @property
    def share(self) -> None:
        """None is needed: jobs see the files of this user."""

    @property
    def flags(self) -> list[str]:
        """None."""
        return []

    def options(self) -> list[str]:
        """Options for Snakemake."""
        found = ["--slurm-jobname-prefix", self.prefix]
        if self.site:
            path, site = site_path(self.site).resolve(), load_site(self.site).site
            found += ["--slurm-partition-config", str(path), "--jobs", str(site.max_jobs)]
        if self.account:
            found += ["--default-resources", f"slurm_account={self.account}"]
        return found

    def environment(self, before: dict[str, str]) -> dict[str, str]:
        """As it is."""
        return before

    def check(self) -> None:
        """Refuse what would only fail, or hang, after jobs have been submitted.

        Raises
        ------
        BadConfig
            There is no SLURM, it forgets jobs too early, or it does not take jobs of this account.
        """
        shown = _ask(["scontrol", "show", "config"])
        age = next((w for w in shown.splitlines() if w.startswith("MinJobAge")), "")
        seconds = "".join(c for c in age if c.isdigit())
        if seconds and int(seconds) < MIN_JOB_AGE_S:
            raise BadConfig(
                f"SLURM: MinJobAge is {seconds} s; at least {MIN_JOB_AGE_S} s, or Snakemake waits "
                "for ever for jobs it did not see ending. Run with --profile profiles/local in one "
                "batch job"
            )
        call = ["sbatch", "--test-only", "--time", "1", "--wrap", "true"]
        call += ["--account", self.account] if self.account else []
        call += ["--partition", next(iter(load_site(self.site).partitions))] if self.site else []
        _ask(call)

    def cancel(self) -> list[str]:
        """Cancel jobs of this results folder; their ids."""
        left = self.jobs()
        if left:
            _ask(["scancel", *left])
        return left

    def cancel_leftovers(self) -> int:
        """Cancel jobs that a killed run has left, and wait until they have ended; how many.

        They would write the same files as those that are started now.

        Raises
        ------
        StoreUnavailable
            They do not end.
        """
        left = self.cancel()
        if not left:
            return 0
        sys.stderr.write(f"voxelmill: {len(left)} jobs of an earlier run are cancelled\n")
        deadline = time.monotonic() + GONE_S
        while still := self.jobs():
            if time.monotonic() > deadline:
                raise StoreUnavailable(
                    f"SLURM: jobs {', '.join(still[:5])} of an earlier run do not end. "
                    "Wait for them (squeue --me), then run again"
                )
            time.sleep(1.0)
        return len(left)

    def sweep(self) -> None:
        """Nothing is left."""

    def jobs(self) -> list[str]:
        """Ids of jobs of this results folder that wait, run or are about to end."""
        return [job for job, _ in self._queue()]

    def abandoned(self) -> list[str]:
        """Was never seen; what is in the queue may be about to end."""
        return []

    def mend(self) -> list[str]:
        """Cancel jobs that SLURM holds since it could not start them again; their ids.

        It does so where a node that failed has not let go of them. Snakemake would wait for ever;
        of a cancelled job it starts another.
        """
        held = [job for job, why in self._queue() if "launch" in why and "held" in why]
        if held:
            _ask(["scancel", *held])
        return held

    def _queue(self) -> list[tuple[str, str]]:
        """Jobs of this results folder: id, and why they wait."""
        lines = _ask(["squeue", "--me", "--noheader", "--format", "%A|%j|%r"]).splitlines()
        jobs = (line.split("|", 2) for line in lines)
        return [(job, why.lower()) for job, name, why in jobs if name.startswith(self.prefix)]


def _ask(call: Sequence[str]) -> str:
    """Output of a command of SLURM.

    Raises
    ------
    BadConfig
        There is no such command, or it refuses; the text is SLURM's own.
    """
    try:
        done = subprocess.run(  # noqa: S603
            call,
            capture_output=True,
            text=True,
            check=False,
            timeout=ANSWER_S,
        )
    except FileNotFoundError:
        raise BadConfig(
            f"{call[0]}: not found; the profile's executor is slurm. Run it where SLURM is, or "
            "with --profile profiles/local"
        ) from None
    except subprocess.TimeoutExpired:
        raise BadConfig(f"{call[0]}: no answer from SLURM in {ANSWER_S:.0f} s. Try later") from None
    if done.returncode:
        text = " ".join(done.stderr.split()).removeprefix("allocation failure: ")
        raise BadConfig(f"{call[0]}: {text}. Check --account and --site")
    return done.stdout
