"""Options of several commands: where the jobs of a run go; and of all: the version."""

from typing import Annotated, TypeAlias

import typer

Profile: TypeAlias = Annotated[
    str | None, typer.Option(help="Snakemake profile: local, slurm, kubernetes, or a folder.")
]
Site: TypeAlias = Annotated[
    str | None, typer.Option(help="Cluster: roihu, lumi, rahti, or a partition file (YAML).")
]
Account: TypeAlias = Annotated[str | None, typer.Option(help="Account that jobs are billed to.")]
Cores: TypeAlias = Annotated[int | None, typer.Option(min=1, help="Cores to use on this machine.")]


def _tell(asked: bool) -> None:
    if asked:
        from voxelmill import __version__

        typer.echo(f"voxelmill {__version__}")
        raise typer.Exit


def root(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_tell, help="Print the version.")
    ] = False,
) -> None:
    """Take the options that stand before a command."""
