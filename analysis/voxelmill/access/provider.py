"""An OpenID provider: where it is asked what, and the keys that it signs with.

In: an issuer's address. Out: `Provider`, from its discovery document, and `Keys`, fetched when the
first signature is checked and once more when a token names a key that is not among them.
Source: OpenID Connect Discovery 1.0.
"""

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, ValidationError

from voxelmill.access.web import Web, brief, secure
from voxelmill.plugin import AccessDenied, BadConfig, StoreUnavailable

if TYPE_CHECKING:
    from joserfc.jwk import Key, KeySet

DISCOVERY = ".well-known/openid-configuration"


class Provider(BaseModel):
    """What a discovery document says, as far as it is used here."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    issuer: str
    jwks_uri: str
    token_endpoint: str = ""
    device_authorization_endpoint: str = ""
    userinfo_endpoint: str = ""
    revocation_endpoint: str = ""
    scopes_supported: tuple[str, ...] | None = None


def discover(web: Web, issuer: str) -> Provider:
    """Ask an issuer for its discovery document.

    Raises
    ------
    BadConfig
        The address is not secure, has no such document, or that of another issuer.
    StoreUnavailable
        It does not answer.
    """
    secure(issuer, "login: issuer")
    url = f"{issuer.rstrip('/')}/{DISCOVERY}"
    answer = web.get(url)
    if not answer.good:
        raise BadConfig(f"{url}: {answer.error}; needed: an OpenID provider. Give another --issuer")
    try:
        found = Provider.model_validate(answer.body)
    except ValidationError as error:
        fields = ", ".join(str(one["loc"][0]) for one in error.errors(include_input=False))
        raise BadConfig(f"{url}: bad or missing {fields}. Give another --issuer") from None
    if found.issuer != issuer:
        named = brief(found.issuer)
        raise BadConfig(f"{url}: it is of {named!r}, not {issuer!r}. Give that: --issuer {named}")
    for name, value in found.model_dump(exclude={"issuer", "scopes_supported"}).items():
        if value:
            secure(value, f"{url}: {name}")
    return found


def endpoint(provider: Provider, name: str) -> str:
    """Address of one of its services.

    Raises
    ------
    BadConfig
        It has no such service.
    """
    url = str(getattr(provider, name))
    if not url:
        raise BadConfig(f"{provider.issuer}: has no {name}; log in elsewhere: --issuer URL")
    return url


class Keys:
    """Public keys of an issuer.

    Parameters
    ----------
    url : str
        Its ``jwks_uri``.
    """

    def __init__(self, web: Web, url: str) -> None:
        self._web, self._url = web, url
        self._found: KeySet | None = None

    def now(self) -> "KeySet":
        """Keys as they were fetched; they are if they were not.

        Raises
        ------
        AccessDenied
            There are none.
        """
        return self._found or self.again()

    def again(self) -> "KeySet":
        """Fetch them, as after a change of keys."""
        from joserfc.jwk import KeySet

        answer = self._web.get(self._url)
        if not answer.good:
            raise StoreUnavailable(f"{self._url}: {answer.error}. Try again later")
        imported = map(_signing, _list(answer.body.get("keys")))
        found = [key for key in imported if key is not None]
        if not found:
            raise AccessDenied(f"{self._url}: no keys that can be used")
        self._found = KeySet(found)
        return self._found


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _signing(document: object) -> "Key | None":
    """Key of a document; None if it is none, of a kind that is not known, or for other uses."""
    from joserfc.errors import JoseError
    from joserfc.jwk import JWKRegistry

    if not isinstance(document, dict) or document.get("use", "sig") != "sig":
        return None
    try:
        return JWKRegistry.import_key(document)
    except (JoseError, ValueError, TypeError, KeyError):
        return None
