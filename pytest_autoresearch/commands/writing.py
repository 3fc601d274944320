"""A new config on disk: written, read back, and proved with one run of the baseline."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from pytest_autoresearch.errors import ConfigError
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.protocol.experiment import Reason
from pytest_autoresearch.protocol.markdown import parse
from pytest_autoresearch.protocol.model import Protocol
from pytest_autoresearch.protocol.settings import resolve
from pytest_autoresearch.protocol.template import template
from pytest_autoresearch.research.proving import Proof, prove


def write(config: Path, text: str) -> None:
    try:
        with config.open("x", encoding="utf-8") as stream:
            stream.write(text)
    except OSError as error:
        raise ConfigError(f"it can not be written: {error.strerror}", file=config) from None


def set_aside(config: Path) -> Path:
    """Give the config that is there another name, which is returned."""
    aside = next(path for n in range(1, 10_000) if not (path := config.with_name(f"{config.name}.before-{n}")).exists())
    try:
        config.rename(aside)
    except OSError as error:
        raise ConfigError(f"it can not be renamed: {error.strerror}", file=config) from None
    return aside


def prove_config(protocol: Protocol, git: Git, config: Path, *, words: str = "is written") -> int:
    """Run the baseline once and say how it went; an extract command that fits its log is put into the config. 1: no."""
    guards = ", then the guard" if protocol.guard else ""
    print(f"{config} {words}. Proving it with one run of what is committed{guards} …", flush=True)
    proof = _proof(protocol, git)
    if proof.red:
        protocol = _without_guard(protocol, proof.red, config)
        proof = _proof(protocol, git)
    if proof.measured.offered is not None:
        protocol = _with_extract(protocol, proof.measured.offered, config)
        proof = _proof(protocol, git)
    return _report(proof, protocol, config)


def _proof(protocol: Protocol, git: Git) -> Proof:
    with _ticking() as tick:
        return prove(protocol, git, resolve({}, os.environ, protocol.options, {}), tick=tick, guards=True)


def _without_guard(protocol: Protocol, red: str, config: Path) -> Protocol:
    """Write the config anew without tests that are red already: a session with them could not begin."""
    print(f"It guards nothing yet: {red}\nMend that, then write it in: `guard: [{', '.join(protocol.guard)}]`.")
    text = template(replace(protocol, guard=()))
    config.write_text(text, encoding="utf-8")
    return parse(text, file=protocol.source)


def _with_extract(protocol: Protocol, extract: str, config: Path) -> Protocol:
    """Write the config anew with a command that reads what the run printed."""
    print(f"The log is read with an extract command: {extract}")
    text = template(replace(protocol, metric=replace(protocol.metric, extract=extract)))
    config.write_text(text, encoding="utf-8")
    return parse(text, file=protocol.source)


@contextmanager
def _ticking() -> Iterator[Callable[[float], None]]:
    """Shows the seconds of the run while it lasts, on a terminal only."""
    is_shown = sys.stderr.isatty()

    def tick(seconds: float) -> None:
        if is_shown:
            print(f"\r  running, {seconds:.0f} s ", end="", file=sys.stderr, flush=True)

    yield tick
    if is_shown:
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def _report(proof: Proof, protocol: Protocol, config: Path) -> int:
    name, measured = protocol.metric.name, proof.measured
    if measured.value is not None:
        file = protocol.metric.file
        place = "the extract command" if protocol.metric.extract is not None else file.words() if file else "the log"
        print(f"It works: {name} = {measured.value:.6g} after {measured.duration:.1f} s, read from {place}.")
        print(f"Guard: {', '.join(protocol.guard) or 'none, so nothing but the metric judges an edit'}.")
        print(f"Next: read {config} through, then run\n    pytest --autoresearch {config}")
        return 0
    failure = measured.failure or Reason.ERROR
    print(f"The run does not give {name} yet: {failure.value}: {measured.detail}")
    if measured.hint:
        print(f"  {measured.hint}")
    if measured.log_tail:
        print("The end of its log:\n" + "\n".join(f"    {line}" for line in measured.log_tail.split("\n")))
    for remedy in proof.remedies:
        print(f"To mend it: {remedy.line}")
    print(f"Change {config} or the code (and commit it); `pytest-autoresearch doctor` tries again.")
    return 1
