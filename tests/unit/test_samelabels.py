"""Labels that were made again, where the label image of the crate is not to be had."""

from pathlib import Path

import pytest

from voxelmill.crate.recorded import Recorded
from voxelmill.plugin import BadInput, StoreUnavailable
from voxelmill.reproduction import DIFFERENT, IDENTICAL, Finding
from voxelmill.steps.crateresults import CrateResults
from voxelmill.steps.samelabels import Remade, compare_labels

IMAGE = "A/01/0"


def compared(made: str, error: Exception, home: Path, monkeypatch: pytest.MonkeyPatch) -> Finding:
    """Compare labels recorded as "same" with a label image that raises an error."""

    def refuse(*_: object) -> None:
        raise error

    monkeypatch.setattr(CrateResults, "labels", refuse)
    said = Recorded(str(home), "p", "", "", {}, labels={(IMAGE, "cells"): "same"})
    remade = Remade({IMAGE: {"objects": {"cells": {"sha256": made}}}}, {})
    published = CrateResults(said, home)
    (found,) = compare_labels(published, remade, ["cells"], [IMAGE], 1)
    return found


def test_where_the_label_image_cannot_be_read_its_digest_decides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = StoreUnavailable("http://x/0: Range request not supported.")
    same = compared("same", error, tmp_path, monkeypatch)
    assert same.verdict == IDENTICAL
    assert same.note == f"by its digest; the label image could not be read: {error}"
    other = compared("other", error, tmp_path, monkeypatch)
    assert (other.verdict, other.note) == (DIFFERENT, f"the label image of the crate: {error}")


def test_what_is_no_label_image_is_different(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = compared("same", BadInput("cells: 2 channels; one."), tmp_path, monkeypatch)
    assert found.verdict == DIFFERENT
