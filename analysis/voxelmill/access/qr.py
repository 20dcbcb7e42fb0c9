"""An address as a QR code of text, for the camera of a phone.

In: an address, and the terminal's width and encoding. Out: lines of half blocks, light on dark, or
nothing where they cannot be shown.
"""

from io import StringIO

MARGIN = 2
"""Light modules around the code: the standard wants 4, readers do with less."""
COLOURS, PLAIN = "\x1b[38;5;231m\x1b[48;5;16m", "\x1b[0m"
"""White on black, whatever the terminal's own colours are: an inverted code is not read by all."""


def text(address: str, columns: int, encoding: str) -> str:
    """Return the code; empty where it does not fit.

    Parameters
    ----------
    columns : int
        Width of the terminal in characters.
    encoding : str
        Encoding of the terminal.
    """
    from qrcode.constants import ERROR_CORRECT_L
    from qrcode.main import QRCode

    code = QRCode(border=MARGIN, error_correction=ERROR_CORRECT_L)
    code.add_data(address)
    out = StringIO()
    code.print_ascii(out=out, invert=True)
    found = out.getvalue()
    try:
        found.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return ""
    return found if code.modules_count + 2 * MARGIN <= columns else ""


def coloured(code: str) -> str:
    """Return the code with fixed colours."""
    return "".join(f"{COLOURS}{line}{PLAIN}\n" for line in code.splitlines())
