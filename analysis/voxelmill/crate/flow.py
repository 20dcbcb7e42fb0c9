"""The workflow in a crate: its file, steps and tools, and the values of its parameters."""

import json
from collections.abc import Iterator, Mapping

from voxelmill.crate import ids
from voxelmill.crate.facts import Facts
from voxelmill.crate.jsonld import Entity, entity, ref, refs

STEPS: Mapping[str, str] = {
    "qc": "Measures the quality of every image.",
    "review": "Judges the quality of every image before the run goes on.",
    "illumination": "Estimates how uneven the light is, from a sample of fields.",
    "segment": "Finds objects in every image; what it has fitted to each stands in its record.",
    "measure": "Measures every object.",
    "aggregate": "Summarises images and wells, and judges the plate.",
    "report": "Shows it all on one page.",
}
"""Steps in their order, and what they do."""
OUTPUTS: Mapping[str, str] = {
    "images": "images.parquet", "wells": "wells.parquet", "report": "report.html",
}  # fmt: skip
"""Formal outputs, and their files."""
PARAMETER = "https://bioschemas.org/profiles/FormalParameter/1.0-RELEASE"
PROFILE = "https://bioschemas.org/profiles/ComputationalWorkflow/1.0-RELEASE"
SNAKEMAKE = "https://snakemake.readthedocs.io"
LANGUAGE = "#snakemake-language"
ENGINE = "snakemake"


def tool(facts: Facts, step: str) -> str:
    """Identifier of the tool of a step."""
    return f"{facts.software.addresses.get('voxelmill', '')}#voxelmill-{step}"


def package(facts: Facts, name: str) -> str:
    """Identifier of a package: an address, where it names one."""
    return f"{facts.software.addresses.get(name, '')}#{name}"


def how(step: str) -> str:
    """Identifier of a step of the workflow."""
    return f"#step-{step}"


def value(name: str) -> str:
    """Identifier of the value of a setting."""
    return f"#setting-{name}"


def ran(facts: Facts) -> list[str]:
    """Steps of which there is a job, in order."""
    there = {job.step for job in facts.jobs}
    return [step for step in STEPS if step in there]


def workflow(facts: Facts) -> Entity:
    """The workflow, but for what a file has: the main entity of the crate."""
    names = ["dataset", "configuration", *settings(facts)]
    names += ["plate_map"] if facts.plate_map else []
    versions = facts.software.versions
    return entity(
        ids.WORKFLOW, ["File", "SoftwareSourceCode", "ComputationalWorkflow", "HowTo"],
        name="voxelmill", conformsTo=ref(PROFILE),
        description="OME-Zarr images in; labelled objects, feature tables and QC verdicts out.",
        version=facts.software.fingerprint, url=_address(facts),
        programmingLanguage=ref(LANGUAGE),
        step=refs(map(how, ran(facts))), hasPart=refs(tool(facts, step) for step in ran(facts)),
        input=refs(map(ids.parameter, names)),
        output=refs(ids.parameter(n) for n, path in OUTPUTS.items() if path in facts.files),
        softwareRequirements=refs(package(facts, name) for name in versions),
        license="BSD-3-Clause", citation=facts.software.citation,
    )  # fmt: skip


def steps(facts: Facts) -> Iterator[Entity]:
    """Steps of the workflow, and the tool of each."""
    for position, step in enumerate(ran(facts)):
        yield entity(how(step), "HowToStep", name=step, description=STEPS[step],
                     position=str(position), workExample=ref(tool(facts, step)))  # fmt: skip
        yield entity(
            tool(facts, step), "SoftwareApplication", name=f"voxelmill {step}",
            description=STEPS[step], softwareVersion=_version(facts, step), url=_address(facts),
            input=refs(map(ids.parameter, ["dataset", *facts.parts.get(step, ())])),
        )  # fmt: skip


def languages(facts: Facts) -> Iterator[Entity]:
    """Language, licence and profiles of the workflow, and the packages that it needs."""
    yield entity(
        LANGUAGE, "ComputerLanguage", name="Snakemake", url=SNAKEMAKE, identifier=SNAKEMAKE,
        version=facts.software.versions["snakemake"],
    )  # fmt: skip
    yield entity(PROFILE, "CreativeWork", name="ComputationalWorkflow", version="1.0-RELEASE")
    yield entity(PARAMETER, "CreativeWork", name="FormalParameter", version="1.0-RELEASE")
    software = facts.software
    yield entity(ids.LOCK, "PropertyValue", name="requirements.lock", propertyID="sha256",
                 value=software.lock, description="SHA-256 of the file that pins all packages "
                 "of the release, with hashes.")  # fmt: skip
    for name, version in software.versions.items():
        address = software.addresses.get(name) or _address(facts)
        yield entity(package(facts, name), "SoftwareApplication", name=name,
                     softwareVersion=version, url=address)  # fmt: skip


def parameters(facts: Facts) -> Iterator[Entity]:
    """Formal parameters of the workflow, and the settings that are their values."""
    found = {
        "dataset": ("Dataset", "OME-Zarr images."),
        "configuration": ("File", "What to compute."),
        **{name: ("PropertyValue", f"Setting `{name}`, as JSON.") for name in settings(facts)},
        **({"plate_map": ("File", "Treatments by well.")} if facts.plate_map else {}),
        **{name: ("File", "") for name, path in OUTPUTS.items() if path in facts.files},
    }
    for name, (kind, text) in found.items():
        yield entity(ids.parameter(name), "FormalParameter", name=name, additionalType=kind,
                     description=text, conformsTo=ref(PARAMETER))  # fmt: skip
    for name in settings(facts):
        yield entity(value(name), "PropertyValue", name=name,
                     exampleOfWork=ref(ids.parameter(name)),
                     value=json.dumps(facts.config[name], sort_keys=True))  # fmt: skip


def settings(facts: Facts) -> list[str]:
    """Keys of the configuration that some step depends on."""
    return [name for name in facts.config if any(name in part for part in facts.parts.values())]


def _version(facts: Facts, step: str) -> str:
    """Versions of voxelmill that records of a step name; where they name none, the present one."""
    found = sorted({job.voxelmill for job in facts.jobs if job.step == step and job.voxelmill})
    return ", ".join(found) or facts.software.versions["voxelmill"]


def _address(facts: Facts) -> str:
    """Where voxelmill is; the workflow in the crate where it names no address itself."""
    return facts.software.addresses.get("voxelmill") or ids.WORKFLOW
