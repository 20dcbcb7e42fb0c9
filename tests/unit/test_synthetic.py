"""Made-up images: their truth is true, they depend on the seed only, faults are where they say."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from voxelmill.plugin import BadConfig, Index, OutputExists
from voxelmill.steps.demo import plan_sites, write_demo_plate
from voxelmill.store import inventory, open_dataset, open_image
from voxelmill.synthetic import field, nuclei_image


def sharpness(image: np.ndarray) -> float:
    return float(ndimage.gaussian_laplace(image.astype(float), 1.5).std())


def test_field_is_a_function_of_its_seed() -> None:
    one, again, other = (field(seed, size=300, nuclei=15) for seed in (1, 1, [1, 2]))
    assert np.array_equal(one.pixels, again.pixels)
    assert np.array_equal(one.nuclei, again.nuclei)
    assert not np.array_equal(one.pixels, other.pixels)
    assert one.pixels.dtype == np.uint16
    assert one.pixels.shape == (3, 300, 300)


def test_truth_is_what_is_drawn() -> None:
    made = field(3, size=500, nuclei=40)
    centroids, areas = made.truth()
    ids = np.unique(made.nuclei)[1:]
    expected = ndimage.center_of_mass(made.nuclei > 0, made.nuclei, ids)
    np.testing.assert_allclose(centroids, expected)
    assert areas.tolist() == [int((made.nuclei == i).sum()) for i in ids]
    assert 35 <= len(areas) <= 40
    inside = [tuple(np.rint(c).astype(int)) for c in centroids]
    dna = made.pixels[0].astype(float)
    assert min(dna[p] for p in inside) > 2 * np.median(dna)
    diameter = 2 * np.sqrt(np.median(areas) / np.pi)
    assert 16 < diameter < 21


def test_some_nuclei_touch() -> None:
    made = field(4, nuclei=120)
    islands = ndimage.label(made.nuclei > 0, np.ones((3, 3)))[1]
    assert 0.05 < 1 - islands / len(made.truth()[1]) < 0.25


def test_light_is_uneven_and_noisy() -> None:
    empty = field(5, size=540, nuclei=0).pixels[0].astype(float) - 100
    corner, middle = empty[-60:, :60].mean(), empty[220:280, 260:320].mean()
    assert 0.55 < corner / middle < 0.75
    assert 0.8 < empty[220:280, 260:320].std() / np.sqrt(middle + 16) < 1.2
    assert len(field(5, size=540, nuclei=0).truth()[1]) == 0


def test_more_channels_and_effect() -> None:
    plain, treated = (field(6, size=300, nuclei=12, effect=e).pixels for e in (1.0, 2.5))
    assert np.array_equal(plain[0], treated[0])
    assert treated[1].max() > 1.8 * plain[1].max()
    assert field(6, size=300, nuclei=12, channels="abcde").pixels.shape == (5, 300, 300)


@pytest.mark.parametrize(("shape", "n"), [((1, 256, 200), 80), ((24, 96, 80), 40)])
def test_dense_nuclei(shape: Index, n: int) -> None:
    image, labels = nuclei_image(shape, n, 14, 7)
    assert image.shape == labels.shape == shape
    assert labels.dtype == np.int32
    ids = np.unique(labels)
    assert ids.tolist() == list(range(len(ids)))
    assert len(ids) > 0.7 * n
    islands = ndimage.label(labels > 0)[1]
    assert islands < 0.75 * len(ids), "most touch another"
    assert image[labels > 0].mean() > 3 * image[labels == 0].mean()
    parts = [ndimage.label(labels == i)[1] for i in ids[1:]]
    assert np.mean(np.array(parts) == 1) > 0.95


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("demo") / "demo.zarr"
    assert write_demo_plate(out, size=200, fields=2) == out.with_name("demo.truth.json")
    return out


def test_demo_plate_and_its_faults(demo: Path) -> None:
    truth = json.loads(demo.with_name("demo.truth.json").read_text())
    refs = open_dataset(str(demo)).images
    assert [r.path for r in refs] == list(truth["images"])
    assert len(refs) == 24
    assert {r.well for r in refs} == {f"{r}{c:02d}" for r in "ABC" for c in range(1, 5)}
    faults: dict[str, list[str]] = {}
    for entry in truth["faults"]:
        faults.setdefault(entry["fault"], []).append(entry["image"])
    assert {k: len(v) for k, v in faults.items()} == {
        "out_of_focus": 2, "saturated": 1, "empty": 1, "lost_chunk": 1
    }  # fmt: skip
    assert truth["images"][faults["empty"][0]]["nuclei"] == 0
    for ref in refs:
        found = inventory(open_image(str(demo), ref.path))
        assert len(found.missing) == (1 if ref.path in faults["lost_chunk"] else 0)


def test_demo_is_the_same_again(demo: Path, tmp_path: Path) -> None:
    write_demo_plate(tmp_path / "demo.zarr", size=200, fields=2)
    for file in [p for p in demo.parent.rglob("*") if p.is_file()]:
        assert file.read_bytes() == (tmp_path / file.relative_to(demo.parent)).read_bytes()
    with pytest.raises(OutputExists):
        write_demo_plate(tmp_path / "demo.zarr", size=200)


def test_plan() -> None:
    sites = plan_sites(12, 4, size=1080, seed=0, faults=True)
    counts = {f"{s.row}{s.column}": s.nuclei for s in sites if not s.fault}
    assert all(60 <= n <= 160 for n in counts.values())
    assert counts["C01"] > counts["C04"]
    assert len(plan_sites(24, 4, size=1080, seed=0, faults=False)) == 96
    with pytest.raises(BadConfig, match="at least 4"):
        plan_sites(2, 1, size=1080, seed=0, faults=True)


def test_defocus_and_exposure() -> None:
    blurred, sharp = (field(8, size=300, nuclei=12, defocus_px=d).pixels[0] for d in (8, 0))
    assert sharpness(sharp) > 2 * sharpness(blurred)
    bright = field(8, size=300, nuclei=12, exposure=120).pixels[0]
    assert (bright[field(8, size=300, nuclei=12).nuclei > 0] == 65535).mean() > 0.9
