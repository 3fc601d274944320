"""The MCP server, spoken to by the official client library and by a client that does everything wrong."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from pytest_autoresearch.cli import COMMANDS
from pytest_autoresearch.commands.mcp_tools import TOOLS
from tests.conftest import Project

mcp = pytest.importorskip("mcp", reason="needs mcp")


def talk(project: Project, talking: Callable[[Any], Awaitable[Any]]) -> Any:
    """What ``talking`` gives, with a session of the official client."""
    from mcp import ClientSession, StdioServerParameters, stdio_client

    parameters = StdioServerParameters(
        command=sys.executable,
        args=["-m", "pytest_autoresearch.cli", "mcp"],
        env={**project.env, "PYTEST_ADDOPTS": "-p no:cacheprovider -p no:randomly"},
        cwd=project.root,
    )

    async def run() -> Any:
        async with stdio_client(parameters) as streams, ClientSession(*streams) as session:
            began = await session.initialize()
            assert "autoresearch" in (began.instructions or "")
            return await talking(session)

    return asyncio.run(run())


async def call(session: Any, tool: str, **arguments: Any) -> tuple[bool, str]:
    """Whether a call failed, and its text."""
    result = await session.call_tool(tool, arguments)
    failed = getattr(result, "is_error", getattr(result, "isError", None))
    return bool(failed), result.content[0].text


def test_the_official_client_finds_every_tool_with_its_schema(project: Project) -> None:
    async def talking(session: Any) -> Any:
        return (await session.list_tools()).tools

    found = {tool.name: tool for tool in talk(project, talking)}
    named = "init doctor start status log show note pause stop drop verify"
    assert sorted(found) == sorted(named.split())
    assert all(tool.description for tool in found.values())


@pytest.mark.slow
def test_a_session_is_begun_followed_steered_and_read(project: Project) -> None:
    async def talking(session: Any) -> dict[str, tuple[bool, str]]:
        said = {"show": await call(session, "show"), "doctor": await call(session, "doctor", no_run=True)}
        said["start"] = await call(session, "start", experiments=2000, agent="random")
        assert not said["start"][0], said["start"][1]
        while not (project.root / "results.tsv").exists() or len(project.table()) < 4:
            await asyncio.sleep(0.2)
        said["status"] = await call(session, "status")
        said["note"] = await call(session, "note", text="--off", tag="demo")
        said["pause"] = await call(session, "pause")
        said["go on"] = await call(session, "pause", off=True)
        said["log"] = await call(session, "log")
        said["one"] = await call(session, "log", show=1)
        said["stop"] = await call(session, "stop")
        while not (await call(session, "stop"))[0]:  # there is nothing to stop when it has ended
            await asyncio.sleep(0.2)
        return said

    said = talk(project, talking)
    assert not [name for name, (failed, _) in said.items() if failed]
    assert "loss" in said["show"][1] and "loss" in said["status"][1]
    assert "ready" in json.loads(said["doctor"][1])
    assert json.loads(said["start"][1])["pid"] > 0
    assert "--off" in said["note"][1], "a hint that looks like a flag is a hint"
    assert json.loads(said["one"][1])


def test_what_is_wrong_with_a_call_is_told_and_nothing_is_run(project: Project) -> None:
    async def talking(session: Any) -> list[tuple[bool, str]]:
        return [
            await call(session, "note"),
            await call(session, "log", sohw=1),
            await call(session, "log", show="1"),
            await call(session, "drop", number=True),
            await call(session, "init", direction="sideways"),
            await call(session, "log", path="/nowhere/at/all"),
            await call(session, "start", path="no-such-directory/x.md"),
        ]

    said = talk(project, talking)
    assert all(failed for failed, _ in said)
    words = [text for _, text in said]
    assert words[0] == "text is missing"
    assert words[1].startswith("there is no argument 'sohw'; there are: path, tag, show, diff")
    assert words[2] == "show is no integer" and words[3] == "number is no integer"
    assert words[4] == "direction is none of lower, higher"
    assert not (project.root / "results.tsv").exists()


@pytest.mark.slow
def test_a_session_that_can_not_begin_says_why(project: Project) -> None:
    (project.root / "autoresearch.config.md").write_text("# nothing in it\n")

    async def talking(session: Any) -> tuple[bool, str]:
        return await call(session, "start")

    failed, said = talk(project, talking)
    assert failed and said.startswith("it did not begin (exit status 4):") and "Metric" in said


@pytest.mark.slow
def test_a_started_session_outlives_the_server_and_a_command_does_not(project: Project) -> None:
    project.write("train.py", "import time\nRATE = 8.0\ntime.sleep(1)\nprint('loss:', RATE)\n")
    project.commit()

    async def talking(session: Any) -> int:
        failed, said = await call(session, "start", experiments=2, agent="random")
        assert not failed, said
        return int(json.loads(said)["pid"])

    pid = talk(project, talking)
    deadline = time.monotonic() + 100
    while time.monotonic() < deadline and not ((project.root / "results.tsv").exists() and len(project.table()) == 4):
        time.sleep(0.2)
    assert len(project.table()) == 4, f"process {pid} went on"


def exchange(project: Project, *lines: bytes) -> list[dict[str, Any]]:
    """What the server answers to these lines."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest_autoresearch.cli", "mcp"],
        input=b"".join(line + b"\n" for line in lines),
        cwd=project.root,
        env=project.env,
        capture_output=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_client_that_does_everything_wrong_gets_errors(project: Project) -> None:
    hello = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocolVersion": "1999"}})
    answers = exchange(
        project,
        b"not json",
        b"[" * 50_000,
        b"[]",
        b'{"id": 5}',
        b'{"id": 6, "method": 7}',
        b'{"id": 7, "method": "resources/list"}',
        b'{"id": 8, "method": "tools/call", "params": {"name": "rm"}}',
        b'{"id": 9, "method": "tools/call", "params": []}',
        b'{"method": "notifications/cancelled", "params": {"requestId": {"a": 1}}}',
        b'{"id": 10, "result": {}}',
        b"\xff\xfe",
        hello.encode(),
        b'{"id": "last", "method": "ping"}',
    )
    codes = [answer["error"]["code"] for answer in answers if "error" in answer]
    assert codes == [-32700, -32700, -32600, -32600, -32600, -32601, -32602, -32602, -32700]
    assert answers[-2]["result"]["protocolVersion"] == "2025-11-25"
    assert answers[-1] == {"jsonrpc": "2.0", "id": "last", "result": {}}


def test_a_line_without_end_ends_the_connection(project: Project) -> None:
    (answer,) = exchange(project, b"x" * (5 << 20))
    assert answer["error"]["message"] == "a line of more than 4 MiB"


def test_every_tool_is_a_command_and_every_flag_is_known_to_it() -> None:
    for name, tool in TOOLS.items():
        assert tool.is_session or tool.words[0] in COMMANDS, name
        required = {key for key, argument in tool.arguments.items() if argument.required}
        assert required <= set(tool.positional)
