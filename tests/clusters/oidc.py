"""The test OpenID provider, and a person with a browser. Its recipe is ``oidc/up``."""

import html
import json
import os
import re
import shutil
import ssl
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

import httpx

HERE = Path(__file__).parent / "oidc"
PORT = int(os.environ.get("OIDC_PORT", "18443"))
ISSUER, OTHER = f"https://localhost:{PORT}", f"https://localhost:{PORT + 2}"
CLIENT = "voxelmill-test"
DAEMONS = (f"vxm-oidc-{PORT}",)
NODE = (20, 12)


def root() -> Path:
    """Folder with the state of the test provider."""
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state"
    return Path(os.environ.get("OIDC_TEST_ROOT") or Path(state, "voxelmill-clusters/oidc"))


def ca() -> str:
    """Certificate of its CA."""
    return str(root() / "ca.pem")


def missing() -> str:
    """Why the provider cannot be started here; empty if it can."""
    node, npm = shutil.which("node"), shutil.which("npm")
    may = os.geteuid() == 0 and shutil.which("apt-get") is not None
    if not (node and npm) and not may:
        return "an OpenID provider needs node and npm, and no right to install them here"
    if node:
        said = subprocess.run([node, "--version"], check=True, capture_output=True, text=True)
        version = said.stdout.strip()
    else:
        said = subprocess.run(
            ["apt-cache", "policy", "nodejs"], check=True, capture_output=True, text=True
        )
        version = said.stdout.partition("Candidate:")[2].partition("\n")[0]
    found = tuple(map(int, re.findall(r"\d+", version)[:2]))
    if found and found < NODE:
        return f"the OpenID provider needs node {NODE[0]}.{NODE[1]}, here it is {version.strip()}"
    return ""


def up() -> None:
    subprocess.run([HERE / "up"], check=True, timeout=600, stdout=subprocess.DEVNULL)


def down() -> None:
    subprocess.run([HERE / "down", "--purge"], check=True, timeout=60, stdout=subprocess.DEVNULL)


def tell(**faults: object) -> None:
    """Have the provider do so, and otherwise as usual; its counts start anew."""
    body = json.dumps(faults).encode()
    urllib.request.urlopen(f"http://127.0.0.1:{PORT + 1}/", body, timeout=10).close()


def counts() -> dict[str, Any]:
    """How often it was asked for what since `tell`, and the scopes of the last login."""
    with urllib.request.urlopen(f"http://127.0.0.1:{PORT + 1}/", timeout=10) as answer:
        found: dict[str, Any] = json.load(answer)
        return found


def issued() -> list[str]:
    """All tokens and device codes that it has handed out, oldest first."""
    with urllib.request.urlopen(f"http://127.0.0.1:{PORT + 1}/issued", timeout=10) as answer:
        found: list[str] = json.load(answer)
        return found


def browse(url: str, user: str = "alice", *, refuse: bool = False) -> None:
    """Be a person with a browser: confirm the code, or refuse it; log in; consent."""
    context = ssl.create_default_context(cafile=ca())
    with httpx.Client(verify=context, follow_redirects=True, timeout=20) as client:
        page = client.get(url)
        for _ in range(8):
            form = re.search(r"<form(.*?)>(.*?)</form>", page.text, re.DOTALL)
            if form is None:
                return
            fields = dict(map(_field, re.findall(r"<input[^>]*>", form.group(0))))
            fields.pop("", None)
            fields |= {name: user for name in ("login", "password") if name in fields}
            if refuse and "user_code" in fields and "abort" in page.text:
                fields["abort"] = "yes"
            (action,) = re.findall(r'action="([^"]*)"', form.group(1))
            page = client.post(str(page.url.join(html.unescape(action))), data=fields)
            if "abort" in fields:
                return
    raise AssertionError(f"the provider's pages do not end: {page.url}")


def _field(tag: str) -> tuple[str, str]:
    found = dict(re.findall(r'(\w+)="([^"]*)"', tag))
    return found.get("name", ""), html.unescape(found.get("value", ""))
