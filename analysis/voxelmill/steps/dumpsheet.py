"""The sheet as the weekly run keeps it: what is in it, what is still to be done, lines for more.

In: a configuration whose sheet may not be there yet. Out: rows with what each needs, and the sheet
with a line more for every dataset that is taken; all other lines stay as they are.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from voxelmill.config import Config
from voxelmill.configfile import Row, is_gone, load_sheet, locate
from voxelmill.incoming import Incoming, dataset_name
from voxelmill.layout import Layout
from voxelmill.ledger import write_bytes
from voxelmill.plugin import BadConfig
from voxelmill.selection import choosing
from voxelmill.sheetlines import delimiter_of, extended, known
from voxelmill.steps.arrivals import Arrival
from voxelmill.steps.gate import waits
from voxelmill.storeoptions import is_url


@dataclass(frozen=True)
class Sorted:
    """Datasets of the sheet, by what they need."""

    finished: list[Row] = field(default_factory=list)
    asked: list[Row] = field(default_factory=list)
    """Somebody has to approve them."""
    gone: list[Row] = field(default_factory=list)
    """Not finished, and their images are not there."""
    open: list[Row] = field(default_factory=list)
    """To be run."""


@dataclass(frozen=True)
class Sheet:
    """The sheet of a configuration."""

    config: Config
    config_path: Path
    incoming: Incoming

    @property
    def path(self) -> Path:
        """Its file, which may not be there yet."""
        return Path(locate(self.config.datasets, self.config_path.parent))

    def text(self) -> str:
        """Return its content; empty where there is none.

        Raises
        ------
        BadConfig
            It cannot be read.
        """
        try:
            with self.path.open(encoding="utf-8", newline="") as file:
                return file.read()
        except FileNotFoundError:
            return ""
        except (OSError, UnicodeDecodeError) as error:
            raise BadConfig(f"{self.path}: cannot be read ({error}). Check the sheet") from None

    def rows(self) -> list[Row]:
        """Return its lines; none where there is none.

        Raises
        ------
        BadConfig
            It breaks a rule; that the images are there is none.
        """
        if not any(True for _ in known(self.text(), delimiter_of(self.path.name))):
            return []
        with choosing(()):
            return load_sheet(self.config, self.config_path)

    def sorted(self) -> Sorted:
        """Sort datasets by what they need."""
        found = Sorted()
        for row in self.rows():
            layout = Layout(self.config.folder / row.dataset)
            if layout.finished:
                found.finished.append(row)
            elif waits(layout.root):
                found.asked.append(row)
            elif is_gone(row.url):
                found.gone.append(row)
            else:
                found.open.append(row)
        return found

    def knows(self) -> Callable[[str], bool]:
        """Say of an address whether a line names it, even one that is commented out."""
        lines = known(self.text(), delimiter_of(self.path.name))
        there = {_real(locate(url, self.path.parent)) for _, url in lines}
        return lambda url: _real(url) in there

    def add(self, arrivals: Sequence[Arrival]) -> dict[str, Arrival]:
        """Add a line for each; return them by the name that each got.

        Raises
        ------
        OSError
            The sheet cannot be written.
        """
        if not arrivals:
            return {}
        text, delimiter = self.text(), delimiter_of(self.path.name)
        taken = {name for name, _ in known(text, delimiter)}
        # Files of the results have names as well.
        taken |= {path.name for path in self.config.folder.glob("*") if path.is_file()}
        added: dict[str, Arrival] = {}
        for arrival in arrivals:
            name = dataset_name(arrival.place, taken | added.keys(), self.incoming.names)
            added[name] = arrival
        lines = [(name, self._address(arrival.url)) for name, arrival in added.items()]
        # Where the sheet is a link, the link stays.
        write_bytes(self.path.resolve(), extended(text, lines, delimiter).encode())
        return added

    def _address(self, url: str) -> str:
        """Address as a line has it: relative to the sheet where the folder is given so."""
        if is_url(url) or Path(url).is_absolute():
            return url
        return os.path.relpath(url, self.path.parent)


def _real(url: str) -> str:
    return url.rstrip("/") if is_url(url) else os.path.realpath(url)
