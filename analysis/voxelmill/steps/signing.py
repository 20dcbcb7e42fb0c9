"""Keys of a login for programs that sign with botocore: Snakemake's storage plugin is one.

In: the address of the results. Out: an environment in which botocore finds the keys by itself: a
configuration file without secrets names a command (``voxelmill keys``), which prints them into a
pipe whenever botocore wants others. Source: "Sourcing credentials with an external process" of the
AWS SDKs' reference.
"""

import json
import os
import shlex
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from voxelmill.access.keys import Keys
from voxelmill.access.supply import AGAIN_S, SUPPLY
from voxelmill.ledger import write_bytes
from voxelmill.plugin import BadConfig
from voxelmill.storeoptions import SECRET, Oidc, options_of

FILE = Path(".snakemake/voxelmill/aws-config")
"""Below the working directory."""
HIDDEN = (*SECRET, "AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_ROLE_ARN",
          "AWS_WEB_IDENTITY_TOKEN_FILE")  # fmt: skip
"""What botocore would rather take."""
EARLY_S = 900
"""So long before the end that it is told, botocore asks for others."""


def config_text(url: str, python: str) -> str:
    """Content of the configuration file for one store."""
    return f"[default]\ncredential_process = {python} -m voxelmill keys {shlex.quote(url)}\n"


def environment(url: str, before: Mapping[str, str]) -> dict[str, str]:
    """Environment in which botocore gets the keys of a store's `auth`; as `before` if it has none.

    Writes `FILE`.
    """
    if not isinstance(options_of(url).auth, Oidc):
        return dict(before)
    write_bytes(FILE, config_text(url, shlex.quote(sys.executable)).encode())
    left = {name: value for name, value in before.items() if name not in HIDDEN}
    return left | {
        "AWS_CONFIG_FILE": str(FILE.absolute()),
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }


@contextmanager
def signed(url: str) -> Iterator[None]:
    """Have this process that environment for a while; a client keeps what it found when made."""
    before = dict(os.environ)
    changed = environment(url, before)
    _become(before, changed)
    try:
        yield
    finally:
        _become(changed, before)


def _become(now: Mapping[str, str], wanted: Mapping[str, str]) -> None:
    for name in now.keys() - wanted.keys():
        del os.environ[name]
    os.environ.update({n: v for n, v in wanted.items() if now.get(n) != v})


def printed(url: str) -> str:
    """Keys as botocore reads them from a process.

    Raises
    ------
    BadConfig
        Somebody looks on; or the store has no `auth` of the kind oidc.
    SessionEnded, NoCredentials
        There are none.
    """
    if sys.stdout.isatty():
        raise BadConfig("keys: they are not for eyes; allowed: a pipe to the program that signs")
    keys = SUPPLY.keys(options_of(url))
    if keys is None:
        raise BadConfig(f"keys: {url}: no `auth: {{kind: oidc, …}}` under `stores`. Add it")
    return json.dumps(_for_botocore(keys))


def _for_botocore(keys: Keys) -> dict[str, str | int]:
    # Not their true end: told that, botocore would ask again and again before others are due.
    # Keys that are due could not be renewed just now; it asks again soon, and not at every request.
    again = max(keys.due, time.time() + AGAIN_S)
    told = datetime.fromtimestamp(again + EARLY_S, UTC)
    return {
        "Version": 1,
        "AccessKeyId": keys.access_key_id.get_secret_value(),
        "SecretAccessKey": keys.secret_access_key.get_secret_value(),
        "SessionToken": keys.session_token.get_secret_value(),
        "Expiration": told.isoformat(timespec="seconds"),
    }
