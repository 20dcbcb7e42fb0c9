"""GA4GH passport visas: what each says, and whether its issuer has signed it.

In: the visas of a passport, each a signed token of an issuer of its own. Out: `Visa`, verified or
with the reason why not. Keys come from the discovery document of the issuer, and only of issuers
that are known: the provider of the login, and those that the user names. The header ``jku`` of a
visa, which says where its keys are, has to be that same place; it is never followed elsewhere.
Source: GA4GH AAI OpenID Connect Profile 1.2, GA4GH Passport 1.2.
"""

import json
from base64 import urlsafe_b64decode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from voxelmill.access.provider import Keys, discover
from voxelmill.access.tokens import Refused, decode
from voxelmill.access.web import Web, printable
from voxelmill.plugin import VoxelmillError

CLAIM = "ga4gh_visa_v1"

Json = dict[str, Any]


@dataclass(frozen=True)
class Visa:
    """One visa; texts are fit for a terminal, times ISO 8601 or empty."""

    type: str
    value: str
    source: str
    by: str
    issuer: str
    asserted: str
    expires: str
    why_not: str = ""
    """Why it is not verified; empty if it is."""

    @property
    def verified(self) -> bool:
        """Whether its issuer has signed it, it is valid now, and about the person logged in."""
        return not self.why_not


class Issuers:
    """Issuers of visas whose signatures are checked.

    Parameters
    ----------
    own : str
        Provider of the login.
    known : iterable of str
        Others.
    """

    def __init__(self, web: Web, own: str, known: Iterable[str] = ()) -> None:
        self.own = own
        self._web = web
        self._known = {own, *known}
        self._found: dict[str, tuple[str, Keys] | VoxelmillError] = {}

    def keys(self, issuer: str, jku: str) -> Keys:
        """Keys of an issuer.

        Raises
        ------
        Refused
            It is not known, or the visa says that its keys are elsewhere.
        BadConfig, StoreUnavailable, AccessDenied
            It is no provider, does not answer, or has no keys.
        """
        if issuer not in self._known:
            raise Refused("its issuer is not known here; name it: --visa-issuer")
        if issuer not in self._found:
            self._found[issuer] = self._ask(issuer)
        found = self._found[issuer]
        if isinstance(found, VoxelmillError):
            raise found
        url, keys = found
        if jku and jku != url:
            raise Refused("its jku is not where its issuer has its keys")
        return keys

    def _ask(self, issuer: str) -> tuple[str, Keys] | VoxelmillError:
        """Where its keys are, and these; or why not: one that is down is waited for once."""
        try:
            url = discover(self._web, issuer).jwks_uri
            keys = Keys(self._web, url)
            keys.now()
        except VoxelmillError as error:
            return error
        return url, keys


def read_visa(token: str, issuers: Issuers, subject: str) -> Visa:
    """Read a visa and check it.

    Parameters
    ----------
    subject : str
        Who is logged in: visas of the provider itself have to be about them. Other issuers know
        people by names of their own.
    """
    try:
        header, claims = (_peek(part) for part in token.split(".")[:2])
        about = claims[CLAIM]
        says = {name: about.get(name, "") for name in ("type", "value", "source", "by")}
    except (ValueError, KeyError, AttributeError, RecursionError):
        return Visa("?", "", "", "", "", "", "", "it is no visa")
    issuer = str(claims.get("iss", ""))
    why_not = ""
    try:
        decode(token, issuers.keys(issuer, str(header.get("jku", ""))))
        if issuer == issuers.own and claims.get("sub") != subject:
            raise Refused("it is about somebody else")
    except VoxelmillError as error:
        why_not = str(error)
    return Visa(
        **{name: printable(value) for name, value in says.items()},
        issuer=printable(issuer),
        asserted=iso(about.get("asserted")),
        expires=iso(claims.get("exp")),
        why_not=why_not,
    )


def _peek(part: str) -> Mapping[str, Any]:
    """Read a part of a token that nothing has been proven of yet."""
    found = json.loads(urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    if not isinstance(found, dict):
        raise ValueError("not an object")
    return found


def iso(seconds: object) -> str:
    """Time of a claim as text; empty if it is none."""
    try:
        when = datetime.fromtimestamp(float(str(seconds)), UTC)
    except (ValueError, OverflowError, OSError):
        return ""
    return when.isoformat(timespec="seconds").replace("+00:00", "Z")
