"""`python -m mock_server`: the mock alone, for any Claude client."""

from __future__ import annotations

import argparse
import math
import sys

from mock_server.serving import assemble, read_settings, serve
from mock_server.tiers import TIERS

EXIT_USAGE = 2


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m mock_server", description="A local stand-in for the Claude API.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=_port, default=8080, help="0 takes a free one (default: %(default)s)")
    parser.add_argument(
        "--tier",
        help=f"one of {', '.join(TIERS)}, or a .json file like the Rate Limits API's (default: start)",
    )
    parser.add_argument("--speed", type=_speed, default=1.0, help="60 makes a minute pass in a second")
    parser.add_argument("--settings", metavar="FILE", help="settings as JSON; - reads one line of standard input")
    parser.add_argument("--keys", metavar="FILE", help="keys, organisations and workspaces as JSON (default: any key)")
    parser.add_argument(
        "--fault", metavar="NAME=RATE", action="append", default=[], help="such as overloaded=5%%; may be repeated"
    )
    parser.add_argument("--profile", metavar="FILE", help="measured latencies as JSON, in place of the presets")
    parser.add_argument("--with-parent", action="store_true", help="stop when standard input closes")
    options = parser.parse_args(arguments)
    try:
        settings = assemble(
            read_settings(options.settings),
            tier=options.tier,
            keys=options.keys,
            faults=options.fault,
            profile=options.profile,
        )
    except ValueError as problem:
        return _fail(str(problem))
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


def _fail(message: str) -> int:
    print(f"mock_server: {message}", file=sys.stderr)
    return EXIT_USAGE


if __name__ == "__main__":
    sys.exit(main())
