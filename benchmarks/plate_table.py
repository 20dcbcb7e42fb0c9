"""The rows of ``benchmarks.pipeline`` as the README shows them: a line a step, a column a run."""

from collections.abc import Sequence

from benchmarks.timing import Row

HEAD = "plate of "
TOTAL, PEAK = "all steps", ", peak memory of a process"


def plate_table(rows: Sequence[Row]) -> str:
    """Markdown: Mpx a processor second and peak MiB by step, then the totals; empty without rows.

    Parameters
    ----------
    rows : sequence of Row
        Named ``plate of …, <what was measured>[: <step or other>]``; others are left out.
    """
    found: dict[str, dict[str, Row]] = {}
    for row in rows:
        if row.name.startswith(HEAD):
            run, _, part = row.name.rpartition("), ")[2].partition(": ")
            found.setdefault(part or TOTAL, {})[run] = row
    runs = list(found.get(TOTAL, {}))
    steps = [part for part in found if part + PEAK in found]
    lines = [["", *(f"{run}, Mpx/cpu-s" for run in runs), *("peak memory" for _ in runs)]]
    for part in steps:
        rates, peaks = found[part], found[part + PEAK]
        lines.append([part, *(f"{rates[run].ours:g}" for run in runs),
                      *(f"{peaks[run].ours:g} MiB" for run in runs)])  # fmt: skip
    total = [found[TOTAL][run] for run in runs]
    lines.append([f"**{TOTAL}** (must, aim)",
                  *(f"**{r.ours:g}** ({r.must:g}, {r.aim:g})" for r in total),
                  *("" for _ in runs)])  # fmt: skip
    shown = {TOTAL, *steps, *(step + PEAK for step in steps)}
    for part in (part for part in found if part not in shown):
        cells = (f"{found[part][run].ours:g} {found[part][run].unit}" for run in runs)
        lines.append([part, *cells, *("" for _ in runs)])
    lines.insert(1, ["---"] * len(lines[0]))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
