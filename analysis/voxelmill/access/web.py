"""Requests to an OpenID provider: over TLS, with time limits, and silent about secrets.

In: an address, or a form. Out: the status and the JSON object of the answer. No answer is a
`StoreUnavailable`. What is said of a failure names the address and never what was sent: an error of
httpx holds the request, so none is let through.
"""

import os
import time
from dataclasses import dataclass, field
from ipaddress import ip_address
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import SplitResult, urlsplit

from pydantic import SecretStr

from voxelmill.access.settings import require_libraries
from voxelmill.plugin import BadConfig, StoreUnavailable

if TYPE_CHECKING:
    import ssl

    import httpx

Json = dict[str, Any]
Form = dict[str, str | SecretStr]
"""Fields of a request; the values of secret ones show in no text."""

CONNECT_S, ANSWER_S = 10.0, 30.0
PAUSES_S = (0.5, 2.0)
"""Between attempts to connect. A request that may have arrived is not sent again: a second use of
a refresh token ends the session."""
GATEWAY = range(500, 600)
TOO_MANY = 429
SAID = 200
"""Longest text of a provider in an error, in characters."""
PROXIES = ("all_proxy", "https_proxy", "http_proxy", "no_proxy")
"""Variables of the environment that say which way requests go, in any case."""


@dataclass(frozen=True)
class Answer:
    """Status and JSON object of an answer; an object is empty where there is none."""

    status: int
    body: Json = field(repr=False)
    text: str = field(default="", repr=False)

    @property
    def good(self) -> bool:
        """Whether it is what was asked for."""
        return self.status == 200

    @property
    def error(self) -> str:
        """Code of an error of OAuth, or the status."""
        return brief(self.body.get("error") or f"status {self.status}")


def printable(text: object) -> str:
    """Text of someone else's that a terminal can show: one line, no control characters."""
    return " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())


def brief(text: object) -> str:
    """Return the beginning of such a text, for an error."""
    return printable(text)[:SAID]


def secure(url: str, what: str) -> str:
    """Return an address that nobody on the way can read: https, or http on this machine.

    Raises
    ------
    BadConfig
        It is none.
    """
    if not is_secure(url):
        raise BadConfig(f"{what}: {brief(url)!r}; allowed: https://…, or http:// on this machine")
    return url


def is_secure(url: str) -> bool:
    """Whether `secure` lets an address pass."""
    parts = _parts(url)
    if parts is None or "@" in parts.netloc:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and _loopback(parts.hostname or ""))


def _parts(url: str) -> SplitResult | None:
    """Parts of an address; None where no request could be sent to it."""
    try:
        parts = urlsplit(url)
        # A port that is no number, or a label that is empty or too long, is an error here.
        sound = parts.port != 0 and bool((parts.hostname or "").encode("idna"))
    except ValueError:
        return None
    return parts if sound and url.isprintable() else None


def _loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


class Web:
    """Connections to providers.

    Parameters
    ----------
    ca : str
        PEM file with the certificate of a private CA; empty: those of the system and of
        ``SSL_CERT_FILE``.

    Raises
    ------
    BadConfig
        A library, the certificates, or the proxy that the environment names cannot be used.
    """

    def __init__(self, ca: str = "") -> None:
        require_libraries()
        import httpx

        limit = httpx.Timeout(ANSWER_S, connect=CONNECT_S)
        trust = _trust(ca)
        try:
            self._client = httpx.Client(verify=trust, timeout=limit)
        except (ImportError, ValueError, httpx.InvalidURL):
            # What the error says may have a part of the proxy's password.
            raise BadConfig(
                f"{_proxies()}: no proxy that can be used; allowed: http://host:port, or "
                "socks5://host:port after `pip install socksio`. Correct or unset it"
            ) from None

    def get(self, url: str, token: SecretStr | None = None) -> Answer:
        """Ask for a JSON object, as the holder of an access token if there is one."""
        headers = {"Accept": "application/json"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token.get_secret_value()}"
        return self._ask("GET", url, headers)

    def post(self, url: str, form: Form, accept: str = "application/json") -> Answer:
        """Send a form; ask for an answer of a type of media."""
        plain = {
            k: v.get_secret_value() if isinstance(v, SecretStr) else v for k, v in form.items()
        }
        headers = {"Accept": accept}
        return self._ask("POST", url, headers, plain)

    def _ask(
        self, method: str, url: str, headers: dict[str, str], form: dict[str, str] | None = None
    ) -> Answer:
        import httpx

        try:
            request = self._client.build_request(method, url, headers=headers, data=form)
            response = self._send(request)
        except (httpx.InvalidURL, UnicodeError):
            raise BadConfig(
                f"{brief(url)}: no request can be sent there; allowed: https://host[:port]/path. "
                f"Check this address, and {_proxies()}"
            ) from None
        if response.status_code in GATEWAY or response.status_code == TOO_MANY:
            raise StoreUnavailable(f"{request.url}: status {response.status_code}. Try again later")
        return Answer(response.status_code, _object(response), response.text)

    def _send(self, request: "httpx.Request") -> "httpx.Response":
        import httpx

        pauses = list(PAUSES_S)
        while True:
            try:
                return self._client.send(request)
            except httpx.ConnectError as error:
                if not pauses or "CERTIFICATE" in str(error):
                    raise unavailable(request.url, error) from None
            except httpx.HTTPError as error:
                raise unavailable(request.url, error) from None
            time.sleep(pauses.pop(0))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._client.close()


def _object(response: "httpx.Response") -> Json:
    """JSON object of an answer. A null in it says nothing, as if its name were not there."""
    try:
        body = response.json()
    except (ValueError, RecursionError):
        return {}
    found = body if isinstance(body, dict) else {}
    return {name: value for name, value in found.items() if value is not None}


def _proxies() -> str:
    """Names of the variables that name a proxy here."""
    named = [name for name in os.environ if name.lower() in PROXIES and os.environ[name]]
    return ", ".join(sorted(named)) or "the proxy of this system"


def _trust(ca: str) -> "ssl.SSLContext":
    import httpx

    try:
        context = httpx.create_ssl_context()
        context.load_default_certs()
        if ca:
            context.load_verify_locations(cafile=ca)
    except OSError as error:
        raise BadConfig(
            f"{ca or os.environ.get('SSL_CERT_FILE')}: no certificates "
            f"({error.strerror or 'not PEM'}); allowed: a PEM file of a CA. Give another --ca, or "
            "SSL_CERT_FILE"
        ) from None
    return context


def unavailable(url: object, error: Exception) -> StoreUnavailable:
    """Error that says that a provider does not answer, and why."""
    said = brief(error) or type(error).__name__
    step = "Name its private CA: --ca FILE" if "CERTIFICATE" in said else "Try again later"
    return StoreUnavailable(f"{url}: no answer ({said}). {step}")
