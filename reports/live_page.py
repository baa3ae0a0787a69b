"""A page on this machine that shows a run as it goes, told by server-sent events, and turns into the report.

Served from a thread of its own, so that the event loop of the run, which may be virtual, knows nothing of it.
"""

from __future__ import annotations

import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import msgspec

from bench.errors import UsageError
from reports.live_state import PASSES_HEADINGS, LiveState
from reports.templates import FOLDER, template

HOST = "127.0.0.1"

EVERY = 0.25
"""Seconds of the wall clock between two events."""

LINGER = 5.0
"""Seconds that the report of a run that has ended waits for a browser to fetch it."""

_GONE = 1.0
"""Seconds that pages have to hear that there is no report."""


class LivePage(ThreadingHTTPServer):
    """`/`, its `/events`, and `/report` when the run has ended."""

    daemon_threads = True

    def __init__(self, name: str, state: LiveState, port: int) -> None:
        self.state = state
        self.page, self.policy = _page(name)
        self.over = threading.Event()
        self.report: bytes | None = None
        self._change = threading.Condition()
        self._watching = self._fetched = 0
        super().__init__((HOST, port), _Request)

    @property
    def address(self) -> str:
        """Where the page is."""
        return f"http://{HOST}:{self.server_port}/"

    def known_as(self, host: str | None) -> bool:
        """Whether a Host header names this machine: a name that was made to resolve to it must not."""
        return host in {f"{name}:{self.server_port}" for name in (HOST, "localhost")}

    def hand_over(self, report: Path) -> None:
        """Turn every open page into the report.  Returns when they all have it, or one has if none was open; after
        `LINGER` seconds at the latest, and at Ctrl-C."""
        self.report = report.read_bytes()
        with self._change, suppress(KeyboardInterrupt):
            wanted = max(1, self._watching)
            self.over.set()
            self._change.wait_for(lambda: self._fetched >= wanted, LINGER)

    def close(self) -> None:
        """Let open pages hear that it is over, and serve no more."""
        self.over.set()
        with self._change:
            self._change.wait_for(lambda: not self._watching, _GONE)
        self.shutdown()
        self.server_close()

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Count a page as long as it listens."""
        with self._change:
            self._watching += 1
        try:
            yield
        finally:
            with self._change:
                self._watching -= 1
                self._change.notify_all()

    def fetched(self) -> None:
        """Count a report that a browser has."""
        with self._change:
            self._fetched += 1
            self._change.notify_all()

    def handle_error(self, request: object, client_address: object) -> None:
        """A browser that went away is no error, and what else fails is the page's own trouble."""


class _Request(BaseHTTPRequestHandler):
    """One GET."""

    server: LivePage
    timeout = 10.0
    """A browser that neither asks nor takes for so long is let go."""

    def do_GET(self) -> None:
        if not self.server.known_as(self.headers["Host"]):
            return self._answer(HTTPStatus.FORBIDDEN, "text/plain", b"This page is for this machine only.\n")
        match self.path:
            case "/":
                policy = self.server.policy
                self._answer(HTTPStatus.OK, "text/html", self.server.page, ("Content-Security-Policy", policy))
            case "/events":
                self._events()
            case "/report" if self.server.report is not None:
                self._answer(HTTPStatus.OK, "text/html", self.server.report)
                self.server.fetched()
            case "/favicon.ico":
                self._answer(HTTPStatus.NO_CONTENT, "image/x-icon", b"")
            case _:
                self._answer(HTTPStatus.NOT_FOUND, "text/plain", b"There is / and, when the run has ended, /report.\n")
        return None

    def _answer(self, status: HTTPStatus, kind: str, body: bytes, *headers: tuple[str, str]) -> None:
        self._head(status, kind, ("Content-Length", str(len(body))), *headers)
        self.wfile.write(body)

    def _head(self, status: HTTPStatus, kind: str, *headers: tuple[str, str]) -> None:
        self.send_response(status)
        for name, value in (
            ("Content-Type", f"{kind}; charset=utf-8"),
            ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"),
            ("Referrer-Policy", "no-referrer"),
            *headers,
        ):
            self.send_header(name, value)
        self.end_headers()

    def _events(self) -> None:
        """A snapshot now and whenever `EVERY` has passed, the last of them, and the word that it is over."""
        self._head(HTTPStatus.OK, "text/event-stream")
        with self.server.watched():
            self._snapshot()
            while not self.server.over.wait(EVERY):
                self._snapshot()
            self._snapshot()
            self._event("over", msgspec.json.encode({"report": self.server.report is not None}))

    def _snapshot(self) -> None:
        self._event("snapshot", msgspec.json.encode(self.server.state.snapshot()))

    def _event(self, name: str, data: bytes) -> None:
        self.wfile.write(b"event: " + name.encode() + b"\ndata: " + data + b"\n\n")

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: standard error is for the person who runs the command."""


def _page(name: str) -> tuple[bytes, str]:
    """The page, and the policy that lets it run its own script and listen to this server, and nothing else."""
    script = (FOLDER / "live.js").read_text(encoding="utf-8")
    digest = b64encode(sha256(script.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; img-src data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    page = template("live.html").render(name=name, script=script, headings=PASSES_HEADINGS)
    return page.encode(), policy


@contextmanager
def serving(name: str, state: LiveState, port: int) -> Iterator[LivePage]:
    """Serve the page of a run on loopback; port 0 takes a free one.  UsageError when the port cannot be had."""
    try:
        page = LivePage(name, state, port)
    except OSError as error:
        raise UsageError(
            f"--live-port: cannot listen on {HOST}:{port}: {error.strerror or error}", "--live takes a free port."
        ) from error
    thread = threading.Thread(target=page.serve_forever, name="live page", daemon=True)
    thread.start()
    try:
        yield page
    finally:
        page.close()
        thread.join()
