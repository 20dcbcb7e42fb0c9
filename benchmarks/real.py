"""`make real`: ingest two real data sets as plates, run the whole workflow on both, judge them.

Half of a 96-well translocation screen: Z' of the nuclear/cytoplasmic GFP ratio between the
highest dose and untreated wells. BBBC039: nuclei counted against the annotated ones.
"""

import csv
import sys
from pathlib import Path

import numpy as np

from voxelmill.layout import Layout
from voxelmill.steps.ingest import ingest
from voxelmill.steps.run import run
from voxelmill.tables import read_table

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT.parent / "shared" / "data"
OUT = Path("real")
MUST_Z = 0.65

SCREEN = r"Channel(?P<channel>\d)-\d+-(?P<row>[A-H])-(?P<col>\d\d)\.tif"
BBBC039 = r"IXMtest_(?P<well>[A-P]\d\d)_s(?P<site>\d)_w(?P<channel>\d).*\.tif"


def main() -> int:
    """Run both; return 0 if the screen's Z' is reached and no well is lost."""
    if not DATA.is_dir():
        print("make real: skipped, the real images (../shared/data) are not on this machine")
        return 0
    OUT.mkdir(exist_ok=True)
    codes = [run(screen_plate()), run(bbbc039_plate())]
    if any(codes):
        return 1
    z, wells = z_prime(OUT / "translocation" / "translocation" / "wells.parquet")
    print(f"translocation: {wells} of 48 wells; Z' of nuclear/cytoplasmic GFP {z:.3f} "
          f"(must be >= {MUST_Z})")  # fmt: skip
    found, annotated = _nuclei()
    print(f"bbbc039: {found} nuclei found, {annotated} annotated "
          f"({100 * (found / annotated - 1):+.1f} %)")  # fmt: skip
    return 0 if z >= MUST_Z and wells == 48 else 1


def screen_plate() -> Path:
    """Make a plate of the translocation screen; its configuration."""
    source, plate = DATA / "hcs" / "sbs_translocation_plate", OUT / "translocation.zarr"
    if not plate.exists():
        print(ingest(source / "images", SCREEN, plate, channels=["1=GFP", "2=DNA"]))
    (layout,) = source.glob("*.csv")
    with layout.open(encoding="utf-8") as file:
        wells = [(r["Row"] + r["Column"], r["SBS_Doses"], r["SBS_Controls"])
                 for r in csv.DictReader(file)]  # fmt: skip
    lines = ["well,dose,control", *(",".join(w) for w in wells)]
    doses = OUT / "translocation-doses.csv"
    doses.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return ROOT / "configs" / "real-translocation.yaml"


def bbbc039_plate() -> Path:
    """Make a plate of BBBC039's validation fields; its configuration."""
    plate = OUT / "bbbc039.zarr"
    if not plate.exists():
        source = DATA / "nuclei2d" / "bbbc039_validation" / "images"
        print(ingest(source, BBBC039, plate, channels=["1=DNA"]))
    return ROOT / "configs" / "real-bbbc039.yaml"


def z_prime(table: Path) -> tuple[float, int]:
    """Z' (Zhang et al. 1999) of the ratio of well medians, and the number of wells with one."""
    wells = read_table(table)
    inside = wells["Nuclei_Intensity_MeanIntensity_GFP"]
    ratio = inside / wells["Cytoplasm_Intensity_MeanIntensity_GFP"]
    control = np.asarray([int(c) for c in wells["Metadata_control"]])
    high, low = ratio[control == 1], ratio[control == -1]
    spread = high.std(ddof=1) + low.std(ddof=1)
    return float(1 - 3 * spread / abs(high.mean() - low.mean())), int(np.isfinite(ratio).sum())


def _nuclei() -> tuple[int, int]:
    wells = read_table(Layout(OUT / "bbbc039" / "bbbc039").wells)
    index = DATA / "nuclei2d" / "bbbc039_validation" / "index.csv"
    with index.open(encoding="utf-8") as file:
        annotated = sum(int(row["n_nuclei"]) for row in csv.DictReader(file))
    return int(np.nansum(wells["Metadata_Count_Nuclei"])), annotated


if __name__ == "__main__":
    sys.exit(main())
