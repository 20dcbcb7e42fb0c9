"""The device flow without a provider: when it polls, what it asks for, its QR code."""

import re

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from voxelmill.access import qr, settings
from voxelmill.access.device import Code, Pace, Request
from voxelmill.plugin import BadConfig

ANSWERS = st.lists(st.sampled_from(["authorization_pending", "slow_down", "silence"]), max_size=60)


@given(st.integers(1, 30), st.integers(1, 900), ANSWERS)
def test_polls_keep_the_pace_that_the_provider_wants(
    interval: int, life: int, answers: list[str]
) -> None:
    pace, now, slow, silent = Pace(interval, life), 0.0, 0, 0
    for answer in answers:
        pause = pace.pause(now)
        wanted = min((interval + 5 * slow) * 2**silent, max(interval + 5 * slow, 60))
        assert pause == (wanted if now + wanted < life else None)
        if pause is None:
            break
        assert pause >= interval + 5 * slow
        now += pause
        assert now < life
        if answer == "silence":
            pace.unanswered()
            silent = min(silent + 1, 10)
        else:
            pace.answered(answer)
            slow, silent = slow + (answer == "slow_down"), 0


def test_without_an_interval_it_is_five_seconds() -> None:
    body = {"device_code": "SECRET", "user_code": "A", "verification_uri": "u", "expires_in": 9}
    assert Code.model_validate(body).interval == 5
    assert "SECRET" not in repr(Code.model_validate(body))


def test_the_proof_key_is_that_of_the_rfc() -> None:
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    request = Request("c", "openid", SecretStr(verifier))
    assert request.challenge == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    assert verifier not in repr(request)
    one, two = Request("c", "s"), Request("c", "s")
    assert one.challenge != two.challenge
    assert one.nonce != two.nonce
    assert one.nonce not in repr(one)
    assert 43 <= len(one.verifier.get_secret_value()) <= 128


def test_scopes_are_asked_for_that_the_provider_lists() -> None:
    assert settings.scopes(("openid", "email", "ga4gh_passport_v1", "perun_api")) == (
        "openid offline_access email ga4gh_passport_v1"
    )
    assert settings.scopes(None) == "openid offline_access profile email"
    assert settings.scopes(None, ("email", "openid")) == "openid offline_access email"


def test_the_default_is_life_science_aai_and_the_environment_changes_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("VOXELMILL_ISSUER", "VOXELMILL_CLIENT_ID"):
        monkeypatch.delenv(name, raising=False)
    assert settings.issuer() == "https://login.aai.lifescience-ri.eu/oidc/"
    with pytest.raises(BadConfig, match="VOXELMILL_CLIENT_ID"):
        settings.client_id()
    monkeypatch.setenv("VOXELMILL_ISSUER", "https://a.org")
    monkeypatch.setenv("VOXELMILL_CLIENT_ID", "b")
    assert (settings.issuer(), settings.client_id()) == ("https://a.org", "b")
    assert (settings.issuer("https://c.org"), settings.client_id("d")) == ("https://c.org", "d")


def pixels(text: str) -> np.ndarray:
    """The modules as a terminal shows them, 8 pixels each."""
    upper = {"█": 1, "▀": 1, "▄": 0, " ": 0, "\xa0": 0}
    lower = {"█": 1, "▄": 1, "▀": 0, " ": 0, "\xa0": 0}
    rows = [[table[c] for c in line] for line in text.splitlines() for table in (upper, lower)]
    image = np.kron(np.array(rows, np.uint8) * 255, np.ones((8, 8), np.uint8))
    return np.pad(image, 32, constant_values=255)


@pytest.mark.parametrize(
    "address",
    [
        "https://login.aai.lifescience-ri.eu/oidc/device?user_code=ABCD-EFGH",
        "https://localhost:18443/device?user_code=SLBV-MVQM",
        "https://a.org/d",
    ],
)
def test_a_camera_reads_the_code(address: str) -> None:
    text = qr.text(address, 100, "utf-8")
    found, *_ = cv2.QRCodeDetector().detectAndDecode(pixels(text))
    assert found == address
    plain = re.sub(r"\x1b\[[\d;]*m", "", qr.coloured(text))
    assert plain.splitlines() == text.splitlines()


def test_no_code_where_it_cannot_be_shown() -> None:
    address = "https://a.org/device?user_code=ABCD-EFGH"
    width = len(qr.text(address, 100, "utf-8").splitlines()[0])
    assert qr.text(address, width, "utf-8")
    assert qr.text(address, width - 1, "utf-8") == ""
    assert qr.text(address, 100, "ascii") == ""
