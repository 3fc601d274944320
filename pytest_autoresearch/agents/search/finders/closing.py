"""Why a literal is not a knob, by its names: luck, evaluation and splits, budget, machine, shapes of data.

A search that turns one of these learns to cheat, or breaks the run. The names decide, wherever the file is from.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

from pytest_autoresearch.agents.search.knob import Knob, Rank
from pytest_autoresearch.agents.search.ranges import is_known, tail_of
from pytest_autoresearch.patterns import regex
from pytest_autoresearch.reading.luck import says_seed

METRIC_ARITHMETIC = "arithmetic of the metric"
WITHIN_ARITHMETIC = "0, 1 or -1 within arithmetic: structure rather than size"
LUCK = "a seed: luck is no improvement"
_EVALUATION = "evaluation or data split"
_BUDGET = "budget: how long a run trains or searches"
_MACHINE = "machine or display"
_SHAPE = "shape of the data"
_TABLE = "one of a table of numbers"
_DATA = "what the data are"
_ASIDE = "beside the run"
_TABLE_FROM = 8  # literals under one name

_NUMBERED = ("]", *"0123456789")
_WORD = regex(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")
EVALUATION = frozenset(
    "eval evaluate evaluation evaluator evaluating test tests testing val valid validation validate holdout split"
    " splits fold folds kfold cv score scores scoring scorer metric metrics rmse mse mae mape acc accuracy auc roc"
    " f1 bpb bleu rouge perplexity judge benchmark baseline leaderboard groundtruth goal meter".split()
)
_EVALUATING = EVALUATION - {"baseline"}
_MACHINES = frozenset(
    "log logs logging logger verbose print debug save saved checkpoint checkpoints ckpt port host workers worker"
    " threads interval cuda gpu gpus device devices compile download track tracking wandb upload video"
    " deterministic dtype allow tf32 ddp rank world master pin persistent version timeout dir path file files"
    " filename url figsize dpi plot plots display backend verbosity dry mps accel ngpu jobs peak flops early"
    " repeat repeats retries cache cached profile progress report reporting output out title label labels color"
    " colors font linewidth name entity project every upload tensorboard monitor fontsize processes stream".split()
)
_ASIDES = frozenset("early defaults generate pretrained mfu export onnx plot save savefig figure logging wandb".split())
_SHAPES = frozenset(
    "classes vocab shape nc bos eos pad padding_idx image img causal ignore sep header indices input output"
    " inputs outputs in_features out_features in_channels num_labels target targets columns rows nrows".split()
)
_NO_SHAPE = frozenset("network net update updates kl entropy tau".split())  # of a target that learns itself
_GIVES_DATA = frozenset(
    "Normalize normalize Resize CenterCrop ResizeObservation GrayScaleObservation FrameStack __getitem__ __len__"
    " make_env".split()
)
_TOTAL = regex(
    r"^(?:max|num|n|total|train|training|number_of)?_?(?:train|scheduled|extension)?_?(?:epochs?|iters?|iterations?"
    r"|timesteps|niter|steps)$|^(?:max|total|train|num_train|training)_(?:steps|samples|tokens|updates|evals|evaluations|episodes)$"
    r"|budget|deadline|max_?(?:time|seconds|minutes)|time_?limit|^(?:n_?)?trials$|^episodes$"
)
_NO_TOTAL = regex(r"update_epochs|warm_?up|decay|cooldown|size|rollout|num_steps|(?:^|_)n_steps|accum")
_STRUCTURE = frozenset(
    "train split download shuffle drop_last is_causal stratify test_size train_size random_state axis dim keepdim"
    " header sep num_workers pin_memory non_blocking requires_grad inplace dtype device indent start_index"
    " index_col early_stopping_rounds max_norm_type nargs action type required help metavar encoding errors"
    " newline end flush return_counts squared multioutput average zero_division weights_only map_location"
    " ascending skiprows strict exist_ok set_to_none async_op force batch_first return_inverse pretrained".split()
)


_OPENABLE = frozenset({_BUDGET, _MACHINE, _SHAPE, _DATA, _TABLE, _ASIDE, WITHIN_ARITHMETIC})


def may_be_opened(why: str) -> bool:
    """Whether a person who names the literal may have it turned: never luck, evaluation or the metric itself."""
    return why in _OPENABLE


@lru_cache(maxsize=8192)
def words_of(name: str) -> frozenset[str]:
    """The words of an identifier, in lower case."""
    return frozenset(word.lower() for word in _WORD.findall(name))


def why_by_name(label: str) -> str:
    """The reason that the names in a label give, '' if they give none. The last name counts most."""
    return _why(re.sub(r"#\d+$|\[\d+\]", "", label).lstrip("-") if label.endswith(_NUMBERED) else label.lstrip("-"))


@lru_cache(maxsize=8192)
def _why(own: str) -> str:
    *before, last = own.split(".")
    tail, words, around = tail_of(own), words_of(last), frozenset[str]().union(*map(words_of, before))
    if says_seed(last) or any(says_seed(part) for part in before[-1:]):
        return LUCK
    if words & EVALUATION or around & _EVALUATING:
        return _EVALUATION
    if tail in _STRUCTURE:
        return f"`{tail}` is structure"
    if _TOTAL.search(tail) and not _NO_TOTAL.search(tail):
        return _BUDGET
    if around & _ASIDES:
        return _ASIDE
    if not _GIVES_DATA.isdisjoint((*before, last)):
        return _DATA
    known = is_known(own)
    if words & _MACHINES and not known:
        return _MACHINE
    if tail in ("task", "objective", "mode", "kind"):
        return _MACHINE
    return _SHAPE if words & _SHAPES and not known and not words & _NO_SHAPE else ""


def closed(knobs: Sequence[Knob]) -> tuple[Knob, ...]:
    """The knobs, with a reason on each that its names or its number of neighbours close."""
    bases = [_base(knob.label) for knob in knobs]
    series = Counter(bases)
    return tuple(_closed(knob, series[base]) for knob, base in zip(knobs, bases, strict=True))


def _closed(knob: Knob, neighbours: int) -> Knob:
    if knob.closed:
        return knob
    why = why_by_name(knob.label)
    if not why and neighbours >= _TABLE_FROM and not (neighbours < 2 * _TABLE_FROM and knob.rank < Rank.NAMED):
        why = _TABLE
    return knob._replace(closed=why) if why else knob


def _base(label: str) -> str:
    """The name that the entries of a list share."""
    before, dot, last = label.rpartition(".")
    return before + dot + last.partition("[")[0].partition("#")[0]
