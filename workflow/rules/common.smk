import os
import shlex
import sys

from snakemake.exceptions import WorkflowError

from voxelmill.plugin import VoxelmillError
from voxelmill.steps.jobs import Jobs
from voxelmill.steps.prepare import prepare

# Jobs in pods share no files with this process: what they leave lies on the store.
APART = workflow.storage_settings.default_storage_provider is not None
CONFIG_FILE = os.path.relpath(next(iter(workflow.configfiles), "no --configfile given"))

# Scanning happens here, in Snakemake's main process; jobs on other machines only list its result.
try:
    RUN = prepare(config, CONFIG_FILE, main=workflow.is_main_process)
except VoxelmillError as error:
    raise WorkflowError(str(error)) from None

# Where Snakemake is called by its path, without an activated environment, so is voxelmill.
EXPORTS = "".join(f"export {n}={shlex.quote(v)}; " for n, v in RUN.exports.items())
# Braces would be wildcards.
EXPORTS = EXPORTS.replace("{", "{{").replace("}", "}}")
shell.prefix(f'{EXPORTS}PATH="$PATH:{os.path.dirname(sys.executable)}"; ')

if RUN.container:

    container: RUN.container


JOBS = Jobs(RUN, inside=APART and workflow.remote_exec)

if APART:
    workflow.register_envvars(*RUN.passed)

if RUN.config.store:
    os.environ.update(RUN.ambient)

    # Records and tables pass here; pixels are read and written by the steps themselves.
    with RUN.signed():

        storage results:
            **RUN.service,
            provider="s3",
            retries=10,
            keep_local=True,


def kept(pattern, retrieve=True):
    """A file of the results, on the object store if they go to one; there it may stay."""
    if RUN.config.store:
        return storage.results(f"{RUN.config.store}/{pattern}", retrieve=retrieve)
    return f"{RUN.config.folder}/{pattern}"


# A pod's log is what it prints: Snakemake shows that if it fails, `kubectl logs` while it runs.
REDIRECT = "" if APART else " > {log:q} 2>&1"


def logged(pattern, beside=False):
    """A log in the folder of the results; jobs in pods have none, those `beside` Snakemake do."""
    if APART and not beside:
        return []
    return local(f"{RUN.config.folder}/{pattern}")


BATCH = "{dataset}/batches/{batch}.json"
RECORDS = "{dataset}/records"
LOGS = "{dataset}/logs"
INDEX = "{dataset}/index/{batch}.parquet"
# What steps that correct light need besides: only where that is switched on.
PROFILES = [kept(f"{RECORDS}/illumination.json")] if RUN.config.illumination else []
TABLES = [f"{{dataset}}/objects/{s}/{{batch}}.parquet" for s in RUN.objects]


wildcard_constraints:
    dataset="[^/]+",
    batch="[0-9]+",


def of_batches(*patterns):
    """Input function: `patterns` filled in for every batch of a dataset."""

    def paths(wildcards):
        dataset = wildcards.dataset
        found = expand(patterns, dataset=dataset, batch=RUN.batches[dataset])
        return [kept(path) for path in found]

    return paths


def read_too(*patterns):
    """Input function: what a job reads besides; only what lies on a store has to be fetched."""
    return of_batches(*patterns) if RUN.config.store else []


ASKS = RUN.config.qc.gate == "ask"


def gate(wildcards):
    """Input function: what a batch leaves out, if anything; refuses what nobody has approved."""
    try:
        found = RUN.gate(wildcards.dataset, wildcards.batch)
    except VoxelmillError as error:
        raise WorkflowError(str(error)) from None
    return kept(found) if found else []


def plate_map(wildcards):
    """Input function: the dataset's plate map, if it has one; never on the store."""
    path = RUN.plate_maps.get(wildcards.dataset)
    return local(path) if path else []


def plate_map_option(wildcards):
    """The same as an option of the steps that take one."""
    path = RUN.plate_maps.get(wildcards.dataset)
    return [f"--plate-map={path}"] if path else []


def pixel_bytes(wildcards):
    """Parameter: bytes of all pixels of a dataset, decoded."""
    return RUN.totals[wildcards.dataset].bytes


def container_option(wildcards):
    """The image that steps run in, as option; a function, since its file is read for that."""
    return [f"--container={RUN.container_told}"] if RUN.container_told else []


def cores(step):
    """Threads function: all cores of this machine, or those the step gets on the cluster."""

    def threads(wildcards):
        local = workflow.is_main_process and workflow.local_exec
        here = workflow.resource_settings.cores if local else None
        return JOBS.threads(step, wildcards.dataset, wildcards.batch, here)

    return threads


def asked(what, step):
    """Resource function: what a job of `step` is given of memory, time or disk."""

    def amount(wildcards, attempt):
        found = JOBS.ask(step, wildcards.dataset, wildcards.get("batch"), attempt)
        return getattr(found, what)

    return amount


def memory(step):
    """Resource function: MB that a job of `step` needs, more with every attempt."""
    return asked("mem_mb", step)


def minutes(step):
    """Resource function: minutes that a job of `step` may take, more with every attempt."""
    return asked("runtime", step)


def disk(step):
    """Resource function: MB that a job of `step` leaves on the disk of its node."""
    return asked("disk_mb", step)
