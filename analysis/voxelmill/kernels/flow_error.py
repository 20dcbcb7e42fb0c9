"""How well the shape of each object explains the flow in it (Cellpose's quality control).

In: labels and steps. Out: an error by label. From its centre heat spreads over an object; the
directions in which it rises are the steps that the object's shape would have. Each object is
judged in its own frame, so its error does not depend on where it lies. After Stringer et al. 2021,
doi:10.1038/s41592-020-01018-x; the number of rounds is the object's own.
"""

import numpy as np

from voxelmill.kernels.flows import UNIT, Int32, Int64
from voxelmill.kernels.jit import kernel
from voxelmill.kernels.measure import Floats


def flow_errors(labels: Int32, steps: Int32, count: int) -> Floats:
    """Mean squared difference between the steps and those of the shape.

    Parameters
    ----------
    labels : (y, x) int32 array
        1…count.
    steps : (2, y, x) int32 array
        In 1/4096 of the longest step of a flow.
    count : int

    Returns
    -------
    (count + 1,) float64 array
        By label; 0 for labels that do not occur.
    """
    return _errors(labels, steps, _boxes(labels, count))


@kernel
def _boxes(labels: Int32, count: int) -> Int64:
    """First and last row and column of each label."""
    boxes = np.empty((count + 1, 4), np.int64)
    boxes[:, 0::2] = labels.size
    boxes[:, 1::2] = -1
    for y in range(labels.shape[0]):
        for x in range(labels.shape[1]):
            box = boxes[labels[y, x]]
            box[0], box[1] = min(box[0], y), max(box[1], y)
            box[2], box[3] = min(box[2], x), max(box[3], x)
    return boxes


@kernel
def _errors(labels: Int32, steps: Int32, boxes: Int64) -> Floats:
    errors = np.zeros(len(boxes))
    for label in range(1, len(boxes)):
        y0, y1, x0, x1 = boxes[label]
        if y1 < y0:
            continue
        own = np.zeros((y1 - y0 + 3, x1 - x0 + 3), np.bool_)
        own[1:-1, 1:-1] = labels[y0 : y1 + 1, x0 : x1 + 1] == label
        heat = _spread(own, 2 * (y1 - y0 + x1 - x0 + 4))
        errors[label] = _difference(own, heat, steps[:, y0 : y1 + 1, x0 : x1 + 1])
    return errors


@kernel
def _spread(own: Floats, rounds: int) -> Floats:
    """Heat after `rounds`, one unit a round put in at the pixel nearest the centre of mass."""
    ys, xs = np.nonzero(own)
    far = (ys - ys.mean()) ** 2 + (xs - xs.mean()) ** 2
    middle = far.argmin()
    heat, new = np.zeros(own.shape), np.zeros(own.shape)
    for _ in range(rounds):
        heat[ys[middle], xs[middle]] += 1
        for i in range(ys.size):
            y, x = ys[i], xs[i]
            total = heat[y - 1, x - 1] + heat[y - 1, x] + heat[y - 1, x + 1]
            total += heat[y, x - 1] + heat[y, x] + heat[y, x + 1]
            total += heat[y + 1, x - 1] + heat[y + 1, x] + heat[y + 1, x + 1]
            new[y, x] = total / 9
        heat, new = new, heat
    return heat


@kernel
def _difference(own: Floats, heat: Floats, steps: Int32) -> float:
    total, n = 0.0, 0
    for y in range(1, own.shape[0] - 1):
        for x in range(1, own.shape[1] - 1):
            if own[y, x]:
                dy, dx = heat[y + 1, x] - heat[y - 1, x], heat[y, x + 1] - heat[y, x - 1]
                length = np.sqrt(dy * dy + dx * dx) + 1e-60
                a = dy / length - steps[0, y - 1, x - 1] / UNIT
                b = dx / length - steps[1, y - 1, x - 1] / UNIT
                total += a * a + b * b
                n += 1
    return total / n
