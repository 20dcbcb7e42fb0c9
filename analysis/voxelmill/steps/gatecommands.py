"""The commands around the gate after QC: the step *review*, and `voxelmill approve` for people."""

from typing import Annotated

import typer

from voxelmill.joblog import logged
from voxelmill.steps.commands import STEP, Files, Record, Settings

app = typer.Typer()

USER = "For people"


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
