"""What `voxelmill calibrate` prints of what it has measured."""

from collections.abc import Iterator

from voxelmill.calibration import Calibration


def text(found: Calibration) -> str:
    """Lines for the terminal: megapixels a core-second of each plugin, seconds of each step."""
    lines = [f"{found.cpu}, {found.cores} cores, voxelmill {found.voxelmill}"]
    lines += ["", f"{'step':<12}{'start, s':>10}{'image, ms':>11}{'serial':>9}"]
    lines += [
        f"{step:<12}{start:>10.2f}{1e3 * found.image.get(step, 0):>11.2f}"
        f"{found.serial.get(step, 0):>9.0%}"
        for step, start in found.start.items()
    ]
    more = {"an object set": "set", "a column": "column", "a thumbnail": "thumbnail"}
    lines += [f"{name:<22}{1e3 * found.image[key]:>11.2f}" for name, key in more.items()]
    start, job = found.snakemake["start"], found.snakemake["job"]
    lines += [f"Snakemake: {start:.1f} s, and {job:.2f} s a job", ""]
    lines += [f"{'a core-second does':<40}{'Mpx':>10}{'a column':>12}{'load, s':>9}"]
    lines += _speeds(found)
    return "\n".join(lines)


def _speeds(found: Calibration) -> Iterator[str]:
    for name, seconds in found.voxel.items():
        yield f"{name:<40}{_mpx(seconds)}"
    for name, rate in found.plugins.items():
        yield f"{name[:39]:<40}{_mpx(rate.voxel)}{_mpx(rate.column, 12)}{rate.start:>9.2f}"


def _mpx(seconds: float, width: int = 10) -> str:
    return f"{1e-6 / seconds:>{width}.4g}" if seconds > 1e-12 else " " * width
