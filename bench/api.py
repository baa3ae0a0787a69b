"""What the command line, tests and notebooks call: load a scenario, run it, report on it."""

from __future__ import annotations

import asyncio
import shlex
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.clock import Clock, utc_now
from bench.clock import run as run_loop
from bench.engine.budget import BudgetGuard
from bench.engine.observe import Observer, Observers
from bench.engine.run import Pass, Surroundings
from bench.engine.stop import Stop, interruptible
from bench.errors import Exit, UsageError
from bench.results import cost, folder
from bench.results.summarize import summarize
from bench.results.summary import Summary
from bench.scenario import load as scenario_files
from bench.scenario.model import Scenario, Strategy
from bench.strategies.admission import Admission
from bench.strategies.pacer import pacer_of
from bench.targets.target import Target, open_target
from bench.workload import requests_of, warmup_of
