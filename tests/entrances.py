"""What stores are entered with, for tests: a login that is there already, an STS on loopback."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs

from pydantic import SecretStr

from voxelmill.access.session import Session, Vault
from voxelmill.access.tokens import Tokens
from webserver import serving

# As Amazon and MinIO write it; RadosGW leaves out the name space.
GRANTED = """<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <AssumeRoleWithWebIdentityResult><Credentials>
    <AccessKeyId>{id}</AccessKeyId><SecretAccessKey>SECRET-key</SecretAccessKey>
    <SessionToken>SECRET-session</SessionToken><Expiration>{end}</Expiration>
  </Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"""
REFUSED = "<?xml version='1.0'?><Error><Code>{code}</Code><Message></Message></Error>"


def log_in(vault: Vault | None = None, life_s: int = 3600, **more: object) -> Vault:
    """Have somebody be logged in, at a provider that nobody will ask as long as tokens last."""
    vault, now = vault or Vault(), int(time.time())
    tokens = Tokens(
        received_at=now, access_token=SecretStr("SECRET-access"), expires_at=now + life_s,
        id_token=SecretStr("SECRET-id"), id_expires_at=now + life_s,
        refresh_token=SecretStr("SECRET-refresh"),
    ).model_copy(update=more)  # fmt: skip
    with vault.held():
        vault.write(
            Session(issuer="https://localhost:1", client_id="c", subject="s", tokens=tokens)
        )
    return vault


def end(vault: Vault) -> None:
    """End the session, as a refused refresh does."""
    with vault.held():
        vault.write(vault.read().model_copy(update={"tokens": None}))


@dataclass
class Sts:
    """An STS: what it was asked, and what it answers."""

    url: str = ""
    asked: list[dict[str, str]] = field(default_factory=list)
    status: int = 200
    answer: str = GRANTED
    life_s: int | None = None


@contextmanager
def sts() -> Iterator[Sts]:
    """Run one."""
    state = Sts()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            state.asked.append({name: values[0] for name, values in form.items()})
            life = state.life_s if state.life_s is not None else int(form["DurationSeconds"][0])
            end = datetime.fromtimestamp(time.time() + life, UTC).isoformat()
            body = state.answer.format(id=f"KEY{len(state.asked)}", end=end, code="AccessDenied")
            self.send_response(state.status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with serving(Handler) as state.url:
        yield state
