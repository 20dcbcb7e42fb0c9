"""The part of a configuration that is published: identifiers are checked before they are."""

import re
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from voxelmill.configfile import parse
from voxelmill.study import Person, Study


@pytest.mark.parametrize("text", ["0000-0002-1825-0097", "https://orcid.org/0000-0002-1694-233X"])
def test_an_orcid_is_kept_without_its_address(text: str) -> None:
    assert Person(name="A B", orcid=text).orcid == text.rsplit("/", 1)[-1]


@pytest.mark.parametrize("text", ["0000-0002-1825-0098", "0000000218250097", "0000-0002-1694-2330"])
def test_a_mistyped_orcid_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        Person(name="A B", orcid=text)


def test_nothing_has_to_be_said() -> None:
    assert Study() == Study.model_validate({})


def test_what_the_guide_shows_is_a_study() -> None:
    guide = Path(__file__).resolve().parents[2] / "docs" / "provenance.md"
    blocks = re.findall(r"```yaml\n(.*?)```", guide.read_text(encoding="utf-8"), re.DOTALL)
    shown = [yaml.safe_load(block)["study"] for block in blocks if "study:" in block]
    assert shown
    for study in shown:
        parse(Study, study, guide.name)
