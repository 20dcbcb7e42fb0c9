"""What a crate would say of results, made of their records by hand."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from voxelmill.config import Settings
from voxelmill.crate.recorded import Recorded, StoredFile
from voxelmill.ledger import sha256_of


def recorded_of(root: Path, url: str, config: Path, **more: Any) -> Recorded:  # noqa: ANN401
    """Contents of the crate of the results of one dataset."""
    inputs: dict[str, str] = {}
    labels: dict[tuple[str, str], str] = {}
    left_out: dict[str, str] = {}
    batches: dict[str, tuple[str, ...]] = {}
    for step in ("qc", "segment", "measure"):
        for file in sorted((root / "records" / step).glob("*.json")):
            images = json.loads(file.read_text())["images"]
            batches[file.stem] = tuple(images)
            for path, image in images.items():
                if "input" in image:
                    inputs[path] = image["input"]
                if image["status"] != "ok" and path not in left_out:
                    left_out[path] = image["reason"]
                for name, found in image.get("objects", {}).items():
                    labels[path, name] = found["sha256"]
    given: Mapping[str, Any] = yaml.safe_load(config.read_text())
    files = [p for p in root.rglob("*") if p.is_file() and "labels.ome.zarr" not in p.parts]
    return Recorded(
        **{
            "root": str(root),
            "dataset": root.name,
            "url": url,
            "name": url.rsplit("/", 1)[-1],
            "config": {name: given[name] for name in Settings.model_fields if name in given},
            "inputs": inputs,
            "labels": labels,
            "left_out": left_out,
            "batches": batches,
            "files": {
                p.relative_to(root).as_posix(): StoredFile(p.stat().st_size, sha256_of(p))
                for p in files
            },
            **more,
        }
    )
