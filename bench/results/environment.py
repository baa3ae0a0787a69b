"""What a run was measured with: versions and machine, without names that say whose it is."""

from __future__ import annotations

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import msgspec

_PACKAGES = ("claude-bench", "anthropic", "httpx2", "aiohttp", "httptools", "numpy", "genai-prices")


class Machine(msgspec.Struct, frozen=True):
    """The machine that ran the client."""

    platform: str
    """Operating system and its version."""
    cpu: str
    cores: int
    """Logical cores that this process may use."""


def machine() -> Machine:
    """This machine."""
    return Machine(
        platform=f"{platform.system()} {platform.release()} {platform.machine()}", cpu=_cpu(), cores=_cores()
    )


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that can change a result."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # a checkout that was never installed, or an extra that was left out
            found[package] = "not installed"
    return found


def open_files() -> int | None:
    """How many files, connections included, this process may have open; None for no limit, or where none is known."""
    if sys.platform == "win32":
        return None
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = max(soft, hard)  # a run raises the soft one by itself
    return None if resource.RLIM_INFINITY in (soft, hard) else most


def load_average() -> float | None:
    """How many processes wanted a core on average in the last minute; None where the system does not say."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _cpu() -> str:
    """The processor's name; Linux keeps it where `platform` does not look."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown"
