"""One turn over the Agent Client Protocol, version 1; a program of its own, run inside the agent's sandbox.

Usage: client.py ORDER.json < PROMPT, in the directory that the agent works in. It starts the agent, speaks JSON-RPC
over its stdin and stdout, answers what it asks for, and prints one line of JSON: what it said, its cost, its failure.

It has the agent's own rights and no others: whatever it writes or starts for the agent, the agent could do as well, and
the supervisor judges the difference when the turn is over. It trusts nothing that it reads.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from pytest_autoresearch.agents.acp.hands import (
    INVALID,
    LARGEST_OUTPUT,
    NOT_FOUND,
    REFUSED,
    Files,
    Json,
    Refusal,
    Terminal,
    dicts_in,
    number_of,
    permission,
    text_of,
)

PROTOCOL = 1
LONGEST_LINE = 8 << 20  # bytes
MOST_LINES = 200_000
MOST_STRAY = 1_000  # lines that are no message, or answer nothing that was asked
LONGEST_MESSAGE = 50_000  # characters of the agent's last message
MOST_TERMINALS = 16
LONGEST_WORDS = 2_000
LONGEST_RESULT = 200_000  # what is kept of an output is more
START = 120.0  # s until the session is there; agents load for a while


class Failed(Exception):
    """The turn can not go on; its words are for people."""


class Turn:
    """One agent, one session, one prompt."""

    def __init__(self, order: Mapping[str, Json]) -> None:
        self.argv: list[str] = list(order["argv"])
        self.model: str | None = order.get("model")
        self.cwd = os.getcwd()
        self.files = Files(os.path.join(self.cwd, order.get("root", ".")), self.cwd)
        self.modes: list[str] = list(order.get("modes", ()))
        self.agent, self.session, self.stop = "", "", ""
        self.messages: deque[str] = deque([""], maxlen=2)
        self.message_id: str | None = None
        self.result: Json = {}
        self.cost: Json = None
        self.tool_calls = self.writes = 0
        self.refused: deque[str] = deque(maxlen=5)
        self.terminals: dict[str, Terminal] = {}
        self._lines = self._stray = self._asked = 0
        self._lock = threading.Lock()
        self._waiting: int | None = None
        self._answer: Json = None
        self._late = ""
        self._stderr: deque[bytes] = deque(maxlen=50)

    def run(self, prompt: str) -> str:
        """Take the turn; returns why it failed, empty where it did not."""
        try:
            self.process = subprocess.Popen(
                self.argv,
                cwd=self.cwd,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as error:
            return f"{self.argv[0]}: {error.strerror}"
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        try:
            self._open()
            self.result = self._ask(
                "session/prompt", {"sessionId": self.session, "prompt": [{"type": "text", "text": prompt}]}
            )
        except Failed as failed:
            return self._late or str(failed)
        finally:
            for terminal in self.terminals.values():
                terminal.kill()
            with suppress(OSError):  # closing its stdin does not end every agent
                os.killpg(self.process.pid, signal.SIGKILL)
        self.stop = str(self.result.get("stopReason", ""))
        return "" if self.stop in ("end_turn", "") else f"it stopped: {self.stop}"

    # The conversation

    def _open(self) -> None:
        """A session in the mode and with the model that are wanted."""
        watchdog = threading.Timer(START, self._give_up, [f"no session within {START:.0f} s"])
        watchdog.daemon = True
        watchdog.start()
        capabilities = {"fs": {"readTextFile": True, "writeTextFile": True}, "terminal": True}
        client = {"name": "pytest-autoresearch", "title": "pytest-autoresearch", "version": "1"}
        began = self._ask(
            "initialize", {"protocolVersion": PROTOCOL, "clientCapabilities": capabilities, "clientInfo": client}
        )
        if began.get("protocolVersion") != PROTOCOL:
            raise Failed(f"it speaks version {began.get('protocolVersion')!r} of the protocol, not {PROTOCOL}")
        info = began.get("agentInfo")
        self.agent = str(info.get("name", "")) if isinstance(info, dict) else ""
        new = {"cwd": self.cwd, "mcpServers": []}
        try:
            session = self._ask("session/new", new)
        except Failed as failed:
            method = _key_method(began.get("authMethods"))
            if method is None:
                raise
            with suppress(Failed):
                self._ask("authenticate", {"methodId": method})
            try:
                session = self._ask("session/new", new)
            except Failed:
                raise failed from None
        self.session = str(session.get("sessionId", ""))
        if not self.session:
            raise Failed("session/new gave no session")
        self._choose(session)
        watchdog.cancel()

    def _choose(self, session: Mapping[str, Json]) -> None:
        modes = session.get("modes")
        offered = _ids(modes.get("availableModes"), "id") if isinstance(modes, dict) else []
        wanted = next((mode for name in self.modes for mode in offered if _plain(mode) == _plain(name)), None)
        if wanted is not None and isinstance(modes, dict) and wanted != modes.get("currentModeId"):
            with suppress(Failed):  # it then asks, and is answered
                self._ask("session/set_mode", {"sessionId": self.session, "modeId": wanted})
        if self.model is None:
            return
        models = session.get("models")
        offered = _ids(models.get("availableModels"), "modelId") if isinstance(models, dict) else []
        if self.model in offered:
            self._ask("session/set_model", {"sessionId": self.session, "modelId": self.model})
            return
        for option in dicts_in(session.get("configOptions")):
            if "model" in (option.get("id"), option.get("category")):
                asked = {"sessionId": self.session, "configId": option.get("id"), "value": self.model}
                self._ask("session/set_config_option", asked)
                return
        if offered:
            raise Failed(f"it has no model {self.model!r}; it offers {', '.join(offered[:10])}")

    def _ask(self, method: str, params: Json) -> Json:
        self._asked += 1
        self._waiting, self._answer = self._asked, None
        self._send({"jsonrpc": "2.0", "id": self._asked, "method": method, "params": params})
        while self._answer is None:
            self._handle(self._next())
        if "error" in self._answer:
            raise Failed(f"{method}: {_error_words(self._answer['error'])}")
        result = self._answer.get("result")
        return result if isinstance(result, dict) else {}

    def _next(self) -> Json:
        """The next message of the agent. Raises Failed where it ends, or floods."""
        assert self.process.stdout is not None
        while True:
            line = self.process.stdout.readline(LONGEST_LINE + 1)
            self._lines += 1
            if not line:
                self._listener.join(2)  # its last words may be on their way; a child of it can hold the pipe open
                raise Failed(self._late or f"it ended in the middle of the turn: {self.last_words(400) or 'no words'}")
            if len(line) > LONGEST_LINE:
                raise Failed(f"it sent a line of more than {LONGEST_LINE >> 20} MiB")
            if self._lines > MOST_LINES:
                raise Failed(f"it sent more than {MOST_LINES} messages")
            with suppress(ValueError, RecursionError):
                message = json.loads(line)
                if isinstance(message, dict):
                    return message
            if line.strip():
                self._stray_one()
                self._stderr.append(line[:LONGEST_WORDS])

    def _handle(self, message: Mapping[str, Json]) -> None:
        method, number = message.get("method"), message.get("id")
        if isinstance(method, str):
            params = message.get("params")
            params = params if isinstance(params, dict) else {}
            if number is None:
                if method == "session/update":
                    self._update(params.get("update"))
                return
            self._serve(method, number, params)
        elif isinstance(number, int) and not isinstance(number, bool) and number == self._waiting:
            self._waiting, self._answer = None, dict(message)
        else:
            self._stray_one()

    def _stray_one(self) -> None:
        self._stray += 1
        if self._stray > MOST_STRAY:
            raise Failed(f"more than {MOST_STRAY} of its lines were no message of the protocol: {self.last_words(200)}")

    def _send(self, message: Json) -> None:
        assert self.process.stdin is not None
        with self._lock:
            try:
                self.process.stdin.write(json.dumps(message).encode() + b"\n")
                self.process.stdin.flush()
            except OSError:
                pass  # it is gone, which the next read finds

    # What the agent says and asks

    def _update(self, update: Json) -> None:
        if not isinstance(update, dict):
            return
        kind, content = update.get("sessionUpdate"), update.get("content")
        if kind == "agent_message_chunk" and isinstance(content, dict) and isinstance(content.get("text"), str):
            identity = update.get("messageId")
            if isinstance(identity, str) and identity != self.message_id:
                self._new_message()
                self.message_id = identity
            self.messages[-1] = (self.messages[-1] + content["text"][-LONGEST_MESSAGE:])[-LONGEST_MESSAGE:]
        elif kind == "tool_call":
            self.tool_calls += 1
            self._new_message()
        elif kind == "usage_update":
            self.cost = update.get("cost")

    def _new_message(self) -> None:
        if self.messages[-1]:
            self.messages.append("")

    def _serve(self, method: str, number: Json, params: Mapping[str, Json]) -> None:
        try:
            if method == "terminal/wait_for_exit":
                terminal = self._terminal(params)
                wait = threading.Thread(target=lambda: self._reply(number, terminal.status()), daemon=True)
                wait.start()
                return
            serve = self._services().get(method)
            if serve is None:
                raise Refusal(NOT_FOUND, f"{method} is not offered")
            result = serve(params)
        except Refusal as refusal:
            self.refused.append(f"{method}: {refusal}"[:LONGEST_WORDS])
            error = {"code": refusal.code, "message": str(refusal)}
            self._send({"jsonrpc": "2.0", "id": number, "error": error})
        else:
            self._reply(number, result)

    def _reply(self, number: Json, result: Json) -> None:
        self._send({"jsonrpc": "2.0", "id": number, "result": result})

    def _services(self) -> Mapping[str, Callable[[Mapping[str, Json]], Json]]:
        return {
            "fs/read_text_file": self._read_file,
            "fs/write_text_file": self._write_file,
            "session/request_permission": permission,
            "terminal/create": self._create,
            "terminal/output": lambda params: self._terminal(params).told(),
            "terminal/kill": self._kill,
            "terminal/release": self._release,
        }

    def _read_file(self, params: Mapping[str, Json]) -> Json:
        line, limit = (number_of(params.get(name)) for name in ("line", "limit"))
        return {"content": self.files.read(text_of(params, "path"), line, limit)}

    def _write_file(self, params: Mapping[str, Json]) -> Json:
        self.files.write(text_of(params, "path"), text_of(params, "content"))
        self.writes += 1
        return {}

    def _create(self, params: Mapping[str, Json]) -> Json:
        if len(self.terminals) >= MOST_TERMINALS:
            raise Refusal(REFUSED, f"{MOST_TERMINALS} terminals are open")
        command, args = text_of(params, "command"), params.get("args")
        words = [str(each) for each in args] if isinstance(args, list) else []
        env = {str(each.get("name")): str(each.get("value")) for each in dicts_in(params.get("env"))}
        cwd = params.get("cwd")
        limit = number_of(params.get("outputByteLimit"))
        try:
            terminal = Terminal(
                [command, *words] if words else command,
                cwd if isinstance(cwd, str) else self.cwd,
                env,
                LARGEST_OUTPUT if limit is None else limit,
            )
        except (OSError, ValueError) as error:
            raise Refusal(REFUSED, f"{command}: {error}"[:LONGEST_WORDS]) from None
        name = f"terminal-{self._lines}"
        self.terminals[name] = terminal
        return {"terminalId": name}

    def _terminal(self, params: Mapping[str, Json]) -> Terminal:
        found = self.terminals.get(text_of(params, "terminalId"))
        if found is None:
            raise Refusal(INVALID, "there is no such terminal")
        return found

    def _kill(self, params: Mapping[str, Json]) -> Json:
        self._terminal(params).kill()
        return {}

    def _release(self, params: Mapping[str, Json]) -> Json:
        self._terminal(params).kill()
        del self.terminals[text_of(params, "terminalId")]
        return {}

    # Around it

    def _give_up(self, why: str) -> None:
        self._late = f"{why}; its last words: {self.last_words(400) or 'none'}"
        with suppress(OSError):
            os.killpg(self.process.pid, signal.SIGKILL)

    def _listen(self) -> None:
        assert self.process.stderr is not None
        while line := self.process.stderr.readline(LONGEST_LINE):
            self._stderr.append(line[:LONGEST_WORDS])

    def last_words(self, limit: int = LONGEST_WORDS) -> str:
        """The end of what it printed that was no message."""
        return b"".join([*self._stderr]).decode("utf-8", "replace").strip()[-limit:]

    def message(self) -> str:
        """The last message that has words."""
        return next((text for text in reversed(self.messages) if text.strip()), "")


def _key_method(methods: Json) -> str | None:
    """The way to log in by a key from the environment, where one is offered; no other works without a person."""
    offered = _ids(methods, "id")
    return next((name for name in offered if "key" in name.lower() or name.lower() in ("openai", "anthropic")), None)


def _ids(values: Json, key: str) -> list[str]:
    return [each[key] for each in dicts_in(values) if isinstance(each.get(key), str)]


def _plain(name: str) -> str:
    return "".join(character for character in name.lower() if character.isalnum())


def _error_words(error: Json) -> str:
    if not isinstance(error, dict):
        return "an error without words"
    data = error.get("data")
    more = data.get("message") or data.get("details") or data.get("errorKind") if isinstance(data, dict) else data
    return f"{error.get('message', 'an error')}{f' ({more})' if more else ''}"[:LONGEST_WORDS]


def main(arguments: list[str]) -> int:
    """Take the turn that ORDER.json asks for, and print the line."""
    turn = Turn(json.loads(Path(arguments[0]).read_bytes()))
    failure = turn.run(sys.stdin.buffer.read().decode("utf-8", "replace"))
    told = {
        "type": "acp",
        "agent": turn.agent,
        "message": turn.message(),
        "failure": failure,
        "stop": turn.stop,
        "usage": turn.result.get("usage"),
        "meta": turn.result.get("_meta"),
        "cost": turn.cost,
        "tool_calls": turn.tool_calls,
        "writes": turn.writes,
        "refused": [*turn.refused],
        "words": turn.last_words(),
    }
    text = json.dumps(told)
    # Its own largest parts may be hostile: a line that is too long is told without them.
    sys.stdout.write((text if len(text) < LONGEST_RESULT else json.dumps({**told, "usage": None, "meta": None})) + "\n")
    sys.stdout.flush()
    os._exit(0)  # threads may wait for what never ends


if __name__ == "__main__":
    main(sys.argv[1:])
