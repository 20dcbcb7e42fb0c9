"""The commands of the workflow, one a step: parse and call it. `cli` puts them beside its own."""

from pathlib import Path
from typing import Annotated

import typer

from voxelmill.joblog import logged

app = typer.Typer()

USER = "For people"
STEP = "Steps (called by the workflow)"
Files = Annotated[list[Path], typer.Argument(help="Batch files of one dataset.")]
Batch = Annotated[Path, typer.Argument(help="results/<dataset>/batches/<batch>.json")]
Record = Annotated[Path, typer.Option(help="Record to write, last and atomically.")]
Settings = Annotated[str, typer.Option("--config", help="YAML file, or the JSON of its part.")]
Run = Annotated[Path | None, typer.Option("--run", help="JSON file: `blocks`, `compute`.")]
Workers = Annotated[int, typer.Option(min=1, help="Blocks worked on at once.")]


@app.command("qc", rich_help_panel=STEP)
@logged
def qc_command(
    batch: Batch, record: Record, config: Settings, run: Run = None, workers: Workers = 1
) -> None:
    """Measure the quality of every image of a batch."""
    from voxelmill.configfile import load_settings
    from voxelmill.steps.qc import qc
    from voxelmill.steps.work import read_execution

    qc(batch, record, load_settings(config), read_execution(run, workers))


@app.command("illuminate", rich_help_panel=STEP)
@logged
def illuminate_command(
    batches: Files, record: Record, config: Settings, run: Run = None, workers: Workers = 1
) -> None:
    """Estimate how uneven the light of a dataset is."""
    from voxelmill.configfile import load_settings
    from voxelmill.steps.illuminate import illuminate
    from voxelmill.steps.work import read_execution

    execution = read_execution(run, workers)
    illuminate(batches, record, load_settings(config), execution.workers)


@app.command("segment", rich_help_panel=STEP)
@logged
def segment_command(
    batch: Batch,
    record: Record,
    config: Settings,
    gate: Annotated[
        Path | None, typer.Argument(help="results/<dataset>/gate/<batch>.json: what is left out.")
    ] = None,
    run: Run = None,
    workers: Workers = 1,
) -> None:
    """Find objects in every image of a batch, but for those that are left out."""
    from voxelmill.configfile import load_settings
    from voxelmill.steps.segment import segment
    from voxelmill.steps.work import read_execution

    segment(batch, record, load_settings(config), read_execution(run, workers), gate)


@app.command("measure", rich_help_panel=STEP)
@logged
def measure_command(
    batch: Batch,
    segmented: Annotated[Path, typer.Option(help="Record of `segment`.")],
    record: Record,
    config: Settings,
    run: Run = None,
    workers: Workers = 1,
) -> None:
    """Measure the objects of a batch."""
    from voxelmill.configfile import load_settings
    from voxelmill.steps.measure import measure
    from voxelmill.steps.work import read_execution

    measure(batch, segmented, record, load_settings(config), read_execution(run, workers))


@app.command("aggregate", rich_help_panel=STEP)
@logged
def aggregate_command(
    batches: Files,
    record: Record,
    config: Settings,
    plate_map: Annotated[Path | None, typer.Option(help="Table of treatments by well.")] = None,
) -> None:
    """Summarise a dataset by image and by well."""
    from voxelmill.configfile import load_settings
    from voxelmill.layout import Layout
    from voxelmill.steps.aggregate import aggregate
    from voxelmill.steps.tidy import tidy

    aggregate(batches, record, load_settings(config), plate_map)
    tidy(Layout.of_batch(batches[0]))


@app.command("report", rich_help_panel=STEP)
@logged
def report_command(
    batches: Files,
    record: Record,
    config: Settings,
    command: Annotated[str, typer.Option(help="Command shown as how to reproduce it.")] = "",
) -> None:
    """Write the report of a dataset."""
    from voxelmill.configfile import load_settings
    from voxelmill.steps.report import report

    report(batches, record, load_settings(config), command)


@app.command("provenance", rich_help_panel=STEP)
@logged
def provenance_command(
    batches: Files,
    record: Record,
    config: Settings,
    plate_map: Annotated[Path | None, typer.Option(help="Table of treatments by well.")] = None,
    pixel_bytes: Annotated[int, typer.Option(min=0, help="Of all images, decoded.")] = 0,
    container: Annotated[str, typer.Option(help="Image that steps run in, and its digest.")] = "",
) -> None:
    """Write the RO-Crate of a dataset: what was done to what, with which software."""
    from voxelmill.configfile import load_part
    from voxelmill.published import Published
    from voxelmill.steps.provenance import provenance

    settings = load_part(Published, config)
    provenance(batches, record, settings, plate_map, pixel_bytes, container)


@app.command("check", rich_help_panel=STEP)
@logged
def check_command(
    aggregated: Annotated[list[Path], typer.Argument(help="Records of `aggregate`.")],
    record: Record,
    max_quarantined: Annotated[int, typer.Option(min=0, help="Most quarantined images.")] = 0,
) -> None:
    """Judge a run: fails if more images than allowed are quarantined."""
    from voxelmill.steps.check import check

    typer.echo(check(aggregated, record, max_quarantined))


@app.command("keys", rich_help_panel=STEP, hidden=True)
def keys_command(url: Annotated[str, typer.Argument(help="s3://bucket/prefix")]) -> None:
    """Print temporary keys of a store to a program that signs requests with botocore."""
    from voxelmill.steps.signing import printed

    typer.echo(printed(url))


@app.command("index", rich_help_panel=USER, epilog="Example: voxelmill index results")
def index_command(
    results: Annotated[Path, typer.Argument(help="Folder of the results.")],
    site: Annotated[
        str | None, typer.Option(help="Where it ran, for what it cost: name or partition file.")
    ] = None,
) -> None:
    """Write one page over all datasets: verdicts, counts, run time, cost, links to the reports.

    `voxelmill run` does so at its end.
    """
    from voxelmill.steps.index import index

    typer.echo(index(results, site))
