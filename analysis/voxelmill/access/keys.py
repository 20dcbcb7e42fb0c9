"""Temporary keys and access tokens, which know when others are due; and the wish for keys. Pure.

In: what an STS or a provider grants, or the JSON that was kept of it. Out: `Keys`, `Token`.
"""

import json
import time
from dataclasses import dataclass
from hashlib import sha256
from typing import Annotated, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, SecretStr

Secret: TypeAlias = Annotated[SecretStr, Field(min_length=1)]
SHARE = 4
"""Renewed in the last part of so many of its life."""
LEAST_S = 60
"""What ends sooner is not used: a request is signed once, and may wait."""


@dataclass(frozen=True)
class Wanted:
    """What keys are asked for."""

    sts: str
    """Address of the service."""
    role_arn: str
    duration_s: int
    ca: str = ""
    """PEM file of a private CA, as seen from this machine."""

    def name(self, *more: str) -> str:
        """Name for a file of such keys, and whom they are for."""
        words = (self.sts, self.role_arn, str(self.duration_s), *more)
        return sha256("\n".join(words).encode()).hexdigest()[:20]


class Lasting(BaseModel):
    """Something secret that ends; its text form does not show it. Times: seconds since 1970."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    received_at: int
    expires_at: int

    @property
    def id(self) -> SecretStr:
        """What a store tells it from others by."""
        raise NotImplementedError

    @property
    def fresh(self) -> bool:
        """Whether it is not yet time for another."""
        return time.time() < self.due

    @property
    def due(self) -> float:
        """When it is time for another."""
        return self.expires_at - (self.expires_at - self.received_at) / SHARE

    def lasts(self, seconds: float = LEAST_S) -> bool:
        """Whether it is good for so long, or half of its life if that is less."""
        needed = min(seconds, (self.expires_at - self.received_at) / 2)
        return self.expires_at - time.time() >= needed

    def revealed(self) -> bytes:
        """JSON with what is secret, for a private file or a Secret."""
        plain = {
            name: value.get_secret_value() if isinstance(value, SecretStr) else value
            for name, value in dict(self).items()
        }
        return json.dumps(plain).encode()


class Keys(Lasting):
    """Temporary keys of an S3 service."""

    access_key_id: Secret
    secret_access_key: Secret
    session_token: Secret

    @property
    def id(self) -> SecretStr:
        """Id of the key."""
        return self.access_key_id


class Token(Lasting):
    """An access token."""

    access_token: Secret

    @property
    def id(self) -> SecretStr:
        """The token."""
        return self.access_token
