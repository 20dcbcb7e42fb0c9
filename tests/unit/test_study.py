"""The part of a configuration that is published: identifiers are checked before they are."""

import pytest
from pydantic import ValidationError

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
