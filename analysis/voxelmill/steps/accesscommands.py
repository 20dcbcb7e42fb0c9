"""Commands about the login, for people. `cli` puts them beside its own."""

from typing import Annotated

import typer

app = typer.Typer()

USER = "For people"


@app.command("login", rich_help_panel=USER, epilog="Example: voxelmill login --client-id 1234-abcd")
def login_command(
    issuer: Annotated[
        str, typer.Option(help="OpenID provider; default: VOXELMILL_ISSUER, or Life Science AAI.")
    ] = "",
    client_id: Annotated[
        str, typer.Option(help="Client registered there; default: VOXELMILL_CLIENT_ID.")
    ] = "",
    ca: Annotated[str, typer.Option(help="PEM file with the certificate of a private CA.")] = "",
    scope: Annotated[
        list[str] | None, typer.Option(help="Ask for this instead of the default. Repeatable.")
    ] = None,
    file: Annotated[
        bool, typer.Option("--file", help="Keep it in a file although there is a keyring.")
    ] = False,
) -> None:
    """Log in with a browser on any device; works over ssh.

    Jobs on other machines that see the same home folder are logged in, too, unless the login is in
    a keyring (--file).
    """
    from voxelmill.access import settings
    from voxelmill.steps.login import Where, login

    where = Where(settings.issuer(issuer), settings.client_id(client_id), ca, tuple(scope or ()))
    login(where, typer.echo, file=file)


@app.command("whoami", rich_help_panel=USER, epilog="Example: voxelmill whoami --json")
def whoami_command(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    visa_issuer: Annotated[
        list[str] | None,
        typer.Option(help="Check the visas of this issuer, too. Repeatable."),
    ] = None,
) -> None:
    """Say who is logged in, with entitlements and GA4GH visas; never shows a token."""
    from voxelmill.steps.whoami import text, whoami

    who = whoami(visa_issuer or ())
    if as_json:
        import json

        typer.echo(json.dumps(who, indent=1))
    else:
        typer.echo(text(who))


@app.command("logout", rich_help_panel=USER)
def logout_command() -> None:
    """Revoke the login at the provider and delete it here; exit code 1 if only the latter."""
    from voxelmill.steps.login import logout

    raise typer.Exit(0 if logout(typer.echo) else 1)
