"""Packages of npm that tests need, installed once for a lock file."""

from __future__ import annotations

import shutil
import subprocess
from hashlib import blake2b
from pathlib import Path

import pytest


def installed(lock: Path, what: str, config: pytest.Config) -> Path:
    """The folder that the packages of a package-lock.json are in; skips, loudly, where they cannot be had.

    `what` says what is not checked then.
    """
    assert config.cache
    digest = blake2b(lock.read_bytes(), digest_size=8).hexdigest()
    folder = config.cache.mkdir("node-packages") / digest
    if not (folder / "installed").exists():
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(lock.with_name(name), folder)
        command = [tool("npm", what), "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
        if done.returncode:
            pytest.skip(f"NOT CHECKED {what}: npm cannot install it: {done.stderr.strip()[-300:]}")
        (folder / "installed").touch()
    return folder


def tool(name: str, what: str) -> str:
    """The path of a program of Node.js."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"NOT CHECKED {what}: there is no `{name}` on this machine; install Node.js 20")
    return found
