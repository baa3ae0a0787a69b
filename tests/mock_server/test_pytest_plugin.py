"""The fixture in other people's suites."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SUITE = """\
import sys

assert "uvloop" not in sys.modules and "mock_server.edge" not in sys.modules, "heavy at plugin load"

import anthropic
import pytest
from mock_server.settings import Settings


@pytest.fixture(scope="session")
def claude_mock_settings():
    return Settings(service_time=0.0)


def ask(mock, **options):
    with anthropic.Anthropic(base_url=mock.url, api_key="any", max_retries=0) as client:
        return client.messages.create(
            model="claude-sonnet-5-5", max_tokens=9, messages=[{"role": "user", "content": "hi"}], **options
        )


def test_faults(claude_mock):
    claude_mock.set_faults(overloaded=1.0)
    with pytest.raises(anthropic.APIStatusError) as caught:
        ask(claude_mock)
    assert caught.value.status_code == 529
    assert [row["cause"] for row in claude_mock.truth()] == ["overloaded"]


def test_every_test_finds_it_as_new(claude_mock):
    assert claude_mock.truth() == []
    assert ask(claude_mock).type == "message"
    assert claude_mock.truth()[0]["levels"]["requests"] == pytest.approx(999, abs=1)
    claude_mock.set_tier("tier-1")
    ask(claude_mock)
    assert {bucket["per_minute"] for bucket in claude_mock.state()["buckets"]} == {50, 30_000, 8_000}
    claude_mock.reset()
    assert claude_mock.state()["tier"] == "start"


def test_what_makes_no_sense_is_said(claude_mock):
    with pytest.raises(ValueError, match="no such fault"):
        claude_mock.set_faults(overload=1.0)
    with pytest.raises(ValueError, match="gold"):
        claude_mock.set_tier("gold")
    with pytest.raises(ValueError, match="rate"):
        claude_mock.set_faults(overloaded={"rate": 2})
"""


def run(folder: Path, *options: str) -> str:
    plugin = ["-p", "mock_server.pytest_plugin"] if not _is_installed() else []
    command = [sys.executable, "-m", "pytest", "-q", "-W", "error", *plugin, *options]
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        command, cwd=folder, env={"PATH": "", "PYTHONPATH": root}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _is_installed() -> bool:
    from importlib.metadata import entry_points

    return "claude_mock" in entry_points(group="pytest11").names


def test_the_fixture_serves_a_suite(tmp_path: Path) -> None:
    (tmp_path / "test_suite.py").write_text(SUITE)
    assert "3 passed" in run(tmp_path)


def test_a_suite_that_does_not_use_it_pays_nothing(tmp_path: Path) -> None:
    (tmp_path / "test_other.py").write_text(
        "import sys\n\ndef test_nothing_is_loaded():\n    assert not {'uvloop', 'msgspec'} & set(sys.modules)\n"
    )
    assert "1 passed" in run(tmp_path)


def test_the_fixture_is_listed_with_what_it_is(tmp_path: Path) -> None:
    (tmp_path / "test_any.py").write_text("def test_any(): pass\n")
    said = run(tmp_path, "--fixtures")
    assert "claude_mock -- " in said
    assert "A mock of the Claude API" in said
