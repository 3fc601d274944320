from __future__ import annotations

import subprocess
import sys

import pytest

from pytest_autoresearch.errors import ConfigError
from pytest_autoresearch.protocol.model import Options
from pytest_autoresearch.protocol.options import OPTIONS
from pytest_autoresearch.protocol.settings import Settings, resolve


def test_every_setting_is_filled_in() -> None:
    settings = resolve({}, {}, Options(), {})
    assert (settings.agents, settings.judge, settings.isolation, settings.executor) == (
        ("auto",),
        "grouped",
        "auto",
        "local",
    )
    assert (settings.workers, settings.seed, settings.fail_on, settings.publish, settings.targets) == (
        1,
        0,
        "never",
        False,
        (),
    )
    assert (settings.crashes, settings.agent_deadline) == (10, 900)
    unlimited = ("tag", "live", "experiments", "duration", "patience", "until", "max_cost", "max_tokens", "model")
    assert [getattr(settings, name) for name in unlimited] == [None] * len(unlimited)


SAID = {
    "tag": ("mar5", "mar5"),
    "agent": ("claude,codex", ("claude", "codex")),
    "model": ("opus", "opus"),
    "judge": ("fast", "fast"),
    "experiments": ("0", 0),
    "duration": ("8h", 28_800),
    "max_cost": ("$2.50", 2.5),
    "max_tokens": ("500000", 500_000),
    "patience": ("20", 20),
    "until": ("0.9", 0.9),
    "targets": ("a.py, b.py", ("a.py", "b.py")),
    "guard": ("tests/\nmypy src", ("tests/", "mypy src")),
    "workers": ("4", 4),
    "look_ahead": ("no", "no"),
    "executor": ("ray", "ray"),
    "address": ("node1:6379", "node1:6379"),
    "isolation": ("strict", "strict"),
    "publish": ("yes", True),
    "live": ("8123", 8123),
    "observers": ("mlflow, log.jsonl", ("mlflow", "log.jsonl")),
    "notify": ("notify-send hello", "notify-send hello"),
    "fail_on": ("no-keep", "no-keep"),
    "suspicious": ("stop", "stop"),
    "seed": ("7", 7),
}


def value_of(settings: Settings, name: str) -> object:
    return getattr(settings, "agents" if name == "agent" else name)


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_every_option_is_read_from_command_line_environment_and_ini(option: object) -> None:
    name: str = option.name  # type: ignore[attr-defined]
    text, value = SAID[name]
    for place in ({"cli": {name: text}}, {"env": {option.env: text}}, {"ini": {name: text}}):  # type: ignore[attr-defined]
        settings = resolve(place.get("cli", {}), place.get("env", {}), Options(), place.get("ini", {}))
        assert value_of(settings, name) == value


def test_command_line_beats_environment_beats_protocol_beats_ini_beats_default() -> None:
    cli, env, ini = {"patience": "1"}, {"AUTORESEARCH_PATIENCE": "2"}, {"patience": "4"}
    options = Options(patience=3)
    found = [
        resolve(cli, env, options, ini),
        resolve({}, env, options, ini),
        resolve({}, {}, options, ini),
        resolve({}, {}, Options(), ini),
        resolve({}, {}, Options(), {}),
    ]
    assert [settings.patience for settings in found] == [1, 2, 3, 4, None]
    assert [settings.sources["patience"] for settings in found] == [
        *(
            "--autoresearch-patience",
            "AUTORESEARCH_PATIENCE",
            "protocol",
            "ini option autoresearch_patience",
            "default",
        ),
    ]


def test_an_empty_value_says_nothing() -> None:
    settings = resolve({"patience": None}, {"AUTORESEARCH_PATIENCE": ""}, Options(patience=3), {"patience": ""})
    assert settings.patience == 3


@pytest.mark.parametrize(
    ("cli", "env", "ini", "message"),
    [
        ({"duration": "soon"}, {}, {}, "--autoresearch-duration: `soon` is not a duration"),
        ({}, {"AUTORESEARCH_DURATION": "-1h"}, {}, "AUTORESEARCH_DURATION: `-1h` is not a duration"),
        ({}, {}, {"max_cost": "0"}, "ini option autoresearch_max_cost: `0` is not an amount of US dollars"),
        ({"isolation": "full"}, {}, {}, "--autoresearch-isolation: `full` is none of strict, auto, none"),
        ({"workers": "0"}, {}, {}, "--autoresearch-workers: `0` is not a whole number of 1 or more"),
        ({"agent": " , "}, {}, {}, "--autoresearch-agent: no agent is named"),
        ({"agent": "command: "}, {}, {}, "`command:` names no program"),
        ({"publish": "maybe"}, {}, {}, "neither `yes` nor `no`"),
        ({"until": "nan"}, {}, {}, "--autoresearch-until: `nan` is not a number"),
        ({"tag": "a/b"}, {}, {}, "--autoresearch-tag: `a/b` is no usable branch name"),
        ({"seed": "٣"}, {}, {}, "is not a whole number"),
        ({"experiments": "9" * 30}, {}, {}, "is not a whole number"),
    ],
)
def test_a_bad_value_names_the_place_it_stands_in(
    cli: dict[str, str], env: dict[str, str], ini: dict[str, str], message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        resolve(cli, env, Options(), ini)
    assert message in str(caught.value)


def test_the_command_of_an_agent_may_hold_commas() -> None:
    settings = resolve({"agent": "sweep, command:propose --of a,b"}, {}, Options(), {})
    assert settings.agents == ("sweep", "command:propose --of a,b")


def test_what_only_the_protocol_can_say_is_passed_on() -> None:
    options = Options(
        agent_args=("--x",),
        agent_env=("KEY",),
        agent_network="no",
        agent_hosts=("example.org", "*.example.org:8443"),
        agent_deadline=60,
        prices={"input": 3},
        guard_workers=2,
    )
    settings = resolve({}, {}, options, {})
    assert (settings.agent_args, settings.agent_env, settings.agent_network) == (("--x",), ("KEY",), "no")
    assert settings.agent_hosts == ("example.org", "*.example.org:8443")
    assert (settings.agent_deadline, settings.prices, settings.guard_workers) == (60, {"input": 3}, 2)


def test_publishing_is_wanted_by_saying_how_and_can_be_switched_off() -> None:
    assert resolve({}, {}, Options(publish={"results": "artifact"}), {}).publish is True
    assert resolve({"publish": "no"}, {}, Options(publish=True), {}).publish is False


def test_the_table_that_pytest_loads_at_start_brings_nothing_heavy_along() -> None:
    load = "import pytest_autoresearch.protocol.options"
    code = f"import sys, pytest; before = set(sys.modules); {load}; print(*(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) <= {
        "pytest_autoresearch",
        "pytest_autoresearch.protocol",
        "pytest_autoresearch.protocol.durations",
        "pytest_autoresearch.protocol.options",
        "pytest_autoresearch.protocol.tags",
    }


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("AUTORESEARCH_EXPERIMNTS", "AUTORESEARCH_EXPERIMENTS"),
        ("AUTORESEARCH_EXPERIMENT", "AUTORESEARCH_EXPERIMENTS"),
        ("AUTORESEARCH_AGENTS", "AUTORESEARCH_AGENT"),
        ("AUTORESEARCH_MAXCOST", "AUTORESEARCH_MAX_COST"),
    ],
)
def test_a_variable_that_is_nearly_an_option_is_refused_with_its_name(name: str, meant: str) -> None:
    with pytest.raises(ConfigError) as refused:
        resolve({}, {name: "3"}, Options(), {})
    assert name in refused.value.message and refused.value.remedy == f"did you mean {meant}?"


def test_other_variables_of_the_prefix_are_the_persons_own() -> None:
    mine = {"AUTORESEARCH_DATABASE": "x", "AUTORESEARCH_TOKEN": "y", "AUTORESEARCH_TAG": "t"}
    assert resolve({}, mine, Options(), {}).tag == "t"
    inside = {"AUTORESEARCH_EXPERIMENT": "3", "AUTORESEARCH_TAG": "t", "AUTORESEARCH_SEED": "5"}
    assert (resolve({}, inside, Options(), {}).tag, resolve({}, inside, Options(), {}).seed) == (None, 0)


@pytest.mark.parametrize(
    ("text", "port"),
    [(" Yes ", 0), ("no", None), ("0", 0), ("65535", 65535), ("65536", ...), ("100000", ...), ("-1", ...)],
)
def test_a_port_is_one_of_a_machine(text: str, port: object) -> None:
    if port is ...:
        with pytest.raises(ConfigError, match=f"`{text}` is no port"):
            resolve({"live": text}, {}, Options(), {})
    else:
        assert resolve({"live": text}, {}, Options(), {}).live == port
