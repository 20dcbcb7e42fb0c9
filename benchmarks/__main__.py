"""`make bench`: run every topic, print its table, keep the rows in ``benchmarks/results.json``.

README.md and docs/benchmarks.md quote these rows, between two marks; running writes them anew.

    python -m benchmarks [TOPIC ...]      # e.g. segmentation labels

Rows of the JSON: name, ours, peer, peer_name, unit, ratio (above 1: ours is better), must, aim. A
topic that is not run, or whose data are not on this machine, keeps the rows it has.
"""

import argparse
import json
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.plate_table import plate_table
from benchmarks.scaling.document import PAGE, sections
from benchmarks.timing import Row, markdown, table

RESULTS = Path(__file__).with_name("results.json")
ROOT = RESULTS.parents[1]
HEADLINES = (
    "watershed ",
    "components ",
    "write labels",
    "files of labels",
    "features, ",
    "texture, ",
    "peak memory of the driver, segment (watershed), 2 threads",
    "peak memory of the worker, segment (watershed)",
)
"""How the names of the rows begin that the README shows."""
TOPICS = ("accuracy", "segmentation", "components", "overhead", "limits", "labels", "reading",
          "features", "features_memory", "segmenters", "pipeline", "memory", "mosaic",
          "chaos", "objectstore", "week", "plan", "scaling", "imagequality", "verify")  # fmt: skip


def run(topic: str) -> list[Row]:
    """Run one topic and print its table."""
    print(f"\n== {topic}", flush=True)
    rows: list[Row] = import_module(f"benchmarks.{topic}").measure()
    print(table(rows), flush=True)
    return rows


def merged(kept: list[dict[str, Any]], rows: list[Row]) -> list[dict[str, Any]]:
    """Rows by name and peer, new ones in place of old ones."""
    found = {(row["name"], row["peer_name"]): row for row in kept}
    found |= {(row.name, row.peer_name): row.as_json() for row in rows}
    return list(found.values())


def quotes(rows: list[Row]) -> dict[tuple[Path, str], str]:
    """What each document quotes between which marks."""
    heads = [row for row in rows if row.name.startswith(HEADLINES)]
    readme = ROOT / "README.md"
    return {
        (readme, "bench"): markdown(heads),
        (readme, "plate"): plate_table(rows),
        (ROOT / "docs" / "benchmarks.md", "bench"): markdown(rows),
        **{(PAGE, mark): shown for mark, shown in sections().items()},
    }


def quoted(text: str, mark: str) -> tuple[str, str, str]:
    """A document before, between and after the marks, which stay with what is around."""
    first, last = f"<!-- {mark} -->\n", f"<!-- /{mark} -->"
    before, _, rest = text.partition(first)
    table_, _, after = rest.partition(last)
    return before + first, table_, last + after


def rewrite(rows: list[Row]) -> None:
    """Put the rows into the documents."""
    for (path, mark), shown in quotes(rows).items():
        before, _, after = quoted(path.read_text(encoding="utf-8"), mark)
        path.write_text(f"{before}{shown}\n{after}", encoding="utf-8")


def main() -> None:
    """Run the topics that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("topics", nargs="*", metavar="TOPIC", help=", ".join(TOPICS))
    parser.add_argument("--show", action="store_true", help="only print the kept rows")
    given = parser.parse_args()
    if unknown := set(given.topics) - set(TOPICS):
        parser.error(f"no topic {', '.join(sorted(unknown))}; there are: {', '.join(TOPICS)}")
    kept = json.loads(RESULTS.read_text(encoding="utf-8"))
    for topic in () if given.show else given.topics or TOPICS:
        kept = merged(kept, run(topic))
        RESULTS.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        rewrite([Row(**row) for row in kept])
    print(markdown([Row(**row) for row in kept]))


if __name__ == "__main__":
    main()
