"""Clients of S3 services: who signs requests, with what.

In: a bucket, its `StoreOptions`, what of the environment matters, keys of a login. Out: a store of
obstore, one for all that is the same of these.
"""

import os
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from voxelmill.access.keys import Keys
from voxelmill.access.supply import SUPPLY
from voxelmill.plugin import AccessDenied, BadConfig
from voxelmill.store.remote import RETRY, client_options
from voxelmill.storeoptions import StoreOptions

REGION = "us-east-1"
AMBIENT = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE",
           "AWS_ENDPOINT_URL", "AWS_REGION", "AWS_CA_BUNDLE", "SSL_CERT_FILE")  # fmt: skip


def ambient() -> tuple[str, ...]:
    """What of the environment decides how a store is reached; a change makes a new client."""
    return tuple(os.environ.get(name, "") for name in AMBIENT)


@lru_cache(maxsize=64)
def s3_client(
    url: str, options: StoreOptions, values: tuple[str, ...], keys: Keys | None = None
) -> Any:  # noqa: ANN401 - stores of obstore share no type
    """Client of a bucket.

    Parameters
    ----------
    url : str
    options : StoreOptions
    values : tuple of str
        Of `ambient`.
    keys : Keys, optional
        Those of the login that are good now, if the store is entered with such.

    Raises
    ------
    AccessDenied
        Nothing says with what requests are signed.
    BadConfig
        A profile or a certificate cannot be read.
    """
    from obstore.store import S3Store

    more: dict[str, Any] = {}
    found = dict(zip(AMBIENT, values, strict=True))
    if endpoint := options.endpoint or found["AWS_ENDPOINT_URL"]:
        more["endpoint"] = endpoint
    if keys is not None:
        # A listing may take longer than keys last. Other keys are another client all the same.
        more["credential_provider"] = Renewed(options)
    elif options.anonymous:
        more["skip_signature"] = True
    elif profile := options.profile or found["AWS_PROFILE"]:
        more["credential_provider"] = _of_profile(profile)
    elif found["AWS_ACCESS_KEY_ID"]:
        more["access_key_id"] = found["AWS_ACCESS_KEY_ID"]
        more["secret_access_key"] = found["AWS_SECRET_ACCESS_KEY"]
        if token := found["AWS_SESSION_TOKEN"]:
            more["session_token"] = token
    else:
        raise AccessDenied(
            f"{url}: no credentials: neither AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are set, "
            "nor `auth`, `profile` or `anonymous: true` under `stores`. Set one of them"
        )
    return S3Store.from_url(
        url,
        region=options.region or found["AWS_REGION"] or REGION,
        virtual_hosted_style_request=not options.path_style,
        client_options=client_options(options),
        retry_config=RETRY,
        **more,
    )


class Renewed:
    """Keys of a login for one client, which asks again when others are due.

    Parameters
    ----------
    options : StoreOptions
        With an `auth` of the kind oidc.
    """

    # obstore's own is five minutes: keys of a quarter of an hour would be asked for all the time.
    refresh_threshold = timedelta(0)

    def __init__(self, options: StoreOptions) -> None:
        self._options = options

    def __call__(self) -> dict[str, Any]:
        """Keys, as obstore wants them."""
        keys = SUPPLY.keys(self._options)
        if keys is None:
            raise BadConfig("stores: auth: no keys of a login")
        return {
            "access_key_id": keys.access_key_id.get_secret_value(),
            "secret_access_key": keys.secret_access_key.get_secret_value(),
            "token": keys.session_token.get_secret_value(),
            "expires_at": datetime.fromtimestamp(keys.due, UTC),
        }


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
