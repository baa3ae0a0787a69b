"""Where `claude-bench doctor` leaves what it found, for the runs that come after it on the same machine."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from bench.results.diagnosis import SCHEMA_VERSION, Ceiling, Diagnosis
from bench.results.environment import machine, versions
from mock_server.files import read_whole

FILE = "doctor.json"

FRESH = timedelta(days=30)
"""For how long it is believed: what else runs on a machine changes, as do its kernel and its clock speed."""


def cache_folder(environment: Mapping[str, str] = os.environ, platform: str = sys.platform) -> Path:
    """This user's folder for what can be had again: as the XDG base directories say, or the system has it."""
    if folder := environment.get("XDG_CACHE_HOME"):
        return Path(folder) / "claude-bench"
    if platform == "win32":
        return Path(environment.get("LOCALAPPDATA") or Path.home()) / "claude-bench"
    return Path.home() / ("Library/Caches" if platform == "darwin" else ".cache") / "claude-bench"


def keep(found: Diagnosis, folder: Path) -> Path:
    """Write it where runs look for it.  OSError where that cannot be."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / FILE
    part = path.with_name(f"{path.name}.{os.getpid()}")
    part.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=2) + b"\n")
    part.replace(path)
    return path


def fresh_ceilings(now: datetime, folder: Path | None = None) -> dict[str, Ceiling]:
    """By client what was found here with these versions in the last 30 days; empty where that cannot be read."""
    try:
        content = read_whole((folder or cache_folder()) / FILE)
        found = msgspec.json.decode(content, type=Diagnosis)
        age = now - datetime.fromisoformat(found.measured_at)
    except (OSError, RuntimeError, TypeError, ValueError):  # no file, no home, no time zone, no such file
        return {}
    same = (found.schema_version, found.versions, found.machine) == (SCHEMA_VERSION, versions(), machine())
    return found.ceilings if same and timedelta(0) <= age <= FRESH else {}
