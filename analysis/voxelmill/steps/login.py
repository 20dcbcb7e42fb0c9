"""Log in, and out: what the commands do.

In: an issuer and a client; a person, who confirms a code in a browser. Out: lines for that person,
and the session that `access` keeps. Nothing is written before the person has confirmed.
"""

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr

from voxelmill.access import device, qr, ring, settings
from voxelmill.access.answers import accept, granted
from voxelmill.access.identity import identity, userinfo
from voxelmill.access.keychain import Keychain
from voxelmill.access.passport import iso
from voxelmill.access.provider import Keys, Provider, discover
from voxelmill.access.session import Session, Vault
from voxelmill.access.tokens import Expected, Tokens
from voxelmill.access.web import Form, Web, printable
from voxelmill.plugin import StoreUnavailable, VoxelmillError

Say = Callable[[str], object]
UNSUPPORTED = "unsupported_token_type"


@dataclass(frozen=True)
class Where:
    """Where to log in, and as which client."""

    issuer: str
    client_id: str
    ca: str = ""
    scopes: tuple[str, ...] = ()


def login(where: Where, say: Say, *, file: bool = False) -> None:
    """Log in.

    Parameters
    ----------
    file : bool
        Keep the tokens in a file although there is a keyring.
    """
    vault = Vault()
    vault.check()
    with Web(where.ca) as web:
        provider = discover(web, where.issuer)
        asked = settings.scopes(provider.scopes_supported, where.scopes)
        request = device.Request(where.client_id, asked)
        code = device.begin(web, provider, request)
        say(invitation(code))
        with _waiting(code, say):
            given = granted(device.wait(web, provider, request, code), where.issuer)
        expected = Expected(where.issuer, where.client_id, nonce=request.nonce)
        tokens, claims = accept(given, Keys(web, provider.jwks_uri), expected)
        name = _name(web, provider, tokens, claims)
    keyring = "" if file else ring.usable()
    session = Session(
        issuer=where.issuer,
        client_id=where.client_id,
        subject=claims["sub"],
        name=name,
        ca=os.path.abspath(where.ca) if where.ca else "",  # noqa: PTH100 - links are not followed
        keyring=bool(keyring),
        tokens=tokens,
    )
    with vault.held():
        vault.write(session)
    lasts = "renews itself" if tokens.refresh_token else f"ends {iso(tokens.expires_at)}"
    say(f"Logged in as {name or printable(claims['sub'])} at {where.issuer}. The login {lasts}.")
    say(f"It is kept in {f'the keyring ({keyring})' if keyring else vault.path}.")


def _name(web: Web, provider: Provider, tokens: Tokens, claims: dict[str, Any]) -> str:
    """Name of the person: ID tokens of the device flow often have none."""
    found = identity(claims).name
    if not found and provider.userinfo_endpoint:
        try:
            found = userinfo(web, provider, tokens, claims["sub"]).name
        except StoreUnavailable:
            return ""
    return found


def invitation(code: device.Code) -> str:
    """What a person has to do; with a QR code where a terminal can show one."""
    address = code.verification_uri_complete or code.verification_uri
    drawn = ""
    if sys.stdout.isatty() and os.environ.get("TERM") != "dumb":
        columns = shutil.get_terminal_size().columns
        drawn = qr.coloured(qr.text(address, columns, sys.stdout.encoding))
    return (
        "To log in, open this address in a browser, on any device:\n\n"
        f"    {printable(address)}\n\n"
        f"{drawn}The page asks for this code, or shows it; it has to be the same:\n\n"
        f"    {printable(code.user_code)}\n"
    )


@contextmanager
def _waiting(code: device.Code, say: Say) -> Iterator[None]:
    """Show that something goes on."""
    text = f"waiting for you, {code.expires_in / 60:.0f} minutes at most (Ctrl-C gives up)"
    if not sys.stderr.isatty():
        say(f"{text} ...")
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(text):
        yield


def logout(say: Say) -> bool:
    """Have the provider revoke the tokens, and delete them here; whether both was done."""
    vault = Vault()
    if not vault.path.exists():
        say("nobody was logged in")
        return True
    with vault.held():
        session = vault.read()
        failed = _revoked(session, session.tokens) if session.tokens else ""
        vault.remove(session)
    Keychain(vault).forget()
    who = session.name or session.subject
    say(f"{who} is logged out at this machine{f'. NOT revoked: {failed}' if failed else ''}")
    return not failed


def _revoked(session: Session, tokens: Tokens) -> str:
    """Revoke tokens (RFC 7009); why it could not be done, or nothing."""
    try:
        with Web(session.ca) as web:
            url = discover(web, session.issuer).revocation_endpoint
            if not url:
                return f"{session.issuer} cannot revoke tokens; they end by themselves"
            failed = [
                _refused(web, url, session, "refresh_token", tokens.refresh_token),
                _refused(web, url, session, "access_token", tokens.access_token),
            ]
    except VoxelmillError as error:
        return str(error)
    # RFC 7009, 2: a provider need not revoke access tokens. Nothing renews this one any more.
    if tokens.refresh_token is not None and failed[1] == f"{session.issuer}: {UNSUPPORTED}":
        failed[1] = ""
    return "; ".join(filter(None, dict.fromkeys(failed)))


def _refused(web: Web, url: str, session: Session, hint: str, token: SecretStr | None) -> str:
    """Revoke one token; why it could not be done, or nothing."""
    if token is None:
        return ""
    form: Form = {"token": token, "token_type_hint": hint, "client_id": session.client_id}
    try:
        answer = web.post(url, form)
    except VoxelmillError as error:
        return str(error)
    return "" if answer.good else f"{session.issuer}: {answer.error}"
