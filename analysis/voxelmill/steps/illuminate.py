"""Step *illuminate*: a sample of a dataset's fields → ``illumination.ome.zarr`` and the record.

In: batch files, setting ``illumination``. Out: for every plate and image size the flat-field and
dark-field of each channel. Fields are read one by one; images that cannot be read are passed over,
the steps that need them quarantine them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from voxelmill import __version__
from voxelmill.batch import Item
from voxelmill.config import Settings
from voxelmill.corrected import digest_of
from voxelmill.execution import Compute
from voxelmill.fieldsample import Field, choose, read_field
from voxelmill.illumination import LEAST, Illumination, Profile, estimate
from voxelmill.layout import ILLUMINATION, Layout
from voxelmill.ledger import write_json
from voxelmill.plugin import BadConfig, BadInput
from voxelmill.progress import Progress
from voxelmill.run import Pool, pool
from voxelmill.steps.work import read_batch
from voxelmill.store.profiles import ProfileImage, write_profiles
from voxelmill.storeoptions import is_url


@dataclass(frozen=True)
class Kind:
    """Images that share a profile: one plate, one size, the same channels."""

    plate: str
    extent: tuple[int, int]
    channels: tuple[str, ...]


@dataclass
class Sample:
    """Small versions of fields of one plate and size."""

    fields: dict[Kind, list[Field]] = field(default_factory=dict)
    lost: dict[str, str] = field(default_factory=dict)
    """Why some could not be read, by path."""


def illuminate(
    batch_files: Sequence[Path], out: Path, settings: Settings, workers: int = 1
) -> None:
    """Estimate the illumination of one dataset and write the record `out`.

    Raises
    ------
    BadConfig
        `settings` do not ask for it.
    BadInput
        A batch file is absent.
    BlocksFailed
        Reading failed for another reason than the data.
    """
    if settings.illumination is None:
        raise BadConfig("illumination: not set; allowed: {kind: flatfield}. Switch it on")
    if not batch_files:
        raise BadInput("no batch files given; allowed: results/<dataset>/batches/*.json")
    batches = [read_batch(file) for file in sorted(batch_files)]
    layout = Layout.of_batch(batch_files[0])
    urls = {item.path: batch.url for batch in batches for item in batch.items}
    items = [item for batch in batches for item in batch.items]
    made: list[tuple[Kind, list[Profile], ProfileImage]] = []
    few: list[dict[str, Any]] = []
    lost: dict[str, str] = {}
    with pool(Compute(), workers, Progress(), alike=True, ahead=is_url(batches[0].url)) as crew:
        for chosen in choose(items, settings.illumination.fields).values():
            sample = _read(crew, urls, chosen, settings)
            lost |= sample.lost
            for kind, fields in sample.fields.items():
                frames = np.concatenate([f.frames for f in fields])
                if len(frames) < LEAST:
                    few.append({"plate": kind.plate, "shape": kind.extent, "fields": len(frames)})
                    continue
                made.append((kind, *_estimate(kind, frames, fields[0], settings.illumination)))
    write_profiles(layout.illumination_address, [image for _, _, image in made])
    write_json(
        out,
        {
            "step": ILLUMINATION,
            "dataset": batches[0].dataset,
            "voxelmill": __version__,
            "settings": settings.part(ILLUMINATION),
            "profiles": [_entry(str(i), *one) for i, one in enumerate(made)],
            "too_few": few,
            "unreadable": lost,
        },
    )


def _read(
    crew: Pool, urls: Mapping[str, str], chosen: Sequence[tuple[Item, int]], settings: Settings
) -> Sample:
    """Read the chosen images of a plate."""
    tasks = {i.path: (urls[i.path], i, times, settings.sparse) for i, times in chosen}
    outcomes = crew.run("illuminate: read", read_field, tasks)
    sample = Sample()
    for item, _ in chosen:
        found = outcomes[item.path]
        if found.reason is not None:
            sample.lost[item.path] = found.reason
            continue
        kind = Kind(item.plate, found.value.extent, found.value.channels)
        sample.fields.setdefault(kind, []).append(found.value)
    return sample


def _estimate(
    kind: Kind, frames: np.ndarray[Any, Any], first: Field, settings: Illumination
) -> tuple[list[Profile], ProfileImage]:
    """Profiles of all channels from (n, c, y, x)."""
    found = [estimate(frames[:, c], settings) for c in range(frames.shape[1])]
    both = np.stack([*(p.flat for p in found), *(p.dark for p in found)])
    z, y, x = first.spacing_um
    sizes = [s * n / m for s, n, m in zip((y, x), kind.extent, both.shape[1:], strict=True)]
    name = " ".join(filter(None, (kind.plate, "{} x {}".format(*kind.extent))))
    return found, ProfileImage(both, kind.channels, (z, sizes[0], sizes[1]), name)


def _entry(path: str, kind: Kind, found: Sequence[Profile], image: ProfileImage) -> dict[str, Any]:
    """What the record says of one profile image."""
    return {
        "path": path,
        "plate": kind.plate,
        "shape": kind.extent,
        "sha256": digest_of(image.profiles),
        "channels": list(_channels(kind, found)),
    }


def _channels(kind: Kind, found: Sequence[Profile]) -> Iterator[dict[str, Any]]:
    for channel, profile in zip(kind.channels, found, strict=True):
        yield {
            "name": channel,
            "fields": profile.fields,
            "flat": [float(profile.flat.min()), float(profile.flat.max())],
            "dark": [float(profile.dark.min()), float(profile.dark.max())],
            "smoothing_px": profile.smoothing_px,
        }
