"""What a provider hands out, and whether it is what it says: signature, issuer, audience, time.

In: the JSON Web Tokens of an answer. Out: their claims; anything else is `Refused`. The checks are
those of OpenID Connect Core 1.0, section 3.1.3.7, with algorithms from a list: ``none`` and those
with a shared secret (HS256) are not on it, whatever a token's header says.
"""

import time
from base64 import urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import new
from typing import TYPE_CHECKING, Any, Protocol

from pydantic import BaseModel, ConfigDict, SecretStr

from voxelmill.access.settings import LEEWAY_S
from voxelmill.access.web import brief
from voxelmill.plugin import AccessDenied

if TYPE_CHECKING:
    from joserfc.jwk import KeySet
    from joserfc.jwt import Token

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
HEADER_BYTES = 4096
"""Longest header of a token."""


class Refused(AccessDenied):
    """A token that is not what it should be; the text says why, and never the token."""


class Tokens(BaseModel):
    """What logs a person in somewhere; its text form shows nothing.

    Times are seconds since 1970 by this machine's clock. ``get_secret_value()`` of a token gives
    its text.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    received_at: int
    access_token: SecretStr
    expires_at: int
    id_token: SecretStr
    id_expires_at: int
    refresh_token: SecretStr | None = None


class KeySource(Protocol):
    """Keys of an issuer, see `provider.Keys`."""

    def now(self) -> "KeySet":
        """Keys that are known."""

    def again(self) -> "KeySet":
        """Keys, fetched anew."""


@dataclass(frozen=True)
class Expected:
    """What an ID token has to be about; empty: that is not known."""

    issuer: str
    client_id: str
    nonce: str = ""
    subject: str = ""


def decode(token: str, keys: KeySource, now: Callable[[], float] = time.time) -> "Token":
    """Check signature and time of a token.

    Returns
    -------
    Token
        Its ``header`` and ``claims``.

    Raises
    ------
    Refused
        It is not signed with one of the keys, is expired, or from the future.
    """
    from joserfc.errors import InvalidKeyIdError, JoseError
    from joserfc.jws import JWSRegistry
    from joserfc.jwt import JWTClaimsRegistry
    from joserfc.jwt import decode as decoded

    registry = JWSRegistry(algorithms=ALGORITHMS, strict_check_header=False)
    registry.max_header_length = HEADER_BYTES
    try:
        try:
            found = decoded(token, keys.now(), registry=registry)
        except InvalidKeyIdError:
            found = decoded(token, keys.again(), registry=registry)
        times = JWTClaimsRegistry(now=int(now()), leeway=LEEWAY_S, exp={"essential": True},
                                  iat={"essential": True})  # fmt: skip
        times.validate(found.claims)
    except JoseError as error:
        raise Refused(brief(error).rstrip(": ")) from None
    except (ValueError, TypeError, RecursionError):
        raise Refused("it is no signed token") from None
    return found


def check_id_token(
    token: str,
    keys: KeySource,
    expected: Expected,
    access_token: str = "",
    now: Callable[[], float] = time.time,
) -> dict[str, Any]:
    """Check an ID token; return its claims.

    Parameters
    ----------
    access_token : str
        What came with it: its hash is checked if the token has one.

    Raises
    ------
    Refused
        Says which check it has failed.
    """
    found = decode(token, keys, now)
    claims = found.claims
    audience = claims.get("aud")
    named = audience if isinstance(audience, list) else [audience]
    party = claims.get("azp")
    checks = {
        "iss": claims.get("iss") == expected.issuer,
        "aud": expected.client_id in named,
        "azp": party == expected.client_id or (party is None and len(named) == 1),
        "sub": bool(claims.get("sub")) and claims["sub"] == (expected.subject or claims["sub"]),
        "nonce": "nonce" not in claims or claims["nonce"] == (expected.nonce or claims["nonce"]),
        "at_hash": "at_hash" not in claims
        or claims["at_hash"] == half_hash(access_token, str(found.header["alg"])),
    }
    wrong = [name for name, good in checks.items() if not good]
    if wrong:
        raise Refused(f"wrong {', '.join(wrong)}")
    return claims


def half_hash(token: str, algorithm: str) -> str:
    """``at_hash`` of an access token: left half of its hash (OpenID Connect Core, 3.1.3.6)."""
    digest = new(f"sha{algorithm[2:]}", token.encode()).digest()
    return urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=").decode()
