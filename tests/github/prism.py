"""Stoplight's Prism in front of a fake GitHub: it holds every request and answer against GitHub's own description."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

PROGRAM = shutil.which("prism")
PACKAGES = Path(PROGRAM).parents[1] if PROGRAM else Path()
DESCRIPTION = PACKAGES / "@octokit/openapi/generated/api.github.com.json"
STARTS_WITHIN = 60.0  # s; it takes one on an idle machine
# REST's description has no GraphQL; what is asked there is held against GraphQL's own.
_OBJECT = {"application/json": {"schema": {"type": "object"}}}
_GRAPHQL = {
    "post": {"requestBody": {"content": _OBJECT}, "responses": {"200": {"description": "", "content": _OBJECT}}}
}


@dataclass(frozen=True, slots=True)
class Prism:
    """A proxy that reports, and lets everything pass."""

    url: str
    log: Path

    def violations(self, *, statuses: bool = True) -> list[str]:
        """What it found, asked once at the end.

        With ``statuses`` also answers with one that the description leaves out, such as 502.
        """
        end = f"/the-end-{time.monotonic_ns()}"
        requests.get(self.url + end, timeout=STARTS_WITHIN)
        _wait_until(lambda: end in self.log.read_text("utf-8"))  # it logs in order, and late
        found = [line for line in self.log.read_text("utf-8").partition(end)[0].splitlines() if "Violation:" in line]
        return [line for line in found if statuses or "status code" not in line]


def cut_to(description: dict[str, Any], paths: set[str]) -> dict[str, Any]:
    """A description of these paths only: Prism starts in a second, and not in half a minute."""
    kept: dict[str, Any] = {path: description["paths"][path] for path in sorted(paths)}
    components: dict[str, dict[str, Any]] = {}
    open_nodes: list[Any] = [kept]
    while open_nodes:
        node = open_nodes.pop()
        if isinstance(node, dict):
            open_nodes += node.values()
            if isinstance(reference := node.get("$ref"), str):
                kind, name = reference.removeprefix("#/components/").split("/", 1)
                known = components.setdefault(kind, {})
                if name not in known:
                    known[name] = description["components"][kind][name]
                    open_nodes.append(known[name])
        elif isinstance(node, list):
            open_nodes += node
    for parameter in components.get("parameters", {}).values():
        if parameter["in"] == "path":  # where a number and a string look alike, GitHub's "one of" is never one
            parameter["schema"] = {"anyOf" if k == "oneOf" else k: v for k, v in parameter["schema"].items()}
    head = {"openapi": description["openapi"], "info": description["info"]}
    return {**head, "paths": {**kept, "/graphql": _GRAPHQL}, "components": components}


@contextmanager
def standing(description: Path, upstream: str, log: Path) -> Iterator[Prism]:
    """A proxy for the time of a test."""
    assert PROGRAM is not None
    command = [PROGRAM, "proxy", str(description), upstream, "--host", "127.0.0.1", "--port", "0"]
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    try:
        announced = "listening on "
        _wait_until(lambda: process.poll() is not None or announced in log.read_text("utf-8"))
        assert process.poll() is None, log.read_text("utf-8")
        yield Prism(log.read_text("utf-8").partition(announced)[2].split()[0], log)
    finally:
        process.kill()
        process.wait()


def _wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + STARTS_WITHIN
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
