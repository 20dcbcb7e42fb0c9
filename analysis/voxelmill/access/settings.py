"""Who is asked to log people in, and for what: the one place to change it.

A facility sets the environment variables, in the module file that loads voxelmill for instance.
"""

import os
from importlib.util import find_spec

from voxelmill.plugin import BadConfig

ISSUER = "https://login.aai.lifescience-ri.eu/oidc/"
"""Production of Life Science AAI."""
CLIENT_ID = ""
"""Client that is registered there; empty: none is, a facility registers its own."""
ISSUER_VARIABLE, CLIENT_VARIABLE = "VOXELMILL_ISSUER", "VOXELMILL_CLIENT_ID"
NEEDED = ("openid", "offline_access")
"""Scopes without which there is no login, or none that lasts."""
WANTED = ("profile", "email", "eduperson_entitlement", "entitlements", "ga4gh_passport_v1")
"""Scopes that are asked for where the provider lists them."""
LEEWAY_S = 60
"""How far the clocks of this machine and of an issuer may be apart."""
LIBRARIES = ("httpx", "joserfc", "qrcode")


def issuer(given: str = "") -> str:
    """Issuer to log in at: as given, of the environment, or the default."""
    return given or os.environ.get(ISSUER_VARIABLE) or ISSUER


def client_id(given: str = "") -> str:
    """Id of the client to log in with.

    Raises
    ------
    BadConfig
        There is none.
    """
    found = given or os.environ.get(CLIENT_VARIABLE) or CLIENT_ID
    if not found:
        raise BadConfig(
            f"login: no client id; allowed: --client-id ID, or {CLIENT_VARIABLE}. Ask your "
            "facility for it, or register a public client (docs/access.md)"
        )
    return found


def scopes(supported: tuple[str, ...] | None, asked: tuple[str, ...] = ()) -> str:
    """Scopes to ask for, in the form of a request.

    Parameters
    ----------
    supported : tuple of str or None
        What the provider lists; None if it lists nothing.
    asked : tuple of str
        Instead of those that are asked for by default.
    """
    listed = ("profile", "email") if supported is None else supported
    more = asked or tuple(scope for scope in WANTED if scope in listed)
    return " ".join(dict.fromkeys((*NEEDED, *more)))


def require_libraries() -> None:
    """Refuse where the libraries of the extra are not installed.

    Raises
    ------
    BadConfig
        Names them, and how to get them.
    """
    missing = [name for name in LIBRARIES if find_spec(name) is None]
    if missing:
        raise BadConfig(
            f"login: {', '.join(missing)} not installed. pip install 'voxelmill[login]'"
        )
