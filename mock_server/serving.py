"""Runs the app as a server of its own, and puts together what a command line says of it."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import sys
import threading
from collections.abc import Iterable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from pathlib import Path
from signal import SIGINT, SIGTERM
from typing import Any, TypeVar

import msgspec

from mock_server.edge import Connection
from mock_server.faults import KINDS, Fault
from mock_server.files import read_whole
from mock_server.profile import read_profile
from mock_server.settings import Settings
from mock_server.tenants import exposure_warning, read_accounts
from mock_server.tiers import check_tier
from mock_server.world import Server

T = TypeVar("T")

GRACE = 1.0
"""Seconds in which a server that stops may finish its answers."""


def assemble(
    settings: Settings,
    *,
    tier: str | None = None,
    keys: str | None = None,
    faults: Iterable[str] = (),
    profile: str | None = None,
) -> Settings:
    """The settings with what options say: a tier, a keys file, faults such as `overloaded=5%`, a latency profile.

    Raises ValueError.
    """
    changes: dict[str, Any] = {}
    if tier:
        check_tier(tier)
        changes["tier"] = tier
    if keys:
        try:
            changes["accounts"] = read_accounts(keys)
        except OSError as problem:
            raise ValueError(f"{keys}: {problem.strerror}") from None
    if faults := list(faults):
        changes["faults"] = settings.faults | dict(map(read_fault, faults))
    if profile:
        changes["profile"] = read_profile(Path(profile))
    return msgspec.structs.replace(settings, **changes)


def read_settings(source: str | None) -> Settings:
    """The settings in a JSON file; `-` is one line of standard input, None the defaults.  Raises ValueError."""
    if source is None:
        return Settings()
    return _decode(source, Settings)


def _decode(source: str, kind: type[T]) -> T:
    try:
        data = _first_line(sys.stdin.fileno()) if source == "-" else read_whole(source)
        return msgspec.json.decode(data, type=kind)
    except (ValueError, RecursionError) as problem:
        raise ValueError(f"{'settings' if source == '-' else source}: {problem}") from None
    except OSError as problem:
        raise ValueError(f"{source}: {problem.strerror}") from None


def _first_line(descriptor: int) -> bytes:
    """One line, and not a byte more: what follows is for `with_parent` to wait for."""
    line = b""
    while not line.endswith(b"\n") and (byte := os.read(descriptor, 1)):
        line += byte
    return line


def read_fault(text: str) -> tuple[str, Fault]:
    """Read `overloaded=5%` or `overloaded=0.05`; the name alone is all requests.  Raises ValueError."""
    name, _, rate = text.partition("=")
    if name not in KINDS:
        raise ValueError(f"no such fault: {name!r}; there are {', '.join(KINDS)}")
    if not re.fullmatch(r"([0-9]+(\.[0-9]+)?%?)?", rate):
        raise ValueError(f"{text!r}: expected a share such as {name}=5%")
    share = float(rate.rstrip("%") or 1) / (100 if rate.endswith("%") else 1)
    return name, Fault(rate=share)


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one.  Raises OSError when it cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=2048)


def address(listener: socket.socket, host: str) -> str:
    """The URL of a server that listens there."""
    return f"http://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}"


class Runner:
    """The server while it runs: until `stop`, or until a signal where this is the process's own server."""

    def __init__(self, settings: Settings, speed: float, banner: str = "", *, signals: bool = True) -> None:
        """`banner` is printed when it is ready."""
        self._server = Server(settings, speed)
        self._banner, self._signals = banner, signals
        self._stopped: Future[None] = Future()

    def run(self, listener: socket.socket) -> None:
        """Answer whoever comes."""
        with asyncio.Runner(loop_factory=_new_event_loop) as runner:
            runner.run(self._run(listener))

    def stop(self) -> None:
        """Come to an end, from any thread: no new connections, and a second to finish what was asked."""
        with suppress(InvalidStateError):
            self._stopped.set_result(None)

    async def _run(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        connections: set[Connection] = set()
        server = await loop.create_server(lambda: Connection(self._server, connections), sock=listener)
        for signal in (SIGINT, SIGTERM) if self._signals else ():
            loop.add_signal_handler(signal, self.stop)
        if self._banner:
            print(self._banner, flush=True)
        await asyncio.wrap_future(self._stopped)
        server.close()
        for connection in list(connections):
            connection.shutdown()
        if connections:
            await asyncio.wait([connection.closed for connection in connections], timeout=GRACE)
        for connection in list(connections):
            connection.abort()
            await connection.closed


def _new_event_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:  # there is none for Windows
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def serve(
    settings: Settings, host: str = "127.0.0.1", port: int = 0, speed: float = 1.0, *, with_parent: bool = False
) -> None:
    """Serve until SIGINT or SIGTERM, or until standard input closes `with_parent`.  Port 0 takes a free one.

    Prints one line with its address when it is ready, and before it a warning where strangers could reach it.  Raises
    OSError when the port cannot be had.
    """
    listener = listen(host, port)
    url = address(listener, host)
    if warning := exposure_warning(host, settings.accounts):
        print(warning, file=sys.stderr)
    use = f"tier {settings.tier}, speed {speed:g}, use it with ANTHROPIC_BASE_URL={url}"
    server = Runner(settings, speed, f"claude-bench mock server on {url}  ({use})")
    if with_parent:
        threading.Thread(target=_stop_at_end_of_input, args=(server,), daemon=True).start()
    server.run(listener)


def _stop_at_end_of_input(server: Runner) -> None:
    while os.read(sys.stdin.fileno(), 4096):
        pass
    server.stop()
