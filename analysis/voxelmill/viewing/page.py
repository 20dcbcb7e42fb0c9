"""The pages with the lists of datasets and images: HTML without a script.

In: rows of plain text, all of it untrusted. Out: the page's text, escaped by the templates.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
REPORT_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Of pages in the results, which are complete in themselves."""
VIEWER_POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; worker-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Of the viewer: it reaches nothing but this server. Its decoders put functions together."""
PAGE_ROWS = 500


@dataclass(frozen=True)
class Line:
    """One image of a list; `number` is its place in the dataset."""

    number: int
    path: str
    well: str
    site: str
    status: str
    verdict: str
    words: str
    """What is wrong with it."""


@dataclass(frozen=True)
class Choice:
    """What of the images is listed."""

    well: str = ""
    verdict: str = ""
    page: int = 1

    @classmethod
    def of(cls, query: Mapping[str, str]) -> "Choice":
        """Choice that the address says."""
        page = query.get("page", "1")
        number = int(page) if page.isascii() and page.isdigit() and len(page) < 9 else 1
        return cls(query.get("well", "").strip(), query.get("verdict", ""), max(1, number))

    def takes(self, line: Line) -> bool:
        """Whether an image is listed."""
        right = not self.verdict or line.verdict == self.verdict
        return right and (not self.well or line.well.lower() == self.well.lower())


def datasets_page(results: str, names: Sequence[str], files_there: Sequence[str]) -> bytes:
    """List datasets; `files_there` are pages of the results themselves."""
    return _render("datasets.html.j2", results=results, names=names, files=files_there)


def images_page(
    dataset: str, lines: Sequence[Line], choice: Choice, files_there: Sequence[str], *, alone: bool
) -> bytes:
    """List the images of a dataset; `alone`: there is no other."""
    chosen = [line for line in lines if choice.takes(line)]
    first = (choice.page - 1) * PAGE_ROWS
    return _render(
        "images.html.j2",
        dataset=dataset,
        lines=chosen[first : first + PAGE_ROWS],
        found=len(chosen),
        images=len(lines),
        verdicts=sorted({line.verdict for line in lines if line.verdict}),
        wells=any(line.well for line in lines),
        choice=choice,
        pages=-(-len(chosen) // PAGE_ROWS),
        files=files_there,
        alone=alone,
    )


def problem_page(title: str, words: str) -> bytes:
    """Say why an image cannot be shown."""
    return _render("problem.html.j2", title=title, words=words)


def _render(template: str, **values: object) -> bytes:
    environment = Environment(
        loader=PackageLoader("voxelmill.viewing"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style = files("voxelmill.viewing").joinpath("static", "style.css").read_text("utf-8")
    own = Markup(style)  # noqa: S704 - a file of this package
    return environment.get_template(template).render(style=own, **values).encode()
