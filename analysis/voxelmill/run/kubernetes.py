"""Dask scheduler and workers as plain Jobs of Kubernetes, for one image that outgrows a pod.

In: ``compute.kubernetes``. Out: a crew whose lost pods are replaced. No operator, no resource of
its own, no Service: whoever may create Jobs may run it. The driver is a pod itself, since pods
reach each other by address; image, variables and account of the others are its own.

A worker that is lost is replaced by the cluster, for a Job keeps up its number of pods; its blocks
are done by others. A scheduler that is lost takes its workers with it: the driver starts all anew
and goes on with the blocks that have not landed (`Pods.renew`).
"""

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from shlex import join
from typing import Any
from uuid import uuid4

from distributed import Client

from voxelmill.access.given import VARIABLE as KEYS
from voxelmill.execution import KubernetesWorkers
from voxelmill.kubeapi import Api, Json
from voxelmill.layout import RESULTS
from voxelmill.plugin import BadConfig, StoreUnavailable, VoxelmillError
from voxelmill.run.cluster import APART, Workers
from voxelmill.run.crew import CrewLostError
from voxelmill.slots import AHEAD
from voxelmill.storeoptions import VARIABLE

PORT = 8786
SCHEDULER_GIB = 1.0
START_S = 600.0
"""How long the scheduler's pod may take to start: a node may have to fetch the image."""
REPLACED = 100
"""Pods of a Job that may fail before the cluster gives it up."""
RENEWALS = 3
"""Schedulers that may be lost in one step."""
LABEL = "voxelmill.crew"
"""Label of the Jobs and pods of one step's crew."""
PLAIN = {
    **APART,
    # The first death is told at once: who is to blame is found out in `stage`.
    "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0",
}


@dataclass
class Pods(Workers):
    """Workers that are pods, of a scheduler that is one too; the cluster replaces the former."""

    team: "Team | None" = None
    left: int = RENEWALS

    def renew(self) -> bool:
        """Start a new scheduler and new workers; whether that was done."""
        if self.team is None or not self.left:
            return False
        self.left -= 1
        with suppress(OSError, TimeoutError):
            self.client.close(timeout=5)
        try:
            self.team.stop()
            self.client = self.team.start()
        except (VoxelmillError, OSError, TimeoutError) as error:
            raise CrewLostError(f"a new scheduler did not start: {error}") from error
        return True


@contextmanager
def pods(spec: KubernetesWorkers, *, ahead: bool = False) -> Iterator[Pods]:
    """Start a scheduler and workers; wait for the first only. In the end all are deleted.

    Raises
    ------
    BadConfig
        This process is not in a pod.
    StoreUnavailable
        The scheduler's pod does not start.
    """
    team = Team(Api(), spec, ahead)
    try:
        crew = Pods(team.start(), workers=spec.all_cores, ahead=ahead, team=team)
        try:
            yield crew
        finally:
            crew.client.close(timeout=5)
    finally:
        team.stop()


class Team:
    """A scheduler's Job and a workers' Job.

    Parameters
    ----------
    api : Api
    spec : KubernetesWorkers
    ahead : bool
        Workers read blocks ahead; see ``slots``.
    """

    def __init__(self, api: Api, spec: KubernetesWorkers, ahead: bool) -> None:
        self._api, self._spec, self._ahead = api, spec, ahead
        self._made: list[str] = []
        self._pod = api.own_pod()
        if self._pod is None:
            raise BadConfig(
                "compute: {kind: kubernetes}: this is no pod; allowed: in a pod, as with "
                "`voxelmill run --profile kubernetes`. Use kind: local here"
            )

    def start(self) -> Client:
        """Create both Jobs; a client of the scheduler, when it runs."""
        name = f"voxelmill-dask-{uuid4().hex[:12]}"
        scheduler = ["dask", "scheduler", "--host", "$(POD_IP)", "--port", str(PORT),
                     "--no-dashboard", "--no-jupyter"]  # fmt: skip
        self._create(f"{name}-scheduler", scheduler, 1, self._resources(1, SCHEDULER_GIB))
        address = f"tcp://{self._address(f'{name}-scheduler')}:{PORT}"
        threads = AHEAD if self._ahead else 1
        worker = ["dask", "worker", address, "--nworkers", str(self._spec.cores),
                  "--nthreads", str(threads), "--memory-limit", "0", "--no-dashboard",
                  "--death-timeout", "60", "--local-directory", "/tmp"]  # noqa: S108 # fmt: skip
        resources = self._resources(self._spec.cores, self._spec.memory_gib)
        self._create(f"{name}-worker", worker, self._spec.pods, resources)
        return Client(address, timeout=60)

    def stop(self) -> None:
        """Delete both Jobs with their pods."""
        while self._made:
            self._api.delete_job(self._made[-1])
            self._made.pop()

    def _address(self, job: str) -> str:
        """Address of a Job's pod, when that runs."""
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            for pod in self._api.pods(f"job-name={job}"):
                status = pod.get("status", {})
                if status.get("phase") == "Running" and status.get("podIP"):
                    return str(status["podIP"])
            time.sleep(1.0)
        said = "; ".join(self._api.events(job)[-1:]) or "no pod came"
        raise StoreUnavailable(f"kubernetes: the pod of job {job} does not start: {said}")

    def _create(self, name: str, command: list[str], count: int, resources: Json) -> None:
        self._api.create_job(self._job(name, command, count, resources))
        self._made.append(name)

    def _job(self, name: str, command: list[str], count: int, resources: Json) -> Json:
        pod: Json = self._pod or {}
        mine = pod["spec"]["containers"][0]
        container = {
            "name": "dask",
            "image": mine["image"],
            "command": ["/bin/sh", "-c", " && ".join([*_before(mine), f"exec {join(command)}"])],
            "env": [*_inherited(mine.get("env", [])), *_env(_told()), *_env(PLAIN), OWN_ADDRESS],
            "envFrom": mine.get("envFrom", []),
            "workingDir": "/workdir",
            "resources": resources,
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
            },
            "volumeMounts": [{"name": "workdir", "mountPath": "/workdir"}],
        }
        labels = {"app": "voxelmill-dask", LABEL: name.rpartition("-")[0]}
        template = {
            "metadata": {"labels": labels},
            "spec": {
                "restartPolicy": "Never",
                # Who reads the Secret with the keys of stores needs it, nobody else.
                "automountServiceAccountToken": KEYS in os.environ,
                "serviceAccountName": pod["spec"].get("serviceAccountName", "default"),
                "containers": [container],
                "volumes": [{"name": "workdir", "emptyDir": {}}],
            },
        }
        owner = {"apiVersion": "v1", "kind": "Pod", "name": pod["metadata"]["name"],
                 "uid": pod["metadata"]["uid"]}  # fmt: skip
        # It goes with the driver's pod, however that ends.
        meta = {"name": name, "labels": labels, "ownerReferences": [owner]}
        spec = {"parallelism": count, "backoffLimit": REPLACED, "template": template}
        return {"apiVersion": "batch/v1", "kind": "Job", "metadata": meta, "spec": spec}

    def _resources(self, cores: int, gib: float) -> Json:
        """What a pod asks for; of cores the same share of what it may use as the driver's pod."""
        given = (self._pod or {})["spec"]["containers"][0].get("resources", {})
        asked, most = (_cores(given.get(kind, {}).get("cpu")) for kind in ("requests", "limits"))
        share = asked / most if asked and most else 1.0
        same = {"memory": f"{int(gib * 1024)}Mi", "ephemeral-storage": "500Mi"}
        return {
            "requests": {"cpu": f"{int(1000 * cores * share)}m", **same},
            "limits": {"cpu": str(cores), **same},
        }


def _cores(quantity: str | None) -> float:
    """Number of cores of a Kubernetes quantity; 0 without one."""
    text = quantity or "0"
    return float(text[:-1]) / 1000 if text.endswith("m") else float(text)


def _before(mine: Json) -> list[str]:
    """What Snakemake's plugin had this pod do before its step: it fetches sources and plugins."""
    commands = str((mine.get("args") or [""])[-1]).split(" && ")
    return commands[:-1] if any("--deploy-sources" in text for text in commands) else []


OWN_ADDRESS: Json = {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}


def _told() -> dict[str, str]:
    """What this process knows of the stores, for those that have only their environment."""
    names = (VARIABLE, RESULTS, KEYS)
    return {name: os.environ[name] for name in names if os.environ.get(name)}


def _inherited(env: list[Json]) -> list[Json]:
    return [variable for variable in env if variable["name"] not in {*PLAIN, *_told()}]


def _env(values: Mapping[str, str]) -> list[dict[str, Any]]:
    return [{"name": name, "value": value} for name, value in values.items()]
