"""Before anything else: respx knows httpx only, and the SDK is built on httpx2, so one must pass for the other."""

import httpx2

httpx2.alias_httpx()
