"""The answer of a token endpoint: checked, and turned into `Tokens`.

In: the JSON object of a login or a refresh. Out: the tokens in it, with what a refresh leaves as it
was. Source: RFC 6749, sections 5.1 and 6; OpenID Connect Core 1.0, sections 3.1.3 and 12.2.
"""

import time
from collections.abc import Callable
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from voxelmill.access.tokens import Expected, KeySource, Refused, Tokens, check_id_token
from voxelmill.plugin import AccessDenied

UNSAID_S = 300
"""Life of an access token of which the provider says nothing, in seconds."""

Claims = dict[str, Any]


class Granted(BaseModel):
    """What a provider grants."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    access_token: SecretStr
    token_type: str = Field(pattern=r"(?i)^bearer$")
    expires_in: int = UNSAID_S
    refresh_token: SecretStr | None = None
    id_token: SecretStr | None = None


def granted(body: dict[str, Any], issuer: str) -> Granted:
    """Read the answer.

    Raises
    ------
    AccessDenied
        It is not what RFC 6749 says; the text names the fields, not what is in them.
    """
    try:
        return Granted.model_validate(body)
    except ValidationError as error:
        fields = ", ".join(str(one["loc"][0]) for one in error.errors(include_input=False))
        raise AccessDenied(f"{issuer}: an answer with bad or missing {fields}. Try again") from None


def accept(
    given: Granted,
    keys: KeySource,
    expected: Expected,
    before: Tokens | None = None,
    now: Callable[[], float] = time.time,
) -> tuple[Tokens, Claims]:
    """Check what was granted.

    Parameters
    ----------
    before : Tokens, optional
        Those of the session that is refreshed: a provider may leave out what has not changed.

    Returns
    -------
    tuple
        The tokens, and the claims of the ID token; empty if no new one came.

    Raises
    ------
    AccessDenied
        No ID token, or one that is refused.
    """
    received = int(now())
    expires = received + given.expires_in
    refresh = given.refresh_token or (before and before.refresh_token)
    if given.id_token is None:
        if before is None:
            raise AccessDenied(f"{expected.issuer}: no ID token. Log in with the scope openid")
        changed = {"access_token": given.access_token, "expires_at": expires,
                   "refresh_token": refresh, "received_at": received}  # fmt: skip
        return before.model_copy(update=changed), {}
    text, access = given.id_token.get_secret_value(), given.access_token.get_secret_value()
    try:
        claims = check_id_token(text, keys, expected, access, now)
    except Refused as reason:
        raise AccessDenied(
            f"{expected.issuer}: its ID token is refused ({reason}), nothing is kept of it. If it "
            "is about time, set this machine's clock; else tell the provider"
        ) from None
    return (
        Tokens(
            received_at=received,
            access_token=given.access_token,
            expires_at=expires,
            id_token=given.id_token,
            id_expires_at=int(claims["exp"]),
            refresh_token=refresh,
        ),
        claims,
    )
