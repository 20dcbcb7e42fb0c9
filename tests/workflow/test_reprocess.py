"""``configs/reprocess-idr.yaml`` over a tree with the layout that the Image Data Resource serves.

No test reaches the internet: a web server on loopback stands for the resource, with and without
an answer to what is absent.
"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from trees import digests, record_of_pixels
from voxelmill.home import home
from voxelmill.store.write import write_image
from voxelmill.synthetic import nuclei_image
from voxelmill.tables import read_table
from webserver import serve

PLACE = "zarr/v0.4/idr0062A/6001240.zarr"
SPACING_UM = (0.5, 0.36, 0.36)
"""As the metadata of that image have it."""


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """Folder with a volume of two channels, one file a plane; and how many nuclei are in it."""
    folder = tmp_path_factory.mktemp("idr")
    pixels, labels = nuclei_image((24, 120, 120), 14, 26, seed=3, touching=0.2)
    both = np.stack([pixels // 2, pixels])[None]
    place = folder / "idr" / PLACE
    write_image(str(place), both, "czyx", SPACING_UM, ["LaminB1", "Dapi"], version="0.4",
                chunk=(1, 1, 1, 275, 271), name="6001240.zarr")  # fmt: skip
    return folder, int(labels.max())


def reprocess(folder: Path, url: str) -> dict[str, str]:
    """Run the configuration as it ships, but for the address; digests of tables and labels."""
    folder.mkdir()
    text = (home("configs") / "reprocess-idr.yaml").read_text()
    (folder / "reprocess-idr.yaml").write_text(text)
    sheet = (home("configs") / "reprocess-idr.tsv").read_text().splitlines()
    names = [line.split("\t") for line in sheet]
    assert names[1][1] == f"s3://idr/{PLACE}"
    lines = [sheet[0], *("\t".join((line[0], url)) for line in names[1:])]
    (folder / "reprocess-idr.tsv").write_text("\n".join(lines) + "\n")
    command = [sys.executable, "-m", "voxelmill", "run", "reprocess-idr.yaml", "--cores", "2"]
    done = subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True,
                          env={**os.environ, "VOXELMILL_STORES": "{}"}, timeout=280)  # fmt: skip
    assert done.returncode == 0, done.stderr
    results = folder / yaml.safe_load(text)["results"]
    found = digests(results)
    kept = ("/objects/", "/records/measure/", "/0/c/", "wells.parquet", "images.parquet")
    same = {name: digest for name, digest in found.items() if any(k in name for k in kept)}
    records = results.glob("*/records/segment/*.json")
    return same | {path.name: record_of_pixels(path) for path in records}


@pytest.mark.parametrize("absent", [404, 403])
def test_the_same_bytes_by_url_as_from_a_copy(
    archive: tuple[Path, int], tmp_path: Path, absent: int
) -> None:
    folder, nuclei = archive
    here = reprocess(tmp_path / "here", str(folder / "idr" / PLACE))
    with serve(folder) as server:
        server.absent = absent
        there = reprocess(tmp_path / "there", f"{server.url}/idr/{PLACE}")
        asked = [path for _, path in server.requests]
    assert here
    assert there == here
    table = read_table(
        tmp_path / "there/reprocess-idr/results/idr0062A-6001240/objects/nuclei/0000.parquet"
    )
    assert abs(len(table["Metadata_ObjectNumber"]) - nuclei) <= max(2, nuclei // 5)
    assert any(f"{PLACE}/0/1/" in path for path in asked), "pixels were read where they lie"
