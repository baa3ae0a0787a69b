"""Before anything else: respx knows httpx only, and the SDK is built on httpx2, so one must pass for the other."""

import gc
import os

import httpx2

httpx2.alias_httpx()

from hypothesis import settings  # noqa: E402

# A busy machine is no reason to fail: examples may take as long as they need.  `make soak` tries ten times as many.
settings.register_profile("patient", deadline=None, max_examples=40)
settings.register_profile("thorough", deadline=None, max_examples=400)
settings.load_profile("patient")


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are processors: many tests wait for a server."""
    return (os.cpu_count() or 1) + 1


def pytest_collection_finish() -> None:
    """Thousands of tests are no garbage: looking through them would take every run a third of a second."""
    gc.collect()
    gc.freeze()
