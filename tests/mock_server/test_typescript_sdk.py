"""The official TypeScript SDK, unmodified, against running servers: see typescript/check.mjs."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from node_packages import installed, tool
from running import serving

from mock_server.settings import Settings

HERE = Path(__file__).parent / "typescript"
CHECKS = re.findall(r"^  async (\w+)\(\)", (HERE / "check.mjs").read_text(), flags=re.MULTILINE)


WHAT = "with the TypeScript SDK"


@pytest.fixture(scope="module")
def sdk(pytestconfig: pytest.Config) -> Path:
    """A folder with the SDK."""
    folder = installed(HERE / "package-lock.json", WHAT, pytestconfig)
    shutil.copy(HERE / "check.mjs", folder)
    return folder


@pytest.fixture(scope="module")
def results(sdk: Path) -> dict[str, str | None]:
    """What went wrong, by check."""
    node = tool("node", WHAT)
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
