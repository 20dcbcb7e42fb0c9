"""Segmentation kernels against slow, trusted references."""

import heapq

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage as ndi
from skimage.filters import threshold_li, threshold_otsu

from voxelmill.kernels.basins import rainfall
from voxelmill.kernels.components import boxes, components, joined
from voxelmill.kernels.contacts import survey
from voxelmill.kernels.distance import STEPS, distance
from voxelmill.kernels.grow import grow, step_lengths
from voxelmill.kernels.histogram import histogram, quantile
from voxelmill.kernels.holes import fill_holes
from voxelmill.kernels.level import level, subtract_surface
from voxelmill.kernels.levels import background, li, otsu
from voxelmill.kernels.light import add_light, relabel
from voxelmill.kernels.outline import edge_levels, peel
from voxelmill.kernels.pieces import largest_pieces
from voxelmill.kernels.quantise import fit_scale, quantise
from voxelmill.kernels.runs import paint, runs
from voxelmill.kernels.size import typical_diameter
from voxelmill.kernels.smooth import BITS, gaussian_weights, smooth
from voxelmill.kernels.surface import _by_tile, fit_surface
from voxelmill.kernels.tree import gather, merge_tree, select
from voxelmill.kernels.watershed import Pairs, find_basins, roundness, steps_of_two
from voxelmill.plugin import Array, Index

SHAPES: list[Index] = [(1, 23, 31), (9, 12, 14)]
QUICK = settings(max_examples=15, deadline=None)
SEEDS = st.integers(0, 10**6)


def blobs(seed: int, shape: Index, share: float = 0.5) -> Array:
    rough = np.random.default_rng(seed).random(shape)
    smoothed = ndi.gaussian_filter(rough, [0 if n == 1 else 1.2 for n in shape])
    return smoothed > np.quantile(smoothed, 1 - share)


@pytest.mark.parametrize("shape", SHAPES)
@QUICK
@given(seed=SEEDS, share=st.sampled_from([0.1, 0.5, 0.95, 1.0]), depth=st.sampled_from([1.0, 2.5]))
def test_distance_is_the_euclidean_distance_up_to_the_cap(
    shape: tuple[int, ...], seed: int, share: float, depth: float
) -> None:
    mask = blobs(seed, shape, share)
    exact = ndi.distance_transform_edt(mask, (depth, 1, 1)) if not mask.all() else mask * 999.0
    for cap in (6.0, 126.0, 200.0):  # in 16 bits, in just 16 bits, and in 32
        found = distance(runs(mask), mask.shape, (depth, 1.0, 1.0), cap)
        assert np.abs(found / STEPS - np.minimum(exact, cap)).max() <= 1 / STEPS
        assert not found[~mask].any()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("full", [True, False])
@QUICK
@given(seed=SEEDS, share=st.floats(0.05, 0.9))
def test_components_are_those_of_scipy(
    shape: tuple[int, ...], full: bool, seed: int, share: float
) -> None:
    mask = np.random.default_rng(seed).random(shape) < share
    ids, n = components(mask.astype(np.int32), full)
    expected, count = ndi.label(mask, np.ones((3, 3, 3)) if full else None)
    assert n == count
    assert np.array_equal(ids, expected)  # scipy also numbers by first voxels
    found = runs(ids)
    sizes, bounds = boxes(found, found.table[:, 2] - 1, n, shape[1])
    assert np.array_equal(sizes, np.bincount(ids.ravel(), minlength=n + 1)[1:])
    for i, box in enumerate(ndi.find_objects(ids)):
        assert [s.start for s in box] == list(bounds[i, :3])
        assert [s.stop - 1 for s in box] == list(bounds[i, 3:])


def test_components_part_touching_labels() -> None:
    labels = np.array([[[1, 1, 2, 2, 1]]], np.int32)
    ids, n = components(labels, False)
    assert n == 3
    assert ids.tolist() == [[[1, 1, 2, 2, 3]]]


@pytest.mark.parametrize("shape", SHAPES)
@QUICK
@given(seed=SEEDS, sigma=st.floats(0.4, 3.0))
def test_smoothing_is_gaussian_and_does_not_depend_on_position(
    shape: tuple[int, ...], seed: int, sigma: float
) -> None:
    image = np.random.default_rng(seed).integers(0, 60000, shape).astype(np.int32)
    widths = (0.0 if shape[0] == 1 else sigma, sigma, sigma)
    found = smooth(image, widths)
    expected = ndi.gaussian_filter(image.astype(float), widths, mode="nearest", truncate=3.0)
    assert np.abs(found - expected).max() < 0.004 * 60000
    weights = gaussian_weights(sigma)
    assert weights[0] + 2 * weights[1:].sum() == 2**BITS
    reach = weights.size - 1
    part = smooth(image[:, 2:, 3:], widths)
    inner = (slice(None), slice(reach + 2, None), slice(reach + 3, None))
    assert np.array_equal(found[inner], part[:, reach:, reach:])


@QUICK
@given(seed=SEEDS)
def test_thresholds_are_those_of_scikit_image(seed: int) -> None:
    rng = np.random.default_rng(seed)
    dim, bright = rng.normal(500, 60, 4000), rng.normal(2500, 400, 1500)
    values = np.concatenate([dim, bright]).round().astype(np.int32)
    width = np.ptp(values) / 256
    seen = histogram(values)
    assert otsu(seen) == pytest.approx(threshold_otsu(values.astype(float)), abs=1.01 * width)
    assert li(seen) == pytest.approx(threshold_li(values), rel=0.03)
    centre, noise = background(seen)
    assert centre == pytest.approx(500, abs=40)
    assert noise == pytest.approx(60, rel=0.5)


def slow_background(values: Array) -> tuple[float, float]:
    ranked = np.sort(values)
    size = max(1, ranked.size // 10)
    start = int(np.argmin(ranked[size - 1 :] - ranked[: ranked.size - size + 1]))
    centre = float(np.median(ranked[start : start + size]))
    return centre, 1.4826 * float(np.median(centre - ranked[ranked <= centre]))


@QUICK
@given(seed=SEEDS, size=st.sampled_from([1, 2, 9, 500]), span=st.sampled_from([1, 30, 50_000]))
def test_a_histogram_gives_what_sorting_gives(seed: int, size: int, span: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.integers(-span, span, size).astype(np.int32)
    mask = rng.random(size) < 0.6
    mask[0] = True
    assert background(histogram(values)) == slow_background(values)
    for share in (0.0, 0.001, 0.5, 0.995, 1.0):
        found = quantile(histogram(values, mask), share)
        assert found == pytest.approx(np.quantile(values[mask], share), rel=1e-12, abs=1e-9)


def slow_rainfall(relief: Array) -> Array:
    """Follow each voxel uphill by the definition; basins named by their peak's raster index."""
    where = {tuple(p): relief[tuple(p)] for p in np.argwhere(relief > 0)}
    index = {p: int(np.ravel_multi_index(p, relief.shape)) for p in where}
    offsets = np.argwhere(np.ones((3, 3, 3))) - 1

    def up(p: tuple[int, ...]) -> tuple[int, ...]:
        near = [tuple(p + o) for o in offsets if tuple(p + o) in where]
        return max(near, key=lambda q: (where[q], -index[q]))

    out = np.zeros(relief.shape, np.int64)
    for p in where:
        q = p
        while up(q) != q:
            q = up(q)
        out[p] = index[q] + 1
    return out


@pytest.mark.parametrize("shape", [(1, 12, 14), (4, 6, 7)])
@QUICK
@given(seed=SEEDS, top=st.sampled_from([3, 1000]))
def test_rainfall_follows_the_steepest_ascent(shape: tuple[int, ...], seed: int, top: int) -> None:
    rng = np.random.default_rng(seed)
    relief = (rng.integers(1, top, shape) * blobs(seed, shape, 0.7)).astype(np.int32)
    found, peaks = rainfall(relief - 1, runs(relief > 0))
    assert found.ravel()[peaks].tolist() == list(range(1, peaks.size + 1))
    expected = slow_rainfall(relief)
    names = np.append(0, np.unique(expected[expected > 0]))
    assert peaks.size == names.size - 1
    assert np.array_equal(names[found], expected)


def slow_survey(basins: Array, heights: Array, image: Array) -> dict[tuple[int, int], Array]:
    """Edges by looking at every pair of touching voxels."""
    found: dict[tuple[int, int], Array] = {}
    offsets = [tuple(o) for o in np.argwhere(np.ones((3, 3, 3))) - 1 if tuple(o) > (0, 0, 0)]
    for p in map(tuple, np.argwhere(basins)):
        for o in offsets:
            q = tuple(a + b for a, b in zip(p, o, strict=True))
            if not all(0 <= a < n for a, n in zip(q, basins.shape, strict=True)):
                continue
            a, b = sorted((int(basins[p]), int(basins[q])))
            if a and a != b:
                edge = found.setdefault((a, b), np.zeros(3, np.int64))
                edge[0] = max(edge[0], min(heights[p], heights[q]))
                edge[1:] += 1, min(image[p], image[q])
    return found


@pytest.mark.parametrize("shape", [(1, 12, 14), (4, 6, 7), (1, 1, 5), (2, 5, 1)])
@QUICK
@given(seed=SEEDS, n=st.sampled_from([1, 4, 40]))
def test_a_survey_sums_basins_and_finds_all_touching_pairs(
    shape: tuple[int, ...], seed: int, n: int
) -> None:
    rng = np.random.default_rng(seed)
    basins, heights, image = (
        rng.integers(low, high, shape).astype(np.int32)
        for low, high in ((0, n + 1), (0, 50), (-9, 99))
    )
    sums, bounds, pairs, edges = survey(basins, heights, image, runs(basins), n)
    found = {(int(p >> 32), int(p & 0xFFFFFFFF)): e for p, e in zip(pairs, edges, strict=True)}
    expected = slow_survey(basins, heights, image)
    assert found.keys() == expected.keys()
    assert all(np.array_equal(found[k], expected[k]) for k in found)
    for b in np.unique(basins[basins > 0]):
        z, y, x = np.nonzero(basins == b)
        v = np.maximum(image[z, y, x], 0).astype(np.int64)
        assert bounds[b].tolist() == [*(int(a.min()) for a in (z, y, x)),
                                      *(int(a.max()) for a in (z, y, x))]  # fmt: skip
        z = z + (shape[0] > 1)
        columns = (z, y, x, z * z, y * y, x * x, z * y, z * x, y * x, v, v * v)
        assert sums[b].tolist() == [v.size, *(int(c.sum()) for c in columns)]


def test_a_tree_stops_at_the_limit_and_the_choice_is_the_highest_node_that_belongs() -> None:
    bounds = np.zeros((5, 6), np.int64)
    bounds[1:, 2] = [0, 10, 20, 30]
    bounds[1:, 5] = [9, 19, 29, 39]
    first, second = np.array([1, 3, 2]), np.array([2, 4, 3])
    parent, children, edge = merge_tree(first, second, bounds, np.array([1, 1, 40]))
    assert parent.tolist() == [-1, 5, 5, 6, 6, 7, 7, -1]
    assert children[5:].tolist() == [[1, 2], [3, 4], [5, 6]]
    assert edge[5:].tolist() == [0, 1, 2]
    belong = np.array([1, 1, 1, 1, 1, 1, 0, 0], bool)
    assert select(parent, belong, 4).tolist() == [0, 5, 5, 3, 4]
    belong[7] = True
    assert select(parent, belong, 4).tolist() == [0, 7, 7, 7, 7]
    parent, children, _ = merge_tree(first, second, bounds, np.array([1, 1, 39]))
    assert parent.size == 7
    sums = np.arange(5)[:, None].astype(np.int64)
    assert gather(sums, children)[5:, 0].tolist() == [3, 7]


@pytest.mark.parametrize(("shape", "expected"), [((1, 61, 61), 1.0), ((41, 61, 61), 1.0)])
def test_an_ellipse_is_round_and_a_pair_is_not(shape: tuple[int, ...], expected: int) -> None:
    z, y, x = np.meshgrid(*[np.arange(n) - n // 2 for n in shape], indexing="ij")
    one = ((z / 9) ** 2 + (y / 12) ** 2 + (x / 20) ** 2 < 1).astype(np.int32)
    two = (((np.abs(x) - 11) ** 2 + y**2 + z**2) < 110).astype(np.int32)
    found = []
    for mask in (one, two):
        sums, *_ = survey(mask, mask, mask, runs(mask), 1)
        found.append(float(roundness(sums)[1]))
    assert found[0] == pytest.approx(expected, abs=0.02)
    assert found[1] < 0.92


def test_pair_features_hold_what_their_names_say() -> None:
    relief = np.array([[[3, 5, 2, 4, 3]]], np.int32).repeat(3, axis=1)
    image = np.array([[[10, 10, 6, 20, 20]]], np.int32).repeat(3, axis=1)
    b = find_basins(relief - 1, runs(relief > 0), image)
    assert b.top[1:].tolist() == [5, 4]
    pairs = Pairs(b.sums[b.first], b.sums[b.second], b.border, b.saddle, np.array([4]))
    features = pairs.features(15.0)[:, 0]
    assert features[0] == 1
    assert features[1] == b.saddle[0] / 4
    assert features[6] == 0  # the whole has the expected size


@QUICK
@given(x=st.floats(1e-6, 1e6))
def test_steps_of_two_is_a_logarithm(x: float) -> None:
    assert float(steps_of_two(np.array([x]))[0]) == pytest.approx(np.log2(x), abs=0.087)


def slow_peel(labels: Array, weak: Array) -> Array:
    out = labels.copy()
    faces = ndi.generate_binary_structure(3, 1)
    for i in np.unique(labels[labels > 0]):
        outside = labels != i
        inside = weak & ~outside
        gone = ndi.binary_propagation(outside, faces, mask=inside | outside) & inside
        out[gone] = 0
    return out


@pytest.mark.parametrize("shape", SHAPES)
@QUICK
@given(seed=SEEDS)
def test_peeling_removes_weak_voxels_that_reach_the_border(
    shape: tuple[int, ...], seed: int
) -> None:
    labels = blobs(seed, shape, 0.6).astype(np.int32)
    labels[:, :, shape[2] // 2 :] *= 2
    weak = blobs(seed + 1, shape, 0.5)
    expected = slow_peel(labels, weak)
    groups = np.random.default_rng(seed).integers(0, 5, shape).astype(np.int32)
    least = np.array([7, 1, 30, 4, 9], np.int32)
    peel(labels, runs(labels), least[groups] - weak, groups, least)
    assert np.array_equal(labels, expected)


@pytest.mark.parametrize("shape", SHAPES)
@QUICK
@given(seed=SEEDS)
def test_peeling_may_take_its_limits_from_the_labels_themselves(
    shape: tuple[int, ...], seed: int
) -> None:
    labels = blobs(seed, shape, 0.6).astype(np.int32)
    labels[:, :, shape[2] // 2 :] *= 2
    image = np.random.default_rng(seed).integers(0, 9, shape).astype(np.int32)
    least = np.array([0, 6, 3], np.int32)
    expected = slow_peel(labels, image < least[labels])
    peel(labels, runs(labels), image, labels, least)
    assert np.array_equal(labels, expected)


@pytest.mark.parametrize("shape", SHAPES)
@QUICK
@given(seed=SEEDS)
def test_the_edge_is_where_the_plane_changes(shape: tuple[int, ...], seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = (blobs(seed, shape, 0.6) * rng.integers(1, 3)).astype(np.int32)
    labels[:, :, shape[2] // 2 :] *= 2
    image = rng.integers(-5, 50, shape).astype(np.int32)
    wide = np.pad(labels, ((0, 0), (1, 1), (1, 1)), mode="edge")
    views = (wide[:, 2:, 1:-1], wide[:, :-2, 1:-1], wide[:, 1:-1, 2:], wide[:, 1:-1, :-2])
    edge = np.any([v != labels for v in views], axis=0)
    count, total = edge_levels(labels, runs(labels), image, 4)
    for k in range(1, 5):
        on = edge & (labels == k)
        assert count[k] == on.sum()
        assert total[k] == image[on].clip(0).sum()


def slow_fill(labels: Array, size: int, extent: Index) -> Array:
    out = labels.copy()
    holes, _ = ndi.label(labels == 0)
    for k, box in enumerate(ndi.find_objects(holes), 1):
        hole = holes == k
        rim = ndi.binary_dilation(hole) & ~hole
        # One more plane all round: what grows into it touches the edge.
        flat = labels.shape[0] == 1
        wide = np.pad(hole, ((0, 0) if flat else (1, 1), (1, 1), (1, 1)))
        grown = ndi.binary_dilation(wide)
        inner = tuple(slice(None) if flat and a == 0 else slice(1, -1) for a in range(3))
        grown[inner] = False
        around = np.unique(labels[rim])
        if grown.any() or around.size != 1 or hole.sum() > size:
            continue
        if all(s.stop - s.start <= e for s, e in zip(box, extent, strict=True)):
            out[hole] = around[0]
    return out


@pytest.mark.parametrize("shape", [(1, 23, 31), (6, 12, 14), (2, 9, 1)])
@QUICK
@given(seed=SEEDS, dtype=st.sampled_from([np.uint8, np.int32]))
def test_holes_are_those_of_the_definition(
    shape: tuple[int, ...], seed: int, dtype: type[np.generic]
) -> None:
    labels = (np.random.default_rng(seed).random(shape) < 0.75).astype(dtype)
    labels[:, :, shape[2] // 2 :] *= 2
    expected = slow_fill(labels, 3, (1, 2, 2))
    assert np.array_equal(fill_holes(labels, 3, (1, 2, 2)), expected)


@pytest.mark.parametrize("shape", [*SHAPES, (1, 5, 300), (2, 3, 129)])
@QUICK
@given(seed=SEEDS, n=st.sampled_from([1, 3]))
def test_runs_hold_what_the_labels_hold(shape: tuple[int, ...], seed: int, n: int) -> None:
    labels = np.random.default_rng(seed).integers(0, n + 1, shape).astype(np.int32)
    found = runs(labels)
    again = np.full(shape, 7, np.int32)
    paint(found, found.table[:, 2], again)
    assert np.array_equal(again, labels)
    _, count = joined(found, shape, False)
    assert count == sum(ndi.label(labels == i)[1] for i in range(1, n + 1))
    zeros, _ = runs(labels, of_zero=True)
    assert (zeros[:, 1] - zeros[:, 0]).sum() == (labels == 0).sum()


def test_light_is_a_share_of_the_level_around_and_is_limited() -> None:
    depth = np.full((1, 1, 5), 10, np.int32)
    mask = np.array([[[1, 1, 1, 0, 1]]], np.uint8)
    image = np.array([[[8, -4, 80, 8, 8]]], np.int32)
    groups = np.array([[[1, 1, 1, 1, 0]]], np.int32)
    add_light(depth, runs(mask), image, groups, np.array([0.0, 0.4]), 15)
    assert depth.tolist() == [[[13, 10, 25, 10, 10]]]
    relabel(groups, runs(groups), np.array([9, 5], np.int32))
    assert groups.tolist() == [[[5, 5, 5, 5, 0]]]


def test_holes_are_filled_by_size_extent_and_owner() -> None:
    labels = np.ones((1, 12, 20), np.int32)
    labels[0, 2:4, 2:4] = 0  # filled
    labels[0, 6, 1:7] = 0  # too long
    labels[0, 2:6, 8:12] = 0  # too large
    labels[0, 0, 15] = 0  # at the edge
    labels[:, :, 14:] *= 2
    labels[0, 8, 13:15] = 0  # between two objects
    filled = fill_holes(labels, 8, (1, 5, 5))
    assert (filled[0, 2:4, 2:4] == 1).all()
    assert np.count_nonzero(filled == 0) == 6 + 16 + 1 + 2


def test_the_largest_piece_of_each_label_stays() -> None:
    labels = np.array([[[2, 2, 0, 1, 0, 2], [0, 0, 0, 1, 0, 0], [3, 0, 1, 0, 0, 0]]], np.int32)
    assert largest_pieces(labels, 2, np.array([1, 1, 0, 1], bool))[1] == 1
    ids, n = largest_pieces(labels, 2)
    assert n == 2
    assert ids.tolist() == [[[1, 1, 0, 2, 0, 0], [0, 0, 0, 2, 0, 0], [0, 0, 0, 0, 0, 0]]]


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", "uint32", "float32", ">u2"])
def test_quantising_keeps_order_and_precision(dtype: str) -> None:
    rng = np.random.default_rng(0)
    raw = (rng.normal(90, 8, 3000) - (60 if dtype == "int8" else 0)).clip(0, 120)
    values = raw.astype(dtype)
    offset, gain = fit_scale(values)
    found = quantise(values, offset, gain)
    assert found.dtype == np.int32
    order = np.argsort(values, kind="stable")
    assert (np.diff(found[order]) >= 0).all()
    assert np.unique(found).size >= 0.8 * np.unique(values).size
    assert np.log2(gain) == np.floor(np.log2(gain))


def test_quantising_takes_what_is_not_a_number_for_background() -> None:
    values = np.array([0.0, 1.0, np.nan, np.inf, -np.inf], np.float32)
    offset, gain = fit_scale(values)
    found = quantise(values, offset, gain)
    assert found[2] == 0
    assert found[4] == found.min()
    assert found[3] == found.max()
    assert fit_scale(np.full(3, np.nan)) == (0.0, 1.0)


def test_a_surface_follows_the_background_and_does_not_depend_on_the_block() -> None:
    y, x = np.mgrid[:300, :400]
    shade = (1000 + 2 * x - y).astype(np.int32)[None]
    objects = np.zeros(shade.shape, bool)
    objects[0, 40:90, 50:120] = True
    grid = fit_surface(np.where(objects, 9000, shade), ~objects, (1, 6, 8))
    tile = (1.0, 50.0, 50.0)
    left = subtract_surface(shade, grid, tile, (1.0, 1.0, 1.0), (0, 0, 0))
    assert np.abs(left[0, 30:-30, 30:-30]).max() < 25
    part = subtract_surface(shade[:, 90:, 33:], grid, tile, (1.0, 1.0, 1.0), (0, 90, 33))
    assert np.array_equal(part, left[:, 90:, 33:])
    for dtype in ("uint16", ">u2", "int32", "float32", "float16"):
        image = np.minimum(shade, 2047).astype(dtype)
        scale = 5.0, 0.5
        found = level(image, scale, grid, tile, (1.0, 1.0, 1.0), (0, 7, 9))
        values = quantise(image, *scale)
        assert np.array_equal(
            found, subtract_surface(values, grid, tile, (1.0, 1.0, 1.0), (0, 7, 9))
        )
    rate = [slice(None), slice(25, None, 50), slice(25, None, 50)]
    assert np.abs(left[tuple(rate)]).max() < 25  # at the tiles' centres


@QUICK
@given(seed=SEEDS, percent=st.sampled_from([0.0, 20.0, 50.0, 100.0]))
def test_tiles_hold_percentiles(seed: int, percent: float) -> None:
    rng = np.random.default_rng(seed)
    values = rng.integers(-(2**17), 2**17, (2, 21, 33)).astype(np.int32)
    mask = rng.random(values.shape) < 0.5
    found = _by_tile(values, mask, (1, 2, 3), percent)
    for i, rows in enumerate((slice(0, 10), slice(10, 21))):
        for k in range(3):
            box = (slice(None), rows, slice(11 * k, 11 * k + 11))
            expected = np.percentile(values[box][mask[box]], percent)
            assert found[0, i, k] == round(expected)


def test_the_typical_diameter_is_that_of_the_discs_even_where_they_touch() -> None:
    y, x = np.mgrid[:200, :200]
    mask = np.zeros((1, 200, 200), np.uint8)
    for cy in range(15, 190, 24):
        for cx in range(15, 190, 24):
            mask[0] |= (y - cy) ** 2 + (x - cx) ** 2 < 12.4**2
    found = typical_diameter(mask, (1.0, 1.0, 1.0), 100.0)
    assert found == pytest.approx(24.8, rel=0.15)
    assert typical_diameter(mask * 0, (1.0, 1.0, 1.0), 100.0) == 0


def slow_grow(
    seeds: Array, image: Array, mask: Array, steps: tuple[int, ...], per_unit: float, limit: int
) -> Array:
    best = {tuple(map(int, p)): (0, int(seeds[tuple(p)])) for p in np.argwhere(seeds)}
    heap = [(cost, owner, p) for p, (cost, owner) in best.items()]
    heapq.heapify(heap)
    while heap:
        cost, owner, p = heapq.heappop(heap)
        if best[p] != (cost, owner):
            continue
        for *offset, length in steps.tolist():
            q = tuple(a + b for a, b in zip(p, offset, strict=True))
            if not all(0 <= a < n for a, n in zip(q, seeds.shape, strict=True)):
                continue
            gap = abs(int(image[q]) - int(image[p]))
            offer = (cost + length + int(gap * per_unit), owner)
            if mask[q] and offer[0] <= limit and offer < best.get(q, (10**9, 0)):
                best[q] = offer
                heapq.heappush(heap, (*offer, q))
    out = np.zeros(seeds.shape, np.int32)
    for p, (_, owner) in best.items():
        out[p] = owner
    return out


@pytest.mark.parametrize("shape", [(1, 17, 19), (5, 8, 9)])
@QUICK
@given(seed=SEEDS, grey=st.sampled_from([1, 50]))
def test_growing_is_dijkstra_with_ties_to_the_smaller_id(
    shape: tuple[int, ...], seed: int, grey: float
) -> None:
    rng = np.random.default_rng(seed)
    seeds = np.zeros(shape, np.int32)
    seeds.ravel()[rng.choice(seeds.size, 6, replace=False)] = rng.permutation(6) + 1
    image = rng.integers(0, grey, shape).astype(np.int32)
    mask = blobs(seed, shape, 0.8)
    steps = step_lengths(shape, (3.0, 2.0, 2.0))
    found = grow(seeds, image, mask, steps, 0.25, 40)
    assert np.array_equal(found, slow_grow(seeds, image, mask, steps, 0.25, 40))
    assert np.array_equal(found[seeds > 0], seeds[seeds > 0])
