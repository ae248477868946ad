"""A proxy before an emulator of a bucket, that does to requests what networks and stores do."""

import http.client
import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_REFUSALS = {"403": "AccessDenied", "503": "SlowDown"}
_METHODS = ("GET", "PUT", "POST", "DELETE", "HEAD")
_HOP = ("connection", "transfer-encoding", "content-length", "keep-alive")


class FaultyProxy:
    """Passes requests on to `port`; those that are to `meet` a fault meet it.

    Faults: "" none; "away" connections are closed without an answer; "403", "503"; "cut" half of an answer;
    "lost" the request is carried out, its answer is not; "stale" listings are those that came first; "slow".
    """

    def __init__(self, port: int):
        self.latency_s = 0.0
        self.fault = ""
        self.n_left = math.inf  # requests that meet it
        self.only = _METHODS
        self.n_faults = 0
        self.requests: list[tuple[str, str]] = []
        self._target = port
        self._listing: dict[str, tuple[int, list[tuple[str, str]], bytes]] = {}
        self._lock = threading.Lock()
        handler = type("_Handler", (_Handler,), {"proxy": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def meet(self, fault: str, n: float = math.inf, only: tuple[str, ...] = _METHODS) -> None:
        """From now on `n` requests, of these methods, meet a fault."""
        self.fault, self.n_left, self.only, self.n_faults = fault, n, only, 0

    @contextmanager
    def running(self) -> Iterator["FaultyProxy"]:
        thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()

    def meets(self, method: str, path: str) -> str:
        """The fault that this request meets."""
        with self._lock:
            self.requests.append((method, path))
            if not self.fault or method not in self.only or not self.n_left:
                return ""
            self.n_left -= 1
            self.n_faults += 1
            return self.fault

    def pass_on(self, method: str, path: str, headers: dict[str, str], body: bytes):
        """Status, headers and content of the answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self._target, timeout=30)
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        found = answer.status, answer.getheaders(), answer.read()
        connection.close()
        if "list-type=2" in path:
            self._listing.setdefault(path, found)
        return found

    def first_listing(self, path: str):
        """The answer that a listing had when it was first asked for; None before."""
        return self._listing.get(path)


class _Handler(BaseHTTPRequestHandler):
    proxy: FaultyProxy
    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        time.sleep(self.proxy.latency_s)
        fault = self.proxy.meets(self.command, self.path)
        if fault == "away":
            self.close_connection = True
            return
        if fault == "slow":
            time.sleep(1.0)
        stale = self.proxy.first_listing(self.path) if fault == "stale" else None
        if fault in _REFUSALS:
            content = f"<Error><Code>{_REFUSALS[fault]}</Code></Error>".encode()
            status, headers = int(fault), []
        else:
            status, headers, content = stale or self.proxy.pass_on(
                self.command, self.path, dict(self.headers), body
            )
        if fault == "lost":
            self.close_connection = True
            return
        self.send_response(status)
        for name, value in headers:
            if name.lower() not in _HOP:
                self.send_header(name, value)
        n_bytes = next((value for name, value in headers if name.lower() == "content-length"), len(content))
        self.send_header("Content-Length", str(n_bytes if self.command == "HEAD" else len(content)))
        self.end_headers()
        if fault == "cut":
            content = content[: len(content) // 2]
            self.close_connection = True
        if self.command != "HEAD":
            self.wfile.write(content)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _answer

    def log_message(self, *about: object) -> None:
        """Says nothing."""
