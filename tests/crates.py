"""The crate validator as a library, without a network: it reads the two contexts from here."""

import dataclasses
import gzip
import json
from io import BytesIO
from pathlib import Path

from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from requests_cache import CachedSession
from rocrate_validator import models, services
from rocrate_validator.utils.http import HttpRequester
from urllib3 import HTTPResponse

CONTEXTS = Path(__file__).parent / "contexts"
"""RO-Crate's own context (CC0, version 1.1.0) and that of the workflow run profiles 0.5."""
ADDRESSES = {
    "https://w3id.org/ro/crate/1.1/context": "ro-crate-1.1.jsonld.gz",
    "https://w3id.org/ro/terms/workflow-run/context": "workflow-run-0.5.json",
}
PROFILE = "provenance-run-crate-0.5"
MOST = 150
"""Checks that there are at least."""
LOCAL, BARE = {"process-run-crate-0.5_5.1"}, {"ro-crate-1.1_25.1", "ro-crate-1.1_12.1"}
"""What is left out of a folder and of bare metadata; each is checked of the other.

Software is to have an absolute http identifier, the file of the workflow too: none in a folder has
one (issue 51 of the validator). Metadata have no files that could be there or not.
"""


class Here(HTTPAdapter):
    """Answers for w3id.org."""

    def send(self, request: PreparedRequest, *_: object, **__: object) -> Response:
        """Answer with a file."""
        content = (CONTEXTS / ADDRESSES[str(request.url)]).read_bytes()
        body = gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
        headers = {"Content-Type": "application/ld+json"}
        raw = HTTPResponse(BytesIO(body), headers, 200, preload_content=False)
        return self.build_response(request, raw)


def fill_cache(path: Path) -> None:
    """Put the contexts into a cache of the validator, as if they had been fetched."""
    with CachedSession(str(path), backend="sqlite", expire_after=-1) as session:
        session.mount("https://", Here())
        for address in ADDRESSES:
            session.get(address)


def issues(folder: Path, cache: Path) -> list[str]:
    """What a crate breaks of REQUIRED and RECOMMENDED rules; or which of them was not checked."""
    if not cache.with_suffix(".sqlite").exists():
        fill_cache(cache)
    HttpRequester.reset()
    settings = services.ValidationSettings(
        rocrate_uri=str(folder),
        profile_identifier=PROFILE,
        requirement_severity=models.Severity.RECOMMENDED,
        cache_path=cache,
        offline=True,
    )
    document = json.loads((folder / "ro-crate-metadata.json").read_text())
    here = services.validate(dataclasses.replace(settings, skip_checks=sorted(LOCAL)))
    bare = services.validate_metadata_as_dict(document, settings)
    broken = [
        f"{issue.severity.name} {issue.check.identifier} {issue.violatingEntity}: {issue.message}"
        for found in (here, bare)
        for issue in found.get_issues(models.Severity.RECOMMENDED)
    ]
    for found, expected in ((here, LOCAL), (bare, BARE)):
        skipped = {check.identifier for check in found.skipped_checks}
        broken += [f"not checked: {identifier}" for identifier in skipped - expected]
        broken += [] if len(found.executed_checks) > MOST else ["hardly anything was checked"]
    return broken


def metadata(folder: Path) -> dict[str, dict[str, object]]:
    """Entities of a crate by their identifier."""
    document = json.loads((folder / "ro-crate-metadata.json").read_text())
    return {entity["@id"]: entity for entity in document["@graph"]}
