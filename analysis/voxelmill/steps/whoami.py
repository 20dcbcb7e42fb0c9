"""Who is logged in: what the provider says of them, and which visas are genuine.

In: the session that `access` keeps. Out: a JSON object without any token, and its text.
"""

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any

from voxelmill.access.identity import TokenRefused, userinfo
from voxelmill.access.passport import Issuers, Visa, iso, read_visa
from voxelmill.access.provider import discover
from voxelmill.access.refresh import fresh
from voxelmill.access.session import Vault
from voxelmill.access.web import Web

Json = dict[str, Any]


def whoami(visa_issuers: Iterable[str] = ()) -> Json:
    """Ask the provider who is logged in here.

    Parameters
    ----------
    visa_issuers : iterable of str
        Issuers whose visas are checked beside those of the provider.
    """
    vault = Vault()
    tokens = fresh(vault)
    session = vault.read()
    with Web(session.ca) as web:
        provider = discover(web, session.issuer)
        try:
            who = userinfo(web, provider, tokens, session.subject)
        except TokenRefused:
            # Without a refresh token there is no other one, and asking would end the session.
            if tokens.refresh_token is None:
                raise
            tokens = fresh(vault, refused=tokens.access_token)
            who = userinfo(web, provider, tokens, session.subject)
        issuers = Issuers(web, session.issuer, visa_issuers)
        visas = [read_visa(token, issuers, session.subject) for token in who.passport or ()]
    return {
        "subject": who.subject,
        "name": who.name,
        "email": who.email,
        "issuer": session.issuer,
        "client_id": session.client_id,
        "expires": iso(tokens.expires_at),
        "renews": tokens.refresh_token is not None,
        "entitlements": list(who.entitlements),
        "passport": None if who.passport is None else [_plain(visa) for visa in visas],
    }


def _plain(visa: Visa) -> Json:
    return {"verified": visa.verified, **asdict(visa)}


def text(who: Json) -> str:
    """What `whoami` has found, for people."""
    return "\n".join(_lines(who))


def _lines(who: Json) -> Iterator[str]:
    yield f"subject       {who['subject']}"
    yield f"name          {who['name'] or '-'}{' <' + who['email'] + '>' if who['email'] else ''}"
    yield f"issuer        {who['issuer']} (client {who['client_id']})"
    yield f"expires       {who['expires']}{', renews itself' if who['renews'] else ''}"
    yield from _list("entitlements", who["entitlements"])
    if who["passport"] is None:
        yield "visas         the provider says nothing of a passport"
        return
    yield from _list("visas", [_visa(visa) for visa in who["passport"]])


def _list(title: str, lines: list[str]) -> Iterator[str]:
    for number, line in enumerate(lines or ["none"]):
        yield f"{title if number == 0 else '':<14}{line}"


def _visa(visa: Json) -> str:
    state = "verified" if visa["verified"] else f"NOT verified ({visa['why_not']})"
    by = f", by {visa['by']}" if visa["by"] else ""
    return (
        f"{visa['type']}: {visa['value']}; source {visa['source']}{by}; asserted "
        f"{visa['asserted']}, expires {visa['expires']}, issuer {visa['issuer']}: {state}"
    )
