"""What every page is made of: templates, assets, links and the policy that allows only these.

In: names of templates and what fills them. Out: HTML text that loads nothing from elsewhere.
"""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from hashlib import sha256
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from voxelmill.report.heatmap import number


def fill(template: str, scripts: Sequence[str], payload: str, content: Mapping[str, object]) -> str:
    """Page from a template.

    Parameters
    ----------
    template : str
    scripts : sequence of str
        Names of the page's scripts, in the order they run.
    payload : str
        JSON for them, of `payload.safe_json`.
    content : mapping
        Values of the template; texts are escaped.
    """
    style, script = asset("style.css"), "".join(asset(name) for name in scripts)
    environment = Environment(
        loader=PackageLoader("voxelmill.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = number
    return environment.get_template(template).render(
        policy=policy(style, script),
        style=_own(style),
        script=_own(script),
        payload=_own(payload),
        **content,
    )


def asset(name: str) -> str:
    """Text of a file of the page's own style or script."""
    return files("voxelmill.report").joinpath("static", name).read_text(encoding="utf-8")


def _own(text: str) -> Markup:
    """Mark the package's own text, or text made inert by ``safe_json``, as not to be escaped."""
    return Markup(text)  # noqa: S704


def policy(style: str, script: str) -> str:
    """Content security policy that admits exactly this style and this script."""
    style_hash, script_hash = (
        b64encode(sha256(text.encode()).digest()).decode("ascii") for text in (style, script)
    )
    return (
        f"default-src 'none'; img-src data:; style-src 'sha256-{style_hash}'; "
        f"script-src 'sha256-{script_hash}'; base-uri 'none'; form-action 'none'"
    )


def harmless(address: str) -> bool:
    """Whether a link is relative or http(s): never script or data."""
    head = address.split("/", 1)[0].split("?", 1)[0].split("#", 1)[0]
    return ":" not in head or address.startswith(("http://", "https://"))
