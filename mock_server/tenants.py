"""Who asks: keys, the organisations and workspaces they belong to, and what each may spend.

Open by default: without accounts every key is good and belongs to one organisation.  Limits belong to an organisation;
a workspace may have lower ones of its own for each limiter, and only lower ones matter, because the organisation's
hold all the same (rate-limit page, 2026-10-08).
"""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple
from uuid import UUID

import msgspec

from mock_server.files import read_whole
from mock_server.rng import Draws
from mock_server.tiers import RateLimit, check_tier

ORGANIZATION_ID = "5eed0000-c1a0-4be2-8000-00000000bec4"
"""The organisation of every key where nothing says otherwise."""


class Tenant(NamedTuple):
    """Whose request it is.  Batches and cached prompts of one tenant are never seen by another."""

    organization: str = "default"
    """Name of the organisation: limits, spend caps and the queue of batches belong to it."""
    workspace: str = "default"
    """Name of the workspace inside it."""

    @property
    def organization_id(self) -> str:
        """A UUID: the name itself if it is one."""
        return _organization_id(self.organization)

    @property
    def workspace_id(self) -> str:
        """`wrkspc_...`: the name itself if it is one."""
        return _workspace_id(self)


ANYONE = Tenant()
"""Whom a request belongs to where no accounts are kept."""


@lru_cache(maxsize=1024)
def _organization_id(name: str) -> str:
    if name == ANYONE.organization:
        return ORGANIZATION_ID
    try:
        return str(UUID(name))
    except ValueError:
        return str(UUID(bytes=blake2b(name.encode(), digest_size=16).digest(), version=4))


@lru_cache(maxsize=1024)
def _workspace_id(tenant: Tenant) -> str:
    if tenant.workspace.startswith("wrkspc_"):
        return tenant.workspace
    draws = Draws("workspace", *tenant)
    letters = "0123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
    return "wrkspc_01" + "".join(letters[draws.integer(0, len(letters) - 1)] for _ in range(22))


class Key(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one API key belongs to."""

    organization: str = ANYONE.organization
    workspace: str = ANYONE.workspace
    admin: bool = False
    """An Admin key: good for `/v1/organizations/...` and for nothing else."""

    @property
    def tenant(self) -> Tenant:
        """Whose requests are made with it."""
        return Tenant(self.organization, self.workspace)


class Workspace(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a workspace may use of what its organisation may."""

    limits: tuple[RateLimit, ...] = ()
    """Lower limits of its own, in the shape of the Rate Limits API; a limiter left out is the organisation's."""
    spend_limit: float | None = None
    """US dollars a month, set by the organisation itself; reaching it gives 400."""


class Organization(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What differs from the settings of the server for one organisation."""

    tier: str | None = None
    """A name from `tiers.TIERS` or a file of limits; None is the server's."""
    spend_cap: float | None = None
    """See `Settings.spend_cap`; None is the server's."""
    spend_limit: float | None = None
    """See `Settings.spend_limit`; None is the server's."""
    credit: float | None = None
    """See `Settings.credit`; None is the server's."""
    workspaces: dict[str, Workspace] = {}
    """By name.  One that is not here has no limits of its own."""

    def __post_init__(self) -> None:
        for name, workspace in self.workspaces.items():
            if any(entry.kind != "model_group" for entry in workspace.limits):
                raise ValueError(f"workspaces.{name}.limits: a workspace can limit a model_group only")
        if self.tier is not None:
            check_tier(self.tier)
        if ANYONE.workspace in self.workspaces and self.workspaces[ANYONE.workspace].limits:
            raise ValueError("the default workspace cannot have limits of its own; name another one")
        for name in ("spend_cap", "spend_limit", "credit"):
            if (value := getattr(self, name)) is not None and not value >= 0:
                raise ValueError(f"{name}: must not be negative")


class Accounts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The keys file: whom the server knows.

    `{"keys": {"sk-ant-a": {"organization": "acme", "workspace": "prod"}, "sk-ant-b": {"organization": "acme",
    "admin": true}}, "organizations": {"acme": {"tier": "build", "workspaces": {"prod": {"spend_limit": 100}}}}}`
    """

    keys: dict[str, Key]
    organizations: dict[str, Organization] = {}
    """By name; one that is not here is like the server's settings."""

    def __post_init__(self) -> None:
        if not self.keys:
            raise ValueError("keys: there are none, so nobody could get in")


def read_accounts(path: str) -> Accounts:
    """The accounts of a keys file.  Raises OSError, or ValueError that names the file and the place in it."""
    try:
        return msgspec.json.decode(read_whole(path), type=Accounts)
    except (msgspec.MsgspecError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from None


def exposure_warning(host: str, accounts: Accounts | None) -> str | None:
    """What to tell who binds the server to `host` without keys; None where there is nothing to tell."""
    if accounts is not None or host == "localhost":
        return None
    try:
        if ipaddress.ip_address(host).is_loopback:
            return None
    except ValueError:
        pass  # a name, which may lead anywhere
    return f"warning: listening on {host}, where others may reach it, and any key is accepted.  Give a keys file."
