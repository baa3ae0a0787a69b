"""What goes wrong on purpose on mock and sim: `faults: {overloaded: 5%, stall: {rate: 1%, delay: 20s}}`."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Discriminator, Field, Strict, Tag, ValidationInfo, create_model

from bench.scenario.notation import Duration, Model, PositiveDuration, Share, Written, wrong_at
from mock_server import faults


class FaultForm(Model):
    """How often, when and how strongly a fault strikes."""

    rate: Share = 1.0
    """Share of the requests it could strike, while it is on."""
    start: Annotated[Duration, Field(ge=0)] = 0.0
    """When in the run it begins."""
    end: PositiveDuration | None = None
    """When in the run it ends."""
    on: PositiveDuration | None = None
    """Mean length of an episode.  With `off` the fault comes in episodes instead of all the time."""
    off: PositiveDuration | None = None
    """Mean time between two episodes."""
    delay: Annotated[Duration, Field(ge=0)] | None = None
    """How long it holds things up: the pause of a stall, the wait for slow headers, the time until a refusal."""
    retry_after: Annotated[Duration, Field(ge=0)] | None = None
    """What a refusal asks to wait, in whole seconds."""
    endpoints: Annotated[tuple[faults.Endpoint, ...], Strict(False)] = ("messages",)
    """Where it strikes, on the mock server; the simulation has it at messages alone."""

    def setting(self) -> faults.Fault:
        """As the mock server takes it.  Raises ValueError where the parts do not fit together."""
        retry_after = None if self.retry_after is None else round(self.retry_after)
        return faults.Fault(self.rate, self.start, self.end, self.on, self.off, self.delay, retry_after, self.endpoints)


class Fault(FaultForm):
    """One fault."""

    kind: str
    """A name of `mock_server.faults.KINDS`."""


_ShareOrMore = Annotated[
    Annotated[Share, Tag("<one>")] | Annotated[FaultForm, Tag("<mapping>")],
    Discriminator(lambda value: "<mapping>" if isinstance(value, dict) else "<one>"),
]
_fields: dict[str, Any] = {
    name: (_ShareOrMore | None, Field(None, description=meaning)) for name, meaning in faults.KINDS.items()
}
FaultsForm = create_model(
    "FaultsForm",
    __base__=Model,
    __doc__="What goes wrong: a share of all requests, or a mapping such as {rate: 50%, on: 20s, off: 5m}.",
    **_fields,
)


def _resolve(form: Model, info: ValidationInfo) -> tuple[Fault, ...]:  # noqa: ARG001
    resolved, problems = [], []
    for kind, written in form:
        if written is None:
            continue
        options = written.model_dump(exclude_unset=True) if isinstance(written, FaultForm) else {"rate": written}
        fault = Fault(kind=kind, **options)
        try:
            fault.setting()
        except ValueError as problem:
            key, _, what = str(problem).partition(": ")
            problems.append(((kind, key.partition(",")[0]), what))
        resolved.append(fault)
    wrong_at(problems)
    return tuple(resolved)


FaultsField = Annotated[tuple[Fault, ...], Written(FaultsForm, _resolve)]
