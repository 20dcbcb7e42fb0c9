"""Options of commands that start a run: where its jobs go."""

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
