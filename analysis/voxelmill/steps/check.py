"""Step *check*: the verdict over all datasets, after all else.

Quarantined images beyond ``max_quarantined`` make the run end non-zero; so does a table that was
made from labels which have been replaced since.
"""

from collections.abc import Sequence
from pathlib import Path

from voxelmill.layout import Layout
from voxelmill.ledger import write_json
from voxelmill.plugin import BadInput, StoreUnavailable
from voxelmill.steps.gate import read_gate
from voxelmill.steps.gather import excluded_by, labels_told, read_record


def check(aggregated: Sequence[Path], out: Path, max_quarantined: int) -> str:
    """Judge a run by the records of *aggregate*; write the record `out` if it passes.

    Returns
    -------
    str
        Summary for the terminal.

    Raises
    ------
    StoreUnavailable
        More than `max_quarantined` images are quarantined.
    BadInput
        A table is older than the labels it was made from.
    """
    datasets = [read_record(path) for path in aggregated]
    for path in aggregated:
        _chain(Layout(path.parent.parent))
    lost = {f"{d['dataset']}/{i}".rstrip("/"): r for d in datasets
            for i, r in d["quarantined"].items()}  # fmt: skip
    lines = [f"quarantined  {image}: {reason}" for image, reason in lost.items()]
    if len(lost) > max_quarantined:
        out.unlink(missing_ok=True)
        raise StoreUnavailable(
            "\n".join(
                [
                    *lines,
                    (
                        f"{len(lost)} images quarantined; allowed: {max_quarantined} "
                        "(max_quarantined). All others are finished. Mend them and run with "
                        "--retry-quarantined, or raise max_quarantined"
                    ),
                ]
            )
        )
    verdict = {"step": "check", "quarantined": lost, "max_quarantined": max_quarantined}
    left = {f"{d['dataset']}/{i}".rstrip("/"): r for d in datasets
            for i, r in d.get("excluded", {}).items()}  # fmt: skip
    verdict |= {"excluded": left}
    lines += [f"excluded  {image}: {reason}" for image, reason in left.items()]
    write_json(out, verdict | {"datasets": {d["dataset"]: d["images"] for d in datasets}})
    return "\n".join(lines)


def _chain(layout: Layout) -> None:
    for path in sorted((layout.root / "records" / "measure").glob("*.json")):
        batch = path.stem
        labels = labels_told(read_record(layout.record("segment", batch)))
        _left_out(layout, batch)
        if read_record(path)["segment"] != labels:
            raise BadInput(
                f"{path}: measured on labels that were replaced since; allowed: tables of the "
                "present labels. Delete it and run again"
            )


def _left_out(layout: Layout, batch: str) -> None:
    record = layout.record("segment", batch)
    if excluded_by(read_record(record)) != read_gate(layout.gate(batch)):
        raise BadInput(
            f"{record}: other images are left out than {layout.gate(batch)} says; allowed: the "
            "same. Delete it and run again"
        )
