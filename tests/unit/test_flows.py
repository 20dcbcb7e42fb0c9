"""Following a flow: the same wherever the image lies, and the same objects as Cellpose's own."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage as ndi

import samples
import stand_ins
from voxelmill.kernels.flow_error import flow_errors
from voxelmill.kernels.flows import UNIT, Int32, Mask, objects_of, steps_from

ROUNDS = 120


def discs(seed: int) -> Int32:
    """Labels of sixteen discs of several sizes, some of which touch."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:130, :140]
    labels = np.zeros(y.shape, np.int32)
    for k in range(16):
        row, column = divmod(k, 4)
        middle = 18 + 31 * row + rng.integers(-3, 4), 20 + 32 * column + rng.integers(-4, 5)
        far = (y - middle[0]) ** 2 + (x - middle[1]) ** 2
        labels[(far <= rng.integers(11, 16) ** 2) & (labels == 0)] = k + 1
    return labels


def scene(seed: int) -> tuple[Int32, Mask]:
    """Steps and mask of discs, from the stand-in network."""
    rng = np.random.default_rng(seed)
    labels = discs(seed)
    pixels = (labels > 0) + rng.normal(0, 0.02, labels.shape)
    flow_y, flow_x, logit = stand_ins.look(pixels[None, None].astype(np.float32))[0]
    inside = logit > 0
    return steps_from(np.stack([flow_y, flow_x]), 1 / 5, inside), inside


def test_discs_are_found_one_by_one() -> None:
    steps, inside = scene(0)
    labels = objects_of(steps, inside, ROUNDS)
    planted = discs(0)
    assert labels.max() == planted.max()
    for label in range(1, labels.max() + 1):
        under, counts = np.unique(planted[(labels == label) & (planted > 0)], return_counts=True)
        assert counts.max() > 0.9 * counts.sum(), f"{label} lies in {under}"


@settings(max_examples=30)
@given(
    seed=st.integers(0, 10**6),
    by=st.tuples(st.integers(0, 40), st.integers(0, 40)),
    more=st.tuples(st.integers(0, 40), st.integers(0, 40)),
)
def test_moving_the_image_moves_the_objects_and_changes_nothing(
    seed: int, by: tuple[int, int], more: tuple[int, int]
) -> None:
    steps, inside = scene(seed)
    edge = tuple(zip(by, more, strict=True))
    # Nothing may touch the end of the array: there a pixel is held back.
    inside[[0, -1]] = inside[:, [0, -1]] = False
    steps[:, ~inside] = 0
    moved, around = np.pad(steps, ((0, 0), *edge)), np.pad(inside, edge)
    labels = np.pad(objects_of(steps, inside, ROUNDS), edge)
    found = objects_of(moved, around, ROUNDS)
    pairs = np.unique(np.stack([labels.ravel(), found.ravel()]), axis=1)
    assert len(pairs.T) == labels.max() + 1 == found.max() + 1
    one = flow_errors(labels, moved, int(labels.max()))
    assert one[pairs[0]].tolist() == flow_errors(found, moved, int(found.max()))[pairs[1]].tolist()


def test_a_shape_that_explains_the_flow_has_no_error() -> None:
    y, x = np.mgrid[:41, :41] - 20
    disc = (y**2 + x**2 <= 18**2).astype(np.int32)
    length = np.maximum(np.hypot(y, x), 1e-9)
    inwards = np.rint(UNIT * np.stack([-y, -x]) / length).astype(np.int32)
    assert flow_errors(disc, inwards, 1)[1] < 0.05
    assert flow_errors(disc, -inwards, 1)[1] > 3
    halves = np.where(x < 0, 2 * disc, disc)
    assert (flow_errors(halves, inwards, 3)[1:3] > 0.15).all()
    assert flow_errors(halves, inwards, 3)[3] == 0


@pytest.mark.parametrize("seed", range(4))
def test_objects_are_those_of_cellpose(seed: int) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: make cellpose")
    pytest.importorskip("cellpose", reason="cellpose is not installed: make cellpose")
    from cellpose import dynamics

    rng = np.random.default_rng(seed)
    planted = samples.balls((1, 200, 220), samples.PLANE, 26, 30)[0]
    pixels = ndi.gaussian_filter((planted > 0) * 1.0, 1) + rng.normal(0, 0.03, planted.shape)
    fields = stand_ins.look(pixels[None, None].astype(np.float32))[0]
    flow, logit = fields[:2], fields[2]
    inside = logit > 0
    steps = steps_from(flow, 1 / 5, inside)
    ours = objects_of(steps, inside, 200)
    errors = flow_errors(ours, steps, int(ours.max()))
    ours = np.where(errors[ours] <= 0.4, ours, 0)
    theirs = dynamics.compute_masks(
        flow, logit, niter=200, flow_threshold=0.4, max_size_fraction=10, device=torch.device("cpu")
    )
    count = int(theirs.max())
    assert count > 20
    same = sum(_overlap(theirs == label, ours) > 0.9 for label in range(1, count + 1))
    assert same >= 0.95 * count
    assert abs(len(np.unique(ours)) - 1 - count) <= 0.05 * count


def _overlap(one: Mask, labels: Int32) -> float:
    """Largest intersection over union of `one` with a label."""
    values, counts = np.unique(labels[one], return_counts=True)
    shares = [
        n / (one.sum() + (labels == v).sum() - n) for v, n in zip(values, counts, strict=True) if v
    ]
    return float(max(shares, default=0.0))
