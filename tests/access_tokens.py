"""Tokens for tests of the login: keys made here, and an issuer's documents in a folder."""

import json
import time
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import Any

from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

from voxelmill.access.session import Session
from voxelmill.access.tokens import Tokens

ISSUER, CLIENT = "https://issuer.org/", "client"
KEY = RSAKey.generate_key(2048, {"kid": "a", "use": "sig", "alg": "RS256"})
OTHER = RSAKey.generate_key(2048, {"kid": "b", "use": "sig", "alg": "RS256"})


class Known:
    """Keys of an issuer that are known, and those that are there when they are fetched anew."""

    def __init__(self, *keys: RSAKey, later: RSAKey | None = None) -> None:
        self._keys, self._later = list(keys), later
        self.fetched = 0

    def now(self) -> KeySet:
        """Keys that are known."""
        return KeySet(self._keys)

    def again(self) -> KeySet:
        """Keys, fetched anew."""
        self.fetched += 1
        return KeySet([self._later] if self._later else self._keys)


def part(value: object) -> str:
    """One part of a token."""
    return urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def claims(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - claims may be anything
    """Claims of a sound ID token, but for the changes; None takes one away."""
    now = int(time.time())
    found = {"iss": ISSUER, "aud": CLIENT, "sub": "alice", "iat": now, "exp": now + 600}
    return {k: v for k, v in {**found, **changes}.items() if v is not None}


def signed(
    content: dict[str, Any],
    key: Any = KEY,  # noqa: ANN401 - any key of the library
    algorithm: str = "RS256",
    **header: object,
) -> str:
    """Sign claims."""
    head = {"alg": algorithm, "kid": key.kid, **header}
    return jwt.encode(head, content, key, algorithms=[algorithm])


def publish(folder: Path, url: str, key: RSAKey = KEY, **changes: object) -> str:
    """Write the documents of an issuer that a web server at `url` serves; its address."""
    document = {"issuer": url, "jwks_uri": f"{url}/jwks", "token_endpoint": f"{url}/token",
                "device_authorization_endpoint": f"{url}/device", **changes}  # fmt: skip
    (folder / ".well-known").mkdir(exist_ok=True)
    (folder / ".well-known/openid-configuration").write_text(json.dumps(document))
    (folder / "jwks").write_text(json.dumps({"keys": [key.as_dict(private=False)]}))
    return url


def session(secret: str = "SECRET", *, left_s: int = 3600, **changes: object) -> Session:  # noqa: S107
    """A session whose tokens are recognised in any text by a word."""
    now = int(time.time())
    tokens = Tokens(
        received_at=now + left_s - 3600,
        access_token=f"{secret}-access",
        expires_at=now + left_s,
        id_token=f"{secret}-id",
        id_expires_at=now + left_s,
        refresh_token=f"{secret}-refresh",
    )
    content = {"issuer": ISSUER, "client_id": CLIENT, "subject": "alice", "tokens": tokens}
    return Session.model_validate(content | changes)
