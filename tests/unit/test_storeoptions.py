"""Options of object stores: which address gets which, and what a configuration may not say."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from voxelmill.configfile import load_config, load_sheet
from voxelmill.plugin import BadConfig
from voxelmill.storeoptions import StoreOptions, options_of, use_stores

A, B, C = (StoreOptions(endpoint=f"https://{name}.org") for name in "abc")
CONFIG = """
datasets: sheet.tsv
objects: {nuclei: {channel: "0", segmenter: {kind: watershed, diameter_px: 9}}}
"""


@pytest.fixture(autouse=True)
def restored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOXELMILL_STORES", "{}")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("s3://x/p.zarr", A),
        ("s3://bucket/p.zarr", B),
        ("s3://bucket", B),
        ("s3://bucket2/p.zarr", A),
        ("s3://bucket/part/p.zarr", C),
        ("s3://bucket/party.zarr", B),
        ("https://bucket/part", StoreOptions()),
    ],
)
def test_the_longest_start_of_an_address_decides(url: str, expected: StoreOptions) -> None:
    use_stores({"s3://": A, "s3://bucket/": B, "s3://bucket/part": C})
    assert options_of(url) == expected


def test_what_is_started_from_here_reaches_stores_so_too() -> None:
    use_stores({"s3://": A})
    code = "from voxelmill.storeoptions import options_of; print(options_of('s3://b').endpoint)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "https://a.org"


@pytest.mark.parametrize(
    ("stores", "word"),
    [
        ("{allas: {}}", "allas"),
        ("{s3://b: {secret_access_key: x}}", "secret_access_key: unknown key; allowed:"),
        ("{s3://b: {endpoint: 'https://me:secret@a3s.fi'}}", "endpoint"),
        ("{s3://b: {endpoint: a3s.fi}}", "endpoint"),
        ("{'s3://me:secret@b': {}}", "stores"),
    ],
)
def test_a_mistake_is_one_line(tmp_path: Path, stores: str, word: str) -> None:
    (tmp_path / "c.yaml").write_text(f"{CONFIG}stores: {stores}\n")
    with pytest.raises(BadConfig, match=word) as caught:
        load_config(tmp_path / "c.yaml")
    assert "\n" not in str(caught.value)


def test_a_configuration_decides_how_stores_are_reached(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(f"{CONFIG}stores: {{s3://b: {{endpoint: 'https://a.org'}}}}\n")
    load_config(tmp_path / "c.yaml")
    assert options_of("s3://b/x.zarr") == A
    assert "a.org" in os.environ["VOXELMILL_STORES"]


@pytest.mark.parametrize("url", ["s3://me:hush@b/x.zarr", "https://b/x.zarr?X-Amz-Signature=12"])
def test_no_keys_in_an_address(tmp_path: Path, url: str) -> None:
    (tmp_path / "c.yaml").write_text(CONFIG)
    (tmp_path / "sheet.tsv").write_text(f"dataset\turl\na\t{url}\n")
    with pytest.raises(BadConfig, match="bare address") as caught:
        load_sheet(load_config(tmp_path / "c.yaml"), tmp_path / "c.yaml")
    assert "hush" not in str(caught.value)


def test_results_on_a_store_have_a_folder_for_what_is_no_pixel(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(f"{CONFIG}results: s3://bucket/week/47\n")
    config = load_config(tmp_path / "c.yaml")
    assert config.store == "s3://bucket/week/47"
    assert config.folder == Path(".snakemake/storage/results/bucket/week/47")


@pytest.mark.parametrize(
    "more",
    ["results: https://x.org/y", "results: s3://bucket", "results: s3://bucket/a/",
     "results: s3://bucket/a\nlabels: zip",
     "results: s3://bucket/a\ncompute: {kind: address, address: 'tcp://x:1'}"],
)  # fmt: skip
def test_where_results_cannot_go(tmp_path: Path, more: str) -> None:
    (tmp_path / "c.yaml").write_text(f"{CONFIG}{more}\n")
    with pytest.raises(BadConfig, match=r"s3://bucket/prefix|labels: zip|kind: local"):
        load_config(tmp_path / "c.yaml")
