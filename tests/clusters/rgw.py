"""The test object store: up, down, buckets and who may do what. Its recipe is ``ceph-rgw/up``."""

import json
import os
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from clusters.slurmctl import until

HERE = Path(__file__).parent / "ceph-rgw"
PORT = int(os.environ.get("RGW_PORT", "17480"))
TLS_PORT = int(os.environ.get("RGW_TLS_PORT", "17443"))
ENDPOINT, TLS_ENDPOINT = f"http://127.0.0.1:{PORT}", f"https://localhost:{TLS_PORT}"
CAS = Path("/etc/ssl/certs/ca-certificates.crt")
KEYS = ("BIOACCESSKEY0000001", "biosecretkeybiosecretkeybiosecretkey0001")
GUEST = ("GUESTACCESSKEY00001", "guestsecretguestsecretguestsecretgue0001")
IAM = ("IAMADMINKEY00000001", "iamadminsecretiamadminsecretiamadmin0001")
DAEMONS = ("ceph-mon", "ceph-osd", "radosgw")


def root() -> Path:
    """Folder with the state of the test store."""
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state"
    return Path(os.environ.get("RGW_TEST_ROOT") or Path(state, "voxelmill-clusters/ceph-rgw"))


def missing() -> str:
    """Why Ceph cannot be installed here; empty if it can."""
    if os.geteuid() != 0:
        return "a Ceph RadosGW needs root to be installed and started"
    if shutil.which("apt-get") is None and shutil.which("radosgw") is None:
        return "Ceph is installed from Debian's packages: no apt-get here"
    return ""


def up() -> None:
    subprocess.run([HERE / "up"], check=True, timeout=600, stdout=subprocess.DEVNULL)


def down() -> None:
    subprocess.run([HERE / "down", "--purge"], check=True, timeout=120, stdout=subprocess.DEVNULL)


def environment(keys: tuple[str, str] = KEYS) -> dict[str, str]:
    """Environment of a user: keys, and nothing of any other."""
    found = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "VOXELMILL_"))}
    return found | {"AWS_ACCESS_KEY_ID": keys[0], "AWS_SECRET_ACCESS_KEY": keys[1]}


def client(keys: tuple[str, str] = KEYS, token: str | None = None) -> Any:  # noqa: ANN401 - untyped library
    """A client that is not ours."""
    from botocore.session import Session

    return Session().create_client(
        "s3", endpoint_url=ENDPOINT, region_name="us-east-1",
        aws_access_key_id=keys[0], aws_secret_access_key=keys[1], aws_session_token=token,
    )  # fmt: skip


def fill(bucket: str, folder: Path, prefix: str = "") -> None:
    """Make a bucket and copy a folder into it."""
    s3 = client()
    s3.create_bucket(Bucket=bucket)
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        key = "/".join(part for part in (prefix, path.relative_to(folder).as_posix()) if part)
        s3.put_object(Bucket=bucket, Key=key, Body=path.read_bytes())


def allow(bucket: str, *actions: str, principal: str = "*") -> None:
    """Let others do `actions` with a bucket and its objects: that, and nothing else."""
    resources = [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
    statement = {"Effect": "Allow", "Principal": principal, "Action": list(actions),
                 "Resource": resources}  # fmt: skip
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    client().put_bucket_policy(Bucket=bucket, Policy=policy)


def admin(*words: str) -> None:
    """Call the administrator's program."""
    subprocess.run(["radosgw-admin", "-n", "client.admin", *words], check=True, timeout=60,
                   capture_output=True,
                   env={**os.environ, "CEPH_CONF": str(root() / "ceph.conf")})  # fmt: skip


@contextmanager
def gateway_gone() -> Iterator[None]:
    """Kill the gateway; start it again afterwards. What is stored stays."""
    pid = int((root() / "run/client.rgw.a.pid").read_text())
    os.kill(pid, 9)
    try:
        yield
    finally:
        _start(["radosgw", "-n", "client.rgw.a"])


def trust(ca: str) -> None:
    """Start the gateway anew so that it believes a CA besides: it asks OpenID providers itself.

    It reads the system's CAs only: it gets a name space of mounts in which their file has one more.
    """
    bundle = root() / "tls/bundle.pem"
    bundle.write_bytes(CAS.read_bytes() + Path(ca).read_bytes())
    inside = 'mount --bind "$1" "$2" && exec radosgw -n client.rgw.a'
    pid = int((root() / "run/client.rgw.a.pid").read_text())
    os.kill(pid, 9)
    _start(["unshare", "--mount", "sh", "-c", inside, "sh", str(bundle), str(CAS)])
    until(_answers)


def _start(command: list[str]) -> None:
    log = (root() / "log/start.log").open("a")
    subprocess.run(command, check=True, timeout=60, stdout=log, stderr=log,
                   stdin=subprocess.DEVNULL,
                   env={**os.environ, "CEPH_CONF": str(root() / "ceph.conf")})  # fmt: skip


def _answers() -> bool:
    try:
        urllib.request.urlopen(ENDPOINT, timeout=5).close()
    except OSError:
        return False
    return True
