"""The keyring of the desktop, where there is one: the extra `keyring`, with a service behind it.

In: an entry's name and a text. The library has stand-ins without any protection, and one that
refuses all; they rank below 1, and are not used.
"""

from contextlib import suppress
from functools import cache

from voxelmill.plugin import AccessDenied

SERVICE = "voxelmill"
PROBE = "probe"
REAL = 1
"""Lowest priority of a backend that keeps secrets (the library's own rule)."""


@cache
def usable() -> str:
    """Name of the keyring; empty if there is none, or it does not keep what it is given."""
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError:
        return ""
    backend = keyring.get_keyring()
    if backend.priority < REAL:
        return ""
    try:
        keyring.set_password(SERVICE, PROBE, PROBE)
        kept = keyring.get_password(SERVICE, PROBE) == PROBE
        keyring.delete_password(SERVICE, PROBE)
    except (KeyringError, OSError, RuntimeError):
        return ""
    return str(backend.name) if kept else ""


def put(entry: str, text: str) -> None:
    """Keep a text.

    Raises
    ------
    AccessDenied
        The keyring does not take it.
    """
    import keyring
    from keyring.errors import KeyringError

    try:
        keyring.set_password(SERVICE, entry, text)
    except (KeyringError, OSError, RuntimeError) as error:
        raise AccessDenied(
            f"keyring: {type(error).__name__}. Unlock it, or keep the login in a file: "
            "`voxelmill login --file`"
        ) from None


def get(entry: str) -> str | None:
    """Text of an entry; None if there is none, or no keyring here."""
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError:
        return None
    try:
        return keyring.get_password(SERVICE, entry)
    except (KeyringError, OSError, RuntimeError):
        return None


def delete(entry: str) -> None:
    """Remove an entry, if it is there and the keyring is."""
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError:
        return
    with suppress(KeyringError, OSError, RuntimeError):
        keyring.delete_password(SERVICE, entry)
