"""The verdict over runs that should be the same: one row a variant, one line in the end.

In: the layouts of a reference and of other runs. Out: what differs, whether the promise covers it,
and texts for people.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from voxelmill.config import Settings
from voxelmill.difference import compare
from voxelmill.layout import Layout
from voxelmill.objectsets import Segmented
from voxelmill.outside import flagged, only_outside
from voxelmill.variants import Variant, shown

SAME, SEAMS, DIFFERENT = "same", "seams", "DIFFERENT"
PARTS = ("labels", "pyramid", "tables")


@dataclass(frozen=True)
class Judged:
    """How a run compares with the reference: the worst of all object sets, part by part."""

    parts: tuple[str, str, str]
    """`SAME`, `SEAMS` (only objects longer than the halo are concerned) or `DIFFERENT`."""
    first: str
    """The first difference that the promise covers, else the first of all, else empty."""
    long: int
    """Objects that are longer than the halo of this run."""

    @property
    def worst(self) -> str:
        """The worst part."""
        return _worst(self.parts)


@dataclass(frozen=True)
class Tried:
    """A variant and what came of it; no judgement: it is the reference."""

    variant: Variant
    seconds: float
    objects: int
    judged: Judged | None


def claims(settings: Settings) -> list[str]:
    """Object sets that are promised not to depend on blocks: their segmenters claim exactness."""

    def exact(name: str) -> bool:
        spec = settings.objects[name]
        own = not isinstance(spec, Segmented) or spec.segmenter.exact
        return own and all(map(exact, spec.needs))

    return [name for name in settings.objects if exact(name)]


def judge(reference: Layout, other: Layout, settings: Settings, batch: str) -> Judged:
    """Compare all object sets that claim exactness.

    Raises
    ------
    StoreUnavailable
        A file cannot be read.
    """
    parts: list[tuple[str, str, str]] = []
    firsts: dict[str, str] = {}
    long = 0
    for name in claims(settings):
        found = compare(reference, other, name, batch)
        flags = [flagged(x, batch, _roots(settings, name)) for x in (reference, other)]
        long += sum(map(len, flagged(other, batch, [name]).values()))
        labels, table = DIFFERENT, DIFFERENT
        if not found.labels and only_outside(reference, other, name, flags):
            # Rows cannot be paired when ids have shifted: what labels differ in, tables do.
            labels = table = SEAMS
        elif found.labels and found.but_flags and any(flags):
            table = SEAMS
        parts.append((
            SAME if found.labels else labels,
            SAME if found.pyramid else labels,
            SAME if found.table else table,
        ))  # fmt: skip
        if found.first:
            firsts.setdefault(_worst(parts[-1]), found.first)
    first = firsts.get(DIFFERENT) or firsts.get(SEAMS, "")
    one, two, three = (_worst(column) for column in zip(*parts, strict=True))
    return Judged((one, two, three), first, long)


def _worst(kinds: Sequence[str]) -> str:
    return max(kinds, key=(SAME, SEAMS, DIFFERENT).index, default=SAME)


def _roots(settings: Settings, name: str) -> list[str]:
    """A set and all those it is made from: an object cut in one is cut in all."""
    return [name, *(n for other in settings.objects[name].needs for n in _roots(settings, other))]


HEAD = f"{'block':<12}{'stored':<16}{'workers':<14}{'seconds':>8}{'objects':>9}  " + "".join(
    f"{part:<11}" for part in PARTS
)


def line(tried: Tried, deep: bool) -> str:
    """One line of the table below `HEAD`."""
    v = tried.variant
    judged = "".join(f"{k:<11}" for k in tried.judged.parts) if tried.judged else "the reference"
    size = shown(v.blocks, deep)
    return (
        f"{size:<12}{v.storage:<16}{v.crew:<14}{tried.seconds:8.1f}{tried.objects:9}  {judged}"
    ).rstrip()


def verdict(rows: Sequence[Tried], names: Sequence[str], halo: int, left: int) -> tuple[str, bool]:
    """Say in words whether the promise was kept.

    Parameters
    ----------
    rows : sequence of Tried
        All variants, the reference first.
    names : sequence of str
        Object sets that were compared.
    halo : int
        Largest halo in voxels along y and x.
    left : int
        Variants for which there was no time.

    Returns
    -------
    text : str
        One line, or several.
    kept : bool
    """
    found = [(r.variant, r.judged) for r in rows if r.judged]
    bad = [(v, j) for v, j in found if j.worst == DIFFERENT]
    text = []
    if bad:
        variant, judged = bad[0]
        where = variant.label(deep=variant.blocks.depth > 1)
        text += [
            f"{DIFFERENT} in {len(bad)} of {len(found)} variants; first in {where}: {judged.first}",
            "no object longer than the halo explains it: please report it, with the configuration",
        ]
    else:
        text.append(f"identical in {len(found)} of {len(found)} variants: {_scope(found, names)}")
    if long := max(j.long for _, j in found):
        text.append(
            f"{long} objects are longer than the halo of {halo} voxels and outside the promise: "
            "labels around them may differ between block sizes (Metadata_Seam)"
        )
    if left:
        text.append(f"time was up before {left} more variants; --minutes gives them time")
    return "\n".join(text), not bad


def _scope(found: Sequence[tuple[Variant, Judged]], names: Sequence[str]) -> str:
    sizes, storages, workers, kinds = (
        set(c) for c in zip(*(v.values for v, _ in found), strict=True)
    )
    numbers = ", ".join(map(str, sorted(workers)))
    crews = " and ".join("processes" if p else "threads" for p in sorted(kinds))
    return (
        f"labels, pyramid and tables of {', '.join(names)}; {len(sizes)} block sizes, "
        f"{len(storages)} ways of storage, {numbers} workers as {crews}"
    )
