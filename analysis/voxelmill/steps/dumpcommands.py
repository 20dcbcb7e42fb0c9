"""Commands about data that keep coming, for facilities. `cli` puts them beside its own."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()

USER = "For people"


@app.command(
    "dump", rich_help_panel=USER, epilog="Example: voxelmill dump configs/weekly-dump.yaml"
)
def dump_command(
    config: Annotated[Path, typer.Argument(help="Configuration file with a section `dump`.")],
    profile: Annotated[
        str | None, typer.Option(help="Snakemake profile: local, slurm, kubernetes, or a folder.")
    ] = None,
    site: Annotated[
        str | None, typer.Option(help="Cluster: roihu, lumi, rahti, or a partition file (YAML).")
    ] = None,
    account: Annotated[str | None, typer.Option(help="Account that jobs are billed to.")] = None,
    cores: Annotated[int | None, typer.Option(min=1, help="Cores to use on this machine.")] = None,
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
