"""Runs the app as a server of its own, and puts together what a command line says of it."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from signal import SIGINT, SIGTERM
from typing import Any, TypeVar

import msgspec
import uvicorn

from mock_server.app import create_app
from mock_server.edge import Protocol
from mock_server.faults import KINDS, Fault
from mock_server.profile import Profile
from mock_server.settings import Settings
from mock_server.tenants import exposure_warning, read_accounts
from mock_server.tiers import check_tier

T = TypeVar("T")


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
        changes["profile"] = _decode(profile, Profile)
    return msgspec.structs.replace(settings, **changes)


def read_settings(source: str | None) -> Settings:
    """The settings in a JSON file; `-` is one line of standard input, None the defaults.  Raises ValueError."""
    if source is None:
        return Settings()
    return _decode(source, Settings)


def _decode(source: str, kind: type[T]) -> T:
    try:
        data = _first_line(sys.stdin.fileno()) if source == "-" else Path(source).read_bytes()
        return msgspec.json.decode(data, type=kind)
    except msgspec.MsgspecError as problem:
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


class Runner(uvicorn.Server):
    """uvicorn, which says when it is ready, and stops on a signal without dying of it."""

    def __init__(self, settings: Settings, speed: float, banner: str = "", *, signals: bool = True) -> None:
        super().__init__(
            uvicorn.Config(
                create_app(settings, speed=speed),
                log_config=None,
                log_level="critical",
                access_log=False,
                lifespan="off",
                server_header=False,
                date_header=False,  # the mock's own, in its own time
                proxy_headers=False,
                http=Protocol,
                ws="none",
                timeout_graceful_shutdown=1,
                # Longer than any client keeps a connection: if the server closed first, a request could be lost.
                timeout_keep_alive=300,
            )
        )
        self._banner, self._signals = banner, signals

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer."""
        await super().startup(sockets)
        if self._banner:
            print(self._banner, flush=True)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop on a signal, where this is the process's own server."""
        if self._signals:
            loop = asyncio.get_running_loop()
            for signal in (SIGINT, SIGTERM):
                loop.add_signal_handler(signal, self.stop)
        yield

    def stop(self) -> None:
        """Finish: close the listening socket, and the connections soon after."""
        self.should_exit = True


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
    server.run(sockets=[listener])


def _stop_at_end_of_input(server: Runner) -> None:
    while os.read(sys.stdin.fileno(), 4096):
        pass
    server.stop()
