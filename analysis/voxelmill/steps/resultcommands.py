"""Commands about results that are there, for people. `cli` puts them beside its own."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()

USER = "For people"


@app.command("view", rich_help_panel=USER, epilog="Example: voxelmill view results --well B03")
def view_command(
    results: Annotated[str, typer.Argument(help="Folder of the results, or s3://bucket/prefix.")],
    dataset: Annotated[str, typer.Option(help="Only this dataset.")] = "",
    image: Annotated[str | None, typer.Option(help="Open this image: its path, B/03/0.")] = None,
    well: Annotated[str, typer.Option(help="Open the first image of this well, B03.")] = "",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: one that is free.")] = 0,
    browser: Annotated[bool, typer.Option(help="Open a browser.")] = True,
    config: Annotated[
        Path | None, typer.Option(help="Configuration file that says how stores are reached.")
    ] = None,
) -> None:
    """Show images with their labels over them in a browser, on this machine only."""
    from voxelmill.steps.view import First, view

    if config is not None:
        from voxelmill.configfile import load_config

        load_config(config)
    view(results, First(dataset, image, well), port, typer.echo, browser=browser)
