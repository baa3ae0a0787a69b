"""`python -m mock_server`: the mock alone, for any Claude client."""

from __future__ import annotations

import argparse
import asyncio
import math
import os
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from signal import SIGINT, SIGTERM

import msgspec
import uvicorn

from mock_server.app import create_app
from mock_server.edge import Protocol
from mock_server.settings import Settings
from mock_server.tiers import TIERS

EXIT_USAGE = 2


class _Server(uvicorn.Server):
    """uvicorn, which says when it is ready, and stops on a signal without dying of it."""

    def __init__(self, config: uvicorn.Config, banner: str) -> None:
        super().__init__(config)
        self._banner = banner

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        print(self._banner, flush=True)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
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

    Prints one line with its address when it is ready.  Raises OSError when the port cannot be had.
    """
    listener = socket.create_server((host, port), backlog=2048)
    url = f"http://{host}:{listener.getsockname()[1]}"
    use = f"tier {settings.tier}, speed {speed:g}, use it with ANTHROPIC_BASE_URL={url}"
    config = uvicorn.Config(
        create_app(settings, speed=speed),
        log_config=None,
        log_level="critical",
        access_log=False,
        lifespan="off",
        server_header=False,
        date_header=False,  # the mock's own, in its own time
        http=Protocol,
        ws="none",
        timeout_graceful_shutdown=1,
        # Longer than any client keeps a connection: who closes first must be the client, or its next request is lost.
        timeout_keep_alive=300,
    )
    server = _Server(config, f"claude-bench mock server on {url}  ({use})")
    if with_parent:
        threading.Thread(target=_stop_at_end_of_input, args=(server,), daemon=True).start()
    server.run(sockets=[listener])


def _stop_at_end_of_input(server: _Server) -> None:
    while os.read(sys.stdin.fileno(), 4096):
        pass
    server.stop()


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m mock_server", description="A local stand-in for the Claude API.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=_port, default=8080, help="0 takes a free one (default: %(default)s)")
    parser.add_argument("--tier", choices=TIERS, metavar="TIER", help=f"one of {', '.join(TIERS)} (default: start)")
    parser.add_argument("--speed", type=_speed, default=1.0, help="60 makes a minute pass in a second")
    parser.add_argument("--settings", metavar="FILE", help="settings as JSON; - reads one line of standard input")
    parser.add_argument("--with-parent", action="store_true", help="stop when standard input closes")
    options = parser.parse_args(arguments)
    try:
        settings = _read_settings(options.settings)
        if options.tier:
            settings = msgspec.structs.replace(settings, tier=options.tier)
    except (OSError, msgspec.MsgspecError) as error:
        return _fail(f"--settings {options.settings}: {error}")
    try:
        serve(settings, options.host, options.port, options.speed, with_parent=options.with_parent)
    except OSError as error:
        return _fail(f"cannot listen on {options.host}:{options.port}: {error.strerror}.  Choose another --port, or 0.")
    return 0


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65_535:
        raise argparse.ArgumentTypeError(f"{text} is not a port number from 0 to 65535")
    return port


def _speed(text: str) -> float:
    speed = float(text)
    if not 0 < speed < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is not a speed above 0")
    return speed


def _read_settings(source: str | None) -> Settings:
    if source is None:
        return Settings()
    if source == "-":
        data = _first_line(sys.stdin.fileno())
    else:
        with open(source, "rb") as file:
            data = file.read()
    return msgspec.json.decode(data, type=Settings)


def _first_line(descriptor: int) -> bytes:
    """One line, and not a byte more: what follows is for `--with-parent` to wait for."""
    line = b""
    while not line.endswith(b"\n") and (byte := os.read(descriptor, 1)):
        line += byte
    return line


def _fail(message: str) -> int:
    print(f"mock_server: {message}", file=sys.stderr)
    return EXIT_USAGE


if __name__ == "__main__":
    sys.exit(main())
