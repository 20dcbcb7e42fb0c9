"""The verdict in numbers and words: what stands at the top of the page.

In: images and what was found of the plate. Out: counts by state, a level and a sentence.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from voxelmill.report.model import FieldRow, ReportData, State
from voxelmill.verdict import Verdict, worst

STATES: tuple[State, ...] = ("pass", "warn", "fail", "excluded", "quarantined")
TITLES: dict[State, str] = {
    "pass": "Passed",
    "warn": "Warning",
    "fail": "Failed",
    "excluded": "Excluded",
    "quarantined": "Quarantined",
}
SAID: dict[State, tuple[str, str]] = {
    "pass": ("passed", "passed"),
    "warn": ("has a warning", "have a warning"),
    "fail": ("failed", "failed"),
    "excluded": ("was excluded", "were excluded"),
    "quarantined": ("is quarantined", "are quarantined"),
}


@dataclass(frozen=True)
class Summary:
    """How many images there are, of these how many in which state, and what that makes."""

    images: int
    counts: dict[State, int]
    level: Verdict
    judged: bool
    """Whether the plate itself was judged, not only its images."""

    @property
    def shown(self) -> int:
        """Images that were processed."""
        return self.images - self.counts["quarantined"] - self.counts["excluded"]

    @property
    def headline(self) -> str:
        """Two words or three."""
        if self.judged:
            words = {"pass": "passes", "warn": "passes with warnings", "fail": "fails"}
            return f"The plate {words[self.level]}."
        return "Passed." if self.level == "pass" else "Needs attention."

    @property
    def sentence(self) -> str:
        """What became of the images."""
        if self.counts["pass"] == self.images:
            many = f"All {self.images:,} images were"
            one = "The only image was"
            return f"{one if self.images == 1 else many} processed and none is flagged."
        said = [f"{n:,} {SAID[state][n != 1]}" for state, n in self.counts.items() if n]
        whole = f"{said[0]}." if len(said) == 1 else f"{', '.join(said[:-1])} and {said[-1]}."
        return f"Of {self.images:,} image{'' if self.images == 1 else 's'}, {whole}"


def summary(data: ReportData) -> Summary:
    """Count the images by state; the plate's verdict is its own, or that of its images."""
    found = Counter(f.state for f in data.fields)
    counts = {state: found.get(state, 0) for state in STATES}
    judged = data.verdict is not None or bool(data.findings)
    level = data.verdict or worst([*_levels(data.fields), *(f.verdict for f in data.findings)])
    return Summary(len(data.fields), counts, level, judged)


def _levels(fields: Iterable[FieldRow]) -> Iterable[Verdict]:
    for state in {f.state for f in fields}:
        match state:
            case "quarantined" | "fail":
                yield "fail"
            case "warn":
                yield "warn"
