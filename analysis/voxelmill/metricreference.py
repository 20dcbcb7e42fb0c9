"""The reference of the image metrics, made from the plugins themselves.

In: the QC metrics that discovery finds. Out: Markdown, which `docs/image-quality.md` holds between
two marks; a test compares the two.
"""

import inspect

from voxelmill.config import QC
from voxelmill.qc import Metric, metrics
from voxelmill.segmenterreference import parameters


def metric_tables() -> str:
    """One section a metric of images: columns, limits with their reasons, faults."""
    default = {type(metric) for metric in QC().metrics}
    found = {kind: cls for kind, cls in metrics().items() if cls.level == "image"}
    return "\n".join(_section(kind, cls, cls in default) for kind, cls in found.items())


def _section(kind: str, cls: type[Metric], default: bool) -> str:
    metric = cls()
    texts = metric.describe()
    return "\n".join(
        [
            f"### `{kind}`" + ("" if default else " (not a default)"),
            "",
            inspect.cleandoc(cls.__doc__ or "").partition("\n")[0],
            f"Source: {cls.source}.",
            "",
            "| column, then `_<Channel>` | unit | definition |",
            "|---|---|---|",
            *(f"| `{c}` | {unit} | {texts.get(c, '')} |" for c, unit in metric.columns().items()),
            "",
            *_faults(cls),
            "| parameter | default | meaning |",
            "|---|---|---|",
            *parameters(cls),
            "",
            "",
        ]
    )


def _faults(cls: type[Metric]) -> list[str]:
    if not cls.faults:
        return ["No verdict.", ""]
    verdicts = {fault: "fail" if fault in cls.fails else "warn" for fault in cls.faults}
    head = ["| fault | verdict | when |", "|---|---|---|"]
    return [*head, *(f"| `{f}` | {verdicts[f]} | {when} |" for f, when in cls.faults.items()), ""]
