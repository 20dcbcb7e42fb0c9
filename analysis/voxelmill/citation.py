"""How to cite voxelmill: from the citation file that lies in the package or the checkout."""

import yaml

from voxelmill.home import home

NAME = "CITATION.cff"


def citation() -> str:
    """Authors, title, version, date and address, as one line; the file is the only source."""
    found = yaml.safe_load(home(NAME).read_text(encoding="utf-8"))
    authors = ", ".join(_name(author) for author in found["authors"])
    year = str(found["date-released"])[:4]
    text = f"{authors} ({year}). {found['title']} (version {found['version']}) [software]."
    address = found.get("doi") or found.get("url") or found.get("repository-code")
    return f"{text} {address}" if address else text


def _name(author: dict[str, str]) -> str:
    own = " ".join(p for p in (author.get("given-names"), author.get("family-names")) if p)
    return author.get("name") or own
