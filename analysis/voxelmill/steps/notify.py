"""Who is told what a weekly run has done: a web address, a command. Neither can make it fail.

In: the line, more lines, facts as JSON values. Out: warnings. An address may be a secret: it stands
in no warning, no log, and not in the environment of what is started here.
"""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import HTTPRedirectHandler, Request, build_opener

from voxelmill import __version__

TIMEOUT_S = 30.0
COMMAND_S = 120.0
PREFIX = "VOXELMILL_DUMP_"
"""Start of the environment variables that a command gets."""


class _Stay(HTTPRedirectHandler):
    """Follows no redirect: a POST would become a GET, and its content would be lost."""

    def redirect_request(self, *_: object) -> None:
        return None


def tell(webhook: str, command: str, lines: Sequence[str], facts: Mapping[str, Any]) -> None:
    """Tell whoever is to be told; what goes wrong is a warning on stderr.

    Parameters
    ----------
    webhook, command : str
        Empty: there is none.
    lines : sequence of str
        For people; the first says it all.
    facts : mapping
        For programs: JSON values.
    """
    for what, fault in (
        ("webhook", _post(webhook, facts) if webhook else ""),
        ("command", _call(command, lines, facts) if command else ""),
    ):
        if fault:
            sys.stderr.write(f"voxelmill: dump.{what}: nobody was told: {fault}\n")


def _post(address: str, facts: Mapping[str, Any]) -> str:
    if not address.startswith(("http://", "https://")):
        return "no http(s) address"
    headers = {"Content-Type": "application/json", "User-Agent": f"voxelmill/{__version__}"}
    try:
        request = Request(address, json.dumps(facts).encode(), headers, method="POST")  # noqa: S310
        with build_opener(_Stay).open(request, timeout=TIMEOUT_S):
            return ""
    except HTTPError as error:
        error.close()
        return f"HTTP {error.code}"
    except URLError as error:
        return type(error.reason).__name__ if isinstance(error.reason, OSError) else "no answer"
    except (OSError, HTTPException, ValueError) as error:
        return type(error).__name__


def _call(command: str, lines: Sequence[str], facts: Mapping[str, Any]) -> str:
    try:
        done = subprocess.run(  # noqa: S603
            shlex.split(command), input="\n".join(lines) + "\n", text=True, check=False,
            env={**os.environ, **told(lines[0], facts)}, timeout=COMMAND_S,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return f"no end after {COMMAND_S:.0f} s"
    except (OSError, ValueError) as error:
        return str(error)
    return f"exit code {done.returncode}" if done.returncode else ""


def told(line: str, facts: Mapping[str, Any]) -> dict[str, str]:
    """Environment variables of the command: the line, and numbers."""
    found = {"SUMMARY": line, "EXIT_CODE": str(facts["exit_code"])}
    found |= {"RESULTS": facts["results"], "INDEX": facts["index"] or ""}
    counted = ("new", "finished", "failed", "waiting", "unfit", "to_be_approved")
    found |= {name.upper(): str(len(facts[name])) for name in counted}
    found["QUARANTINED"] = str(sum(facts["quarantined"].values()))
    return {PREFIX + name: value for name, value in found.items()}
