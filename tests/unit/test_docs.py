"""What the documents show runs."""

import json
import re
import sys
from pathlib import Path

import pytest

from benchmarks.__main__ import RESULTS, quoted, quotes
from benchmarks.timing import Row
from voxelmill.steps.demo import write_demo_plate

ROOT = Path(__file__).resolve().parents[2]


def blocks(path: str, language: str) -> list[str]:
    text = (ROOT / path).read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def test_the_readme_notebook_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_demo_plate(tmp_path / "demo" / "plate.zarr", wells=1, fields=1, size=300, faults=False)
    monkeypatch.chdir(tmp_path)
    (code,) = blocks("README.md", "python")
    exec(compile(code, "README.md", "exec"), {})  # noqa: S102
    count, area = capsys.readouterr().out.split()
    assert int(count) > 3
    assert 100 < float(area) < 700


def test_the_example_plugin_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = blocks("docs/add-an-algorithm.md", "python")[0]
    (tmp_path / "bright_example.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    import numpy as np
    from bright_example import Bright  # type: ignore[import-not-found]

    image = np.zeros((1, 1, 9, 9))
    image[0, 0, 1:3, 1:3] = image[0, 0, 5:8, 5:8] = 2000
    assert Bright()(image, (1, 1, 1)).max() == 2
    sys.modules.pop("bright_example")


def test_the_example_feature_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = blocks("docs/add-a-feature.md", "python")
    body = code.split("class ")[1].split('"""\n', 1)[1].strip().splitlines()
    assert sum(bool(line.strip()) for line in body) <= 15
    (tmp_path / "contrast_example.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    import numpy as np
    from contrast_example import Contrast  # type: ignore[import-not-found]

    import voxelmill

    labels = np.zeros((1, 1, 8, 8), np.int32)
    labels[..., 1:4, 1:4], labels[..., 5:7, 5:7] = 1, 2
    pixels = np.full((1, 2, 1, 8, 8), 10, np.uint8)
    pixels[0, 0, 0, 2, 2], pixels[0, 1, 0, 5, 5] = 250, 30
    table = voxelmill.measure(labels, pixels, [Contrast()], block=16)
    assert table["Intensity_Contrast_0"].tolist() == [240 / 260, 0]
    assert table["Intensity_Contrast_1"].tolist() == [0, 0.5]
    one = voxelmill.measure(labels, pixels, [Contrast(only=("*_1",))])
    assert [c for c in one if "Contrast" in c] == ["Intensity_Contrast_1"]
    sys.modules.pop("contrast_example")


@pytest.mark.parametrize("path", sorted(p.relative_to(ROOT) for p in ROOT.glob("docs/**/*.md")))
def test_links_lead_somewhere(path: Path) -> None:
    text = (ROOT / path).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (ROOT / path.parent / target).exists(), f"{path}: {target}"


def test_the_readme_is_short_and_its_links_lead_somewhere() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert text.count("\n") <= 200
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#:]+)\)", prose):
        assert (ROOT / target).exists(), target


def test_the_documents_quote_what_the_benchmarks_printed() -> None:
    kept = json.loads(RESULTS.read_text(encoding="utf-8"))
    for (path, mark), table in quotes([Row(**row) for row in kept]).items():
        assert "|" in table
        assert quoted(path.read_text(encoding="utf-8"), mark)[1] == table + "\n", path.name


def test_the_documented_configuration_is_valid() -> None:
    import yaml

    from voxelmill.config import Config
    from voxelmill.configfile import parse

    (text,) = blocks("docs/configure.md", "yaml")
    config = parse(Config, yaml.safe_load(text), "docs/configure.md")
    assert config.order() == ["nuclei", "cells", "cytoplasm"]
    with pytest.raises(ValueError, match="stores"):
        parse(Config, yaml.safe_load(text) | {"stores": {"allas": {}}}, "docs/configure.md")
