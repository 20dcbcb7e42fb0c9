"""What was done, as actions: one of every job, what controlled it, the whole run, an approval."""

from collections.abc import Iterator, Sequence

from voxelmill.crate import ids
from voxelmill.crate.facts import Facts, Job
from voxelmill.crate.flow import ENGINE, OUTPUTS, how, package, settings, tool, value
from voxelmill.crate.jsonld import Entity, entity, ref, refs, when
from voxelmill.crate.people import authors
from voxelmill.crate.works import read_by, there, written_by
from voxelmill.layout import APPROVAL

DONE = "http://schema.org/CompletedActionStatus"
IMAGE = "#container"
TERMS = "https://w3id.org/ro/terms/workflow-run#"
USAGE = {
    # name: attribute of a job, unit, code of the unit
    "processor time": ("core_s", "core-seconds", "https://qudt.org/vocab/unit/SEC"),
    "cores": ("cores", "cores", "https://qudt.org/vocab/unit/NUM"),
    "memory": ("gib", "GiB", "https://qudt.org/vocab/unit/GibiBYTE"),
}
"""Resources that jobs say they have used, or were given."""


def actions(facts: Facts) -> Iterator[Entity]:
    """All actions, and what they alone refer to."""
    yield _whole(facts)
    for job in facts.jobs:
        usage = list(_usage(job))
        yield from usage
        yield _action(facts, job, usage)
        yield entity(f"#control-{job.name}", "ControlAction", name=f"start of {_words(job)}",
                     instrument=ref(how(job.step)), object=ref(action(job)))  # fmt: skip
    yield entity(
        "#organize", "OrganizeAction", name="execution by Snakemake",
        instrument=ref(package(facts, ENGINE)), agent=authors(facts.study), result=ref(ids.RUN),
        object=refs(f"#control-{job.name}" for job in facts.jobs),
    )  # fmt: skip
    yield from _approval(facts)
    yield from _container(facts)


def action(job: Job) -> str:
    """Identifier of the action of a job."""
    return f"#job-{job.name}"


def mentioned(facts: Facts) -> list[str]:
    """Identifiers of the actions that the root mentions."""
    return [ids.RUN, *map(action, facts.jobs), *(["#approval"] if facts.approval else [])]


def _whole(facts: Facts) -> Entity:
    """The run, from the first job to the last."""
    objects = [ids.INPUT, ids.CONFIG, *map(value, settings(facts)), ids.file(facts.plate_map)]
    results = [path for path in (*OUTPUTS.values(), ids.CHECKSUMS) if path in facts.files]
    starts = [job.start or job.end for job in facts.jobs]
    return entity(
        ids.RUN, "CreateAction", name=f"analysis of {facts.dataset}",
        description=f"{facts.source.images} images in {len(facts.batches)} batches.",
        instrument=ref(ids.WORKFLOW), agent=authors(facts.study), actionStatus=DONE,
        object=refs(filter(None, objects)), result=refs([*results, *facts.folders]),
        startTime=when(min(starts)), endTime=when(max(job.end for job in facts.jobs)),
        containerImage=ref(IMAGE) if facts.software.container else None,
    )  # fmt: skip


def _action(facts: Facts, job: Job, usage: Sequence[Entity]) -> Entity:
    given = [value(name) for name in facts.parts.get(job.step, ()) if name in facts.config]
    return entity(
        action(job), "CreateAction", name=_words(job), description=job.text,
        instrument=ref(tool(facts, job.step)), agent=authors(facts.study), actionStatus=DONE,
        object=refs([*there(facts, read_by(facts, job)), *given]),
        result=refs(there(facts, written_by(facts, job))),
        startTime=when(job.start), endTime=when(job.end),
        resourceUsage=refs(one["@id"] for one in usage),
        containerImage=ref(IMAGE) if facts.software.container else None,
    )  # fmt: skip


def _usage(job: Job) -> Iterator[Entity]:
    for name, (attribute, unit, code) in USAGE.items():
        amount = round(getattr(job, attribute), 3)
        if amount:
            yield entity(f"#usage-{job.name}-{attribute}", "PropertyValue", name=name,
                         propertyID=name, value=amount, unitText=unit, unitCode=code)  # fmt: skip


def _approval(facts: Facts) -> Iterator[Entity]:
    """Who let the run go on after QC."""
    if not facts.approval:
        return
    said = facts.approval
    yield entity("#approver", "Person", name=said["who"])
    yield entity(
        "#approval", "AuthorizeAction", name="approval of the QC report",
        description=said["why"] or "The run may go on.", agent=ref("#approver"),
        endTime=said["when"], actionStatus=DONE,
        object=refs(p for p in ("qc.html",) if p in facts.files),
        result=refs(p for p in (APPROVAL,) if p in facts.files),
    )  # fmt: skip


def _container(facts: Facts) -> Iterator[Entity]:
    image = facts.software.container
    if image is not None:
        kind = "SIFImage" if image.sif else "DockerImage"
        yield entity(IMAGE, "ContainerImage", name=image.name, tag=image.tag, sha256=image.sha256,
                     registry=image.registry or "a file",
                     additionalType=ref(f"{TERMS}{kind}"))  # fmt: skip


def _words(job: Job) -> str:
    return f"{job.step} of batch {job.batch}" if job.batch else job.step
