"""A bucket, or a part of one, as `Objects`: S3 as Amazon, Ceph RadosGW and MinIO speak it.

In: ``s3://bucket/prefix`` and its `StoreOptions`. Out: `S3Objects`, which lists, writes and removes
besides. "Not found" is believed only of an answer that says NoSuchKey: an absent bucket, or the
page of a gateway, is an error, never an absent chunk.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from voxelmill.access.keys import Keys, Lasting
from voxelmill.access.supply import SUPPLY
from voxelmill.plugin import AccessDenied, BadConfig, BlocksFailed, StoreUnavailable
from voxelmill.slots import waiting
from voxelmill.store.remote import (
    RETRY,
    RemoteObjects,
    client_options,
    side_by_side,
    store_errors,
)
from voxelmill.storeoptions import StoreOptions, options_of

REGION = "us-east-1"
AMBIENT = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE",
           "AWS_ENDPOINT_URL", "AWS_REGION", "AWS_CA_BUNDLE", "SSL_CERT_FILE")  # fmt: skip
SPENT = ("ExpiredToken", "InvalidAccessKeyId", "InvalidToken", "TokenRefreshRequired")
"""What it says of temporary keys that it does not take any more."""
ABSENT = "NoSuchKey"
"""What the answer of an S3 service says of an object that is not there."""


@dataclass(frozen=True)
class Stored:
    """One object of a listing."""

    size: int
    etag: str


class S3Objects(RemoteObjects):
    """Objects of a bucket under a prefix.

    Parameters
    ----------
    url : str
        ``s3://bucket/prefix``.
    """

    def __init__(self, url: str) -> None:
        super().__init__(url)
        bucket, _, self._root = url.removeprefix("s3://").partition("/")
        # One client a bucket: connections are kept for all images and labels there.
        self._base = f"s3://{bucket}"

    def size(self, key: str) -> int | None:
        """Bytes of an object; None where there is none.

        Asked with its first byte: the answer to a HEAD does not say NoSuchKey.
        """
        options: Any = {"range": (0, 1)}
        return self._ask(
            key, lambda store, full: int(store.get(full, options=options).meta["size"])
        )

    def sizes(self, prefix: str, keys: Iterable[str]) -> dict[str, int]:
        """Size in bytes of each of `keys` under `prefix` that is stored.

        One listing; where that is not allowed, one HEAD each, and an absent key is refused.
        """
        try:
            found = self.listing(prefix)
        except AccessDenied:
            return super().sizes(prefix, keys)
        return {key: found[key].size for key in keys if key in found}

    def listing(self, prefix: str = "") -> dict[str, Stored]:
        """All objects under a prefix, by the rest of their keys.

        Raises
        ------
        StoreUnavailable, AccessDenied
            There is no such bucket, the store did not answer, or refused to.
        """
        from obstore.exceptions import GenericError

        whole = self._full(prefix)
        start = f"{whole}/" if whole else ""
        with store_errors(f"{self._base}/{start}"), waiting():
            try:
                pages = self._made(lambda s: list(s.list(whole or None, chunk_size=1000)))
            except (FileNotFoundError, GenericError) as error:
                if isinstance(error, GenericError) and "status code: 404" not in str(error):
                    raise
                raise self._gone(prefix, error) from error
        found = (entry for page in pages for entry in page)
        return {
            entry["path"].removeprefix(start): Stored(entry["size"], _bare(entry["e_tag"]))
            for entry in found
        }

    def put(self, key: str, content: bytes) -> None:
        """Write one object; it is there whole, or not at all.

        Raises
        ------
        BlocksFailed
            The store did not take it: no fault of the data, which are not quarantined for it.
        """
        try:
            with store_errors(f"{self._url}/{key}"), waiting():
                full = self._full(key)
                self._made(lambda store: store.put(full, content, use_multipart=False))
        except FileNotFoundError as error:
            raise BlocksFailed(f"{self._gone(key, error)}. Nothing was written") from error
        except (AccessDenied, StoreUnavailable) as error:
            raise BlocksFailed(f"{error} It was not written. Mend that and run again") from error

    def remove(self, prefix: str) -> None:
        """Remove all objects under a prefix."""
        start = f"{prefix}/" if prefix else ""
        side_by_side(self.delete, [f"{start}{key}" for key in self.listing(prefix)])

    def delete(self, key: str) -> None:
        """Remove one object; there may be none."""
        with store_errors(f"{self._url}/{key}"), waiting():
            self._made(lambda store: store.delete(self._full(key)))

    def _entry(self) -> Lasting | None:
        return SUPPLY.keys(options_of(self._url))

    def _another(self, entry: Lasting, error: Exception) -> Lasting | None:
        taken_back = any(f"<Code>{code}<" in str(error) for code in SPENT)
        return SUPPLY.keys(options_of(self._url), refused=entry.id) if taken_back else None

    def _client(self, entry: Any, url: str) -> Any:  # noqa: ANN401 - stores of obstore share no type
        return _s3_store(url, options_of(self._url), _ambient(), entry)

    def _absent(self, key: str, error: FileNotFoundError) -> None:
        if ABSENT not in str(error):
            raise self._gone(key, error)

    def _gone(self, key: str, error: Exception) -> StoreUnavailable:
        text = str(error)
        what = "no such bucket" if "NoSuchBucket" in text else "404, but not from an S3 service"
        return StoreUnavailable(
            f"{self._url}/{key}: {what}. Check the address, and `endpoint` under `stores`"
        )


def _bare(etag: str | None) -> str:
    return (etag or "").strip('"')


def _ambient() -> tuple[str, ...]:
    """What of the environment decides how a store is reached; a change makes a new client."""
    return tuple(os.environ.get(name, "") for name in AMBIENT)


@lru_cache(maxsize=64)
def _s3_store(url: str, options: StoreOptions, values: tuple[str, ...], keys: Keys | None) -> Any:  # noqa: ANN401
    from obstore.store import S3Store

    more: dict[str, Any] = {}
    ambient = dict(zip(AMBIENT, values, strict=True))
    if endpoint := options.endpoint or ambient["AWS_ENDPOINT_URL"]:
        more["endpoint"] = endpoint
    if keys is not None:
        more["access_key_id"] = keys.access_key_id.get_secret_value()
        more["secret_access_key"] = keys.secret_access_key.get_secret_value()
        more["session_token"] = keys.session_token.get_secret_value()
    elif options.anonymous:
        more["skip_signature"] = True
    elif profile := options.profile or ambient["AWS_PROFILE"]:
        more["credential_provider"] = _of_profile(profile)
    elif ambient["AWS_ACCESS_KEY_ID"]:
        more["access_key_id"] = ambient["AWS_ACCESS_KEY_ID"]
        more["secret_access_key"] = ambient["AWS_SECRET_ACCESS_KEY"]
        if token := ambient["AWS_SESSION_TOKEN"]:
            more["session_token"] = token
    else:
        raise AccessDenied(
            f"{url}: no credentials: neither AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are set, "
            "nor `auth`, `profile` or `anonymous: true` under `stores`. Set one of them"
        )
    return S3Store.from_url(
        url,
        region=options.region or ambient["AWS_REGION"] or REGION,
        virtual_hosted_style_request=not options.path_style,
        client_options=client_options(options),
        retry_config=RETRY,
        **more,
    )


def _of_profile(profile: str) -> Any:  # noqa: ANN401 - a function as obstore wants it
    """Credentials of a section of ``~/.aws/credentials``, renewed where they expire.

    Raises
    ------
    BadConfig
        There is no such section, or botocore is not installed.
    """
    try:
        from botocore.exceptions import BotoCoreError
        from botocore.session import Session
    except ImportError:
        raise BadConfig("profile: botocore is not installed. pip install voxelmill[s3]") from None
    try:
        found = Session(profile=profile).get_credentials()
    except BotoCoreError as error:
        raise BadConfig(f"profile: {error}. Name a section of ~/.aws/credentials") from None
    if found is None:
        raise BadConfig(f"profile: {profile} has no keys. Add them to ~/.aws/credentials")

    def provide() -> dict[str, Any]:
        frozen = found.get_frozen_credentials()
        soon = datetime.now(UTC) + timedelta(minutes=5)
        return {
            "access_key_id": frozen.access_key,
            "secret_access_key": frozen.secret_key,
            "token": frozen.token,
            "expires_at": soon if frozen.token else None,
        }

    return provide
