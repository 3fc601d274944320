"""The names that people give to sections, fields and directions, in English, German and Chinese. Pure.

A name counts whatever its case, numbering, punctuation or emphasis: ``## 3) TARGET FILES (edit these):`` is `targets`.
"""

from __future__ import annotations

import re
from unicodedata import normalize as unicode_normalize

from pytest_autoresearch.protocol.model import Direction

Names = dict[str, str]


def _names(**meanings: str) -> Names:
    return {name.strip(): meaning for meaning, names in meanings.items() for name in names.split(",")}


SECTIONS: Names = _names(
    goal="goal, goals, objective, research goal, the goal, ziel, ziele, 目标, 实验目标, 优化目标",
    metric="metric, metrics, primary metric, the metric, metrik, metrik und richtung, 指标, 评价指标, 优化指标, 度量",
    targets="target files, target file, targets, editable files, editable, files to edit, files to modify, scope, "
    "files in scope, in scope, modifiable files, modifiable, can modify, may modify, can change, may change, can edit, "
    "may edit, zieldateien, zieldatei, änderbare dateien, 目标文件, 可修改文件, 可编辑文件, 修改文件",
    readonly="read only files, read only file, read only, readonly files, readonly, do not modify, do not change, "
    "do not touch, do not edit, "
    "cannot modify, can not modify, must not modify, may not modify, cannot change, can not change, must not change, "
    "may not change, cannot edit, can not edit, must not edit, may not edit, protected files, protected, off limits, "
    "out of scope, forbidden, frozen, "
    "nur lese dateien, schreibgeschützte dateien, nicht ändern, 只读文件, 只读, 不可修改文件",
    run="run command, run commands, run, command, eval command, benchmark command, how to run, experiment command, "
    "ausführungsbefehl, befehl, startbefehl, 运行命令, 执行命令, 运行",
    extract="extract command, extraction command, extract, extract metric, metric extraction, measure command, "
    "extraktionsbefehl, messbefehl, 提取命令, 提取指标, 指标提取",
    direction="direction, metric direction, richtung, 方向, 优化方向",
    name="metric name, name der metrik, 指标名称",
    budget="time budget, budget, time limit, time, zeitbudget, zeitlimit, 时间预算, 时间限制",
    kill_timeout="timeout, kill timeout, 超时, 超时时间",
    constraints="constraints, constraint, rules, hard constraints, einschränkungen, randbedingungen, regeln, "
    "约束, 约束条件, 限制, 规则",
    tag="branch, branch name, git branch, branch tag, tag, zweig, 分支, 分支名称",
    notes="notes, note, additional notes, hints, notizen, anmerkungen, hinweise, 备注, 说明, 笔记, 注意事项",
)
METRIC_FIELDS: Names = _names(
    name="name, metric, metric name, primary, primary metric, metrik, 名称, 指标, 指标名称",
    direction="direction, optimise, optimize, optimisation direction, optimization direction, richtung, 方向, 优化方向",
    extract="extract command, extraction command, extract, extraction, extract with, extracted with, measure command, "
    "measured with, measure, how to extract, extractor, metric command, "
    "extraktionsbefehl, extraktion, messbefehl, 提取命令, 提取, 提取方式",
    target="target, target value, goal value, stop at, zielwert, 目标, 目标值",
    min_delta="min delta, minimum delta, minimal delta, minimum improvement, min improvement, mindestverbesserung, "
    "最小改进, 最小提升",
    path="from, from file, read from, metric file, results file, result file, aus datei, 来源文件",
    key="key, json key, schlüssel, 键",
    column="column, csv column, spalte, 列",
    row="row, csv row, zeile, 行",
    bounds="bounds, bound, range, valid range, plausible range, grenzen, bereich, 范围, 取值范围",
)
BUDGET_FIELDS: Names = _names(
    budget="per experiment, per run, each experiment, each run, experiment, budget, time budget, run time, "
    "pro experiment, pro lauf, je experiment, 每次实验, 每次迭代, 每次运行, 单次实验, 每个实验",
    kill_timeout="kill timeout, timeout, hard timeout, kill after, kill, kill time, hard limit, deadline, "
    "abbruch, abbruch nach, abbruchzeit, zeitlimit, 终止超时, 超时, 超时时间, 强制终止, 超时终止",
)

_LOWER = (
    r"\b(?:lower|low|smaller|less|fewer|minimi[sz]e[sd]?|minimi[sz]ing|minimum|min|decreas\w*|reduc\w*|down|shorter"
    r"|niedriger\w*|kleiner\w*|weniger|geringer\w*|minimier\w*|kürzer)\b|↓|越低|越小|越少|最小化|更低|更小|降低|减少"
)
_HIGHER = (
    r"\b(?:higher|high|larger|greater|bigger|more|maximi[sz]e[sd]?|maximi[sz]ing|maximum|max|increas\w*|rais\w*|up"
    r"|höher\w*|größer\w*|mehr|maximier\w*)\b|↑|越高|越大|越多|最大化|更高|更大|提高|提升"
)

_IS_WORSE = r"(?:\s+values?)?\s*(?:is|are|=|ist|sind)\s*(?:worse|worst|bad|schlecht\w*)\b"
_PHRASE = rf"(?:{_LOWER}|{_HIGHER})"
_BETTER = r"\s+(?:values?\s+)?(?:is|are|ist|sind)\s+(?:better|best|besser|worse|bad)|越好|好"
_IN_NAMES = r"(?:max|min|maximum|minimum|low|less|more|up|down)\b"


def normalise(name: str) -> str:
    """A heading or field name without what does not matter: case, emphasis, numbering, remarks in brackets."""
    text = unicode_normalize("NFKC", name).lower()
    text = re.sub(r"[\u2010-\u2015_-]+", " ", text)
    text = re.sub(r"\([^()]*\)?|\[[^\[\]]*\]", " ", text)
    text = re.sub(r"^\W*(?:(?:section|step|part)\s+)?\d+(?:\.\d+)*\s*[.):]?\s*(?=\D)", "", text)
    text = re.sub(r"^\W*(?:[一二三四五六七八九十]+\s*[、.:)]\s*|(?:[a-k]|[ivx]+)[.)]\s+)", "", text)
    return " ".join(re.sub(r"[^\w/ ]+", " ", text).split())


def section_of(name: str) -> str | None:
    """Which section a heading opens; None for one that has no meaning here."""
    return SECTIONS.get(normalise(name))


def directions_in(text: str) -> set[Direction]:
    """The directions that a text speaks of."""
    plain = unicode_normalize("NFKC", text).lower().replace("_", " ")
    plain = re.sub(rf"\b(?:not|never|nicht|instead of|rather than|statt)\s+(?:{_LOWER}|{_HIGHER})", " ", plain)
    plain = re.sub(
        rf"(?:(?P<low>{_LOWER})|{_HIGHER}){_IS_WORSE}", lambda bad: "higher" if bad["low"] else "lower", plain
    )
    found = {Direction.LOWER} if re.search(_LOWER, plain) else set()
    return found | ({Direction.HIGHER} if re.search(_HIGHER, plain) else set())


def read_direction(text: str) -> Direction | None:
    """The direction a text means: its first statement counts, remarks only when that has none."""
    first = re.split(r"[(（;；,，.。—–]| - ", text, maxsplit=1)[0]
    for part in (first, text):
        found = directions_in(part)
        if len(found) == 1:
            return found.pop()
    return None


def without_directions(text: str) -> str:
    """A text without the words that only say a direction; ``max latency`` is a name."""
    return re.sub(rf"(?i){_PHRASE}(?:{_BETTER})|(?!{_IN_NAMES}){_PHRASE}", " ", text)
