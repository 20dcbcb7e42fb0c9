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
ROLE = "role_arn: 'arn:aws:iam:::role/r'"
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
        ("{s3://b: {auth: {kind: oidc}}}", "auth.role_arn: missing"),
        ("{s3://b: {auth: {kind: oidc, role_arn: reader}}}", "auth.role_arn"),
        (f"{{s3://b: {{auth: {{kind: oidc, {ROLE}, duration_s: 60}}}}}}", "auth.duration_s"),
        (f"{{s3://b: {{auth: {{kind: oidc, {ROLE}, token: x}}}}}}", "auth.token: unknown key"),
        (f"{{s3://b: {{profile: lab, auth: {{kind: oidc, {ROLE}}}}}}}", "auth: beside profile"),
        (f"{{s3://b: {{anonymous: true, auth: {{kind: oidc, {ROLE}}}}}}}", "auth: beside anonym"),
        (f"{{s3://b: {{endpoint: 'http://a3s.fi', auth: {{kind: oidc, {ROLE}}}}}}}", "https://"),
        (f"{{'https://a.org': {{auth: {{kind: oidc, {ROLE}}}}}}}", "allowed for addresses s3://"),
        ("{s3://b: {auth: {kind: bearer}}}", "allowed for addresses http.s.://"),
        ("{'http://a.org': {auth: {kind: bearer}}}", "https://"),
        ("{'https://': {auth: {kind: bearer}}}", "names no host"),
        ("{'http://': {auth: {kind: bearer, hosts: [data.example.org]}}}", "not TLS; allowed: "),
        ("{'https://': {auth: {kind: bearer, hosts: ['a.org:99999']}}}", "hosts: .*a.org:99999"),
        ("{'https://[bad': {auth: {kind: bearer, hosts: [a.org]}}}", "auth: 'https://.bad'"),
        ("{'https://a.org': {auth: {kind: bearer, hosts: [b.org]}}}", "not the address's own"),
        ("{'https://a.org': {auth: {kind: bearer, hosts: ['https://a.org']}}}", "hosts"),
        ("{s3://b: {auth: {kind: key}}}", "auth"),
    ],
)
def test_a_mistake_is_one_line(tmp_path: Path, stores: str, word: str) -> None:
    (tmp_path / "c.yaml").write_text(f"{CONFIG}stores: {stores}\n")
    with pytest.raises(BadConfig, match=word) as caught:
        load_config(tmp_path / "c.yaml")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "stores",
    [
        f"{{s3://b: {{endpoint: 'https://a3s.fi', auth: {{kind: oidc, {ROLE}}}}}}}",
        f"{{s3://b: {{endpoint: 'http://127.0.0.1:1', auth: {{kind: oidc, {ROLE}}}}}}}",
        f"{{s3://b: {{endpoint: 'http://b.org', auth: {{kind: oidc, {ROLE}, sts: 'https://a.org'}}}}}}",
        "{'https://a.org/data': {auth: {kind: bearer}}}",
        "{'https://': {auth: {kind: bearer, hosts: [a.org, 'b.org:8443']}}}",
    ],
)
def test_ways_to_enter_a_store(tmp_path: Path, stores: str) -> None:
    (tmp_path / "c.yaml").write_text(f"{CONFIG}stores: {stores}\n")
    (prefix,) = load_config(tmp_path / "c.yaml").stores
    auth = options_of(f"{prefix}/x").auth
    assert auth is not None
    assert auth == load_config(tmp_path / "c.yaml").stores[prefix].auth


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
