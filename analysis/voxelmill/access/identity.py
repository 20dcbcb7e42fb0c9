"""Who is logged in, as the provider says now: name, entitlements, passport.

In: an access token. Out: `Identity`, from the userinfo endpoint (OpenID Connect Core 1.0, 5.3).
"""

from dataclasses import dataclass
from typing import Any

from voxelmill.access.provider import Provider, endpoint
from voxelmill.access.tokens import Tokens
from voxelmill.access.web import Web, printable
from voxelmill.plugin import AccessDenied

ENTITLEMENTS = ("eduperson_entitlement", "entitlements")
"""Names of the claim: eduPerson's, and that of AARC-G069."""
PASSPORT = "ga4gh_passport_v1"
UNAUTHORISED = 401


class TokenRefused(AccessDenied):
    """The provider does not take an access token, as one that was revoked."""


@dataclass(frozen=True)
class Identity:
    """A person, by the claims about them."""

    subject: str
    name: str
    email: str
    entitlements: tuple[str, ...]
    passport: tuple[str, ...] | None
    """Signed visas; None where the provider says nothing of a passport."""


def identity(claims: dict[str, Any]) -> Identity:
    """Read claims of an ID token or of userinfo."""
    found = {str(one) for name in ENTITLEMENTS for one in _list(claims.get(name))}
    name = claims.get("name") or claims.get("preferred_username") or claims.get("email") or ""
    passport = tuple(map(str, _list(claims[PASSPORT]))) if PASSPORT in claims else None
    return Identity(
        subject=printable(claims.get("sub", "")),
        name=printable(name),
        email=printable(claims.get("email", "")),
        entitlements=tuple(sorted(map(printable, found))),
        passport=passport,
    )


def userinfo(web: Web, provider: Provider, tokens: Tokens, subject: str) -> Identity:
    """Ask the provider about the holder of an access token.

    Raises
    ------
    TokenRefused
        It does not take the token: another one may do.
    AccessDenied
        It refuses, or speaks of somebody else.
    """
    answer = web.get(endpoint(provider, "userinfo_endpoint"), tokens.access_token)
    if not answer.good:
        kind = TokenRefused if answer.status == UNAUTHORISED else AccessDenied
        raise kind(f"{provider.issuer}: userinfo refused ({answer.error}). Run `voxelmill login`")
    if answer.body.get("sub") != subject:
        raise AccessDenied(
            f"{provider.issuer}: userinfo is of another subject than the login. Run "
            "`voxelmill login`, and tell the provider if it happens again"
        )
    return identity(answer.body)


def _list(value: object) -> list[object]:
    if value is None or value == "":
        return []
    return value if isinstance(value, list) else [value]
