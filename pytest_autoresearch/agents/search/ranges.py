"""What a name says of a number: the range that people use, and how it moves there. Pure.

A range is widened until the value that the session began with lies well inside. ``knobs:`` in the protocol and what the
source itself declares (choices, ``ge=``, a remark) come before a guess.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

from pytest_autoresearch.agents.search.knob import BY_NAME, Knob, Scale
from pytest_autoresearch.agents.search.literals import parse_number
from pytest_autoresearch.patterns import regex


class _Move(Enum):
    LOG = "log"
    ODDS = "odds"
    DISCOUNT = "discount"
    SHARE = "share"
    WHOLE = "whole"


@dataclass(frozen=True, slots=True)
class _Usual:
    """Names, and what numbers of these names usually are."""

    names: re.Pattern[str]
    move: _Move
    low: float
    high: float


USUAL = (
    _Usual(regex(r"warm_?up_?(?:frac|ratio|share|prop)|(?:frac|ratio)_?warm_?up"), _Move.SHARE, 0.0, 0.5),
    _Usual(regex(r"drop_?out|drop_?path|p_drop|drop_?rate|label_smooth|smoothing"), _Move.SHARE, 0.0, 0.7),
    _Usual(regex(r"(?:final|min|end)_lr_?(?:frac|ratio)|warm_?down_?(?:frac|ratio)"), _Move.SHARE, 0.0, 1.0),
    _Usual(regex(r"momentum|(?:^|_)betas?_?\d?(?:$|_|\[)|(?:^|_)ema(?:$|_)|polyak"), _Move.ODDS, 0.5, 0.999),
    _Usual(regex(r"(?:^|_)(?:gae_?)?lambda_?$|(?:^|_)lam$|discount|(?:^|_)gamma$"), _Move.DISCOUNT, 0.8, 0.9999),
    _Usual(regex(r"weight_?decay|(?:^|_)wd(?:$|_)|(?:^|_)l[12](?:$|_)|l[12]_?reg|(?:^|_)alpha$|ridge|regulari|penalty"),
           _Move.LOG, 1e-7, 1.0),
    _Usual(regex(r"(?:^|_)(?:lr|learning_?rate|step_?size|eta0?)(?:$|_)|^rate$|^lrate"), _Move.LOG, 1e-5, 1.0),
    _Usual(regex(r"batch|minibatch|(?:^|_)bs$|bsz"), _Move.WHOLE, 8, 512),
    _Usual(regex(r"width|hidden|units|n_?embd?(?:$|_)|emsize|nhid|(?:^|_)d_?model|channels|filters|neurons|(?:^|_)dim(?:$|_)|max_features$"
           r"|(?:^|_)n[gd]f$|(?:^|_)nz$"), _Move.WHOLE, 8, 1024),
    _Usual(regex(r"depth|n_?layers?|blocks$"), _Move.WHOLE, 1, 12),
    _Usual(regex(r"n_?heads?(?:$|_)|num_?heads?"), _Move.WHOLE, 1, 16),
    _Usual(regex(r"max_leaves|num_leaves|leaf_nodes"), _Move.WHOLE, 4, 256),
    _Usual(regex(r"n_estimators|n(?:um)?_trees|rounds?$"), _Move.WHOLE, 10, 1000),
    _Usual(regex(r"min_(?:samples|child|data)"), _Move.WHOLE, 1, 64),
    _Usual(regex(r"subsample|col_?sample|feature_fraction|bagging_fraction"), _Move.SHARE, 0.2, 1.0),
    _Usual(regex(r"(?:^|_)eps(?:ilon)?(?:$|_)"), _Move.LOG, 1e-10, 1e-3),
    _Usual(regex(r"prob(?:$|_|ability)|(?:^|_)p_|quantile|cooling"), _Move.ODDS, 0.02, 0.98),
    _Usual(regex(r"temperature|(?:^|_)temp$|(?:^|_)tau$|coef(?:$|_|ficient)"), _Move.LOG, 0.0, 0.0),
    _Usual(regex(r"clip|max_(?:grad_)?norm"), _Move.LOG, 0.05, 20.0),
)  # fmt: skip
_SHARE = regex(r"frac|ratio|rate$|prob|thresh")
_FACTOR = regex(r"growth|decay|cool|anneal|factor|mult(?:$|_|iplier)")
_CAMEL = regex(r"(?<=[a-z0-9])(?=[A-Z])")
VOCABULARIES = (
    (regex(r"act(?:$|_|ivation)|nonlin"), ("relu", "tanh", "gelu", "silu")),
    (regex(r"sched|anneal|decay"), ("cosine", "constant", "linear")),
    (regex(r"optim|(?:^|_)opt(?:$|_)|algo"), ("adam", "adamw", "sgd", "rmsprop")),
)
"""Names and the texts that they may take where one of them is the start; a wrong one costs a crash."""

_REACH = 16.0
_Range = tuple[Scale, float, float]


@lru_cache(maxsize=16384)
def tail_of(label: str) -> str:
    """The own name of a label, in lower case with underscores: ``main.--batchSize`` is ``batch_size``."""
    own = label.rpartition(".")[2].partition("#")[0].lstrip("-")
    return _CAMEL.sub("_", own).replace("-", "_").lower()


def is_known(label: str) -> bool:
    """Whether the name is one of those that people turn."""
    return _usual(tail_of(label)) is not None


@lru_cache(maxsize=8192)
def _usual(tail: str) -> _Usual | None:
    return next((usual for usual in USUAL if usual.names.search(tail)), None)


def ranged(knob: Knob) -> Knob:
    """The knob with the range, the scale or the choices that its name speaks for; as it is where it has its own."""
    if knob.scale is Scale.CHOICE:
        return knob if knob.choices else _worded(knob)
    if knob.scale in (Scale.FLIP, Scale.EXPONENT) or knob.low is not None or knob.high is not None:
        return knob
    start = knob.value if knob.style == knob.text else parse_number(knob.style.replace(" ", ""))
    assert not isinstance(start, (bool, str))
    if start is None or start < 0:
        return knob
    tail = tail_of(knob.label)
    usual = _usual(tail)
    if usual is not None:
        found = _guess(knob.scale, usual, start)
        return knob if found is None else _within(knob, *found)
    if start == 0:
        return _within(knob, Scale.LINEAR, 0.0, 4.0 if isinstance(start, int) else 1.0)
    if isinstance(start, float) and 0.9 <= start <= 1.1 and _FACTOR.search(tail):  # of each step: it multiplies up
        return _within(knob, Scale.LOG, 0.8 * start, 1.25 * start)
    if isinstance(start, float) and start < 1 and _SHARE.search(tail):
        return _within(knob, Scale.LOGIT, start / 4, 1 - (1 - start) / 4)
    return knob


def _within(knob: Knob, scale: Scale, low: float, high: float) -> Knob:
    return knob._replace(scale=scale, low=low, high=high, bounds=BY_NAME)


def _worded(knob: Knob) -> Knob:
    tail, value = tail_of(knob.label), str(knob.value)
    for names, words in VOCABULARIES:
        if value in words and names.search(tail):
            return knob._replace(choices=words, bounds=BY_NAME)
    return knob


def _guess(scale: Scale, usual: _Usual, start: float) -> _Range | None:
    """The range of a known name around a start, on its scale; None where the number is not of that kind."""
    whole = isinstance(start, int)
    low, high = usual.low, usual.high
    if usual.move is _Move.WHOLE:
        if not whole:
            return None
        if start == 0:
            return Scale.LINEAR, 0.0, high
        return scale, float(max(1, min(low, start // 2))), float(max(high, 2 * start))
    if whole and start not in (0, 1):
        return None
    if usual.move is _Move.LOG:
        return _in_sizes(start, low, high)
    if not 0 <= start <= 1 or whole:
        return None
    if usual.move is _Move.SHARE:
        return Scale.LINEAR, min(low, start), max(high, min(1.0, start * 1.5))
    if usual.move is _Move.ODDS:
        if not 0 < start < 1:
            return Scale.LINEAR, 0.0, 1.0
        return Scale.LOGIT, _below(low, start), max(high, 1 - (1 - start) / 2)
    if start in (0, 1):
        return Scale.LINEAR, min(low, start), 1.0
    return Scale.DISCOUNT, _below(low, start), max(high, 1 - (1 - start) / 2)


def _below(low: float, start: float) -> float:
    """A bound below a share: as far from it as it is from 1, where that is above 0."""
    return min(low, 2 * start - 1) if start > 0.5 else min(low, start / 2)


def _in_sizes(start: float, low: float, high: float) -> _Range | None:
    if isinstance(start, int):
        return None
    if start == 0:
        return Scale.LINEAR, 0.0, high or 1.0
    if not high:
        return Scale.LOG, start / _REACH, start * _REACH
    return Scale.LOG, min(low, start / 4), max(high, start * 4)
