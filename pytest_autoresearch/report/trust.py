"""How sure each keep is by itself, in a word or two. Reads the notebook only."""

from __future__ import annotations

from collections.abc import Mapping

from pytest_autoresearch.notebook.record import Attribution, History, Share
from pytest_autoresearch.protocol.experiment import Experiment, Outcome
from pytest_autoresearch.report.figures import interval, number


def trust(history: History) -> Mapping[int, str]:
    """What is known of each keep, by its number: the newest attribution that had it, else what kept it.

    ``proven``, ``in a proven group`` (with others, perhaps nothing by itself), ``no effect seen``, ``one run``.
    """
    grouped = {keep for group in history.groups if group.outcome is Outcome.CERTIFIED for keep in group.keeps}
    told = _newest(history.attributions)
    found = {}
    for keep in history.keeps:
        share = told.get(keep.number)
        found[keep.number] = _of_share(share) if share is not None else _of_keep(keep, grouped)
    return found


def _newest(attributions: tuple[Attribution, ...]) -> Mapping[int, Share]:
    return {keep: share for each in attributions for share in each.shares for keep in share.keeps}


def _of_share(share: Share) -> str:
    together = "" if len(share.keeps) == 1 else f" with {', '.join(f'{keep:04d}' for keep in share.keeps)}"
    if share.needed:
        return f"needed{together}"
    effect = f"{number(share.gain)}{interval(share.interval)}"
    return f"proven{together}: {effect}" if share.proven else f"no effect seen{together}: {effect}"


def _of_keep(keep: Experiment, grouped: set[int]) -> str:
    if keep.provisional:
        return "not proven yet"
    if keep.number in grouped:
        return "in a proven group"
    return "one run" if keep.interval is None else "proven"
