"""``python -m voxelmill`` is ``voxelmill``."""

from voxelmill.cli import main

main()
