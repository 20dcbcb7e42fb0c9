"""The commands of the workflow, one a step: parse and call it. `cli` puts them beside its own."""

from pathlib import Path
from typing import Annotated

import typer

from voxelmill.joblog import logged

app = typer.Typer()

STEP = "Steps (called by the workflow)"
USER = "For people"
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


@app.command("review", rich_help_panel=STEP)
@logged
def review_command(
    batches: Files,
    record: Record,
    config: Settings,
    command: Annotated[str, typer.Option(help="Command that goes on after an approval.")] = "",
) -> None:
    """Judge the images of a dataset and write its QC report."""
    from voxelmill.configfile import load_settings
    from voxelmill.steps.review import review

    review(batches, record, load_settings(config), command)


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


@app.command(
    "approve",
    rich_help_panel=USER,
    epilog="Example: voxelmill approve results --exclude B03,B04 --why 'fibre on the lens'",
)
def approve_command(
    results: Annotated[str, typer.Argument(help="Folder of the results, or s3://bucket/prefix.")],
    dataset: Annotated[str | None, typer.Option(help="One of several datasets.")] = None,
    exclude: Annotated[
        list[str] | None, typer.Option(help="Well to leave out, or several: B03,B04. Repeatable.")
    ] = None,
    exclude_image: Annotated[
        list[str] | None, typer.Option(help="Image to leave out, as B/03/0. Repeatable.")
    ] = None,
    exclude_failing: Annotated[
        bool, typer.Option("--exclude-failing", help="Leave out all images that fail QC.")
    ] = False,
    why: Annotated[str, typer.Option(help="Why; needed if anything is left out.")] = "",
    who: Annotated[str, typer.Option(help="Who approves; default: the user's name.")] = "",
) -> None:
    """Let a run with `qc: {gate: ask}` go on after its QC report, without some wells or images.

    What is left out stays in the tables, with the reason. Another approval replaces this one.
    """
    from voxelmill.aggregation import normal_well
    from voxelmill.approval import Choice
    from voxelmill.steps.approve import Said, give

    wells = [normal_well(well) for some in exclude or () for well in some.split(",") if well]
    choice = Choice(tuple(wells), tuple(exclude_image or ()), exclude_failing)
    typer.echo("\n".join(give(results, dataset, Said(choice, who, why))))
