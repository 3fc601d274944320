"""Which headings are a key of the front matter, in the many ways people write them. Pure names, no values.

Loose are names that also head prose (`## Data`, `## Model`, `## Tests`): there a section that can not be read as the
key's value and is written in sentences stays a note. Vague are those that head prose more often than not: they count
only where all that stands below is commands.
"""

from __future__ import annotations

import difflib

from pytest_autoresearch.protocol.vocabulary import normalise

STRICT: dict[str, str] = {
    "guard": "guard, guards, guard command, guard commands, guard test, guard tests, guard check, guard checks, "
    "guard file, guard files, guard script, guards and checks, wächter, 守卫, 守卫命令, 防护命令",
    "limits": "limits, limit, metric limits, limits on other metrics, limits on secondary metrics, "
    "secondary metric limits, limits on other numbers, grenzwerte, 指标限制, 指标上限",
    "holdout": "holdout, hold out, holdouts, holdout command, holdout measurement, holdout evaluation, holdout run, "
    "holdout set, hidden holdout, hidden measurement",
    "caches": "caches, cache, cache paths, cache path, cache directories, cache directory, cache files, shared caches",
    "knobs": "knobs, knob, knob names",
    "agent_args": "agent args, agent arguments, agent options, agent flags",
    "agent_env": "agent env, agent environment, agent environment variables",
    "agent_network": "agent network, agent network access",
    "agent_hosts": "agent hosts, agent allowed hosts",
    "agent_deadline": "agent deadline, agent timeout, agent time limit",
    "review": "review, reviewer, advisory review, review agent",
    "agent_try": "agent try, agent tries, agent trial runs",
    "guard_workers": "guard workers",
    "max_cost": "max cost, maximum cost, cost limit, cost budget, cost cap",
    "max_tokens": "max tokens, maximum tokens, token limit, token budget",
    "patience": "patience",
    "isolation": "isolation, isolation level",
    "executor": "executor",
    "address": "cluster address, ray address",
    "fail_on": "fail on",
    "suspicious": "suspicious, suspicious gains",
    "prices": "prices, token prices",
}
LOOSE: dict[str, str] = {
    "guard": "check, checks, check command, check commands, test command, test commands, tests, test suite, "
    "regression test, regression tests, correctness, correctness check, correctness checks, correctness gate, "
    "correctness command, quality gate, quality gates, gate, gates, gate command, safety check, safety checks, "
    "safety command, sanity check, sanity checks, must pass, tests that must pass, guardrail, guardrails, "
    "guard rail, guard rails, guardrail command, backpressure checks, prüfungen, prüfbefehl, 检查, 检查命令, 测试命令",
    "limits": "hard limits, secondary metrics, secondary metric, guardrail metrics, guard metrics, thresholds",
    "holdout": "held out, held out set, held out evaluation, held out measurement",
    "data": "data, data files, data file, data paths, data path, data directory, data directories, data dir, "
    "data folder, data folders, dataset, datasets, daten, 数据, 数据文件",
    "build": "build, build command, build commands, build step, build steps, build script, 构建, 构建命令",
    "env": "env, environment, environment variables, environment variable, env vars, env variables, variables, "
    "umgebung, umgebungsvariablen, 环境变量",
    "network": "network, network access, internet, internet access, netzwerk, 网络",
    "memory": "memory, memory limit, max memory, memory budget, ram, ram limit, speicher",
    "git": "git",
    "progress": "progress, progress metric, progress line",
    "agents": "agent, agents, proposer",
    "model": "model, agent model, llm",
    "judge": "judge, keep rule, judge policy",
    "experiments": "experiments, max experiments, maximum experiments, number of experiments, experiment count, "
    "max iterations, iterations, number of iterations",
    "duration": "duration, session duration, total duration, session length, session time, total time",
    "until": "until, stop when, stop at",
    "workers": "workers, slots",
    "look_ahead": "look ahead",
    "publish": "publish",
    "seed": "seed, random seed",
    "seeds": "seeds, paired seeds",
}

VAGUE: dict[str, str] = {
    "guard": "verification, verification command, verification commands, verify, validation, validation command, "
    "validation commands, acceptance, acceptance criteria, acceptance tests, acceptance checks, tests must pass, "
    "all tests must pass, required tests, required checks, unit tests, lint, linting, lint command, type check, "
    "type checks, type checking, pre commit, pre commit checks, ci, ci checks, regression, regression check, "
    "regression checks, invariants, non regression, safety, hard gates, hard guardrails, abnahme, 验证, 验证命令",
}

_BY_NAME = {
    name.strip(): key for table in (VAGUE, LOOSE, STRICT) for key, names in table.items() for name in names.split(",")
}
_STRICT_NAMES = frozenset(name.strip() for names in STRICT.values() for name in names.split(","))
_VAGUE_NAMES = frozenset(name.strip() for names in VAGUE.values() for name in names.split(","))
_GUARDING = frozenset({"guard", "limits", "holdout"})
_IN_A_LINE = frozenset({"data", "build", "env", "network", "memory"})
_MISSPELT = ("guard", "guards", "guard command", "limits", "holdout", "environment", "caches", "isolation", "patience")


def key_of(title: str) -> str | None:
    """The key that a heading names; None for any other. `Regression Guard` heads a guard as well, or prose on one."""
    name = normalise(title)
    words = name.split()
    is_some_guard = len(words) <= 3 and not {"guard", "guards"}.isdisjoint(words) and nearly(title) is None
    return _BY_NAME.get(name, "guard" if is_some_guard else None)


def is_loose(title: str) -> bool:
    """Whether a heading that names a key may as well head prose."""
    return normalise(title) not in _STRICT_NAMES


def is_vague(title: str) -> bool:
    """Whether a heading heads prose more often than the key's value."""
    name = normalise(title)
    return name in _VAGUE_NAMES or name not in _BY_NAME


def is_guarding(key: str, title: str) -> bool:
    """Whether a line `**Title**: value` within another section must be this key: else a false keep would follow."""
    return key in _GUARDING and not is_loose(title)


def opens_within_a_line(key: str, title: str, *, is_opening: bool) -> bool:
    """Whether `Title: value` is this key before the first heading; in other sections only what guards a keep is."""
    return is_guarding(key, title) or (is_opening and (not is_loose(title) or key in _IN_A_LINE))


def nearly(title: str) -> str | None:
    """The key's heading that a heading was probably meant to be."""
    name = normalise(title)
    if name in _BY_NAME or len(name) < 5:
        return None
    if any(sorted(name) == sorted(known) for known in _MISSPELT):
        return next(known for known in _MISSPELT if sorted(name) == sorted(known))
    near = difflib.get_close_matches(name, _MISSPELT, n=1, cutoff=0.87)
    return near[0] if near and name[0] == near[0][0] else None
