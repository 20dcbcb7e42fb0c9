"""`make bench`: print every table and write ``benchmarks/results.json``.

Rows of the JSON: name, ours, peer, peer_name, unit, ratio (above 1: ours is better), must, aim.
"""

import json
from pathlib import Path

from benchmarks import accuracy

RESULTS = Path(__file__).with_name("results.json")


def main() -> None:
    """Run all benchmarks whose data are on this machine."""
    results = [accuracy.evaluate(dataset) for dataset in accuracy.available()]
    if results:
        print(accuracy.table(results))
    rows = accuracy.rows(results)
    RESULTS.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    print(f"{len(rows)} rows written to {RESULTS.name}")


if __name__ == "__main__":
    main()
