"""HTTP on the loopback address: whoever has the address, with its token, reads; nobody writes.

In: `Routes`, which find a page or stored bytes for a path. Out: answers to GET and HEAD with byte
ranges. Refused: other hosts' names (see ``answers``), paths without the token, whatever writes.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from secrets import compare_digest
from urllib.parse import parse_qs, urlsplit

from voxelmill.plugin import AccessDenied, VoxelmillError
from voxelmill.store.objects import Objects
from voxelmill.viewing.answers import for_us, parts_of, wanted

ADDRESS = "127.0.0.1"
TEXT = "text/plain; charset=utf-8"
BYTES = "application/octet-stream"
PLAIN = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
"""Policy of what is no page: nothing in it runs."""
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
ICON = "/favicon.ico"
"""What browsers ask for by themselves."""
BEAT_S = 10.0
"""How often a stream of events says that it lives."""


@dataclass(frozen=True)
class Document:
    """A small answer; `policy` is its content security policy."""

    kind: str
    content: bytes
    policy: str = PLAIN
    status: HTTPStatus = HTTPStatus.OK


@dataclass(frozen=True)
class Stored:
    """An object, of which any part may be wanted."""

    objects: Objects
    key: str


@dataclass(frozen=True)
class Events:
    """A stream of one event that stays open."""

    first: bytes


@dataclass(frozen=True)
class Redirect:
    """What is wanted is elsewhere."""

    location: str


Found = Document | Stored | Events | Redirect | None
Routes = Callable[[list[str], Mapping[str, str], str], Found]
"""Parts of the path, the query, and the origin as the browser knows it → what is there."""


class Server(ThreadingHTTPServer):
    """A server that is bound, and serves once `serve_forever` is called.

    Parameters
    ----------
    port : int
        0: one that is free.
    token : str
        First part of all paths.
    routes : Routes
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, token: str, routes: Routes) -> None:
        self.token, self.routes, self.ended = token, routes, threading.Event()
        super().__init__((ADDRESS, port), _Handler)

    @property
    def url(self) -> str:
        """Address of the first page."""
        return f"http://{ADDRESS}:{self.server_address[1]}/{self.token}/"

    def server_close(self) -> None:
        """Stop, and end streams of events."""
        self.ended.set()
        super().server_close()


class _Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"
    server_version = "voxelmill"
    sys_version = ""
    timeout = 60.0

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Say nothing: what fails is said in the answer."""

    def _answer(self) -> None:
        try:
            self._find()
        except (BrokenPipeError, ConnectionResetError, TimeoutError):
            # The viewer moved on and does not want it any more.
            self.close_connection = True

    def _find(self) -> None:
        host = self.headers.get("Host", "")
        if not for_us(host):
            return self._refuse(HTTPStatus.MISDIRECTED_REQUEST, "this is 127.0.0.1 only")
        address = urlsplit(self.path)
        if address.path == ICON:
            return self._send(HTTPStatus.NO_CONTENT, TEXT, b"", {}, PLAIN)
        parts = parts_of(address.path)
        if not parts or not compare_digest(parts[0].encode(), self.server.token.encode()):
            return self._refuse(HTTPStatus.NOT_FOUND, "no such page; use the address as printed")
        query = {key: values[-1] for key, values in parse_qs(address.query).items()}
        try:
            found = self.server.routes(parts[1:], query, f"http://{host}")
            match found:
                case None:
                    self._refuse(HTTPStatus.NOT_FOUND, "not there")
                case Document():
                    self._document(found)
                case Stored():
                    self._stored(found)
                case Redirect():
                    more = {"Location": found.location}
                    self._send(HTTPStatus.FOUND, TEXT, b"", more, PLAIN)
                case Events():
                    self._stream(found)
        except AccessDenied as error:
            self._refuse(HTTPStatus.FORBIDDEN, str(error))
        except VoxelmillError as error:
            self._refuse(HTTPStatus.BAD_GATEWAY, str(error))
        return None

    def _refuse(self, status: HTTPStatus, text: str) -> None:
        self._document(Document(TEXT, f"{text}\n".encode(), status=status))

    def _document(self, found: Document) -> None:
        self._send(found.status, found.kind, found.content, {}, found.policy)

    def _stored(self, found: Stored) -> None:
        span = wanted(self.headers.get("Range"))
        if self.command == "HEAD" or (span is not None and None in span):
            size = found.objects.size(found.key)
            if size is None:
                return self._refuse(HTTPStatus.NOT_FOUND, "not there")
            if self.command == "HEAD":
                return self._head(size)
            span = _within(span or (0, None), size)
        if span is None:
            content = found.objects.get(found.key)
            status, more = HTTPStatus.OK, {"Accept-Ranges": "bytes"}
        else:
            first, last = span[0] or 0, span[1] or 0
            content = found.objects.get_range(found.key, first, last - first + 1)
            status = HTTPStatus.PARTIAL_CONTENT
            more = {"Content-Range": f"bytes {first}-{first + len(content or b'') - 1}/*"}
            if content == b"":
                return self._refuse(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, "beyond its end")
        if content is None:
            return self._refuse(HTTPStatus.NOT_FOUND, "not there")
        return self._send(status, BYTES, content, more, PLAIN)

    def _head(self, size: int) -> None:
        self._headers(HTTPStatus.OK, BYTES, size, {"Accept-Ranges": "bytes"}, PLAIN)

    def _send(
        self, status: HTTPStatus, kind: str, content: bytes, more: Mapping[str, str], policy: str
    ) -> None:
        self._headers(status, kind, len(content), more, policy)
        if self.command != "HEAD":
            self.wfile.write(content)

    def _headers(
        self, status: HTTPStatus, kind: str, size: int | None, more: Mapping[str, str], policy: str
    ) -> None:
        self.send_response(status)
        length = {} if size is None else {"Content-Length": str(size)}
        headers = HEADERS | {"Content-Type": kind, "Content-Security-Policy": policy}
        for name, value in {**headers, **length, **more}.items():
            self.send_header(name, value)
        self.end_headers()

    def _stream(self, found: Events) -> None:
        self.close_connection = True
        more = {"Connection": "close"}
        self._headers(HTTPStatus.OK, "text/event-stream", None, more, PLAIN)
        self.wfile.write(b"data: " + found.first + b"\n\n")
        while not self.server.ended.wait(BEAT_S):
            self.wfile.write(b":\n\n")


def _within(span: tuple[int | None, int | None], size: int) -> tuple[int, int]:
    """Positions of the first and last byte, of a range with an open end."""
    first, last = span
    if first is None:
        return max(0, size - (last or 0)), size - 1
    return first, size - 1
