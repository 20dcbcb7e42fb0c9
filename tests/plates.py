"""Made-up plates for the tests of plate metrics."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from voxelmill.qc import Plate

Floats = NDArray[np.float64]
COUNT = "Metadata_Count_Nuclei"


def plate(
    values: Mapping[str, Floats],
    shape: tuple[int, int] = (16, 24),
    labels: Mapping[str, Sequence[str]] | None = None,
    shuffle: NDArray[np.int64] | None = None,
) -> Plate:
    """Plate of (rows, columns) `values`, one image a well; `shuffle` orders the table's rows."""
    row, column = (a.ravel() for a in np.mgrid[: shape[0], : shape[1]])
    order = np.arange(row.size) if shuffle is None else shuffle
    flat = {c: np.asarray(v, np.float64).ravel()[order] for c, v in values.items()}
    row, column = row[order], column[order]
    return Plate(
        wells=tuple(f"{chr(65 + r)}{c + 1:02d}" for r, c in zip(row, column, strict=True)),
        row=row,
        column=column,
        values=flat,
        labels={c: [v[i] for i in order] for c, v in (labels or {}).items()},
        verdicts=("pass",) * row.size,
        technical=tuple(values),
        images=flat,
        well=np.arange(row.size),
        acquisition=np.zeros(row.size, np.int64),
        order=np.argsort(np.argsort(row * shape[1] + column)),
    )


def counts(
    seed: int, shape: tuple[int, int] = (16, 24), mean: float = 400, cv: float = 0.1
) -> Floats:
    """Counts of a plate without any effect: counting noise, and wells that vary."""
    rng = np.random.default_rng(seed)
    return rng.poisson(np.maximum(rng.normal(mean, cv * mean, shape), 1)).astype(np.float64)
