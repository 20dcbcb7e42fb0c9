"""Temporary keys for an ID token: AssumeRoleWithWebIdentity of an STS.

In: a service, a role and a token. Out: `Keys`. It is one form, which nobody signs; Amazon, Ceph
RadosGW and MinIO answer in XML. Source: AWS Security Token Service API Reference, 2011-06-15.
"""

import time
from datetime import datetime
from xml.etree.ElementTree import Element, ParseError, fromstring

from pydantic import SecretStr

from voxelmill.access.keys import Keys, Wanted
from voxelmill.access.web import Form, Web, brief, secure
from voxelmill.plugin import NoCredentials

VERSION = "2011-06-15"
SESSION = "voxelmill"
"""Name of the person's session with the role, in the store's own logs."""


def assume(wanted: Wanted, id_token: SecretStr) -> Keys:
    """Ask for keys.

    Raises
    ------
    NoCredentials
        The service refuses.
    StoreUnavailable
        It does not answer.
    BadConfig
        Others could read the token on its way there.
    """
    url = secure(wanted.sts, "stores: auth: sts")
    form: Form = {"Action": "AssumeRoleWithWebIdentity", "Version": VERSION,
            "RoleArn": wanted.role_arn, "RoleSessionName": SESSION,
            "DurationSeconds": str(wanted.duration_s), "WebIdentityToken": id_token}  # fmt: skip
    asked = int(time.time())
    with Web(wanted.ca) as web:
        answer = web.post(f"{url.rstrip('/')}/", form, accept="application/xml")
    try:
        document = fromstring(answer.text)  # noqa: S314 - of the store that is trusted with keys
        found = document.find(".//{*}Credentials")
        if answer.good and found is not None:
            return _keys(found, asked, wanted.duration_s)
        said = document.findtext(".//{*}Code") or ""
    except (ParseError, ValueError):
        said = "no answer of an STS"
    raise NoCredentials(
        f"{wanted.sts}: no keys for role {wanted.role_arn} ({brief(said) or answer.error}). "
        f"{_advice(answer.status)}"
    )


def _advice(status: int) -> str:
    if status == 400:
        return "Check role_arn and duration_s: no longer than the role's MaxSessionDuration"
    return (
        "Check role_arn, and that the role trusts your login (`voxelmill whoami`); the facility "
        "finds more in docs/access.md"
    )


def _keys(found: Element, asked: int, duration_s: int) -> Keys:
    named = {part.tag.rpartition("}")[2]: part.text or "" for part in found}
    # By this machine's clock, which may be ahead of the service's or behind it.
    end = int(datetime.fromisoformat(named.get("Expiration", "")).timestamp())
    return Keys(
        access_key_id=SecretStr(named.get("AccessKeyId", "")),
        secret_access_key=SecretStr(named.get("SecretAccessKey", "")),
        session_token=SecretStr(named.get("SessionToken", "")),
        received_at=asked,
        expires_at=min(end, asked + duration_s),
    )
