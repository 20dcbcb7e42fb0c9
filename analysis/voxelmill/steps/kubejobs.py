"""A run whose jobs are pods of Kubernetes: options for Snakemake, checks, what a killed run left.

A `cluster.Cluster`. Pods share no files: results and the sources of the workflow go through the
object store, and what pods need to reach it comes as environment variables in a Secret that
Snakemake's plugin makes, or, where it ends, from one that is kept up to date (`kubekeys`). Jobs
are told apart by the store that their command names.
"""

import os
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

from voxelmill.config import Config
from voxelmill.fingerprint import fingerprint
from voxelmill.home import home
from voxelmill.kubeapi import Api, Json
from voxelmill.kubeobjects import command, is_barren, name_of, replaced, secrets
from voxelmill.plugin import AccessDenied, BadConfig, StoreUnavailable
from voxelmill.site import load_site
from voxelmill.steps.guard import Hopeless
from voxelmill.steps.kubekeys import KeySecret
from voxelmill.steps.signing import environment
from voxelmill.storeoptions import SECRET, options_of, service_of

WORKFLOW = Path(".snakemake/voxelmill/workflow")
"""Copy of the workflow below the working directory: only from there Snakemake sends sources."""
SOURCES = ".snakemake"
"""Folder of the results where Snakemake puts the sources."""
LABEL = "app=snakemake"
"""What Snakemake's plugin labels its Jobs with."""
RIGHTS = (
    ("create", "secrets", ""), ("delete", "secrets", ""), ("list", "pods", ""),
    ("delete", "pods", ""), ("get", "pods/log", ""), ("list", "events", ""),
    ("create", "jobs", "batch"), ("delete", "jobs", "batch"), ("list", "jobs", "batch"),
    ("get", "jobs/status", "batch"),
)  # fmt: skip
"""What Snakemake's plugin and this file do."""
GONE_S = 120.0
"""How long pods of cancelled Jobs may take to end."""


@dataclass(frozen=True)
class Kubernetes:
    """Kubernetes, as one run uses it."""

    api: Api
    store: str
    """``s3://bucket/prefix`` of the results."""
    image: str
    """Container image of the pods; empty: that of this pod."""
    site: str | None
    at_once: int | None = None
    """Jobs in flight; None: as the site, else the profile says."""
    keys: KeySecret | None = None
    """What pods enter stores with, if that is a login."""

    @classmethod
    def of(
        cls, config: Config, path: Path, profile: Mapping[str, Any], extra: Sequence[str]
    ) -> "Kubernetes":
        """Kubernetes for the results of a configuration.

        Raises
        ------
        BadConfig
            Pods could not read it, or could not write its results.
        """
        if not config.store:
            raise BadConfig(
                f"{path}: results: {config.results}; allowed with the kubernetes profile: "
                "s3://bucket/prefix, since pods share no folder. Set results"
            )
        if not path.resolve().is_relative_to(Path.cwd()):
            raise BadConfig(
                f"{path}: outside of the working directory; Snakemake sends pods only what is "
                "below it. Copy it here"
            )
        for name, options in config.stores.items():
            if options.profile:
                raise BadConfig(
                    f"{path}: stores.{name}.profile: pods have no ~/.aws. Export "
                    "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in its place"
                )
        login = any(options.auth for options in config.stores.values())
        if login and _option(extra, profile, "precommand"):
            raise BadConfig("--precommand: with `auth` under `stores` it is taken. Leave it out")
        api = Api(_option(extra, profile, "kubernetes-namespace"))
        image = _option(extra, profile, "container-image")
        # Each step of a large image has workers of its own: two would wait for each other's room.
        at_once = 1 if config.compute.kubernetes else None
        keys = KeySecret(api, config.store) if login else None
        return cls(api, config.store, image, config.site, at_once, keys)

    hint: ClassVar[str] = (
        "logs of failed jobs stand above, and in .snakemake/auxiliary/kubernetes-logs"
    )
    stuck_s: ClassVar[float] = 30.0
    """It asks every 5 s, and then waits for ever for a Job that was deleted."""

    @property
    def snakefile(self) -> Path:
        """The workflow, below the working directory; in pods it checks that it fits the image."""
        shutil.rmtree(WORKFLOW, ignore_errors=True)
        shutil.copytree(home("workflow"), WORKFLOW, ignore=shutil.ignore_patterns("schemas"))
        snakefile = WORKFLOW / "Snakefile"
        check = f"from voxelmill.fingerprint import same\n\nsame({fingerprint()!r})\n"
        snakefile.write_text(check + snakefile.read_text(encoding="utf-8"), encoding="utf-8")
        return snakefile

    @property
    def share(self) -> KeySecret | None:
        """Secret with what pods enter stores with."""
        return self.keys

    @property
    def flags(self) -> list[str]:
        """The plugin asserts that a Job has one pod; a deleted one has its successor beside it.

        Without the assertion the Job counts as failed, and is tried again; with it the run dies.
        """
        return ["-O"]

    def options(self) -> list[str]:
        """Options for Snakemake."""
        found = ["--kubernetes-namespace", self.api.namespace,
                 "--container-image", self.image or self._own_image(),
                 "--default-storage-provider", "s3",
                 "--default-storage-prefix", self._prefix]  # fmt: skip
        for name, value in service_of(self.store).items():
            found += [f"--storage-s3-{name.replace('_', '-')}", value]
        if jobs := self.at_once or (self.site and load_site(self.site).site.max_jobs):
            found += ["--jobs", str(jobs)]
        return found + (["--precommand", self.keys.precommand()] if self.keys else [])

    def environment(self, before: dict[str, str]) -> dict[str, str]:
        """With keys of a login, where results are entered with them: Snakemake stores sources."""
        return environment(self.store, before)

    def check(self) -> None:
        """Refuse what would only fail after jobs have been submitted.

        Raises
        ------
        BadConfig
            No image is known, or no keys for a store that wants some.
        AccessDenied
            The namespace does not let us do what we have to.
        """
        if options_of(self.store).auth is None and not os.environ.get(SECRET[0]):
            raise BadConfig(
                f"{self.store}: no {SECRET[0]} in the environment; pods get their keys from "
                "there. Export it and AWS_SECRET_ACCESS_KEY"
            )
        lacking = [f"{v} {r}" for v, r, group in RIGHTS if not self.api.may(v, r, group)]
        if self.keys:
            lacking += self.keys.lacking()
        if lacking:
            raise AccessDenied(
                f"kubernetes: namespace {self.api.namespace}: not allowed: {', '.join(lacking)}. "
                "Apply profiles/kubernetes/manifests, or ask for the rights in its role.yaml"
            )

    def cancel(self) -> list[Json]:
        """Delete the Jobs of this run, with their Secret; those there were."""
        left = self._all()
        for job in left:
            self.api.delete_job(name_of(job))
        for secret in {secret for job in left for secret in secrets(job)}:
            self.api.delete_secret(secret)
        return left

    def cancel_leftovers(self) -> int:
        """Delete Jobs that a killed run has left, with their Secret; wait for their pods' end.

        Raises
        ------
        StoreUnavailable
            They do not end.
        """
        if left := len(self._jobs()):
            sys.stderr.write(f"voxelmill: {left} jobs of an earlier run are cancelled\n")
        self.sweep()
        return left

    def sweep(self) -> None:
        """Delete all Jobs of this run and their pods; see `cancel_leftovers`.

        The plugin leaves a Job whose pod was gone when it wanted to delete that, too, and a pod
        that the cluster has made while it deleted its Job.
        """
        self.cancel()
        deadline = time.monotonic() + GONE_S
        while pods := self._pods():
            for pod in pods:
                self.api.delete_pod(name_of(pod))
            if time.monotonic() > deadline:
                names = ", ".join(name_of(pod) for pod in pods[:5])
                raise StoreUnavailable(
                    f"kubernetes: pods {names} do not end. Wait for them (kubectl get pods), then "
                    "run again"
                )
            time.sleep(1.0)

    def jobs(self) -> list[str]:
        """Jobs of this run with a pod that waits or runs."""
        return [name_of(job) for job in self._jobs() if job.get("status", {}).get("active")]

    def abandoned(self) -> list[str]:
        """Jobs that nobody has deleted: the plugin does so with all that ended or is cancelled."""
        return [name_of(job) for job in self._jobs() if "deletionTimestamp" not in job["metadata"]]

    def mend(self) -> None:
        """Delete what others replace; end a run of which no job can have a pod, and say why.

        A namespace refuses pods that break its limits, and nobody tells Snakemake. Those that only
        have to wait for others to leave room are waited for.

        Raises
        ------
        Hopeless
            That is so.
        """
        jobs = self._jobs()
        for job in replaced(jobs):
            self.api.delete_job(name_of(job))
        for pod in self._pods():
            if not pod["metadata"].get("ownerReferences"):
                self.api.delete_pod(name_of(pod))
        barren = [job for job in jobs if is_barren(job)]
        if not barren or len(barren) < len(jobs):
            return
        said = [message for job in barren for message in self.api.events(name_of(job))[-1:]]
        raise Hopeless(
            f"kubernetes: namespace {self.api.namespace}: no pod can be made for "
            f"{len(barren)} jobs: {said[0] if said else 'no reason given'}. Ask for less (--site, "
            "a file like profiles/kubernetes/rahti.yaml) or for a larger quota"
        )

    def _jobs(self) -> list[Json]:
        """Jobs of this run that have not ended."""
        ended = {"succeeded", "failed"}
        return [job for job in self._all() if not ended & {*job.get("status", {})}]

    def _all(self) -> list[Json]:
        return [job for job in self.api.jobs(LABEL) if self._prefix in command(job)]

    def _pods(self) -> list[Json]:
        """Pods of this run's jobs, also those whose Job is gone."""
        return [pod for pod in self.api.pods("job-name") if self._prefix in command(pod)]

    @property
    def _prefix(self) -> str:
        return f"{self.store}/{SOURCES}"

    def _own_image(self) -> str:
        pod = self.api.own_pod()
        if pod is None:
            raise BadConfig(
                "kubernetes: no image for the pods; allowed: the tag of an image of voxelmill. "
                "Add: -- --container-image REGISTRY/voxelmill:TAG"
            )
        return str(pod["spec"]["containers"][0]["image"])


def _option(extra: Sequence[str], profile: Mapping[str, Any], name: str) -> str:
    """Value of an option for Snakemake: the user's, else the profile's, else none."""
    for word, following in pairwise([*extra, ""]):
        if word == f"--{name}":
            return following
        if word.startswith(f"--{name}="):
            return word.partition("=")[2]
    return str(profile.get(name) or "")
