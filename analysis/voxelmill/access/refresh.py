"""Tokens that are valid for a while yet, for as many processes and threads at once as there are.

In: the vault with a session. Out: its tokens, refreshed if need be. Providers rotate: a refresh
token is good once, and its second use ends the session. So one process at a time refreshes; who
comes second reads, with the lock held, what the first has written, and asks nobody.

Only a provider that says so ends a session. Any other answer that is not as it should be is taken
for an outage: pages of proxies, and of services that are being mended, come with any status.

What remains is a hole of the protocol's own: a process that is killed, or a connection that is cut,
after the provider has made new tokens and before they are written here, loses them. The next
refresh is then refused, and a person has to log in again.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from pydantic import SecretStr

from voxelmill.access.answers import accept, granted
from voxelmill.access.provider import Keys, discover, endpoint
from voxelmill.access.session import AGAIN, Session, Vault
from voxelmill.access.tokens import Expected, Tokens
from voxelmill.access.web import Form, Web
from voxelmill.plugin import AccessDenied, BadConfig, StoreUnavailable

SPARE_S = 120
STRANGERS = frozenset({"invalid_client", "unauthorized_client"})
"""Errors of a provider that does not know this client any more, or lets it refresh nothing."""


def fresh(
    vault: Vault | None = None,
    *,
    spare_s: int = SPARE_S,
    id_token: bool = False,
    refused: SecretStr | None = None,
) -> Tokens:
    """Return tokens with at least so long to go.

    Call it whenever a token is needed, and do not keep what it returns: as long as there is time
    left this reads one small file. Safe from any number of threads and processes.

    Parameters
    ----------
    vault : Vault, optional
        Where the session is; default: the user's own.
    spare_s : int
        Seconds that the access token has to be valid for; half of its life if that is less.
    id_token : bool
        The same of the ID token, as for STS keys.
    refused : SecretStr, optional
        Access token that a service does not take although it has time left: not that one.

    Returns
    -------
    Tokens
        ``access_token`` and ``id_token`` with their ends.

    Raises
    ------
    AccessDenied
        Nobody is logged in, the session has ended, or others could read it. A person has to act.
    StoreUnavailable
        The provider does not answer, or not as it should. Later it may.
    BadConfig
        The certificate of its CA cannot be read here.
    """
    vault = vault or Vault()
    tokens = vault.read().alive()
    if tokens.access_token != refused and _lasts(tokens, spare_s, id_token=id_token):
        return tokens
    with vault.held():
        session = vault.read()
        tokens = session.alive()
        if tokens.access_token != refused and _lasts(tokens, spare_s, id_token=id_token):
            return tokens
        tokens = _refreshed(vault, session, tokens)
    if id_token and tokens.id_expires_at <= time.time():
        raise AccessDenied(f"{session.issuer}: a refresh brings no new ID token here. {AGAIN}")
    return tokens


def _lasts(tokens: Tokens, spare_s: int, *, id_token: bool) -> bool:
    end = min(tokens.expires_at, tokens.id_expires_at) if id_token else tokens.expires_at
    # Tokens that live shorter than what is asked for are not refreshed at every call.
    needed = min(spare_s, (end - tokens.received_at) / 2)
    return end - time.time() >= max(needed, 1)


def _refreshed(vault: Vault, session: Session, tokens: Tokens) -> Tokens:
    """Refresh and write; the lock is held."""
    if tokens.refresh_token is None:
        raise _ended(vault, session, "it has no refresh token")
    form: Form = {
        "grant_type": "refresh_token",
        "refresh_token": tokens.refresh_token,
        "client_id": session.client_id,
    }
    with Web(session.ca) as web:
        with _outage():
            provider = discover(web, session.issuer)
            url, keys = endpoint(provider, "token_endpoint"), Keys(web, provider.jwks_uri)
            # Once new tokens are made as little as possible should be able to fail.
            keys.now()
        answer = web.post(url, form)
        if answer.error == "invalid_grant":
            raise _ended(vault, session, "the provider takes its refresh token no more")
        if answer.error in STRANGERS:
            raise AccessDenied(f"{session.issuer}: no refresh ({answer.error}). {AGAIN}")
        if not answer.good:
            raise StoreUnavailable(f"{url}: no refresh ({answer.error}). Try again later")
        with _outage():
            given = granted(answer.body, session.issuer)
        if given.refresh_token is not None:
            # At once: the one before is void, whatever the checks that follow say.
            spent = {"refresh_token": given.refresh_token}
            vault.write(session.model_copy(update={"tokens": tokens.model_copy(update=spent)}))
        expected = Expected(session.issuer, session.client_id, subject=session.subject)
        with _outage():
            renewed, _ = accept(given, keys, expected, tokens)
    vault.write(session.model_copy(update={"tokens": renewed}))
    return renewed


@contextmanager
def _outage() -> Iterator[None]:
    """Take what answers wrongly for something that does not answer."""
    try:
        yield
    except AccessDenied as error:
        raise StoreUnavailable(str(error)) from None
    except BadConfig as error:
        # Its next step is one of who logs in.
        found = str(error).split(". ")[0]
        raise StoreUnavailable(f"{found}. Try again later") from None


def _ended(vault: Vault, session: Session, why: str) -> AccessDenied:
    """Note that a session is over, for all who come later."""
    vault.write(session.model_copy(update={"tokens": None}))
    who = session.name or session.subject
    return AccessDenied(f"login: the session of {who} has ended ({why}). {AGAIN}")
