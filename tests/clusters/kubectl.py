"""The test Kubernetes: up, down, images, and what its API says. Its recipe is ``kubernetes/up``."""

import base64
import json
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import kubernetes.client
import kubernetes.config

from clusters.slurmctl import until

HERE = Path(__file__).parent / "kubernetes"
NAMESPACE = "rahti"
SERVER = "https://127.0.0.1:16443"
# What pods reach: the API server, and the store of rgw.py, which itself listens on loopback only.
CLUSTER_SERVER = "https://10.96.0.1:443"
STORE = "http://10.255.77.1:17480"
# Names as the kernel cuts them. Not containerd and socat: others run these, too (see `left`).
DAEMONS = ("etcd", "kube-apiserver", "kube-controller", "kube-scheduler", "kubelet")
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def root() -> Path:
    """Folder with the state of the test cluster."""
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state"
    return Path(os.environ.get("K8S_TEST_ROOT") or Path(state, "voxelmill-clusters/kubernetes"))


def missing() -> str:
    """Why Kubernetes cannot be started here; empty if it can."""
    if os.geteuid() != 0:
        return "a Kubernetes needs root to be installed and started"
    if shutil.which("apt-get") is None:
        return "Kubernetes is built from Debian's packages: no apt-get here"
    if os.environ.get("VOXELMILL_BUILD_KUBERNETES") != "1" and not _built():
        return "Kubernetes is not built here: make test-kubernetes builds it (about 7 minutes)"
    return ""


def _built() -> bool:
    return subprocess.run([HERE / "build", "--check"], timeout=60, check=False).returncode == 0


def up() -> None:
    """Start from nothing; with VOXELMILL_KEEP_CLUSTERS=1 one that answers is used."""
    if os.environ.get("VOXELMILL_KEEP_CLUSTERS") == "1" and _answers():
        tidy()
        return
    if not _built():
        subprocess.run([HERE / "build"], check=True, timeout=3600, stdout=subprocess.DEVNULL)
    subprocess.run([HERE / "up"], check=True, timeout=600, stdout=subprocess.DEVNULL)


def _answers() -> bool:
    if not (root() / "admin.kubeconfig").exists():
        return False
    try:
        return "True" in kubectl(
            "get", "node", "-o", 'jsonpath={.items[*].status.conditions[?(@.type=="Ready")].status}'
        )
    except (RuntimeError, subprocess.TimeoutExpired):
        return False


def down() -> None:
    subprocess.run([HERE / "down", "--purge"], check=True, timeout=120, stdout=subprocess.DEVNULL)


def left() -> list[str]:
    """What `down` should have taken away: processes of any name, mounts, addresses, the bridge."""
    mark = f"VOXELMILL_KUBERNETES={root()}".encode()
    found = [str(p) for p in Path("/proc").glob("[0-9]*/environ") if mark in _bytes(p).split(b"\0")]
    found += [line for line in _bytes(Path("/proc/mounts")).decode().splitlines()
              if f"{root()}/" in line]  # fmt: skip
    addresses = subprocess.run(["ip", "-brief", "address"], check=True, timeout=60,
                               capture_output=True, text=True).stdout  # fmt: skip
    return found + [w for w in ("10.96.0.1/", "10.255.77.1/", "vxmill0") if w in addresses]


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def load(image: str) -> None:
    """Copy an image from podman's store to the node, which can pull none.

    A pod whose image is tagged `latest` needs ``imagePullPolicy: IfNotPresent``.
    """
    with tempfile.TemporaryDirectory(dir=root()) as folder:
        tar = str(Path(folder, "image.tar"))
        socket = str(root() / "ctd/containerd.sock")
        for call in (
            ["podman", "save", "--quiet", "--output", tar, image],
            ["ctr", "--address", socket, "--namespace", "k8s.io", "images", "import", tar],
        ):
            subprocess.run(call, check=True, timeout=600, stdout=subprocess.DEVNULL)


def kubectl(*words: str, input: str | None = None, account: str | None = None) -> str:  # noqa: A002
    """What kubectl prints, called as administrator, or with the rights of a service account."""
    call = ["kubectl", "--kubeconfig", str(root() / "admin.kubeconfig"), "--namespace", NAMESPACE,
            "--cache-dir", str(root() / "kubectl")]  # fmt: skip
    if account:
        call += ["--as", f"system:serviceaccount:{NAMESPACE}:{account}"]
    done = subprocess.run([*call, *words], input=input, capture_output=True, text=True, timeout=120,
                          check=False)  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"kubectl {' '.join(words)}: {done.stderr.strip()}")
    return done.stdout


def get(kind: str, *words: str) -> list[dict[str, Any]]:
    """Objects of a kind: all, or those that `words` (names, options) select."""
    found = json.loads(kubectl("get", kind, *words, "--output", "json"))
    items: list[dict[str, Any]] = found.get("items", [found])
    return items


def offer(resource: str, count: int) -> None:
    """Have the node say that it has something: what a device plugin would do."""
    client = kubernetes.config.new_client_from_config(str(root() / "admin.kubeconfig"))
    body = {"status": {"capacity": {resource: str(count)}}}
    with client:
        kubernetes.client.CoreV1Api(client).patch_node_status("node0", body)


def token(account: str) -> str:
    """Token of a service account, which the cluster makes soon after the account."""

    def named() -> list[str]:
        accounts = get("serviceaccounts", "--field-selector", f"metadata.name={account}")
        return [secret["name"] for a in accounts for secret in a.get("secrets", [])]

    until(named, 30)
    return base64.b64decode(get("secrets", named()[0])[0]["data"]["token"]).decode()


def kubeconfig(account: str, path: Path, server: str = SERVER) -> None:
    """Write a kubeconfig with which a service account is a user, as on a submitting machine."""
    ca = base64.b64encode((root() / "pki/ca.crt").read_bytes()).decode()
    context = {"cluster": "test", "user": account, "namespace": NAMESPACE}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": "test", "cluster": {"server": server, "certificate-authority-data": ca}}
        ],
        "users": [{"name": account, "user": {"token": token(account)}}],
        "contexts": [{"name": "test", "context": context}],
        "current-context": "test",
    }
    path.write_text(json.dumps(config))
    path.chmod(0o600)


def tidy() -> None:
    """Delete all jobs and pods, and the secrets of runs; wait until the pods are gone."""
    # Jobs without their pods: with them, a pod that ignores SIGTERM would get its 30 seconds.
    kubectl("delete", "jobs", "--all", "--cascade=orphan")
    kubectl("delete", "pods", "--all", "--grace-period=1", "--wait=false")
    kubectl("delete", "secrets", "--selector", "app in (snakemake, voxelmill)")
    for secret in get("secrets", "--field-selector", "type=Opaque"):
        if UUID.fullmatch(name := secret["metadata"]["name"]):
            kubectl("delete", "secret", name)
    until(lambda: not get("pods"), 60)
