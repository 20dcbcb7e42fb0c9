"""Environments for ``--use-conda`` hold the versions of the lock, all of them, and nothing else."""

import re
import tomllib
from importlib.metadata import requires
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "workflow" / "envs"
FILES = sorted(FOLDER.glob("*.yaml"))
LATER = FOLDER / "cellpose3.post-deploy.sh"
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
environments = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)


def content(path: Path) -> tuple[list[str], list[Requirement]]:
    """What conda, and what pip in it is asked for."""
    *conda, inner = yaml.safe_load(path.read_text())["dependencies"]
    return conda, [Requirement(line) for line in inner["pip"]]


def pins(path: Path) -> dict[str, str]:
    """Version by name of all but voxelmill."""
    _, (_, *found) = content(path)
    return {canonicalize_name(one.name): exact(one) for one in found}


def exact(one: Requirement) -> str:
    (only,) = one.specifier
    assert only.operator == "==", f"{one} is not pinned"
    assert "*" not in only.version, f"{one} is not pinned"
    return only.version


def locked() -> dict[str, str]:
    lines = re.findall(r"^([\w.-]+)==([\w.+!]+)", (ROOT / "requirements.lock").read_text(), re.M)
    return {canonicalize_name(name): version for name, version in lines}


def variable(name: str) -> str:
    found = re.search(rf"^{name} := (.*)$", (ROOT / "Makefile").read_text(), re.M)
    assert found
    return found[1]


def asked(path: Path) -> list[Requirement]:
    """What voxelmill asks for directly, with the extras of an environment."""
    _, (own, *_) = content(path)
    extras = [line for extra in own.extras for line in PROJECT["optional-dependencies"][extra]]
    return [Requirement(line) for line in (*PROJECT["dependencies"], *extras)]


@environments
def test_voxelmill_is_the_one_of_this_checkout(path: Path) -> None:
    conda, (own, *_) = content(path)
    assert (own.name, exact(own)) == ("voxelmill", PROJECT["version"])
    assert conda == ["python >=3.11,<3.13", "pip"]
    assert PROJECT["requires-python"] == ">=3.11"


@environments
def test_versions_are_those_of_the_lock(path: Path) -> None:
    lock, found = locked(), pins(path)
    assert len(found) > 60
    wrong = {name: v for name, v in found.items() if lock.get(name, v) != v}
    assert wrong == {}, "run `make lock`"
    if path.stem == "voxelmill":
        assert found.keys() <= lock.keys()


@environments
def test_what_is_asked_for_is_pinned_at_an_allowed_version(path: Path) -> None:
    found = pins(path)
    for one in asked(path):
        version = found.get(canonicalize_name(one.name))
        assert version, f"{one.name} is not in {path.name}: run `make lock`"
        assert one.specifier.contains(version), f"{one}: {path.name} has {version}"


@environments
def test_so_is_what_comes_along(path: Path) -> None:
    """Nothing is left for pip to choose: asked of the packages that are installed here."""
    found, lock = pins(path), locked()
    left = [one for one in asked(path) if canonicalize_name(one.name) in lock]
    seen: set[tuple[str, str]] = set()
    while left:
        one = left.pop()
        name = canonicalize_name(one.name)
        assert name in found, f"{name} is not in {path.name}: run `make lock`"
        for extra in ("", *one.extras):
            if (name, extra) in seen:
                continue
            seen.add((name, extra))
            more = map(Requirement, requires(name) or ())
            left += [r for r in more if r.marker is None or r.marker.evaluate({"extra": extra})]
    assert len(seen) > 60


def test_environments_agree_with_each_other() -> None:
    versions: dict[str, set[str]] = {}
    for path in FILES:
        for name, version in pins(path).items():
            versions.setdefault(name, set()).add(version)
    assert {name: found for name, found in versions.items() if len(found) > 1} == {}


def test_networks_are_those_of_make_cellpose() -> None:
    """`make cellpose` takes what the lock leaves out from here, and Cellpose by the script."""
    makefile = (ROOT / "Makefile").read_text()
    recipe = makefile.partition("\ncellpose:")[2].partition("\n\n")[0]
    for file in ("cellpose3.yaml", "bioimageio.yaml", LATER.name):
        assert f"$(ENVS)/{file}" in recipe
    cellpose3 = pins(FOLDER / "cellpose3.yaml")
    assert cellpose3["torch"] == variable("TORCH_VERSION")
    torch, *others = variable("NETWORKS").split()
    assert torch == "torch==$(TORCH_VERSION)"
    assert {canonicalize_name(name) for name in others} <= cellpose3.keys()
    assert {"bioimageio-core", "onnxruntime"} <= pins(FOLDER / "bioimageio.yaml").keys()


def test_cellpose_3_comes_alone_and_pinned() -> None:
    """It asks for an older NumPy than the lock has, so pip would refuse it among the others."""
    (line,) = re.findall(r"^python -m pip install .*--no-deps (\S+)$", LATER.read_text(), re.M)
    wanted = [Requirement(text) for text in PROJECT["optional-dependencies"]["cellpose"]]
    (cellpose,) = [one for one in wanted if one.name == "cellpose"]
    assert cellpose.specifier.contains(exact(Requirement(line)))
    found = pins(FOLDER / "cellpose3.yaml")
    assert "cellpose" not in found
    for one in wanted:
        assert one is cellpose or one.specifier.contains(found[one.name])
