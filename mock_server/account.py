"""One organisation as the engine knows it: its tier, what is left of its limits, what it has spent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mock_server.bucket import Bucket
from mock_server.limits import Connections, Gate, Growth
from mock_server.models import Model
from mock_server.plan import Plan
from mock_server.prices import cost, is_billed
from mock_server.request import RequestError
from mock_server.settings import Settings
from mock_server.spending import Purse
from mock_server.tenants import Organization, Workspace
from mock_server.tiers import Limits, find_tier


class Account:
    """What belongs to an organisation and to its workspaces.  Everything is made when it is first needed."""

    def __init__(self, name: str, settings: Settings) -> None:
        accounts = settings.accounts
        self._settings = settings
        self.since = 0.0
        """Engine second since which its limits are what they are: what began before draws on them no more."""
        self._described = (accounts.organizations.get(name) if accounts else None) or Organization()
        self.tier = find_tier(self._described.tier or settings.tier)
        self.batch_requests = self._bucket(self.tier.batch_requests)
        self.token_counts = self._bucket(self.tier.token_counts)
        self.connections = Connections(settings.concurrency) if settings.concurrency else None
        self._gates: dict[tuple[str, str], Gate] = {}
        self._purses: dict[str, Purse] = {}
        self._purse = Purse(
            cap=_either(self._described.spend_cap, settings.spend_cap),
            limit=_either(self._described.spend_limit, settings.spend_limit),
            credit=_either(self._described.credit, settings.credit),
        )
        limits_of_workspaces = [each.spend_limit for each in self._described.workspaces.values()]
        self.is_limited_in_spending = self._purse.is_limited or any(limit is not None for limit in limits_of_workspaces)

    def gate(self, workspace: str, model_id: str, model: Model) -> Gate:
        """The gate that a request for this model from this workspace has to pass."""
        pool = self.tier.pool(model_id) if self.tier.pools else model.limit_class
        return self._gates.get((workspace, pool)) or self._make_gate(workspace, pool, model_id)

    def change_tier(self, settings: Settings, now: float) -> None:
        """The limits of these settings from now on, with full buckets."""
        self._settings, self.since = settings, now
        self.tier = find_tier(self._described.tier or settings.tier)
        self.batch_requests = self._bucket(self.tier.batch_requests, now)
        self.token_counts = self._bucket(self.tier.token_counts, now)
        self._gates = {}

    def gates(self) -> Iterator[tuple[str, str, Gate]]:
        """All gates so far: workspace (empty for those of the whole organisation), pool of models, gate."""
        for (workspace, pool), gate in self._gates.items():
            if not workspace or gate.organization:  # a workspace without limits of its own has the organisation's gate
                yield workspace, pool, gate

    def refuse_spending(self, workspace: str, unix: float) -> RequestError | None:
        """The error for a workspace that has no money left at this Unix time."""
        if not self.is_limited_in_spending:
            return None
        return self._purse.check(unix) or self._workspace_purse(workspace).check(unix)

    def pay(self, workspace: str, plan: Plan, unix: float, *, batch: bool = False, back: bool = False) -> None:
        """Pay for an answer at this Unix time, or be paid back, if anybody counts."""
        if self.is_limited_in_spending and is_billed(plan):
            dollars = cost(plan.model, plan.usage, batch=batch) * (-1 if back else 1)
            self._purse.pay(dollars, unix)
            self._workspace_purse(workspace).pay(dollars, unix)

    @property
    def spent(self) -> float:
        """US dollars so far, if anybody counts."""
        return sum(self._purse.spent.values())

    @property
    def workspaces(self) -> Iterable[str]:
        """Names of the workspaces that the keys file describes."""
        return self._described.workspaces

    def describe_workspace(self, workspace: str) -> Workspace:
        """What the keys file says of it."""
        return self._described.workspaces.get(workspace) or Workspace()

    def _make_gate(self, workspace: str, pool: str, model_id: str) -> Gate:
        if not workspace:
            gate = self._new_gate(self.tier.limits_of(model_id))
            gate.connections = self.connections
            if ramp := self._settings.ramp:
                gate.growth = Growth(ramp.factor, ramp.floor)
        else:
            gate = self._gates.get(("", pool)) or self._make_gate("", pool, model_id)
            if own := self._limits_of_workspace(workspace, pool):
                gate = self._new_gate(own, gate)
        self._gates[workspace, pool] = gate
        return gate

    def _new_gate(self, limits: Limits, organization: Gate | None = None) -> Gate:
        settings = self._settings
        return Gate(limits, settings.burst, rejected_count=settings.rejected_count, organization=organization)

    def _limits_of_workspace(self, workspace: str, pool: str) -> Limits | None:
        for entry in self.describe_workspace(workspace).limits:
            if any(self.tier.pool(model) == pool for model in entry.models or ()):
                return entry.model_limits()
        return None

    def _workspace_purse(self, workspace: str) -> Purse:
        if workspace not in self._purses:
            limit = self.describe_workspace(workspace).spend_limit
            self._purses[workspace] = Purse(limit=limit, of="workspace ")
        return self._purses[workspace]

    def _bucket(self, per_minute: int | None, at: float = 0.0) -> Bucket | None:
        return Bucket.full(per_minute / 60 * self._settings.burst, per_minute / 60, at) if per_minute else None


def _either(own: float | None, common: float | None) -> float | None:
    return common if own is None else own
