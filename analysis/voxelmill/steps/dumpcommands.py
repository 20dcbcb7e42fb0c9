"""Commands about data that keep coming, for facilities. `cli` puts them beside its own."""

import typer

app = typer.Typer()

USER = "For people"
