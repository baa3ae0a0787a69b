"""The official TypeScript SDK, unmodified, against running servers: see typescript/check.mjs."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from hashlib import blake2b
from pathlib import Path

import pytest
from running import serving

from mock_server.settings import Settings

HERE = Path(__file__).parent / "typescript"
CHECKS = re.findall(r"^  async (\w+)\(\)", (HERE / "check.mjs").read_text(), flags=re.MULTILINE)


def _tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"NOT CHECKED with the TypeScript SDK: there is no `{name}` on this machine; install Node.js 20")
    return found


@pytest.fixture(scope="module")
def sdk(pytestconfig: pytest.Config) -> Path:
    """A folder with the SDK, installed once for a lock file."""
    lock = (HERE / "package-lock.json").read_bytes()
    assert pytestconfig.cache
    folder = pytestconfig.cache.mkdir("typescript-sdk") / blake2b(lock, digest_size=8).hexdigest()
    if not (folder / "installed").exists():
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, folder)
        command = [_tool("npm"), "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
        if done.returncode:
            pytest.skip(f"NOT CHECKED with the TypeScript SDK: npm cannot install it: {done.stderr.strip()[-300:]}")
        (folder / "installed").touch()
    shutil.copy(HERE / "check.mjs", folder)
    return folder


@pytest.fixture(scope="module")
def results(sdk: Path) -> dict[str, str | None]:
    """What went wrong, by check."""
    node = _tool("node")
    quick = Settings(tier="unlimited", service_time=0.5, batch_time=(5.0, 5.0))
    strict = Settings(tier="tier-1", burst=1.2, service_time=0.5)
    with serving(quick, speed=50) as url, serving(strict, speed=20) as limited:
        done = subprocess.run(
            [node, "check.mjs", url, limited], cwd=sdk, capture_output=True, text=True, timeout=120, check=False
        )
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return {line["name"]: line["error"] for line in lines}


@pytest.mark.parametrize("name", CHECKS)
def test_the_typescript_sdk(results: dict[str, str | None], name: str) -> None:
    assert results[name] is None


def test_the_lock_file_names_no_registry() -> None:
    lock = json.loads((HERE / "package-lock.json").read_text())
    assert [name for name, package in lock["packages"].items() if "resolved" in package] == []
    assert all("integrity" in package for name, package in lock["packages"].items() if name)
