"""How object stores are reached: endpoint, region, credentials by name. Never a secret.

In: the `stores` block of a configuration. Out: the options for an address, in this process and,
by an environment variable, in all that it starts: a block is read by worker processes that know
its address only. Keys themselves come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, from a
profile of ``~/.aws/credentials``, or, with `auth`, from the login of a person (`access`).
"""

import json
import os
from collections.abc import Mapping
from typing import Annotated, Literal, Self, TypeAlias
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from voxelmill.access.web import is_secure, secure

VARIABLE = "VOXELMILL_STORES"
OPEN = ("AWS_ENDPOINT_URL", "AWS_REGION")
SECRET = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
PASSED = (*SECRET, *OPEN)
"""What jobs get of this process's environment, if it has it, where they do not inherit it."""
Prefix: TypeAlias = Annotated[str, StringConstraints(pattern=r"^(s3|https?)://[^@?#]*$")]
"""Start of addresses: a kind of store, a bucket, a part of one."""


Service: TypeAlias = Annotated[str, StringConstraints(pattern=r"^https?://[^@?#]+$")]
Host: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[^/@?#:\s]+(:[0-9]{1,5})?$")]
PORTS = {"http": 80, "https": 443}


class Oidc(BaseModel):
    """Temporary keys for the login of a person: STS AssumeRoleWithWebIdentity."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["oidc"]
    role_arn: str = Field(
        pattern=r"^arn:[\w-]+:iam::[\w-]*:role/\S+$",
        description="Role that the store lets the person take, such as arn:aws:iam:::role/reader.",
    )
    sts: Service | None = Field(
        default=None, description="Address of the STS; default: the endpoint, as at Ceph and MinIO."
    )
    duration_s: int = Field(
        default=3600,
        ge=900,
        le=43200,
        description="Life of the keys; a role allows so much, 3600 at most if nobody changed it.",
    )


class Bearer(BaseModel):
    """The access token of a person's login, for data services on http(s)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["bearer"]
    hosts: tuple[Host, ...] = Field(
        default=(),
        description="Who gets the token, as host or host:port; default: the host of the address.",
    )


class StoreOptions(BaseModel):
    """Options of one store."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    endpoint: Service | None = Field(
        default=None,
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
    auth: Annotated[Oidc | Bearer, Field(discriminator="kind")] | None = Field(
        default=None, description="Enter it with the login of a person: `voxelmill login`."
    )

    @model_validator(mode="after")
    def _one_way_in(self) -> Self:
        for name in ("anonymous", "profile"):
            if self.auth and getattr(self, name):
                raise ValueError(f"auth: beside {name}; allowed: one of them")
        if isinstance(self.auth, Oidc) and (url := self.auth.sts or self.endpoint):
            secure(url, "auth")
        return self


def _fitting(stores: dict[str, StoreOptions]) -> dict[str, StoreOptions]:
    for prefix, options in stores.items():
        wanted = "s3" if isinstance(options.auth, Oidc) else "http"
        if options.auth and not prefix.startswith(wanted):
            kind = options.auth.kind
            where = "s3://…" if wanted == "s3" else "http(s)://…"
            raise ValueError(f"{prefix}.auth: {kind}; allowed for addresses {where}")
        if isinstance(options.auth, Bearer):
            _check_hosts(prefix, options.auth)
    return stores


def _check_hosts(prefix: str, auth: Bearer) -> None:
    for host in auth.hosts:
        secure(f"https://{host}", f"{prefix}.auth.hosts")
    if prefix.partition("://")[2]:
        secure(prefix, "auth")
        if auth.hosts and origin(prefix) not in _origins(auth, prefix):
            raise ValueError(f"{prefix}.auth.hosts: not the address's own; name it, too")
    elif prefix.startswith("http:"):
        raise ValueError(f"{prefix}.auth: not TLS; allowed: https://…, or http:// on this machine")
    elif not auth.hosts:
        raise ValueError(f"{prefix}.auth: names no host; list `hosts` that get the token")


Stores: TypeAlias = Annotated[dict[Prefix, StoreOptions], AfterValidator(_fitting)]


def origin(url: str) -> tuple[str, int] | None:
    """Host and port of an address; None if it has no host."""
    parts = urlsplit(url)
    return (parts.hostname, parts.port or PORTS[parts.scheme]) if parts.hostname else None


def gets_token(url: str) -> bool:
    """Whether requests for an address carry the token of the login: never where it can be read."""
    auth = options_of(url).auth
    if not isinstance(auth, Bearer) or not is_secure(url):
        return False
    return not auth.hosts or origin(url) in _origins(auth, url)


def _origins(auth: Bearer, url: str) -> set[tuple[str, int] | None]:
    scheme = urlsplit(url).scheme
    return {origin(f"{scheme}://{host}") for host in auth.hosts}


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
