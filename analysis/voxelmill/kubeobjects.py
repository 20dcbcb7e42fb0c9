"""Jobs and pods of Snakemake's Kubernetes plugin, as the API server tells of them. Pure.

In: JSON of a Job or a pod. Out: what its container runs and makes, with whose secrets; which Jobs
others replace, and which never got a pod.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from voxelmill.kubeapi import Json

TARGET = "--target-jobs"
"""Option after which a Job's command names what it has to make."""
START_S = 90.0
"""How old a Job without any pod must be to be looked at."""


def name_of(thing: Json) -> str:
    """Name of a Job or a pod."""
    return str(thing["metadata"]["name"])


def container(thing: Json) -> Json:
    """Container of a Job or a pod."""
    spec = thing["spec"]
    found: Json = (spec["template"]["spec"] if "template" in spec else spec)["containers"][0]
    return found


def command(thing: Json) -> list[str]:
    """Words of the command of a container."""
    return [
        word.strip("'\"") for text in container(thing).get("args") or [] for word in text.split()
    ]


def replaced(jobs: Sequence[Json]) -> list[Json]:
    """Jobs that have the target of a later one: Snakemake has given them up."""
    latest: dict[str, Json] = {}
    for job in sorted(jobs, key=lambda job: str(job["metadata"]["creationTimestamp"])):
        latest[target(job)] = job
    return [job for job in jobs if job is not latest[target(job)]]


def target(job: Json) -> str:
    """What a Job has to make: rule and wildcards."""
    words = command(job)
    return words[words.index(TARGET) + 1] if TARGET in words else name_of(job)


def secrets(job: Json) -> Iterator[str]:
    """Secrets that a Job's container has its variables from."""
    for variable in container(job).get("env", []):
        if reference := variable.get("valueFrom", {}).get("secretKeyRef"):
            yield reference["name"]


def is_barren(job: Json) -> bool:
    """Whether a Job has been without a pod for a while."""
    made = datetime.fromisoformat(job["metadata"]["creationTimestamp"])
    old = datetime.now(UTC) - made > timedelta(seconds=START_S)
    return old and not job.get("status", {}).get("active")
