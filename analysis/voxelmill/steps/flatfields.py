"""What the report shows of the light: the profiles that images were corrected with."""

from voxelmill.corrected import StoredProfile
from voxelmill.layout import Layout
from voxelmill.report.model import FlatField
from voxelmill.steps.lighting import read_profiles


def flatfields(layout: Layout, *, on: bool = True) -> tuple[FlatField, ...]:
    """Flat-fields of a dataset, channel by channel.

    Parameters
    ----------
    layout : Layout
    on : bool
        Whether light was corrected; if not, there are none, whatever an earlier run has left.

    Returns
    -------
    tuple of FlatField
        A dataset of several plates or image sizes names them with the channel.

    Raises
    ------
    BadInput, StoreUnavailable
        The record of *illuminate*, or what it speaks of, is absent or damaged.
    """
    if not on:
        return ()
    found: list[FlatField] = []
    kinds = read_profiles(layout)["profiles"]
    for kind in kinds:
        flats, darks = StoredProfile(
            layout.illumination_address, kind["path"], kind["sha256"]
        ).read()
        place = (
            "" if len(kinds) == 1 else f"{kind['plate']} {kind['shape'][0]} x {kind['shape'][1]} "
        )
        for channel, flat, dark in zip(kind["channels"], flats, darks, strict=True):
            name = f"{place}{channel['name']}".strip()
            found.append(FlatField(name, flat, dark if dark.any() else None, channel["fields"]))
    return tuple(found)
