"""What is published names nothing of one machine; what is said of containers is what is known."""

from hashlib import sha256
from pathlib import Path

import pytest

from voxelmill.configfile import load_part
from voxelmill.crate.facts import Container
from voxelmill.published import Published, bare, seen_from
from voxelmill.steps.containerimage import container, named, told


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("/data/me/plate.zarr/A/01: absent", "01: absent"),
        ("cannot read '/data/me/x.json' (2)", "cannot read 'x.json' (2)"),
        ("file:///data/me/x", "x"), ("~/me/x", "x"), ("=/a/b", "=b"), ("/x", "x"),
        ("plate.zarr/A/01/0: 1 of 12 chunks", "plate.zarr/A/01/0: 1 of 12 chunks"),
        ("https://x.org/a/b and s3://b/c", "https://x.org/a/b and s3://b/c"),
        ("rows / columns, n/a, ../../a/b", "rows / columns, n/a, ../../a/b"),
    ],
)  # fmt: skip
def test_of_absolute_paths_the_name_is_left(text: str, left: str) -> None:
    assert bare(text) == left


def test_where_something_lies_as_seen_from_a_folder(tmp_path: Path) -> None:
    here = tmp_path / "results" / "plate"
    assert seen_from(str(tmp_path / "plate.zarr"), here) == ("../../plate.zarr", "plate.zarr")
    assert seen_from("https://x.org/a.zarr", here) == ("https://x.org/a.zarr", "a.zarr")
    assert seen_from("s3://b/a.zarr/", here) == ("s3://b/a.zarr/", "a.zarr")
    assert seen_from("/elsewhere/a.zarr", Path("/data/results")) == ("", "a.zarr")


def test_a_configuration_without_what_is_of_one_machine() -> None:
    text = """{"objects": {"n": {"channel": "DNA", "segmenter":
        {"kind": "cellpose", "model": "/data/me/cyto3", "diameter_um": 9}}},
        "stores": {"s3://a": {"profile": "me", "ca": "/etc/x.pem", "region": "eu"}},
        "study": {"title": "A / B"}}"""
    found = load_part(Published, text).public()
    assert found["objects"]["n"]["segmenter"]["model"] == "cyto3"
    assert found["stores"] == {"s3://a": {"region": "eu"}}
    assert found["study"] == {"title": "A / B"}


def test_names_of_images() -> None:
    assert named("docker://quay.io/me/voxelmill:1.0@sha256:ab") == Container(
        "me/voxelmill", "quay.io", "1.0", "ab"
    )
    assert named("docker://localhost:5000/x") == Container("x", "localhost:5000")
    assert named("docker://me/x:2") == Container("me/x", "docker.io", "2")
    assert named("x.sif@sha256:cd") == Container("x.sif", sha256="cd", sif=True)


def test_an_image_is_believed_only_inside_of_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("APPTAINER_CONTAINER", "SINGULARITY_CONTAINER", "KUBERNETES_SERVICE_HOST"):
        monkeypatch.delenv(name, raising=False)
    path = tmp_path / "x.sif"
    path.write_bytes(b"image")
    known = told(str(path))
    assert known == f"x.sif@sha256:{sha256(b'image').hexdigest()}"
    assert (told(""), told("docker://a/b:1"), told("none.sif")) == (
        "",
        "docker://a/b:1",
        "none.sif",
    )
    assert container(known) is None
    monkeypatch.setenv("APPTAINER_CONTAINER", str(path))
    assert container(known) == named(known)
    assert container("") == Container("x.sif", sif=True)
