"""The crate validator as a library, without a network: it reads the two contexts from here."""

import gzip
import json
from io import BytesIO
from pathlib import Path
from typing import Any

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


class Here(HTTPAdapter):
    """Answers for w3id.org."""

    def send(self, request: PreparedRequest, *_: Any, **__: Any) -> Response:
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


def issues(folder: Path, cache: Path, profile: str = PROFILE) -> list[str]:
    """What a crate breaks of REQUIRED and RECOMMENDED rules."""
    if not cache.with_suffix(".sqlite").exists():
        fill_cache(cache)
    HttpRequester.reset()
    settings = services.ValidationSettings(
        rocrate_uri=str(folder),
        profile_identifier=profile,
        requirement_severity=models.Severity.RECOMMENDED,
        cache_path=cache,
        offline=True,
    )
    found = services.validate(settings)
    return [f"{i.severity.name} {i.check.identifier} {i.violatingEntity}: {i.message}"
            for i in found.get_issues(models.Severity.RECOMMENDED)]  # fmt: skip


def metadata(folder: Path) -> dict[str, dict[str, object]]:
    """Entities of a crate by their identifier."""
    document = json.loads((folder / "ro-crate-metadata.json").read_text())
    return {entity["@id"]: entity for entity in document["@graph"]}
