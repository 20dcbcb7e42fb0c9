"""All groups of commands beside those of `cli`, in the order of the help. A new one goes here."""

from voxelmill.steps import (
    accesscommands,
    commands,
    cratecommands,
    dumpcommands,
    gatecommands,
    resultcommands,
)

GROUPS = tuple(
    each.app
    for each in (
        resultcommands,
        gatecommands,
        cratecommands,
        dumpcommands,
        accesscommands,
        commands,
    )
)
