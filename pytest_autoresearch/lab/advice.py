"""What to tell the user of a start commit that can not be measured: the log's end and the likeliest remedy. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pytest_autoresearch.protocol.experiment import Measurement, Reason
from pytest_autoresearch.protocol.model import Protocol

if TYPE_CHECKING:
    from pytest_autoresearch.lab.remedies import Remedy

BUILDING = "build: "
"""How the detail of a measurement begins whose build failed."""


def baseline_advice(failed: Measurement, protocol: Protocol, found: Sequence[Remedy] = ()) -> str:
    """Why the start commit gives no metric, for the user's eyes."""
    reason = failed.failure.value if failed.failure is not None else "no-metric"
    is_build = failed.detail.startswith(BUILDING)
    if is_build:
        lines = [f"the build fails on the start commit: {failed.detail.removeprefix(BUILDING)}"]
    else:
        lines = [f"the baseline failed: {reason}: {failed.detail}"]
    line = protocol.origins.get("build" if is_build else "run")
    where = "" if line is None or "::" in protocol.source else f" ({protocol.source}:{line})"
    lines.append(f"  command: {_first_line((is_build and protocol.build) or protocol.run)}{where}")
    if failed.log_tail:
        lines += ["  the log ends with:", *(f"    {line}" for line in failed.log_tail.splitlines())]
    lines += [f"  {remedy.line}" for remedy in found]
    if failed.hint:
        lines.append(f"  {failed.hint}")
    if failed.failure is Reason.TIMEOUT:
        where = "with @pytest.mark.timeout" if "::" in protocol.source else "under Time Budget"
        lines.append(f"  raise the kill timeout {where}, or make the run shorter")
    return "\n".join(lines)


def _first_line(command: str) -> str:
    first, *rest = command.strip().splitlines() or [""]
    return f"{first} …" if rest else first
