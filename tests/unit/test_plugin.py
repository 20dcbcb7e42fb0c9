"""Discovery, the frozen base and the error tree."""

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Literal

import pytest
from pydantic import Field, ValidationError

import voxelmill.segmenters
from voxelmill import plugin
from voxelmill.plugin import BadConfig, Plugin, discover
from voxelmill.segmenters import Segmenter, segmenters

SOURCE = '''"""A segmenter that somebody dropped in."""
from typing import Literal

from voxelmill.segmenters import Segmenter


class {name}(Segmenter):
    """Finds nothing."""

    kind: Literal["{kind}"] = "{kind}"
'''


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """Make an empty package `fresh_plugins`; forgotten afterwards."""
    (tmp_path / "fresh_plugins").mkdir()
    (tmp_path / "fresh_plugins" / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    yield import_module("fresh_plugins")
    for name in [n for n in sys.modules if n.partition(".")[0] == "fresh_plugins"]:
        del sys.modules[name]


def drop(package: ModuleType, file: str, **fields: str) -> None:
    (Path(package.__path__[0]) / file).write_text(SOURCE.format(**fields))


def test_a_new_file_is_found_without_an_edit(package: ModuleType) -> None:
    assert discover(package, Segmenter) == {}
    drop(package, "second.py", name="Second", kind="second")
    drop(package, "first.py", name="First", kind="first")
    found = discover(package, Segmenter)
    assert list(found) == ["first", "second"]
    assert found["second"].__module__ == "fresh_plugins.second"


def test_a_file_dropped_into_the_real_package_is_found(
    package: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = set(segmenters())
    drop(package, "dropped_in.py", name="DroppedIn", kind="dropped_in")
    path = [*voxelmill.segmenters.__path__, *package.__path__]
    monkeypatch.setattr(voxelmill.segmenters, "__path__", path)
    monkeypatch.setitem(sys.modules, "voxelmill.segmenters.dropped_in", None)
    monkeypatch.delitem(sys.modules, "voxelmill.segmenters.dropped_in")
    assert set(segmenters()) == before | {"dropped_in"}


def test_contract_and_foreign_classes_are_no_plugins(package: ModuleType) -> None:
    drop(package, "one.py", name="One", kind="one")
    (Path(package.__path__[0]) / "two.py").write_text(
        "from fresh_plugins.one import One, Segmenter"
    )
    assert list(discover(package, Segmenter)) == ["one"]


def test_a_kind_names_one_class(package: ModuleType) -> None:
    drop(package, "one.py", name="One", kind="same")
    drop(package, "two.py", name="Two", kind="same")
    with pytest.raises(BadConfig, match=r"plugin 'same': .*fresh_plugins\.one.*fresh_plugins\.two"):
        discover(package, Segmenter)


def test_an_installed_distribution_adds_plugins(
    tmp_path: Path, package: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop(package, "theirs.py", name="Theirs", kind="theirs")
    metadata = tmp_path / "their_plugins-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: their-plugins\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(
        f"[{plugin.ENTRY_POINTS}]\ntheirs = fresh_plugins.theirs:Theirs\n"
    )
    assert segmenters()["theirs"].__name__ == "Theirs"


class Blur(Plugin):
    """Something with a bounded number."""

    kind: Literal["blur"] = "blur"
    sigma_px: float = Field(1.0, gt=0)


def test_replace_validates_and_keeps_the_rest() -> None:
    blur = Blur(sigma_px=2)
    changed = blur.replace(sigma_px=3)
    assert type(changed) is Blur
    assert changed == Blur(sigma_px=3)
    assert blur.sigma_px == 2
    for wrong in ({"sigma_px": -1}, {"sigma_px": "wide"}, {"sigma": 1}):
        with pytest.raises(ValidationError):
            blur.replace(**wrong)


@pytest.mark.parametrize(
    ("error", "builtin"),
    [
        ("BadInput", ValueError),
        ("BadConfig", ValueError),
        ("OutputExists", FileExistsError),
        ("AccessDenied", PermissionError),
        ("NotFitted", Exception),
        ("BlocksFailed", Exception),
        ("StoreUnavailable", Exception),
    ],
)
def test_errors_are_ours_and_the_builtin_ones(error: str, builtin: type[Exception]) -> None:
    cls = getattr(plugin, error)
    assert issubclass(cls, plugin.VoxelmillError)
    with pytest.raises(builtin, match=r"plate1: no channel 'x'; it has 'y'\. Set channel\."):
        raise cls("plate1: no channel 'x'; it has 'y'. Set channel.")
    assert str(cls("text as written")) == "text as written"
