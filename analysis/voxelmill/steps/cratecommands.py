"""Commands about what results say of themselves, for reviewers. `cli` puts them beside its own."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()

USER = "For people"


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
