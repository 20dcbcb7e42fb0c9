"""A folder as an S3 bucket on loopback, for tests that only read: objects, parts, listings."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

from webserver import serving


class Bucket(BaseHTTPRequestHandler):
    """As much of S3 as reading a bucket takes: a folder, with listings."""

    folder: Path

    def do_GET(self) -> None:
        """Answer with an object, a part of it, or a listing."""
        address = urlsplit(self.path)
        key = unquote(address.path).removeprefix("/bucket").strip("/")
        if "list-type" in parse_qs(address.query):
            query = {name: values[0] for name, values in parse_qs(address.query).items()}
            return self._answer(200, self._listing(query["prefix"], query.get("delimiter", "")))
        file = self.folder / key
        if not file.is_file():
            return self._answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
        data, span = file.read_bytes(), self.headers.get("Range", "")
        if not span:
            return self._answer(200, data)
        first, last = (int(text) for text in span.removeprefix("bytes=").split("-"))
        part = data[first : last + 1]
        return self._answer(206, part, f"bytes {first}-{first + len(part) - 1}/{len(data)}")

    def _listing(self, prefix: str, delimiter: str) -> bytes:
        keys = [f.relative_to(self.folder).as_posix() for f in self.folder.rglob("*")
                if f.is_file()]  # fmt: skip
        wanted = sorted(key for key in keys if key.startswith(prefix))
        deeper = {key for key in wanted if delimiter and delimiter in key.removeprefix(prefix)}
        found = "".join(
            f"<Contents><Key>{escape(key)}</Key><Size>{(self.folder / key).stat().st_size}</Size>"
            "<LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>x</ETag></Contents>"
            for key in wanted
            if key not in deeper
        )
        folders = {key.removeprefix(prefix).partition("/")[0] for key in deeper}
        found += "".join(
            f"<CommonPrefixes><Prefix>{escape(prefix + name)}/</Prefix></CommonPrefixes>"
            for name in sorted(folders)
        )
        return f"<ListBucketResult>{found}</ListBucketResult>".encode()

    def _answer(self, status: int, data: bytes, span: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("ETag", "x")
        self.send_header("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")
        if span:
            self.send_header("Content-Range", span)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def serve_bucket(folder: Path) -> Iterator[str]:
    """Serve a folder as the bucket ``bucket``; the endpoint's address."""
    with serving(type("Handler", (Bucket,), {"folder": folder})) as url:
        yield url
