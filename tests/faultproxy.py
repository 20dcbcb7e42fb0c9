"""A proxy on loopback that passes requests on to a server and injects faults, as a script says."""

import http.client
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

from webserver import serving

XML = '<?xml version="1.0"?><Error><Code>{}</Code><Message>injected</Message></Error>'
PAGE = b"<html><body>gateway</body></html>"
ERRORS = {
    "503": (503, "SlowDown"),
    "500": (500, "InternalError"),
    "429": (429, "TooManyRequests"),
    "403": (403, "AccessDenied"),
    "403-signature": (403, "SignatureDoesNotMatch"),
    "404-key": (404, "NoSuchKey"),
    "404-bucket": (404, "NoSuchBucket"),
}
HOP = ("connection", "transfer-encoding", "keep-alive")
STALL_S = 60.0


@dataclass
class Fault:
    """What becomes of requests for keys that contain a text: the first `times` of each key."""

    kind: str
    part: str
    times: float = float("inf")
    methods: tuple[str, ...] = ("GET",)


@dataclass
class Proxy:
    """Address, faults, and what has passed."""

    url: str = ""
    faults: list[Fault] = field(default_factory=list)
    requests: list[tuple[str, str]] = field(default_factory=list)
    bytes: int = 0
    """Of the bodies of all answers."""
    hit: dict[tuple[int, str], int] = field(default_factory=dict)
    over: threading.Event = field(default_factory=threading.Event)

    def fault(self, method: str, path: str) -> str:
        """Kind of the fault for a request, or nothing."""
        for number, one in enumerate(self.faults):
            seen = self.hit.get((number, path), 0)
            if method in one.methods and one.part in path and seen < one.times:
                self.hit[number, path] = seen + 1
                return one.kind
        return ""


@contextmanager
def proxied(host: str, port: int) -> Iterator[Proxy]:
    """Serve as a proxy of a server."""
    state = Proxy()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do(self) -> None:
            sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            state.requests.append((self.command, self.path))
            kind = state.fault(self.command, self.path)
            if kind in ERRORS:
                status, code = ERRORS[kind]
                self.answer(status, {"Content-Type": "application/xml"}, XML.format(code).encode())
            elif kind == "404-page":
                self.answer(404, {"Content-Type": "text/html"}, PAGE)
            elif kind == "reset":
                # Closed with unsent data dropped: the other side sees a reset, not an end.
                linger = struct.pack("ii", 1, 0)
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                self.close_connection = True
                self.connection.close()
            elif kind == "stall":
                state.over.wait(STALL_S)
                self.close_connection = True
            else:
                self.passed(sent, kind)

        def passed(self, sent: bytes, kind: str) -> None:
            """Ask the server, and change its answer as the fault says."""
            upstream = http.client.HTTPConnection(host, port, timeout=60)
            headers = {k: v for k, v in self.headers.items() if k.lower() not in HOP}
            upstream.request(self.command, self.path, sent or None, headers)
            found = upstream.getresponse()
            body = found.read()
            kept = {
                k: v for k, v in found.getheaders() if k.lower() not in (*HOP, "content-length")
            }
            upstream.close()
            if kind == "empty":
                body = b""
            elif kind == "short":
                body = body[: len(body) // 2]
            elif kind == "page":
                body = PAGE
            state.bytes += len(body)
            length = found.getheader("Content-Length") if self.command == "HEAD" else None
            self.answer(found.status, kept, body, cut=kind == "cut", length=length)

        def answer(
            self,
            status: int,
            headers: dict[str, str],
            body: bytes,
            *,
            cut: bool = False,
            length: str | None = None,
        ) -> None:
            self.send_response_only(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", length or str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body[: len(body) // 2] if cut else body)
            if cut:
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    for method in ("GET", "HEAD", "PUT", "POST", "DELETE"):
        setattr(Handler, f"do_{method}", Handler.do)

    with serving(Handler) as state.url:
        try:
            yield state
        finally:
            state.over.set()
