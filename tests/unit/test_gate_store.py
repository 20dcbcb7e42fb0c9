"""Approvals and gates where results are on a store: a bucket in memory takes the place of S3."""

import json
from pathlib import Path
from typing import Any

import pytest

from voxelmill.approval import Choice
from voxelmill.config import Config
from voxelmill.layout import batch_table, manifest
from voxelmill.ledger import write_json
from voxelmill.plugin import BadInput
from voxelmill.steps import mirror
from voxelmill.steps.approve import Said, give
from voxelmill.steps.gate import seen
from voxelmill.store import place
from voxelmill.store.place import etag
from voxelmill.store.s3 import S3Objects, Stored

STORE = "s3://bucket/week"


class Bucket(S3Objects):
    """Objects in memory under a prefix."""

    content: dict[str, bytes]

    def get(self, key: str) -> bytes | None:
        """Content of an object."""
        return self.content.get(self._full(key))

    def put(self, key: str, content: bytes) -> None:
        """Write an object."""
        self.content[self._full(key)] = content

    def delete(self, key: str) -> None:
        """Remove an object."""
        self.content.pop(self._full(key), None)

    def listing(self, prefix: str = "") -> dict[str, Stored]:
        """All objects."""
        start = f"{self._full(prefix)}/".lstrip("/")
        return {
            key.removeprefix(start): Stored(len(found), etag(found))
            for key, found in self.content.items()
            if key.startswith(start)
        }


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, bytes]:
    """Content of a bucket by key."""
    content: dict[str, bytes] = {}
    monkeypatch.setattr(Bucket, "content", content, raising=False)
    monkeypatch.setattr(place, "objects_at", Bucket)
    monkeypatch.setattr(mirror, "objects_at", Bucket)
    monkeypatch.chdir(tmp_path)
    return content


def judged(bucket: dict[str, bytes], *, changed: bool = False) -> None:
    """Leave what a run leaves that waits at the gate."""
    local = Path("local/plate")
    write_json(local / "batches" / "0000.json", {"items": {"path": ["a"]}})
    write_json(local / "records" / "qc" / "0000.json", {"images": {}})
    review: dict[str, Any] = {
        "settings": {"qc": {"gate": "ask"}},
        "of": {"0000": seen(local, "0000")},
        "images": {"a": {"well": "A01", "fatal": []}},
        "digest": "d",
        "command": "voxelmill run my.yaml",
    }
    write_json(local / "records" / "review.json", review)
    if changed:
        write_json(local / "records" / "qc" / "0000.json", {"images": {"b": {}}})
    for path in local.rglob("*.json"):
        bucket[f"week/{path.relative_to('local').as_posix()}"] = path.read_bytes()


def test_an_approval_is_put_on_the_store(bucket: dict[str, bytes]) -> None:
    judged(bucket)
    lines = give(f"{STORE}/", None, Said(Choice(("A01",)), "Ada", "fibre"))
    assert lines[-1] == "go on: voxelmill run my.yaml"
    given = json.loads(bucket["week/plate/approval.json"])
    assert (given["who"], given["exclude"]["wells"]) == ("Ada", ["A01"])
    give(STORE, "plate", Said(Choice(), "Bo"))
    assert [a["who"] for a in json.loads(bucket["week/plate/approval.json"])["history"]] == ["Ada"]


def test_qc_that_has_changed_there_is_refused(bucket: dict[str, bytes]) -> None:
    judged(bucket, changed=True)
    with pytest.raises(BadInput, match="of other images or QC"):
        give(STORE, None, Said(Choice(), "Ada"))
    assert "week/plate/approval.json" not in bucket


def test_gates_and_approvals_come_and_go(bucket: dict[str, bytes]) -> None:
    config = Config.model_construct(datasets="", results=STORE)
    folder = config.folder
    for path in (manifest(folder), batch_table(folder)):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"table")
    write_json(folder / "plate/gate/0001.json", {"excluded": {"a": "why"}})
    bucket["week/plate/gate/0007.json"] = b"of a batch that is no more"
    mirror.push(config)
    assert "week/plate/gate/0007.json" not in bucket
    assert mirror.stored(config, "plate/gate/0001.json")
    assert not mirror.stored(config, "plate/gate/0000.json")
    bucket["week/plate/approval.json"] = b"{}"
    mirror.pull(config)
    assert (folder / "plate/approval.json").read_bytes() == b"{}"
    del bucket["week/plate/approval.json"], bucket["week/plate/gate/0001.json"]
    mirror.pull(config)
    assert not (folder / "plate/approval.json").exists()
    assert not (folder / "plate/gate/0001.json").exists()
