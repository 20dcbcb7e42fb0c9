"""ID tokens: only those that the issuer has signed, for us, now, are believed."""

import hmac
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc.jwk import ECKey

from access_tokens import CLIENT, ISSUER, KEY, OTHER, Known, claims, part, signed
from voxelmill.access.answers import accept, granted
from voxelmill.access.settings import LEEWAY_S
from voxelmill.access.tokens import ALGORITHMS, Expected, Refused, check_id_token, half_hash
from voxelmill.plugin import AccessDenied

EXPECTED = Expected(ISSUER, CLIENT, nonce="n")
ACCESS = "an access token"
SOUND = signed(claims(exp=4_000_000_000))


def check(token: str, keys: Known | None = None) -> dict[str, Any]:
    return check_id_token(token, keys or Known(KEY, OTHER), EXPECTED, ACCESS)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"nonce": "n"},
        {"aud": [CLIENT]},
        {"aud": [CLIENT, "other"], "azp": CLIENT},
        {"at_hash": half_hash(ACCESS, "RS256")},
        {"email": "a@b.c", "nbf": int(time.time())},
    ],
)
def test_a_sound_token_is_believed(changes: dict[str, Any]) -> None:
    assert check(signed(claims(**changes)))["sub"] == "alice"


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_algorithm_of_the_list_works(algorithm: str) -> None:
    curve = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}.get(algorithm)
    key: Any = ECKey.generate_key(curve, {"kid": "e"}) if curve else KEY
    if not curve:
        key = type(KEY).import_key(KEY.as_dict(private=True) | {"alg": algorithm, "kid": "e"})
    token = signed(claims(at_hash=half_hash(ACCESS, algorithm)), key, algorithm)
    assert check(token, Known(key))["sub"] == "alice"


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"iss": "https://issuer.org"}, "iss"),
        ({"iss": None}, "iss"),
        ({"aud": "other"}, "aud"),
        ({"aud": ["other"]}, "aud"),
        ({"aud": None}, "aud"),
        ({"aud": [CLIENT, "other"]}, "azp"),
        ({"aud": [CLIENT, "other"], "azp": "other"}, "azp"),
        ({"azp": "other"}, "azp"),
        ({"sub": None}, "sub"),
        ({"sub": ""}, "sub"),
        ({"nonce": "another"}, "nonce"),
        ({"at_hash": half_hash("another access token", "RS256")}, "at_hash"),
        ({"exp": None}, "exp"),
        ({"iat": None}, "iat"),
        ({"exp": "soon"}, "exp"),
        ({"exp": float("nan")}, "exp|no signed token"),
    ],
)
def test_a_claim_that_is_wrong_or_absent_is_named(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(Refused, match=why):
        check(signed(claims(**changes)))


@pytest.mark.parametrize(
    ("name", "at_limit", "beyond"),
    [("exp", -LEEWAY_S + 1, -LEEWAY_S), ("iat", LEEWAY_S, LEEWAY_S + 1),
     ("nbf", LEEWAY_S, LEEWAY_S + 1)],
)  # fmt: skip
def test_clocks_may_differ_by_a_minute_and_no_more(name: str, at_limit: int, beyond: int) -> None:
    now = 2_000_000_000
    sound = claims(iat=now, exp=now + 600)
    for shift, good in ((at_limit, True), (beyond, False)):
        token = signed({**sound, name: now + shift})
        if good:
            assert check_id_token(token, Known(KEY), EXPECTED, now=lambda: now)
        else:
            with pytest.raises(Refused):
                check_id_token(token, Known(KEY), EXPECTED, now=lambda: now)


def unsigned() -> str:
    return f"{part({'alg': 'none'})}.{part(claims())}."


def confused() -> str:
    """Signed with the public key as if it were a shared secret."""
    start = f"{part({'alg': 'HS256', 'kid': 'a'})}.{part(claims())}"
    digest = hmac.digest(KEY.as_pem(private=False), start.encode(), "sha256")
    return f"{start}.{urlsafe_b64encode(digest).rstrip(b'=').decode()}"


def tampered() -> str:
    head, _, signature = signed(claims()).split(".")
    return f"{head}.{part(claims(sub='mallory'))}.{signature}"


def another_key() -> str:
    return signed(claims(), OTHER, kid="a")


def own_key_in_the_header() -> str:
    return signed(claims(), OTHER, kid="a", jwk=OTHER.as_dict(private=False))


def critical() -> str:
    head = part({"alg": "RS256", "kid": "a", "crit": ["exp"], "exp": 1})
    return ".".join([head, *signed(claims()).split(".")[1:]])


@pytest.mark.parametrize(
    "forge", [unsigned, confused, tampered, another_key, own_key_in_the_header, critical]
)
def test_what_the_issuer_has_not_signed_is_refused(forge: Callable[[], str]) -> None:
    token = forge()
    with pytest.raises(Refused) as caught:
        check(token)
    assert token.split(".")[1] not in str(caught.value)


@given(st.text(max_size=200) | st.binary(max_size=200).map(lambda b: b.decode("latin1")))
def test_no_text_at_all_is_a_token(text: str) -> None:
    with pytest.raises(Refused):
        check(text)


@given(st.integers(0, 2), st.data())
def test_no_changed_character_goes_unnoticed(number: int, data: st.DataObject) -> None:
    parts = SOUND.split(".")
    # Of the last character of a part some bits stand for nothing.
    place = data.draw(st.integers(0, len(parts[number]) - 2))
    old = parts[number][place]
    new = data.draw(st.sampled_from([c for c in "abcXYZ019-_" if c != old]))
    parts[number] = parts[number][:place] + new + parts[number][place + 1 :]
    with pytest.raises(Refused):
        check(".".join(parts))


def test_a_header_that_is_too_deep_is_refused() -> None:
    deep = urlsafe_b64encode(b'{"alg": ' + b"[" * 1500 + b"]" * 1500 + b"}").decode()
    body, signature = SOUND.split(".")[1:]
    with pytest.raises(Refused):
        check(f"{deep}.{body}.{signature}")


def test_keys_are_fetched_anew_for_an_unknown_id_and_only_then() -> None:
    keys = Known(KEY, later=OTHER)
    check(signed(claims()), keys)
    assert keys.fetched == 0
    check(signed(claims(), OTHER), keys)
    assert keys.fetched == 1
    with pytest.raises(Refused):
        check(another_key(), keys)
    assert keys.fetched == 1
    stranger = type(KEY).generate_key(2048, {"kid": "c"})
    with pytest.raises(Refused, match="kid"):
        check(signed(claims(), stranger), keys)
    assert keys.fetched == 2


ANSWER = {"access_token": ACCESS, "token_type": "Bearer", "expires_in": 60, "refresh_token": "r"}


def test_an_answer_becomes_tokens_and_a_refresh_may_leave_out_what_stays() -> None:
    body = ANSWER | {"id_token": signed(claims())}
    first, found = accept(granted(body, ISSUER), Known(KEY), EXPECTED, now=lambda: time.time() + 5)
    assert found["sub"] == "alice"
    assert abs(first.expires_at - time.time() - 65) < 3
    rest = {"access_token": "two", "token_type": "bearer"}
    second, found = accept(granted(rest, ISSUER), Known(KEY), EXPECTED, first)
    assert found == {}
    assert second.access_token.get_secret_value() == "two"
    assert (second.id_token, second.refresh_token) == (first.id_token, first.refresh_token)
    assert abs(second.expires_at - time.time() - 300) < 3


def test_a_refresh_that_brings_the_token_of_another_person_is_refused() -> None:
    body = ANSWER | {"id_token": signed(claims(sub="eve"))}
    expected = Expected(ISSUER, CLIENT, subject="alice")
    with pytest.raises(AccessDenied, match="wrong sub"):
        accept(granted(body, ISSUER), Known(KEY), expected)


@pytest.mark.parametrize(
    ("changes", "word"),
    [({"token_type": "mac"}, "token_type"), ({"access_token": 5}, "access_token"),
     ({"expires_in": "SECRET"}, "expires_in")],
)  # fmt: skip
def test_a_bad_answer_is_named_and_not_shown(changes: dict[str, Any], word: str) -> None:
    body = {"id_token": "SECRET", **ANSWER, **changes}
    with pytest.raises(AccessDenied, match=word) as caught:
        granted(body, ISSUER)
    assert "SECRET" not in str(caught.value)
    assert ACCESS not in repr(granted(body | ANSWER, ISSUER))


def test_a_login_without_an_id_token_is_refused() -> None:
    with pytest.raises(AccessDenied, match="no ID token"):
        accept(granted(ANSWER, ISSUER), Known(KEY), EXPECTED)
