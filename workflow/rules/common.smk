import os
import sys

from snakemake.exceptions import WorkflowError

from voxelmill.plugin import VoxelmillError
from voxelmill.steps.jobs import Jobs
from voxelmill.steps.prepare import prepare

# Where Snakemake is called by its path, without an activated environment, so is voxelmill.
shell.prefix(f'PATH="$PATH:{os.path.dirname(sys.executable)}"; ')

CONFIG_FILE = os.path.relpath(next(iter(workflow.configfiles), "no --configfile given"))

# Scanning happens here, in Snakemake's main process; jobs on other machines only list its result.
try:
    RUN = prepare(config, CONFIG_FILE, main=workflow.is_main_process)
except VoxelmillError as error:
    raise WorkflowError(str(error)) from None

JOBS = Jobs(RUN)
RESULTS = RUN.config.results
RECORDS = f"{RESULTS}/{{dataset}}/records"
LOGS = f"{RESULTS}/{{dataset}}/logs"
BATCH = f"{RESULTS}/{{dataset}}/batches/{{batch}}.json"


wildcard_constraints:
    dataset="[^/]+",
    batch="[0-9]+",


def of_batches(pattern):
    """Input function: `pattern` filled in for every batch of a dataset."""

    def paths(wildcards):
        return expand(
            pattern, dataset=wildcards.dataset, batch=RUN.batches[wildcards.dataset]
        )

    return paths


def plate_map(wildcards):
    """Input function: the dataset's plate map, if it has one."""
    return RUN.plate_maps.get(wildcards.dataset, [])


def plate_map_option(wildcards):
    """The same as option of `voxelmill aggregate`."""
    path = RUN.plate_maps.get(wildcards.dataset)
    return [f"--plate-map={path}"] if path else []


def cores(step):
    """Threads function: all cores of this machine, or those the step gets on the cluster."""

    def threads(wildcards):
        local = workflow.is_main_process and workflow.local_exec
        here = workflow.resource_settings.cores if local else None
        return JOBS.threads(step, wildcards.dataset, wildcards.batch, here)

    return threads


def memory(step):
    """Resource function: MB that a job of `step` needs, more with every attempt."""

    def mem_mb(wildcards, attempt):
        return JOBS.ask(step, wildcards.dataset, wildcards.get("batch"), attempt).mem_mb

    return mem_mb


def minutes(step):
    """Resource function: minutes that a job of `step` may take, more with every attempt."""

    def runtime(wildcards, attempt):
        return JOBS.ask(
            step, wildcards.dataset, wildcards.get("batch"), attempt
        ).runtime

    return runtime
