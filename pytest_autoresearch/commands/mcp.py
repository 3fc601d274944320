"""``pytest-autoresearch mcp``: a Model Context Protocol server on stdin and stdout, so that any agent can run sessions.

Our own few lines instead of the official library: that brings a web framework along, drops arguments that are
misspelt, and ends what runs when its client goes. A tool is one of our commands in a process of its own; a session that
was started runs on by itself. The official client library is what the tests talk with.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from pytest_autoresearch import __version__
from pytest_autoresearch.commands.mcp_tools import TOOLS, Tool
from pytest_autoresearch.errors import AutoresearchError
from pytest_autoresearch.text import clean, one_line

VERSIONS = ("2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05")
LONGEST_LINE = 4 << 20  # bytes of a request
LONGEST_TEXT = 60_000  # characters of a result; more fills a context for nothing
AT_ONCE = 8  # calls
STARTING = 20.0  # s to see whether a session has begun
PARSE, INVALID, UNKNOWN, PARAMS = -32700, -32600, -32601, -32602
INSTRUCTIONS = (
    "Runs autoresearch sessions: an agent changes one thing in target files, a run with a fixed budget measures a"
    " metric, improvements are kept as git commits. Order: init (or show), doctor, start, then status now and then;"
    " note, pause and stop steer; log and verify tell what came of it. A session runs in the background for hours: do"
    " not wait for it."
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments: there are none."""


def run(args: argparse.Namespace) -> int:
    """Serve until stdin ends."""
    Server(sys.stdin.buffer, sys.stdout.buffer).serve()
    return 0


class Server:
    """Answers requests, each tool in a thread and a process of its own; those end with the connection."""

    def __init__(self, reading: BinaryIO, writing: BinaryIO) -> None:
        self._reading, self._writing = reading, writing
        self._lock = threading.Lock()
        self._running: dict[str, subprocess.Popen[bytes] | None] = {}

    def serve(self) -> None:
        """Read line by line until there are none."""
        try:
            while line := self._reading.readline(LONGEST_LINE + 1):
                if len(line) > LONGEST_LINE:
                    self._fail(None, PARSE, f"a line of more than {LONGEST_LINE >> 20} MiB")
                    return
                if line.strip():
                    self._take(line)
        finally:
            with self._lock:
                for process in self._running.values():
                    _end(process)

    def _take(self, line: bytes) -> None:
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            self._fail(None, PARSE, "no JSON")
            return
        if not isinstance(message, dict) or not isinstance(message.get("method"), str):
            if not isinstance(message, dict) or "result" not in message:  # answers to what was never asked
                self._fail(None, INVALID, "no request")
            return
        method, number, params = message["method"], message.get("id"), message.get("params")
        params = params if isinstance(params, dict) else {}
        if "id" not in message:
            if method == "notifications/cancelled":
                with self._lock:
                    _end(self._running.get(json.dumps(params.get("requestId"))))
        elif method == "tools/call":
            self._call(number, params)
        elif method in ("initialize", "ping", "tools/list"):
            self._answer(number, _told(method, params))
        else:
            self._fail(number, UNKNOWN, f"{one_line(method)} is not offered")

    def _call(self, number: Any, params: Mapping[str, Any]) -> None:
        tool = TOOLS.get(str(params.get("name")))
        given = params.get("arguments")
        given = given if isinstance(given, dict) else {}
        if tool is None:
            self._fail(number, PARAMS, f"there is no tool {one_line(str(params.get('name')))!r}")
            return
        if fault := tool.fault(given):
            self._answer(number, _result(fault, failed=True))
            return
        key = json.dumps(number)
        with self._lock:
            busy = len(self._running) >= AT_ONCE or key in self._running
            if not busy:
                self._running[key] = None
        if busy:
            self._answer(number, _result(f"{AT_ONCE} calls are under way; ask again", failed=True))
            return
        threading.Thread(target=self._work, args=(number, key, tool, given), daemon=True).start()

    def _work(self, number: Any, key: str, tool: Tool, given: Mapping[str, Any]) -> None:
        try:
            result = _started(tool, given) if tool.is_session else self._done(key, tool, given)
        except (AutoresearchError, OSError, ValueError) as error:
            result = _result(str(error), failed=True)
        finally:
            with self._lock:
                self._running.pop(key, None)
        self._answer(number, result)

    def _done(self, key: str, tool: Tool, given: Mapping[str, Any]) -> dict[str, Any]:
        """The tool's command, to its end."""
        command = [sys.executable, "-m", "pytest_autoresearch.cli", *tool.command(given)]
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
        )
        with self._lock:
            self._running[key] = process
        output, complaint = process.communicate()
        said, told = clean(output).strip(), clean(complaint).strip()
        # 1 is an answer too (doctor: it would not work), where there is one
        failed = process.returncode != 0 and not (process.returncode == 1 and said)
        return _result("\n".join(filter(None, (said, told if failed or not said else ""))) or "done", failed=failed)

    def _answer(self, number: Any, result: Mapping[str, Any]) -> None:
        self._write({"jsonrpc": "2.0", "id": number, "result": result})

    def _fail(self, number: Any, code: int, words: str) -> None:
        self._write({"jsonrpc": "2.0", "id": number, "error": {"code": code, "message": words}})

    def _write(self, message: Mapping[str, Any]) -> None:
        data = json.dumps(message).encode() + b"\n"
        with self._lock, suppress(OSError, ValueError):  # the client has gone
            self._writing.write(data)
            self._writing.flush()


def _told(method: str, params: Mapping[str, Any]) -> dict[str, Any]:
    if method == "initialize":
        asked = params.get("protocolVersion")
        return {
            "protocolVersion": asked if asked in VERSIONS else VERSIONS[0],
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "pytest-autoresearch", "version": __version__},
            "instructions": INSTRUCTIONS,
        }
    return {"tools": [tool.schema(name) for name, tool in TOOLS.items()]} if method == "tools/list" else {}


def _started(tool: Tool, given: Mapping[str, Any]) -> dict[str, Any]:
    """A session of its own process and group, which writes to a file; watched until its header is there."""
    from pytest_autoresearch.notebook.git import Git

    path = Path(str(given.get("path", "."))).expanduser()
    directory = path if path.is_dir() else Path(str(path).partition("::")[0]).parent
    with Git.discover(directory.absolute()) as git:
        place = git.common_dir / "autoresearch"
    place.mkdir(parents=True, exist_ok=True)
    log = place / f"started-{time.time_ns()}.log"
    words = tool.command({**given, "path": str(path.absolute())})
    words.remove("--")  # pytest has paths without it
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "pytest", *words],
            cwd=directory,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    deadline = time.monotonic() + STARTING
    while process.poll() is None and time.monotonic() < deadline and b"  incumbent" not in log.read_bytes():
        time.sleep(0.1)
    said = clean(log.read_bytes())
    if process.poll() not in (None, 0):
        return _result(f"it did not begin (exit status {process.returncode}):\n{said[-LONGEST_TEXT:]}", failed=True)
    threading.Thread(target=process.wait, daemon=True).start()  # no zombie while this server lives
    return _result(json.dumps({"pid": process.pid, "log": str(log), "said": said.strip().splitlines()[-15:]}))


def _result(text: str, *, failed: bool = False) -> dict[str, Any]:
    if len(text) > LONGEST_TEXT:
        text = f"{text[:LONGEST_TEXT]}\n[… {len(text) - LONGEST_TEXT} more characters are left out]"
    return {"content": [{"type": "text", "text": text}], "isError": failed}


def _end(process: subprocess.Popen[bytes] | None) -> None:
    """Interrupt a command as Ctrl-C does: what it has started is ended by it."""
    if process is not None and process.poll() is None:
        with suppress(OSError):
            os.killpg(process.pid, signal.SIGINT)
