"""Commands about data that keep coming, for facilities. `cli` puts them beside its own."""

from pathlib import Path
from typing import Annotated

import typer

from voxelmill.steps.options import Account, Cores, Profile, Site

app = typer.Typer()

USER = "For people"


@app.command(
    "dump", rich_help_panel=USER, epilog="Example: voxelmill dump configs/weekly-dump.yaml"
)
def dump_command(
    config: Annotated[Path, typer.Argument(help="Configuration file with a section `dump`.")],
    profile: Profile = None,
    site: Site = None,
    account: Account = None,
    cores: Cores = None,
    look: Annotated[
        bool, typer.Option("--look", help="Only say what would be taken, and what waits.")
    ] = False,
) -> None:
    """Find new datasets in a folder or prefix, process them, and say in one line what happened.

    Exit code 1: something failed, or too many images are quarantined; 2: a mistake in the
    configuration; 75: another one works there, and nothing was done.
    """
    from voxelmill.steps.dump import dump
    from voxelmill.steps.run import Where

    where = Where(profile=profile, cores=cores, site=site, account=account)
    raise typer.Exit(dump(config, where, only_look=look))
