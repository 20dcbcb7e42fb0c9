"""Which rule cuts the batches, and that time follows what the images cost."""

import json
from typing import Any

import pytest

from plain_costs import PlainCosts
from voxelmill.config import Config
from voxelmill.plugin import BadConfig
from voxelmill.sizing import ByCount, ByTime, Kind, rule, voxels

NUCLEI = {"channel": "DNA", "segmenter": {"kind": "watershed", "diameter_um": 9}}
LOST = Kind("[]", "", "[]")
COSTS = PlainCosts(mpx_s={"segment": 4.0, "qc": 9.0, "measure": 2.0})


def config(**more: object) -> Config:
    return Config.model_validate({"datasets": "s.tsv", "objects": {"nuclei": NUCLEI}, **more})


def kind(mpx: int, channels: int = 1) -> Kind:
    return Kind(json.dumps([1, channels, 1, 1000, 1000 * mpx]), "uint16", "[1.0, 1.0, 1.0]")


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({}, "images=48"),
        ({"batches": {"images": 7}}, "images=7"),
        ({"batches": {"images": 7}, "site": "roihu"}, "images=7"),
        ({"batches": {"minutes": 12.5}}, "minutes=12.5 cores=1"),
        ({"batches": {"minutes": 12.5}, "site": "roihu"}, "minutes=12.5 cores=4"),
        ({"site": "roihu"}, "minutes=40 cores=4"),
    ],
)
def test_the_rule_is_the_configuration_s(given: dict[str, Any], text: str) -> None:
    assert rule(config(**given)).text == text


def test_a_site_that_is_not_there() -> None:
    with pytest.raises(BadConfig, match=r"nowhere\.yaml; allowed: .*roihu"):
        rule(config(site="nowhere"))


def test_the_longest_step_fills_the_minutes() -> None:
    """A megapixel takes half a second to measure; 1.5 s pass before the first."""
    by_time = ByTime(1.0, 1, COSTS, config())
    assert by_time.sizes([kind(1)] * 117) == [117]
    assert by_time.sizes([kind(1)] * 118) == [59, 59]
    assert by_time.sizes([kind(1, channels=2)] * 117) == [39, 39, 39]
    assert ByTime(1.0, 2, COSTS, config()).sizes([kind(1)] * 234) == [234]


def test_images_count_by_their_own_cost() -> None:
    by_time = ByTime(1.0, 1, COSTS, config())
    assert by_time.sizes([kind(58)] * 2 + [kind(29)] * 4 + [LOST] * 3) == [2, 7]


def test_large_images_share_a_batch_where_time_decides() -> None:
    assert ByTime(40.0, 8, COSTS, config()).sizes([kind(80)] * 30) == [30]
    assert ByCount(48).sizes([kind(80)] * 3) == [1, 1, 1]


def test_an_image_that_could_not_be_opened_has_no_voxels() -> None:
    assert voxels(LOST) == 0
    assert voxels(kind(3, channels=5)) == 3_000_000
