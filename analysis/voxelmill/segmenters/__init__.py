"""Segmenter contract: pixels in, objects out. One file here = one segmenter, found by itself.

A segmenter is called on blocks. What must be the same in all of them is fitted once, on an
overview of the whole image; what a block needs around its core is told by ``halo``.
"""

import sys
from typing import ClassVar, Self

from voxelmill.plugin import Index, Labels, Pixels, Plugin, Spacing, discover


class Segmenter(Plugin):
    """Base of all segmenters; see `docs/add-an-algorithm.md`."""

    exact: ClassVar[bool] = True
    """A core voxel's object is the same for any block whose halo is at least ``halo``."""
    keeps_ids: ClassVar[bool] = False
    """Objects carry the ids of their seeds (field ``seeds`` names the set): no stitching."""
    voxel_bytes: ClassVar[float] = 64.0
    """Most bytes that a call allocates per voxel of `image`, its result included and `image` and
    `seeds` not; ``fit``, per voxel of the overview. `voxelmill plan` predicts memory from it."""

    base_bytes: ClassVar[int] = 0
    """Bytes that each call takes besides, whatever the block: a network's own."""
    most_channels: ClassVar[int] = 1
    """Channels that it can be given: ``channel: [AGP, DNA]`` in a configuration."""
    planes: ClassVar[bool] = False
    """Takes single planes only."""

    connected: ClassVar[bool] = False
    """Objects are the connected components (sharing a corner is enough) of what is labelled, which
    ``halo`` makes exact: blocks join them whatever their size, and no seam can cut one."""

    def fit(self, overview: Pixels, spacing_um: Spacing) -> Self:
        """Estimate data-dependent numbers, once an image or plate; never per block.

        Parameters
        ----------
        overview : (c, z, y, x) array
            The whole image, mean-pooled so that it fits in memory.
        spacing_um : tuple of float
            Voxel size of the overview along z, y, x in micrometres.

        Returns
        -------
        Self
            Copy with all such numbers set; already set ones are kept.
        """
        return self

    def sized(self, spacing_um: Spacing) -> Self:
        """Return the segmenter with sizes in pixels of an image turned into µm, before ``fit``.

        An overview has larger pixels. Only segmenters with settings in pixels depend on it.
        """
        return self

    def at(self, origin: Index, extent: Index) -> Self:
        """Return the segmenter for a block whose first read voxel lies at `origin` of the image.

        Only segmenters with a fitted surface (background, illumination) or a grid over the whole
        image, of `extent` voxels along z, y, x, depend on it.
        """
        return self

    def prepared(self) -> Self:
        """Return the segmenter ready for a run, once before any job starts.

        What it needs besides the images (weights) is looked for, and noted with its digest, so
        that a changed file is a changed setting.

        Raises
        ------
        BadConfig
            It is not there.
        """
        return self

    def environment(self) -> str:
        """Environment of the workflow that it runs in: a file in ``workflow/envs``."""
        return "voxelmill"

    def note(self, voxels: int, workers: int) -> str:
        """What a user should know before a step of this many voxels starts; "": nothing."""
        return ""

    def halo(self, spacing_um: Spacing) -> Index:
        """Voxels of context along z, y, x that make a core voxel's label exact."""
        raise NotImplementedError

    def __call__(self, image: Pixels, spacing_um: Spacing, seeds: Labels | None = None) -> Labels:
        """Segment one block.

        Parameters
        ----------
        image : (c, z, y, x) array
            Core and halo, any numeric dtype.
        spacing_um : tuple of float
            Voxel size along z, y, x in micrometres.
        seeds : (z, y, x) int32 array, optional
            Objects to grow from, where the segmenter has a field ``seeds``.

        Returns
        -------
        (z, y, x) int32 array
            Local ids, 0 = background; ids of `seeds` if ``keeps_ids``. An object that is a piece
            of something too large for the segmenter may carry its id below 0: it is flagged.

        Raises
        ------
        NotFitted
            A data-dependent number is not set.
        """
        raise NotImplementedError


def segmenters() -> dict[str, type[Segmenter]]:
    """All segmenter classes by kind."""
    return discover(sys.modules[__name__], Segmenter)
