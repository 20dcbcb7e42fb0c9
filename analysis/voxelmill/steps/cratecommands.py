"""Commands about what results say of themselves, for reviewers. `cli` puts them beside its own."""

import typer

app = typer.Typer()

USER = "For people"
