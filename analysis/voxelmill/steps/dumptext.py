"""What a weekly run says: one line, details for a mail, facts for programs. Pure but for the clock.

In: an `Outcome`. Out: text and JSON values. Names of files are untrusted: nothing that is not
printable gets through.
"""

import socket
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from voxelmill import __version__
from voxelmill.pace import left_text
from voxelmill.steps.arrivals import Arrival
from voxelmill.steps.dumpresult import Outcome
from voxelmill.steps.dumpstate import iso

PROGRAM = "voxelmill dump"
UNITS = {"kB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12, "PB": 1e15}
NAMED = 5
"""Datasets of one kind that are named in the line."""


def summary(outcome: Outcome) -> str:
    """Say in one line what has happened."""
    if outcome.error is not None:
        parts = [f"stopped: {' '.join(str(outcome.error).split())}", _worked(outcome)]
    else:
        parts = [_worked(outcome)]
    parts.append(f"{outcome.before} finished before")
    parts += _counted(outcome)
    line = ", ".join(part for part in parts if part)
    took = f"{_size(outcome.bytes)} in {left_text(outcome.seconds)}" if outcome.tried else ""
    return printable(f"{PROGRAM}: " + "; ".join(p for p in (line, took, outcome.index) if p))


def _worked(outcome: Outcome) -> str:
    counts = [f"{len(outcome.new)} new"] if outcome.new or not outcome.again else []
    counts += [f"{len(outcome.again)} again"] if outcome.again else []
    gone = [name for name in outcome.failed if name not in outcome.tried]
    ends = [f"{len(outcome.finished)} finished"] if outcome.tried else []
    failed = [name for name in outcome.failed if name not in gone]
    ends += [f"{len(failed)} failed: {_names(failed)}"] if failed else []
    text = ", ".join(counts) + (f" ({', '.join(ends)})" if ends else "")
    return text + (f", {len(gone)} failed: {_names(gone)}" if gone else "")


def _counted(outcome: Outcome) -> Iterable[str]:
    if outcome.asked:
        yield f"{len(outcome.asked)} to be approved ({_names(outcome.asked)})"
    for word, found in (
        ("waiting", outcome.waiting),
        ("unfit", outcome.unfit),
        ("left for the next time", outcome.left),
    ):
        if found:
            yield f"{len(found)} {word} ({_names([state(a) for a in found], '; ')})"
    if outcome.changed:
        yield f"{len(outcome.changed)} changed since processed ({_names(outcome.changed)})"
    if outcome.closed:
        yield f"{len(outcome.closed)} folders cannot be listed ({_names(list(outcome.closed))})"
    if outcome.lost:
        yield f"{outcome.lost} image{'s' if outcome.lost > 1 else ''} quarantined"


def state(arrival: Arrival) -> str:
    """What one that was not taken waits for."""
    match arrival.state:
        case "changing":
            return f"{arrival.place} still changing"
        case "incomplete":
            return f"{arrival.place} incomplete: {arrival.why} since {_day(arrival.since)}"
        case "unfit":
            return f"{arrival.place}: {arrival.why}"
    return arrival.place


def details(outcome: Outcome) -> list[str]:
    """Lines for a mail: what somebody has to look at, one by one."""
    lines = [f"failed: {name}: {why}" for name, why in outcome.failed.items()]
    lines += [f"quarantined: {name}: {n} images" for name, n in outcome.quarantined.items()]
    if outcome.lost:
        lines.append(f"allowed in one run: {outcome.allowed} images (max_quarantined)")
    lines += [f"unfit: {state(a)}" for a in outcome.unfit]
    lines += [f"waiting: {state(a)}" for a in outcome.waiting]
    lines += [f"to be approved: {name}: {outcome.results}/{name}/qc.html" for name in outcome.asked]
    lines += [
        f"changed since processed: {name}: to do it again, remove {outcome.results}/{name} and its "
        "line in the sheet"
        for name in outcome.changed
    ]
    lines += [f"cannot be listed: {place}: {why}" for place, why in outcome.closed.items()]
    lines += [f"left for the next time: {a.place}" for a in outcome.left]
    return [printable(" ".join(line.split())) for line in lines]


def as_json(outcome: Outcome) -> dict[str, Any]:
    """Say the same for programs; `text` is what chat services show."""
    return {
        "text": summary(outcome),
        "program": PROGRAM,
        "version": __version__,
        "host": socket.gethostname(),
        "ended": iso(outcome.began + outcome.seconds),
        "seconds": round(outcome.seconds, 1),
        "exit_code": outcome.exit_code,
        "error": str(outcome.error) if outcome.error else None,
        "results": outcome.results,
        "index": outcome.index or None,
        "new": outcome.new,
        "again": outcome.again,
        "finished": outcome.finished,
        "failed": outcome.failed,
        "to_be_approved": outcome.asked,
        "finished_before": outcome.before,
        "waiting": _arrivals(outcome.waiting),
        "unfit": _arrivals(outcome.unfit),
        "left_for_next_time": _arrivals(outcome.left),
        "changed_since_processed": outcome.changed,
        "cannot_be_listed": dict(outcome.closed),
        "quarantined": outcome.quarantined,
        "max_quarantined": outcome.allowed,
        "bytes": outcome.bytes,
    }


def _arrivals(found: Sequence[Arrival]) -> dict[str, dict[str, str]]:
    return {a.place: {"state": a.state, "why": a.why, "since": iso(a.since)} for a in found}


def _names(names: Sequence[str], separator: str = ", ") -> str:
    more = [f"and {len(names) - NAMED} more"] if len(names) > NAMED else []
    return separator.join([*names[:NAMED], *more])


def _size(count: float) -> str:
    unit = next((u for u in UNITS if count < 1000 * UNITS[u]), "PB")
    return f"{count / UNITS[unit]:.3g} {unit}"


def _day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d")


def printable(text: str) -> str:
    """Text without what could move a cursor or end a line."""
    return "".join(c if c.isprintable() else "?" for c in text)
