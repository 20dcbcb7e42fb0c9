"""How object stores are reached: endpoint, region, credentials by name. Never a secret.

In: the `stores` block of a configuration. Out: the options for an address, in this process and,
by an environment variable, in all that it starts: a block is read by worker processes that know
its address only. Keys themselves come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or from a
profile of ``~/.aws/credentials``.
"""

import json
import os
from collections.abc import Mapping
from typing import Annotated, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

VARIABLE = "VOXELMILL_STORES"
PASSED = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_ENDPOINT_URL",
    "AWS_REGION",
)
"""What jobs get of this process's environment, if it has it, where they do not inherit it."""
Prefix: TypeAlias = Annotated[str, StringConstraints(pattern=r"^(s3|https?)://[^@?#]*$")]
"""Start of addresses: a kind of store, a bucket, a part of one."""


class StoreOptions(BaseModel):
    """Options of one store."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    endpoint: str | None = Field(
        default=None,
        pattern=r"^https?://[^@?#]+$",
        description="Address of an S3 service, such as https://a3s.fi; default: AWS_ENDPOINT_URL.",
    )
    region: str | None = Field(default=None, description="Default: AWS_REGION, else us-east-1.")
    path_style: bool = Field(
        default=True, description="endpoint/bucket/key, not bucket.endpoint/key."
    )
    anonymous: bool = Field(default=False, description="Sign nothing: for public data.")
    profile: str | None = Field(
        default=None, description="Section of ~/.aws/credentials; default: the environment's keys."
    )
    ca: str | None = Field(
        default=None, description="PEM file of a private CA; default: AWS_CA_BUNDLE."
    )


def is_url(text: str) -> bool:
    """Whether an address names a protocol, rather than a path on this machine."""
    return "://" in text


def use_stores(stores: Mapping[str, StoreOptions]) -> None:
    """Have this process, and those that it starts, reach stores so."""
    os.environ[VARIABLE] = told(stores)


def told(stores: Mapping[str, StoreOptions]) -> str:
    """Return the value of `VARIABLE` that says so."""
    found = {prefix: o.model_dump(exclude_defaults=True) for prefix, o in stores.items()}
    return json.dumps(found, sort_keys=True, separators=(",", ":"))


def options_of(url: str) -> StoreOptions:
    """Options of the longest prefix of an address that has some."""
    stores = json.loads(os.environ.get(VARIABLE, "{}"))
    fit = [prefix for prefix in stores if _covers(prefix.rstrip("/"), url)]
    return StoreOptions.model_validate(stores[max(fit, key=len)] if fit else {})


def service_of(url: str) -> dict[str, str]:
    """`endpoint_url` and `region` of an address, as far as anything says them."""
    options = options_of(url)
    found = {
        "endpoint_url": options.endpoint or os.environ.get("AWS_ENDPOINT_URL"),
        "region": options.region or os.environ.get("AWS_REGION"),
    }
    return {name: value for name, value in found.items() if value}


def _covers(prefix: str, url: str) -> bool:
    # "s3:" is what is left of "s3://": all addresses of that kind.
    return url == prefix or url.startswith(f"{prefix}/")
