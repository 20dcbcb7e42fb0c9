"""How far it scales: a simulation of many nodes, fed with what was measured, checked by real runs.

    python -m benchmarks scaling                     # simulate anew; curves, picture, tables
    python -m benchmarks.scaling.inputs             # measure the inputs anew
    python -m benchmarks.scaling.validate            # 1 and 2 workers of this machine, for real
    python -m benchmarks.scaling.cluster --profile … # 1 to 3 nodes of a SLURM cluster, for real

Text: docs/scaling.md.
"""

from benchmarks.timing import Row


def measure() -> list[Row]:
    """Simulate all scenarios; write curves and picture."""
    from benchmarks.scaling import document
    from benchmarks.scaling.inputs import load
    from benchmarks.scaling.simulate import SMALL, WEEKS, one_volume

    measured = load()
    curves = {
        kind: [scenario(measured) for scenario in scenarios.values()]
        for kind, scenarios in (("week", WEEKS), ("small", SMALL))
    }
    curves["volume"] = list(one_volume(measured))
    document.keep(curves)
    document.draw(measured, curves)
    return document.rows(measured, curves)
