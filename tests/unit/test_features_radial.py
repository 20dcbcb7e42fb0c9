"""Radial features against cp_measure, SciPy's distances and hand-counted objects."""

import math
from typing import Any

import numpy as np
import pytest
from cp_measure.core.measureobjectintensitydistribution import get_radial_distribution
from numpy.typing import NDArray
from scipy import ndimage as ndi
from scipy.sparse import lil_array
from scipy.sparse.csgraph import dijkstra

from feature_scenes import blobs, dense, one_of_each, picture, volume
from shared import SHARED, needs_shared
from voxelmill.features import radial
from voxelmill.features.radial import Radial
from voxelmill.kernels.measure import index_objects
from voxelmill.kernels.measure_radial import WEDGES, sectors
from voxelmill.kernels.measure_radial_edge import edge_squares
from voxelmill.plugin import BadInput

UNIT = (1.0, 1.0, 1.0)
# A ring of equal pixels varies by rounding errors in cp_measure, by 0 here.
CLOSE = {"rtol": 1e-6, "atol": 1e-12}
Labels = NDArray[np.int32]


def tiles() -> Labels:
    """Touching tiles with dots missing, of which several share an id; some end at the border."""
    rng = np.random.default_rng(3)
    labels = np.kron(rng.integers(0, 12, (6, 8)), np.ones((9, 11), int))
    labels[rng.random(labels.shape) < 0.05] = 0
    return labels.astype(np.int32)[None]


SCENES = {"blobs": blobs(), "one of each": one_of_each(), "tiles": tiles()}

scenes = pytest.mark.parametrize("labels", SCENES.values(), ids=list(SCENES))


def measure(labels: Labels, image: NDArray[Any], bins: int = 4) -> dict[str, NDArray[Any]]:
    return Radial(bins=bins)(labels, {"C": image}, UNIT)


def check_against_oracle(labels: Labels, image: NDArray[Any], bins: int = 4) -> None:
    """Compare with a margin of 1 px: without it cp_measure takes the image's end for inside."""
    pixels = np.pad(image[0].astype(np.float64), 1)
    with np.errstate(invalid="ignore"):
        theirs = get_radial_distribution(np.pad(dense(labels), 1), pixels, bin_count=bins)
    ours = measure(labels, image, bins)
    assert len(ours) == len(theirs) == 3 * bins
    for column, mine in ours.items():
        reference = theirs[column.replace("_C_", "_")]
        np.testing.assert_allclose(mine, reference, **CLOSE, err_msg=column)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int32", "float32"])
@scenes
def test_agrees_with_cp_measure(labels: Labels, dtype: str) -> None:
    check_against_oracle(labels, picture(labels, dtype))


@pytest.mark.parametrize("bins", [2, 3, 7, 16, 100])
def test_agrees_with_cp_measure_for_any_number_of_rings(bins: int) -> None:
    labels = SCENES["tiles"]
    check_against_oracle(labels, np.random.default_rng(bins).normal(0, 1, labels.shape), bins)
    check_against_oracle(labels, np.random.default_rng(bins).integers(0, 2, labels.shape), bins)


@needs_shared
def test_agrees_with_cp_measure_on_real_nuclei() -> None:
    cv2 = pytest.importorskip("cv2")
    folder = SHARED / "data" / "nuclei2d" / "bbbc039_validation"
    pairs = list(
        zip(sorted(folder.glob("images/*")), sorted(folder.glob("labels/*")), strict=True)
    )[:3]
    for picture_file, label_file in pairs:
        image, labels = (cv2.imread(str(f), -1)[None] for f in (picture_file, label_file))
        check_against_oracle(labels.astype(np.int32), image)


@scenes
def test_edge_distances_are_those_of_scipy(labels: Labels) -> None:
    objects = index_objects(labels)
    found, starts = edge_squares(objects), objects.starts
    for row, label in enumerate(objects.ids):
        mine = np.pad(labels[0] == label, 1)
        squares = np.rint(ndi.distance_transform_edt(mine)[mine] ** 2)
        np.testing.assert_array_equal(found[starts[row] : starts[row + 1]], squares)


def ways(mine: NDArray[np.bool_], centre: int) -> NDArray[np.float64]:
    """Length of the shortest way inside, from one pixel to each, by Dijkstra's algorithm."""
    number = np.cumsum(mine).reshape(mine.shape) - 1
    graph = lil_array((mine.sum(), mine.sum()))
    for dy, dx in ((0, 1), (1, 0), (1, 1), (1, -1)):
        y, x = np.nonzero(mine & np.roll(mine, (-dy, -dx), (0, 1)))
        graph[number[y, x], number[y + dy, x + dx]] = math.hypot(dy, dx)
    found: NDArray[np.float64] = dijkstra(graph.tocsr(), directed=False, indices=centre)
    return found


def spiral() -> Labels:
    """A corridor 2 px wide that winds around its beginning."""
    labels = np.zeros((1, 40, 40), np.int32)
    for k in range(0, 20, 4):
        labels[0, k : 40 - k, k : 40 - k] = 1
        labels[0, k + 2 : 38 - k, k + 2 : 38 - k] = 0
        labels[0, k + 2 : k + 4, k : k + 2] = 0
        labels[0, k + 4 : k + 6, k + 2 : k + 4] = 1
    return labels


@pytest.mark.parametrize("labels", [*SCENES.values(), spiral()], ids=[*SCENES, "spiral"])
def test_rings_follow_the_shortest_way_inside(labels: Labels) -> None:
    objects = index_objects(labels)
    squares, starts = edge_squares(objects), objects.starts
    found = sectors(objects, squares, 50)
    for row, label in enumerate(objects.ids):
        own = slice(starts[row], starts[row + 1])
        far = ways(np.pad(labels[0] == label, 1), int(squares[own].argmax()))
        with np.errstate(invalid="ignore"):
            share = far / (far + np.sqrt(squares[own]) + 0.001)
        expected = np.where(np.isinf(far), 50, np.floor(50 * np.nan_to_num(share)))
        np.testing.assert_array_equal(found[own] // WEDGES, expected)


def test_a_square_is_counted_by_hand() -> None:
    """1, 8 and 16 pixels lie in rings 1 to 3; ring 2 has pixels in six wedges."""
    labels = np.zeros((1, 9, 9), np.int32)
    labels[0, 2:7, 3:8] = 7
    image = np.ones(labels.shape)
    image[0, 5, 5] = 7  # below the centre, alone in its wedge of ring 2
    found = {
        k.removeprefix("RadialDistribution_"): v.item() for k, v in measure(labels, image).items()
    }
    for ring, (light, pixels) in enumerate([(1, 1), (14, 8), (16, 16)], start=1):
        assert found[f"FracAtD_C_{ring}of4"] == light / 31
        assert found[f"MeanFrac_C_{ring}of4"] == pytest.approx(light / 31 / (pixels / 25))
    assert found["RadialCV_C_2of4"] == pytest.approx(math.sqrt(5) / 2)
    assert found["RadialCV_C_1of4"] == found["RadialCV_C_3of4"] == 0
    assert [found[f"{name}_C_4of4"] for name in ("FracAtD", "MeanFrac", "RadialCV")] == [0, 0, 0]


def test_the_border_is_an_edge() -> None:
    labels = one_of_each()
    image = picture(labels)
    whole = measure(labels, image)
    rows = np.isin(np.unique(labels[labels > 0]), [20, 21])
    cut = np.ascontiguousarray(labels[:, 5:9, 22:30]), image[:, 5:9, 22:30]
    for column, value in measure(*cut).items():
        np.testing.assert_array_equal(value, whole[column][rows])


def test_parts_away_from_the_centre_do_not_count() -> None:
    labels = np.zeros((1, 12, 12), np.int32)
    labels[0, 1:6, 1:6] = 3
    alone = measure(labels, picture(labels))
    image = picture(labels)
    labels[0, 8:11, 7:11] = 3
    both = measure(labels, image)
    np.testing.assert_equal(both, alone)
    broken = image.astype(np.float32)
    broken[0, 9, 9] = np.nan
    assert all(np.isnan(v).all() for v in measure(labels, broken).values())


def test_no_light_no_shares() -> None:
    labels = one_of_each()
    for column, value in measure(labels, np.zeros(labels.shape, np.uint16)).items():
        assert (value == 0).all() if "RadialCV" in column else np.isnan(value).all()


def test_a_ring_without_a_mean_has_no_variation() -> None:
    """Its wedges add up to 0; cp_measure returns their standard deviation there."""
    labels = np.zeros((1, 5, 5), np.int32)
    labels[0, 1:4, 1:4] = 4
    image = np.zeros(labels.shape)
    image[0, 1:4:2, 1:4:2] = [[3, -3], [-3, 3]]
    image[0, 2, 2] = 9
    found = measure(labels, image)
    assert found["RadialDistribution_FracAtD_C_1of4"].tolist() == [1]
    assert found["RadialDistribution_FracAtD_C_3of4"].tolist() == [0]
    assert np.isnan(found["RadialDistribution_RadialCV_C_3of4"]).all()


def test_nan_stays_with_its_object_and_channel() -> None:
    labels = one_of_each()
    clean = picture(labels, "float32")
    broken = clean.copy()
    broken[0, 5, 14] = np.nan
    found = Radial()(labels, {"A": clean, "B": broken}, UNIT)
    row = np.unique(labels[labels > 0]).tolist().index(7)
    for column, value in Radial()(labels, {"A": clean}, UNIT).items():
        np.testing.assert_array_equal(found[column], value)
        expected = value.copy()
        expected[row] = np.nan
        np.testing.assert_array_equal(found[column.replace("_A_", "_B_")], expected)


def test_only_what_is_chosen_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = one_of_each()
    image = {"A": picture(labels), "B": picture(labels)[:, 1:]}
    found = Radial(only=("*_A_2of4", "*CV_A*"))(labels, image, UNIT)
    assert list(found) == [
        f"RadialDistribution_{name}"
        for name in (
            "RadialCV_A_1of4",
            *("FracAtD_A_2of4", "MeanFrac_A_2of4", "RadialCV_A_2of4"),
            *("RadialCV_A_3of4", "RadialCV_A_4of4"),
        )
    ]
    everything = Radial()(labels, {"A": image["A"]}, UNIT)
    for column, value in found.items():
        np.testing.assert_array_equal(value, everything[column])
    with pytest.raises(BadInput, match="channel 'B'"):
        Radial()(labels, image, UNIT)
    monkeypatch.delattr(radial, "sectors")
    assert Radial(only=("none",))(labels, image, UNIT) == {}


def test_volumes_have_no_rings() -> None:
    labels = volume()
    found = measure(labels, picture(labels), bins=3)
    assert list(found) == list(Radial(bins=3).columns(["C"]))
    assert all(np.isnan(v).all() for v in found.values())
