"""Commands about what results say of themselves, for reviewers. `cli` puts them beside its own."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()

USER = "For people"


@app.command("verify", rich_help_panel=USER, epilog="Example: voxelmill verify results")
def verify_command(
    results: Annotated[
        str, typer.Argument(help="Results, or one dataset of them: a folder, s3:// or http(s)://.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, with all findings.")] = False,
    config: Annotated[
        Path | None, typer.Option(help="Configuration file that says how stores are reached.")
    ] = None,
) -> None:
    """Read every file of results again and name what is not as its crate records.

    Exit code 0: all as recorded; 1: something is changed, missing, unreadable, unexpected or not
    finished; 2: there are no results with a crate.
    """
    from voxelmill.steps import verify

    if config is not None:
        from voxelmill.configfile import load_config

        load_config(config)
    found = verify.verify(results, None if as_json else verify.LINES)
    typer.echo(verify.as_json(found) if as_json else "\n".join(verify.text(found)))
    raise typer.Exit(found.exit_code)


@app.command(
    "reproduce",
    rich_help_panel=USER,
    epilog="Example: voxelmill reproduce results/plate1 --sample 4",
)
def reproduce_command(
    crate: Annotated[
        str, typer.Argument(help="Results of a dataset, their ro-crate-metadata.json, or its URL.")
    ],
    data: Annotated[
        str, typer.Option(help="Where the images lie; default: where the crate says.")
    ] = "",
    sample: Annotated[
        int | None, typer.Option(min=1, help="So many random wells (images); default: all.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Draw the same wells again; default: a new seed.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder to keep the rerun in; one that was cut short goes on."),
    ] = None,
    against: Annotated[
        Path | None, typer.Option(help="Compute nothing: compare with the results of another run.")
    ] = None,
    cores: Annotated[int | None, typer.Option(min=1, help="Cores to use; default: all.")] = None,
    every: Annotated[
        bool, typer.Option("--all", help="A line for every column and image.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Compute what a crate records again and compare it, label by label and column by column.

    The input is checked first: other images prove nothing. Nothing is written to the crate.

    Exit code 0: identical (the same bits). 3: within tolerance (the same rows; numbers differ by
    1e-5 of their value at most; objects overlap by 99 %). 1: different. 2: it could not be done.
    """
    from voxelmill.crate.read import read_crate
    from voxelmill.steps.reproduce import Asked, reproduce
    from voxelmill.steps.reproduced import CODES, json_text, text

    def say(line: str) -> None:
        typer.echo(f"voxelmill: {line}", err=True)

    recorded = read_crate(crate)
    asked = Asked(data=data, sample=sample, seed=seed, out=out, against=against, cores=cores)
    found = reproduce(recorded, asked, say)
    typer.echo(json_text(recorded, found) if as_json else text(recorded, found, everything=every))
    raise typer.Exit(CODES[found.verdict])


@app.command(
    "export",
    rich_help_panel=USER,
    epilog="Example: voxelmill export results --anndata nuclei.h5ad --set nuclei",
)
def export_command(
    results: Annotated[
        str, typer.Argument(help="Folder of results or of one dataset, or s3://bucket/prefix.")
    ],
    csv: Annotated[Path | None, typer.Option(help="Tables as CSV, into this new folder.")] = None,
    anndata: Annotated[
        Path | None, typer.Option(help="AnnData: FILE.h5ad or FOLDER.zarr, or a folder for all.")
    ] = None,
    spatialdata: Annotated[
        Path | None, typer.Option(help="SpatialData: FOLDER.zarr, or a folder for all datasets.")
    ] = None,
    bia: Annotated[
        Path | None, typer.Option(help="A submission to the BioImage Archive: a new folder.")
    ] = None,
    dataset: Annotated[
        list[str] | None, typer.Option(help="Only this dataset. Repeatable.")
    ] = None,
    sets: Annotated[
        list[str] | None, typer.Option("--set", help="Only this object set. Repeatable.")
    ] = None,
    images: Annotated[
        bool, typer.Option("--images", help="Take the images in, too (SpatialData, BIA).")
    ] = False,
    config: Annotated[
        str | None,
        typer.Option(help="Configuration file that says how stores are reached, and the study."),
    ] = None,
) -> None:
    """Write finished results as CSV, AnnData, SpatialData or a submission to the BioImage Archive.

    Several forms can be named at once. Nothing that is there is overwritten.
    """
    from voxelmill.configfile import load_config
    from voxelmill.steps.export import Wanted, export

    study = load_config(config).study if config else None
    wanted = Wanted(
        csv=csv,
        anndata=anndata,
        spatialdata=spatialdata,
        bia=bia,
        datasets=tuple(dataset or ()),
        sets=tuple(sets or ()),
        images=images,
        study=study,
    )
    export(results, wanted, typer.echo)
