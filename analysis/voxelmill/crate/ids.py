"""Identifiers of the entities of a crate: what is written by them is found by them."""

from urllib.parse import quote, unquote

METADATA = "ro-crate-metadata.json"
ROOT = "./"
INPUT = "#input"
"""The images."""
CONFIG = "provenance/config.yaml"
"""Its `text` is its content, so that the metadata alone suffice for a rerun."""
WORKFLOW = "provenance/workflow/Snakefile"
CHECKSUMS = "checksums.md5"
LOCK = "#lock"
RUN = "#run"
INVENTORIES, LABELS, LEFT_OUT = "#inventories-", "#labels-", "#left-out-"
"""Of a batch: lines ``image<TAB>digest``, ``image<TAB>set<TAB>sha256``, ``image<TAB>reason``."""
README = "README.md"
NOBODY = "#nobody"
"""Stands for who is not named."""


def parameter(name: str) -> str:
    """Formal parameter of the workflow."""
    return f"#parameter-{name}"


def file(path: str) -> str:
    """Identifier of a file of the results, by its path: characters of no URI are escaped."""
    return quote(path)


def path(identifier: str) -> str:
    """Path of a file, by its identifier."""
    return unquote(identifier)
