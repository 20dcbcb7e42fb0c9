"""How Snakemake is called: with which workflow, profile and options, here or on a cluster."""

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from voxelmill.home import home
from voxelmill.plugin import BadConfig, VoxelmillError
from voxelmill.steps.child import KILLED, call
from voxelmill.steps.cluster import Cluster
from voxelmill.steps.guard import Guard, guarded, patience, tell_to_end, wind_down
from voxelmill.steps.loginguard import LoginGuard
from voxelmill.steps.prepare import Prepared
from voxelmill.steps.watch import watch
from voxelmill.watchdog import ELSEWHERE, VARIABLE

RESTARTS = 5
"""Times that Snakemake is started again after it waited for nothing."""
STUCK_S = 60.0
"""How long one that is to end may do nothing, where its jobs run on this machine."""


@dataclass
class Snakemake:
    """Snakemake with the options of one run."""

    options: tuple[str, ...]
    cluster: Cluster | None
    login: LoginGuard
    locked: bool = False
    """Whether one was killed, and its lock is still there: the next run has to take it away."""

    def run(self, more: Sequence[str] = ()) -> int:
        """Run it without showing progress; return its exit code.

        Raises
        ------
        SessionEnded
            A store wants a login, and nobody is logged in any more.
        """
        with self.login.watching(self._stop):
            code = call([*self._command, *more], self.environment())
        self._end(code)
        return code

    def watch(self, prepared: Prepared, more: Sequence[str] = ()) -> int:
        """Run it and show progress; again, where it had to be ended as it waited for nothing.

        Raises
        ------
        guard.Hopeless
            It would do no better.
        SessionEnded
            A store wants a login, and nobody is logged in any more.
        """
        code = 0
        for left in range(RESTARTS, -1, -1):
            guard = self._guard()
            with guarded(guard), self.login.watching(self._stop):
                code = watch([*self._command, *more], prepared, self.environment())
            why = "" if self.login.over(code) else self._undone(guard, code)
            if not why or not left:
                break
            sys.stderr.write(f"voxelmill: Snakemake {why}; it is started again\n")
        if self.cluster:
            self.cluster.sweep()
        self._end(code)
        return code

    def _stop(self, ended: Event) -> None:
        """Have no more jobs started; those of this machine may end, others are cancelled."""
        tell_to_end()
        if self.cluster:
            # Those that nobody can cancel now fail for want of a login; the next run clears up.
            with suppress(VoxelmillError):
                self.cluster.cancel()
        wind_down(ended, self.cluster.stuck_s if self.cluster else STUCK_S)

    def _end(self, code: int) -> None:
        self.locked = code > KILLED
        if self.login.over(code):
            if self.locked:
                self.unlock()
            self.login.refuse()

    def _undone(self, guard: Guard | None, code: int) -> str:
        """Why Snakemake is to be started again; what was left is put right. Empty: it is not."""
        if self.cluster is None or guard is None or not (guard.fired or code):
            return ""
        left = [] if guard.fired else self.cluster.abandoned()
        if not guard.fired and not left:
            return ""
        self.unlock()
        self.cluster.cancel_leftovers()
        if guard.hopeless is not None:
            raise guard.hopeless
        return "waits for nothing" if guard.fired else f"has left {len(left)} jobs"

    def unlock(self) -> None:
        """Take away the lock that a killed one has left.

        Snakemake looks at the results first: where these are entered with a login, not without it.
        """
        with Path(os.devnull).open("w") as nowhere:
            self.locked = call([*self._command, "--unlock"], self.environment(), nowhere) != 0

    def environment(self) -> dict[str, str]:
        """Environment variables of Snakemake and all it starts."""
        here = str(Path(sys.executable).parent)
        found = {**os.environ, "PATH": f"{here}{os.pathsep}{os.environ.get('PATH', '')}"}
        found |= {VARIABLE: ELSEWHERE} if self.cluster else {}
        return self.cluster.environment(found) if self.cluster else found

    @property
    def _command(self) -> list[str]:
        flags = self.cluster.flags if self.cluster else []
        return [sys.executable, *flags, "-m", "snakemake", *self.options]

    def _guard(self) -> Guard | None:
        if self.cluster is None:
            return None
        return Guard(self.cluster.jobs, self.cluster.mend, patience())


def launcher(
    config_path: Path,
    profile: Path,
    cluster: Cluster | None,
    login: LoginGuard,
    site: str | None = None,
    cores: int | None = None,
) -> Snakemake:
    """Snakemake for a configuration; `site`, if given, goes before the configuration's."""
    snakefile = cluster.snakefile if cluster else home("workflow") / "Snakefile"
    options = ["--snakefile", str(snakefile),
               "--configfile", str(config_path), "--workflow-profile", str(profile)]  # fmt: skip
    options += ["--config", f"site={site}"] if site else []
    options += ["--cores", str(cores)] if cores else []
    return Snakemake((*options, *(cluster.options() if cluster else ())), cluster, login)


def find_profile(profile: str | None) -> Path:
    """Folder of a Snakemake profile, by name or path.

    Raises
    ------
    BadConfig
        There is no profile.
    """
    named = home("profiles") / (profile or "local")
    folder = named if profile is None or not Path(profile).is_dir() else Path(profile)
    if not any((folder / f"config{s}").exists() for s in (".yaml", ".v8+.yaml", ".v9+.yaml")):
        known = ", ".join(sorted(p.parent.name for p in home("profiles").glob("*/config.yaml")))
        raise BadConfig(
            f"--profile {profile}: no config.yaml in it; allowed: {known}, or the folder of a "
            "Snakemake profile"
        )
    return folder
