"""Approvals as values: what they leave out, what they hold for, what they remember."""

import pytest

from voxelmill.approval import Choice, approve, by_approval, by_rule, failing, holds
from voxelmill.plugin import BadConfig

REVIEW = {
    "digest": "d1",
    "images": {
        "A/01/0": {"well": "A01", "fatal": []},
        "A/02/0": {"well": "A02", "fatal": ["DNA: OutOfFocus", "AGP: OutOfFocus"]},
        "A/02/1": {"well": "A02", "fatal": []},
        "loose": {"well": "", "fatal": []},
    },
}
ADA = {"who": "Ada", "why": "fibre", "when": "now"}


def test_the_rule_leaves_out_what_fails_and_says_why() -> None:
    assert failing(REVIEW) == {"A/02/0": "DNA: OutOfFocus; AGP: OutOfFocus"}
    assert by_rule(REVIEW) == {"A/02/0": "auto: DNA: OutOfFocus; AGP: OutOfFocus"}


def test_wells_and_images_are_left_out_with_who_and_why() -> None:
    given = approve(REVIEW, None, Choice(("A02",), ("loose",)), **ADA)
    assert given["exclude"] == {"wells": ["A02"], "images": ["loose"]}
    reason = "approval by Ada: fibre"
    assert by_approval(REVIEW, given) == dict.fromkeys(("A/02/0", "A/02/1", "loose"), reason)


def test_what_fails_is_named_image_by_image() -> None:
    given = approve(REVIEW, None, Choice(failing=True), **ADA)
    assert given["exclude"] == {"wells": [], "images": ["A/02/0"]}


def test_no_well_of_an_image_off_a_plate_is_meant() -> None:
    with pytest.raises(BadConfig, match="--exclude : no such well; allowed: A01, A02"):
        approve(REVIEW, None, Choice(("",)), **ADA)


def test_it_holds_for_what_was_judged_only() -> None:
    given = approve(REVIEW, None, Choice(), who="Ada", why="", when="now")
    assert holds(REVIEW, given)
    assert not holds({**REVIEW, "digest": "d2"}, given)
    assert not holds(REVIEW, None)


def test_every_approval_is_remembered_once() -> None:
    first = approve(REVIEW, None, Choice(("A01",)), **ADA)
    second = approve(REVIEW, first, Choice(), who="Bo", why="", when="later")
    third = approve(REVIEW, second, Choice(), who="Cy", why="", when="last")
    assert [a["who"] for a in third["history"]] == ["Ada", "Bo"]
    assert third["history"][0]["exclude"]["wells"] == ["A01"]
    assert all("history" not in a for a in third["history"])


def test_texts_are_kept_in_one_line() -> None:
    given = approve(REVIEW, None, Choice(("A01",)), who=" Ada\nL ", why="a\n b", when="now")
    assert (given["who"], given["why"]) == ("Ada L", "a b")


@pytest.mark.parametrize(
    ("choice", "more", "says"),
    [
        (Choice(("B09",)), {}, "--exclude B09: no such well; allowed: A01, A02"),
        (Choice(images=("A/01/9",)), {}, "--exclude-image A/01/9: no such image; allowed: A/01/0"),
        (Choice(("A01",)), {"why": " "}, "--why: is absent; allowed: any text"),
        (Choice(failing=True), {"why": ""}, "--why: is absent"),
        (Choice(), {"who": " "}, "--who: is empty; allowed: a name"),
    ],
)
def test_mistakes(choice: Choice, more: dict[str, str], says: str) -> None:
    with pytest.raises(BadConfig, match=says) as error:
        approve(REVIEW, None, choice, **(ADA | more))
    assert "\n" not in str(error.value)
