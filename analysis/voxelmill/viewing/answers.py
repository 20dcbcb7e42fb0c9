"""A request's headers → what is answered. Pure, so that each rule can be tested alone.

In: the headers ``Host`` and ``Range``, the path. Out: whether the request is for us, which bytes it
wants, the parts of its path. Sources: RFC 9110, sections 7.4, 14.1 and 14.2.
"""

import re
from urllib.parse import unquote

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


def for_us(host: str) -> bool:
    """Whether a ``Host`` names this machine; the port may be that of a tunnel.

    A page of another site that has its own name lead to the loopback address ("DNS rebinding")
    still names itself here.
    """
    name, _, port = host.rpartition(":") if re.search(r":\d+$", host) else (host, "", "")
    return name in LOOPBACK and (not port or int(port) < 1 << 16)


def parts_of(path: str) -> list[str] | None:
    """Parts of a path, decoded, the last one empty where it ends with a slash.

    None where one could lead elsewhere: a part that is empty, has a separator, or goes up.
    """
    found = [unquote(part) for part in path.removeprefix("/").split("/")]
    for place, part in enumerate(found):
        if part in (".", "..") or any(c in part for c in "/\\\0"):
            return None
        if not part and place < len(found) - 1:
            return None
    return found


def wanted(header: str | None) -> tuple[int | None, int | None] | None:
    """Bytes that a ``Range`` asks for: first and last; (None, n) are the last n.

    None: all, as where the header is absent, names several ranges or makes no sense.
    """
    found = _RANGE.fullmatch(header.strip()) if header else None
    if found is None or found[1] == found[2] == "":
        return None
    first, last = (int(text) if text else None for text in found.groups())
    return None if first is not None and last is not None and last < first else (first, last)
