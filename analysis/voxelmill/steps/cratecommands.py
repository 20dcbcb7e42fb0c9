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
