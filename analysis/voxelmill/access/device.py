"""The device authorization grant: a person logs in on any device that has a browser.

In: a provider and a client. `begin` asks for a code, which a person confirms at an address;
`wait` polls until they have. Out: the answer of the token endpoint. Source: RFC 8628. Proof keys
(RFC 7636, S256) and a nonce are sent along: that RFC does not ask for them, and a provider that
knows nothing of them ignores them.
"""

import secrets
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError

from voxelmill.access.provider import Provider, endpoint
from voxelmill.access.web import Form, Json, Web, brief, secure
from voxelmill.plugin import AccessDenied, StoreUnavailable

GRANT = "urn:ietf:params:oauth:grant-type:device_code"
INTERVAL_S = 5
"""Between polls, where the provider names no other (RFC 8628, 3.2)."""
SLOWER_S = 5
"""What `slow_down` adds (RFC 8628, 3.5)."""
UNSAID_S = 600
"""Life of a code of which the provider says nothing: it tells at a poll when it has expired."""
LONGEST_S = 60
"""Longest pause after requests without an answer."""


class Code(BaseModel):
    """What a person confirms, and what is polled with."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    device_code: SecretStr
    user_code: str
    verification_uri: str
    verification_uri_complete: str = ""
    expires_in: int = Field(default=UNSAID_S, gt=0)
    interval: Annotated[int, Field(ge=0), AfterValidator(partial(max, 1))] = INTERVAL_S


@dataclass(frozen=True)
class Request:
    """One login: the client, and the secrets that tie its answers to it."""

    client_id: str
    scope: str
    verifier: SecretStr = field(default_factory=lambda: SecretStr(secrets.token_urlsafe(64)))
    nonce: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)

    @property
    def challenge(self) -> str:
        """Hash of the verifier (RFC 7636, 4.2)."""
        digest = sha256(self.verifier.get_secret_value().encode()).digest()
        return urlsafe_b64encode(digest).rstrip(b"=").decode()


@dataclass
class Pace:
    """When to poll next: pure.

    Parameters
    ----------
    interval_s : float
        As the provider wants it.
    end : float
        When the code expires, by the clock that `pause` is told the time of.
    """

    interval_s: float
    end: float
    silent: int = 0
    """Polls in a row that had no answer."""

    def pause(self, now: float) -> float | None:
        """Seconds to wait before the next poll; None if the code will have expired by then."""
        longest = max(self.interval_s, LONGEST_S)
        pause = min(self.interval_s * 2 ** min(self.silent, 10), longest)
        return pause if now + pause < self.end else None

    def answered(self, error: str) -> None:
        """Note an answer."""
        self.silent = 0
        if error == "slow_down":
            self.interval_s += SLOWER_S

    def unanswered(self) -> None:
        """Note that there was none: twice the pause, each time."""
        self.silent += 1


def begin(web: Web, provider: Provider, request: Request) -> Code:
    """Ask for a code.

    Raises
    ------
    AccessDenied
        The provider does not know the client, or refuses what it asks for.
    """
    answer = web.post(
        endpoint(provider, "device_authorization_endpoint"),
        {"client_id": request.client_id, "scope": request.scope, "nonce": request.nonce,
         "code_challenge": request.challenge, "code_challenge_method": "S256"},
    )  # fmt: skip
    if not answer.good:
        said = brief(answer.body.get("error_description", ""))
        raise AccessDenied(
            f"{provider.issuer}: client {request.client_id} may not log in ({answer.error} {said})."
            " Check --client-id and --scope; it must be registered for the device flow"
        )
    try:
        code = Code.model_validate(answer.body)
    except ValidationError as error:
        fields = ", ".join(str(one["loc"][0]) for one in error.errors(include_input=False))
        raise AccessDenied(
            f"{provider.issuer}: bad or missing {fields} for a login on another device; allowed: "
            "as in RFC 8628, 3.2. Tell the provider"
        ) from None
    for url in filter(None, (code.verification_uri, code.verification_uri_complete)):
        secure(url, f"{provider.issuer}: verification_uri")
    return code


def wait(
    web: Web,
    provider: Provider,
    request: Request,
    code: Code,
    sleep: Callable[[float], object] = time.sleep,
) -> Json:
    """Poll until a person has confirmed the code; return what the provider grants.

    Raises
    ------
    AccessDenied
        The person has refused, or let the code expire.
    """
    url = endpoint(provider, "token_endpoint")
    form: Form = {
        "grant_type": GRANT,
        "device_code": code.device_code,
        "client_id": request.client_id,
        "code_verifier": request.verifier,
    }
    pace = Pace(code.interval, time.monotonic() + code.expires_in)
    while (pause := pace.pause(time.monotonic())) is not None:
        sleep(pause)
        try:
            answer = web.post(url, form)
        except StoreUnavailable:
            pace.unanswered()
            continue
        if answer.good:
            return answer.body
        pace.answered(answer.error)
        if answer.error not in ("authorization_pending", "slow_down"):
            raise _refusal(provider, answer.error)
    raise _refusal(provider, "expired_token")


def _refusal(provider: Provider, error: str) -> AccessDenied:
    why = {
        "access_denied": "it was refused in the browser",
        "expired_token": "the code has expired before anybody confirmed it",
    }.get(error, f"the provider says {error}")
    return AccessDenied(f"{provider.issuer}: not logged in: {why}. Run `voxelmill login` again")
