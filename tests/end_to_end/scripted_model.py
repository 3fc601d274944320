"""A scripted model server on loopback: drives real coding agents with no model, no key and no chance.

It speaks Anthropic Messages, OpenAI Responses and Chat, and Gemini, as JSON and as server-sent events. Which step of a
script is played is the number of tool results already in the conversation, so the server itself holds no state. Every
reply reports 100 input and 10 output tokens.
"""

from __future__ import annotations

import json
import re
import shlex
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

INPUT_TOKENS, OUTPUT_TOKENS = 100, 10

Json = dict[str, Any]


@dataclass(frozen=True)
class Say:
    """The final message."""

    text: str


@dataclass(frozen=True)
class Shell:
    """A call of whichever shell tool the client offers."""

    command: str


@dataclass(frozen=True)
class Edit:
    """A replacement in a file, by whichever tools the client offers for it."""

    path: str
    old: str
    new: str


@dataclass(frozen=True)
class Call:
    """A call of a tool by that name."""

    tool: str
    arguments: Json


Step = Say | Shell | Edit | Call
Script = Sequence[Step]

_SHELLS: Mapping[str, Callable[[str], Json]] = {
    "bash": lambda command: {"command": command, "description": "scripted"},
    "exec_command": lambda command: {"cmd": command},
    "shell_command": lambda command: {"command": command},
    "shell": lambda command: {"command": ["bash", "-lc", command]},
    "run_shell_command": lambda command: {"command": command, "description": "scripted"},
}


Tools = Mapping[str, Sequence[str]]
"""The tools a client offers: name → names of their arguments."""


def played(script: Script, tools: Tools, done: int) -> Say | Call:
    """The step that follows ``done`` tool results, in the words of a client that offers ``tools``."""
    if not tools:
        return Say("\n\n".join(_in_prose(step) for step in script))
    steps = [call for step in script for call in _calls(step, tools)]
    return steps[min(done, len(steps) - 1)]


def _calls(step: Step, tools: Tools) -> list[Say | Call]:
    if isinstance(step, Say | Call):
        return [step]
    if isinstance(step, Edit):
        editor = next((name for name in ("Edit", "edit", "replace") if name in tools), None)
        if editor is not None:
            reader = next((name for name in ("Read", "read", "read_file") if name in tools), None)
            reading = [Call(reader, _spelt(step, tools[reader]))] if reader is not None else []
            return [*reading, Call(editor, _spelt(step, tools[editor]))]
        command = f"sed -i {shlex.quote(f's|{step.old}|{step.new}|')} {shlex.quote(step.path)}"
    else:
        command = step.command
    shell = next((name for name in _SHELLS if name in tools), None)
    if shell is None:
        return [Say(f"no shell among {sorted(tools)}")]
    return [Call(shell, _SHELLS[shell](command))]


def _spelt(edit: Edit, arguments: Sequence[str]) -> Json:
    """An edit in a tool's own argument names."""
    spellings: Json = {name: edit.path for name in ("file_path", "filePath", "path")}
    spellings |= {"old_string": edit.old, "oldString": edit.old, "new_string": edit.new, "newString": edit.new}
    spellings |= {"edits": [{"oldText": edit.old, "newText": edit.new}], "instruction": "scripted"}
    return {name: value for name, value in spellings.items() if name in arguments}


def _in_prose(step: Step) -> str:
    """What a client without tools (aider) reads edits from."""
    if isinstance(step, Edit):
        return f"{step.path}\n```\n<<<<<<< SEARCH\n{step.old}\n=======\n{step.new}\n>>>>>>> REPLACE\n```"
    return step.text if isinstance(step, Say) else ""


@dataclass(frozen=True)
class Request:
    """What a client sent; ``headers`` with lower-case names."""

    path: str
    headers: Mapping[str, str]
    body: Json


@dataclass
class ScriptedModel:
    """A running server and what it was sent."""

    url: str = ""
    requests: list[Request] = field(default_factory=list)


@contextmanager
def scripted(
    script_for: Callable[[str], Script], *, address: str = "127.0.0.1", tls: Path | None = None
) -> Iterator[ScriptedModel]:
    """A model that plays ``script_for(the whole request as text)``; ``tls`` holds its key and certificate."""
    model = ScriptedModel()
    with _serving(_handler(model.requests, script_for), address, tls) as model.url:
        yield model


def always(*steps: Step, address: str = "127.0.0.1", tls: Path | None = None) -> AbstractContextManager[ScriptedModel]:
    """A model that plays the same script in every conversation."""
    return scripted(lambda request: steps, address=address, tls=tls)


def by_experiment(scripts: Mapping[int, Script]) -> AbstractContextManager[ScriptedModel]:
    """A model that plays the script of the experiment whose briefing it was sent; the last one from then on."""

    def script_for(request: str) -> Script:
        numbers = [int(number) for number in re.findall(r"# Experiment (\d+)", request)]
        return scripts[min(numbers[-1] if numbers else 1, max(scripts))]

    return scripted(script_for)


def refusing(status: int) -> AbstractContextManager[str]:
    """A model that answers every request with an HTTP error; the URL."""

    class Refuse(_Quiet):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            error = {"type": "scripted", "message": "the model is not well", "code": status}
            self.send("application/json", json.dumps({"error": error}).encode(), status)

        do_GET = do_POST

    return _serving(Refuse)


class _Quiet(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        pass

    def send(self, kind: str, body: bytes, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def _serving(
    handler: type[BaseHTTPRequestHandler], address: str = "127.0.0.1", tls: Path | None = None
) -> Iterator[str]:
    server = ThreadingHTTPServer((address, 0), handler)
    if tls is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tls)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"{'https' if tls else 'http'}://{address}:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


# ── the protocols ─────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class _Reply:
    """One answer in a client's dialect: whole, and as the events of a stream (``named``: with event lines)."""

    whole: Json
    events: Sequence[Json]
    named: bool = True
    done: bool = False


def _anthropic(request: Json, step: Say | Call, done: int) -> _Reply:
    usage = {"input_tokens": INPUT_TOKENS, "output_tokens": OUTPUT_TOKENS}
    if isinstance(step, Say):
        block: Json = {"type": "text", "text": step.text}
        opening: Json = {"type": "text", "text": ""}
        delta, stop = {"type": "text_delta", "text": step.text}, "end_turn"
    else:
        block = {"type": "tool_use", "id": f"toolu_{done:04d}", "name": step.tool, "input": step.arguments}
        delta = {"type": "input_json_delta", "partial_json": json.dumps(step.arguments)}
        opening, stop = {**block, "input": {}}, "tool_use"
    message: Json = {"id": f"msg_{done}", "type": "message", "role": "assistant", "model": request.get("model")}
    message |= {"content": [block], "stop_reason": stop, "stop_sequence": None, "usage": usage}
    events: list[Json] = [
        {"type": "message_start", "message": {**message, "content": [], "stop_reason": None}},
        {"type": "content_block_start", "index": 0, "content_block": opening},
        {"type": "content_block_delta", "index": 0, "delta": delta},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": stop, "stop_sequence": None}, "usage": usage},
        {"type": "message_stop"},
    ]
    return _Reply(message, events)


def _responses(request: Json, step: Say | Call, done: int) -> _Reply:
    if isinstance(step, Say):
        said = [{"type": "output_text", "text": step.text, "annotations": []}]
        item: Json = {"type": "message", "id": f"msg_{done}", "role": "assistant", "status": "completed"}
        item |= {"content": said}
    else:
        item = {"type": "function_call", "id": f"fc_{done}", "call_id": f"call_{done}", "name": step.tool}
        item |= {"arguments": json.dumps(step.arguments), "status": "completed"}
    usage: Json = {"input_tokens": INPUT_TOKENS, "input_tokens_details": {"cached_tokens": 0}}
    usage |= {"output_tokens": OUTPUT_TOKENS, "output_tokens_details": {"reasoning_tokens": 0}}
    usage |= {"total_tokens": INPUT_TOKENS + OUTPUT_TOKENS}
    response: Json = {"id": f"resp_{done}", "object": "response", "created_at": 0, "status": "completed"}
    response |= {"model": request.get("model"), "output": [item], "usage": usage}
    events: list[Json] = [
        {"type": "response.created", "response": {**response, "status": "in_progress", "output": [], "usage": None}},
        {"type": "response.output_item.added", "output_index": 0, "item": item},
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": response},
    ]
    return _Reply(response, events)


def _chat(request: Json, step: Say | Call, done: int) -> _Reply:
    total = INPUT_TOKENS + OUTPUT_TOKENS
    usage = {"prompt_tokens": INPUT_TOKENS, "completion_tokens": OUTPUT_TOKENS, "total_tokens": total}
    message: Json = {"role": "assistant", "content": None}
    if isinstance(step, Say):
        message["content"], stop = step.text, "stop"
    else:
        function = {"name": step.tool, "arguments": json.dumps(step.arguments)}
        message["tool_calls"] = [{"index": 0, "id": f"call_{done}", "type": "function", "function": function}]
        stop = "tool_calls"
    head: Json = {"id": f"chat_{done}", "created": 0, "model": request.get("model")}
    chunk: Json = {**head, "object": "chat.completion.chunk"}
    choice: Json = {"index": 0, "message": message, "finish_reason": stop}
    events: list[Json] = [
        {**chunk, "choices": [{"index": 0, "delta": message, "finish_reason": None}]},
        {**chunk, "choices": [{"index": 0, "delta": {}, "finish_reason": stop}]},
        {**chunk, "choices": [], "usage": usage},
    ]
    whole = {**head, "object": "chat.completion", "choices": [choice], "usage": usage}
    return _Reply(whole, events, named=False, done=True)


def _gemini(request: Json, step: Say | Call, done: int) -> _Reply:
    called = {} if isinstance(step, Say) else {"functionCall": {"name": step.tool, "args": step.arguments}}
    said = {"text": step.text} if isinstance(step, Say) else called
    candidate = {"content": {"role": "model", "parts": [said]}, "finishReason": "STOP", "index": 0}
    total = INPUT_TOKENS + OUTPUT_TOKENS
    usage = {"promptTokenCount": INPUT_TOKENS, "candidatesTokenCount": OUTPUT_TOKENS, "totalTokenCount": total}
    whole: Json = {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "scripted"}
    return _Reply(whole, [whole], named=False)


def _tool_results(request: Json) -> int:
    """How many tool results a conversation holds, in any dialect."""
    count = sum(1 for message in request.get("messages", ()) if message.get("role") == "tool")
    for message in request.get("messages", ()):
        if isinstance(message.get("content"), list):
            count += sum(1 for block in message["content"] if block.get("type") == "tool_result")
    items = request.get("input")
    if isinstance(items, list):
        count += sum(1 for item in items if str(item.get("type", "")).endswith("_call_output"))
    for content in request.get("contents", ()):
        count += sum(1 for part in content.get("parts", ()) if "functionResponse" in part)
    return count


def _tools(offered: Sequence[Json]) -> dict[str, Sequence[str]]:
    """The tools that a request offers, in any dialect."""
    tools: dict[str, Sequence[str]] = {}
    for tool in offered:
        if "functionDeclarations" in tool:
            tools |= _tools(tool["functionDeclarations"])
        elif isinstance(tool.get("function"), dict):
            tools |= _tools([tool["function"]])
        elif tool.get("type") == "namespace":
            tools |= _tools(tool.get("tools", ()))
        elif "name" in tool:
            schemas = (tool.get(key) for key in ("input_schema", "parameters", "parametersJsonSchema"))
            tools[tool["name"]] = [name for schema in schemas if schema for name in schema.get("properties", ())]
    return tools


_DIALECTS: Sequence[tuple[str, Callable[[Json, Say | Call, int], _Reply]]] = (
    (r"/messages$", _anthropic),
    (r"/responses$", _responses),
    (r"/chat/completions$", _chat),
    (r"/models/[^:]+:(stream)?[gG]enerateContent$", _gemini),
)


def _handler(requests: list[Request], script_for: Callable[[str], Script]) -> type[BaseHTTPRequestHandler]:
    class Handler(_Quiet):
        def do_HEAD(self) -> None:
            self.send("application/json", b"")

        def do_GET(self) -> None:
            listed = {"object": "list", "data": [{"id": "scripted", "object": "model", "owned_by": "tests"}]}
            self.send("application/json", json.dumps(listed if "/models" in self.path else {}).encode())

        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            body: Json = json.loads(raw or b"{}")
            requests.append(Request(self.path, {name.lower(): value for name, value in self.headers.items()}, body))
            path = self.path.split("?")[0]
            for pattern, dialect in _DIALECTS:
                if re.search(pattern, path):
                    done = _tool_results(body)
                    step = played(script_for(raw.decode()), _tools(body.get("tools", ())), done)
                    reply = dialect(body, step, done)
                    return self.answer(reply, streamed=bool(body.get("stream")) or ":stream" in path)
            counted = {"input_tokens": INPUT_TOKENS, "totalTokens": INPUT_TOKENS}
            return self.send("application/json", json.dumps(counted).encode())

        def answer(self, reply: _Reply, *, streamed: bool) -> None:
            if not streamed:
                return self.send("application/json", json.dumps(reply.whole).encode())
            lines = [
                (f"event: {event['type']}\n" if reply.named else "") + f"data: {json.dumps(event)}\n\n"
                for event in reply.events
            ]
            return self.send("text/event-stream", ("".join(lines) + "data: [DONE]\n\n" * reply.done).encode())

    return Handler
