"""Before anything else: respx knows httpx only, and the SDK is built on httpx2, so one must pass for the other."""

import httpx2

httpx2.alias_httpx()

from hypothesis import settings  # noqa: E402

# A busy machine is no reason to fail: examples may take as long as they need.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")
