"""`calibrate`: pay for one run, and play the rest for free."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from bench.commands.printing import printed
from bench.errors import Exit


def calibrate(
    run: Annotated[Path, Parameter(help="The folder of a run that asked live, best with streamed answers.")],
    /,
    *,
    out: Annotated[
        Path | None, Parameter(name=["--out", "-o"], help="Profile to write; left out, profile.json in the folder.")
    ] = None,
    html: Annotated[
        Path | None, Parameter(help="Page to write; left out, fidelity.html in the folder of the run.")
    ] = None,
    seed: Annotated[int, Parameter(help="Seed of the bootstrap.")] = 0,
    json: Annotated[bool, Parameter(negative="", help="Print what was found as JSON.")] = False,
    quiet: Annotated[
        bool, Parameter(name=["--quiet", "-q"], negative="", help="Only how near it comes, no progress.")
    ] = False,
) -> int:
    """Fit the mock's latency, faults and burst to a recorded RUN, and show how near a simulation then comes.

    Writes a profile for `mock.latency.profile` and `serve --profile`, and sends nothing.  Whether runs of one thing
    differ too much to be compared is another question: `compare --calibrate`.
    """
    from bench import api
    from bench.planning import calibrate as calibrating

    with api.progress(quiet=quiet) as observer:
        found = calibrating.calibrate(run, out or run / "profile.json", seed=seed, observer=observer)
    calibrating.write_page(found, html or run / "fidelity.html", run)
    return printed(lambda: calibrating.show(found, json=json, quiet=quiet), Exit.OK)
