"""Installs each peer in an environment of its own, once."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.peers import aimock
from benchmarks.peers.generator import Generator, environment


def install(generator: Generator) -> None:
    """Do it unless it is done.  OSError where there is no Python for it, CalledProcessError where pip fails."""
    folder, wanted = environment(generator.name), "\n".join(generator.packages)
    if not wanted or _is_there(folder, wanted):
        return
    subprocess.run([_python(generator.python), "-m", "venv", "--clear", str(folder)], check=True)
    for packages in (["pip>=25.1"], generator.packages):  # an old pip looks for versions for a long time
        command = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--no-cache-dir", *packages]
        subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    _stamp(folder).write_text(wanted)


def install_aimock() -> None:
    """Do it unless it is done.  OSError where there is no npm, CalledProcessError where it fails."""
    folder = environment(aimock.NAME)
    if _is_there(folder, aimock.PACKAGE):
        return
    folder.mkdir(parents=True, exist_ok=True)
    command = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(folder), aimock.PACKAGE]
    subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    _stamp(folder).write_text(aimock.PACKAGE)


def size(name: str) -> float:
    """MB on disk of an environment, without pip."""
    files = (path for path in environment(name).rglob("*") if path.is_file() and not path.is_symlink())
    return sum(path.stat().st_size for path in files if "pip" not in path.parts) / 1e6


def _python(least: tuple[int, int]) -> str:
    if sys.version_info[:2] >= least:
        return sys.executable
    for minor in range(least[1], least[1] + 3):
        if found := shutil.which(f"python{least[0]}.{minor}"):
            return found
    raise OSError(f"it needs Python {least[0]}.{least[1]}, and there is none on the path")


def _is_there(folder: Path, wanted: str) -> bool:
    stamp = _stamp(folder)
    return stamp.exists() and stamp.read_text() == wanted


def _stamp(folder: Path) -> Path:
    return folder / "installed.txt"
