"""What goes wrong on purpose on mock and sim: `faults: {overloaded: 5%, stall: {rate: 1%, delay: 20s}}`."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Discriminator, Field, Tag, ValidationInfo, create_model

from bench.scenario.notation import Duration, Model, PositiveDuration, Share, Written, wrong_at
from mock_server import faults
from mock_server.faults import KINDS


class Fault(Model):
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

    def setting(self) -> faults.Fault:
        """As the mock server takes it.  Raises ValueError where the parts do not fit together."""
        retry_after = None if self.retry_after is None else round(self.retry_after)
        return faults.Fault(self.rate, self.start, self.end, self.on, self.off, self.delay, retry_after)


FaultForm = Annotated[
    Annotated[Share, Tag("<one>")] | Annotated[Fault, Tag("<mapping>")],
    Discriminator(lambda value: "<mapping>" if isinstance(value, dict) else "<one>"),
]


def _resolve(form: float | Fault, info: ValidationInfo) -> Fault:  # noqa: ARG001
    fault = Fault(rate=form) if isinstance(form, float) else form
    try:
        fault.setting()
    except ValueError as problem:
        where, _, what = str(problem).partition(": ")
        wrong_at([((where.partition(",")[0],), what)])
    return fault


FaultField = Annotated[Fault, Written(FaultForm, _resolve)]


class _Faults(Model):
    """What goes wrong on purpose.  A share of all requests, or a mapping such as {rate: 100%, on: 20s, off: 5m}."""

    def settings(self) -> dict[str, faults.Fault]:
        """As the mock server takes them."""
        return {name: fault.setting() for name in KINDS if (fault := getattr(self, name)) is not None}


_fields: dict[str, Any] = {
    name: (FaultField | None, Field(None, description=meaning)) for name, meaning in KINDS.items()
}
Faults = create_model("Faults", __base__=_Faults, __doc__=_Faults.__doc__, **_fields)
"""A field for each fault there is."""
