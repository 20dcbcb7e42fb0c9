"""A web server on loopback for tests: a folder over HTTP, with Range, HEAD and faults."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote


class Server:
    """Address, requests and bytes so far; status for what is absent, or contains a text."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.faults: dict[str, int] = {}
        self.absent = 404
        self.requests: list[tuple[str, str]] = []
        self.bytes = 0
        self.url = ""


@contextmanager
def serve(folder: Path) -> Iterator[Server]:
    state = Server(folder)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(body=True)

        def do_HEAD(self) -> None:
            self._answer(body=False)

        def _answer(self, *, body: bool) -> None:
            path = unquote(self.path).lstrip("/")
            state.requests.append((self.command, path))
            status = next((code for part, code in state.faults.items() if part in path), 200)
            file = state.folder / path
            if status == 200 and not file.is_file():
                status = state.absent
            data = file.read_bytes() if status == 200 else b"<html>no</html>"
            wanted = self.headers.get("Range")
            total = len(data)
            first = 0
            if wanted and status == 200:
                start, _, stop = wanted.removeprefix("bytes=").partition("-")
                first = int(start) if start else max(0, total - int(stop))
                data = data[first : int(stop) + 1 if start and stop else None]
                status = 206
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            if status == 206:
                self.send_header("Content-Range", f"bytes {first}-{first + len(data) - 1}/{total}")
            self.end_headers()
            if body:
                state.bytes += len(data)
                self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with serving(Handler) as state.url:
        yield state


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """Run a server on loopback; its address."""

    class Patient(ThreadingHTTPServer):
        request_queue_size = 128
        daemon_threads = True

    server = Patient(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
