"""What the coding agents print, read into one shape: the last message, what it cost, and how it failed.

Pure and forgiving: output may be cut in the middle, mixed with warnings, or of a newer version. What can not be read is
left out, never guessed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pytest_autoresearch.patterns import regex
from pytest_autoresearch.protocol.experiment import Usage

TRAJECTORY = "trajectory.json"
_MOST = 10**12  # tokens or dollars; a program that reports more reports nonsense
_OBJECT = regex(r"^\{", re.MULTILINE)

PRINT_TRAJECTORY = f"""\
python3 - "$HOME/{TRAJECTORY}" <<'END'
import json, sys
told = json.load(open(sys.argv[1]))
messages = told["messages"]
usages = [m.get("extra", {{}}).get("response", {{}}).get("usage", {{}}) for m in messages]
said = [m["content"] for m in messages if m.get("role") in ("assistant", "exit") and isinstance(m.get("content"), str)]
print(json.dumps({{
    "type": "trajectory",
    "exit_status": told["info"].get("exit_status"),
    "text": "\\n".join(said)[-20000:],
    "input_tokens": sum(u.get("prompt_tokens") or 0 for u in usages),
    "output_tokens": sum(u.get("completion_tokens") or 0 for u in usages),
    "turns": sum(1 for u in usages if u),
    "cost": told["info"].get("model_stats", {{}}).get("instance_cost"),
}}))
END"""
"""mini-swe-agent tells its usage only in a file, far too long to print: this prints what counts."""


@dataclass(frozen=True, slots=True)
class Said:
    """One turn of a coding agent. ``failure`` is its own account of why it could not finish."""

    message: str = ""
    usage: Usage = field(default_factory=Usage)
    failure: str | None = None


def read_claude(stdout: str, stderr: str) -> Said:
    """Claude Code's ``--output-format json``: one object at the end."""
    told = last_of_type(stdout, "result")
    counts = mapping_of(told, "usage")
    cached = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
    models = mapping_of(told, "modelUsage")
    usage = Usage(
        input_tokens=sum(count_of(counts, key) for key in cached),
        output_tokens=count_of(counts, "output_tokens"),
        cost=cost_of(told.get("total_cost_usd")),
        turns=count_of(told, "num_turns") or None,
        model=max(models, key=lambda name: count_of(mapping_of(models, name), "outputTokens"), default=None),
    )
    message = str(told.get("result") or "")
    if told.get("is_error") or str(told.get("subtype", "")).startswith("error"):
        return Said(message, usage, f"{told.get('subtype')}: {message or told.get('errors') or ''}")
    return Said(message, usage, None if told else "no result")


def read_codex(stdout: str, stderr: str) -> Said:
    """Codex's ``--json`` lines."""
    message, failure, error, tokens, turns = "", None, None, [0, 0], 0
    for event in _objects(stdout):
        item = mapping_of(event, "item")
        if event.get("type") == "error":
            error = str(event.get("message") or "") or None
        elif item.get("type") == "agent_message":
            message = str(item.get("text", ""))
        elif event.get("type") == "turn.completed":
            counts = mapping_of(event, "usage")
            tokens = [tokens[0] + count_of(counts, "input_tokens"), tokens[1] + count_of(counts, "output_tokens")]
            turns, error = turns + 1, None
        elif event.get("type") == "turn.failed":
            failure = str(mapping_of(event, "error").get("message", "turn failed"))
    return Said(message, Usage(tokens[0], tokens[1], turns=turns or None), failure or error)


def read_gemini(stdout: str, stderr: str) -> Said:
    """Gemini's ``--output-format json``: one object, on stderr when it is an error."""
    told = _last_object(stdout) or _last_object(stderr)
    models = mapping_of(mapping_of(told, "stats"), "models")
    tokens = [mapping_of(mapping_of(models, name), "tokens") for name in models]
    requests = [mapping_of(mapping_of(models, name), "api") for name in models]
    usage = Usage(
        input_tokens=sum(count_of(counts, "prompt") for counts in tokens),
        output_tokens=sum(count_of(counts, "candidates") + count_of(counts, "thoughts") for counts in tokens),
        turns=sum(count_of(counts, "totalRequests") for counts in requests) or None,
        model=next(iter(models), None),
    )
    error = told.get("error")
    failure = str(error.get("message", error)) if isinstance(error, dict) else None
    return Said(str(told.get("response") or ""), usage, failure)


def read_opencode(stdout: str, stderr: str) -> Said:
    """The JSON lines of ``opencode run --format json``: texts, and the tokens of each step."""
    message, failure, tokens, cost, turns = "", None, [0, 0], 0.0, 0
    for event in _objects(stdout):
        part = mapping_of(event, "part")
        if event.get("type") == "text":
            message = str(part.get("text", ""))
        elif event.get("type") == "step_finish":
            counts = mapping_of(part, "tokens")
            cache = mapping_of(counts, "cache")
            tokens[0] += count_of(counts, "input") + count_of(cache, "read") + count_of(cache, "write")
            tokens[1] += count_of(counts, "output") + count_of(counts, "reasoning")
            cost += cost_of(part.get("cost")) or 0.0
            turns += 1
        elif event.get("type") == "error":
            error = mapping_of(event, "error")
            failure = f"{error.get('name', 'error')}: {mapping_of(error, 'data').get('message', '')}"
    return Said(message, Usage(tokens[0], tokens[1], cost or None, turns or None), failure)


def read_pi(stdout: str, stderr: str) -> Said:
    """What ``pi --mode json`` prints: the assistant's messages, each with its usage. It ends 0 whatever happened."""
    text, failure, tokens, cost, turns, model = "", None, [0, 0], 0.0, 0, None
    for event in _objects(stdout, "message_end"):
        message = mapping_of(event, "message")
        counts = mapping_of(message, "usage")
        tokens[0] += sum(count_of(counts, key) for key in ("input", "cacheRead", "cacheWrite"))
        tokens[1] += count_of(counts, "output")
        cost += cost_of(mapping_of(counts, "cost").get("total")) or 0.0
        turns, model = turns + 1, str(message["model"]) if "model" in message else model
        content = message.get("content")
        parts = [p for p in content if isinstance(p, dict)] if isinstance(content, list) else []
        text = "\n".join(str(p.get("text", "")) for p in parts if p.get("type") == "text") or text
        failed = message.get("stopReason") in ("error", "aborted")
        failure = str(message.get("errorMessage") or message["stopReason"]) if failed else None
    return Said(text, Usage(tokens[0], tokens[1], cost or None, turns or None, model), failure)


def read_mini(stdout: str, stderr: str) -> Said:
    """The line that PRINT_TRAJECTORY prints."""
    told = last_of_type(stdout, "trajectory")
    usage = Usage(
        input_tokens=count_of(told, "input_tokens"),
        output_tokens=count_of(told, "output_tokens"),
        cost=cost_of(told.get("cost")),
        turns=count_of(told, "turns") or None,
    )
    message, status = str(told.get("text", "")), told.get("exit_status")
    if status != "Submitted":
        return Said(message, usage, f"{status or 'no trajectory'}: {message[-500:]}")
    return Said(message, usage)


def read_aider(stdout: str, stderr: str) -> Said:
    """What aider says in prose, and its analytics log on stderr. It ends 0 whatever happened."""
    tokens, cost, turns = [0, 0], 0.0, 0
    for event in _objects(stderr):
        properties = mapping_of(event, "properties")
        if event.get("event") == "message_send":
            tokens[0] += count_of(properties, "prompt_tokens")
            tokens[1] += count_of(properties, "completion_tokens")
            cost += cost_of(properties.get("cost")) or 0.0
            turns += 1
    usage = Usage(tokens[0], tokens[1], cost or None, turns or None)
    message = stdout.rpartition("\nTokens: ")[0]
    return Said(message, usage, None if turns else stdout.strip()[-500:] or "no answer")


def _objects(text: str, kind: str | None = None) -> Iterator[Mapping[str, Any]]:
    """The JSON objects that stand alone on a line, of one ``type`` where asked; everything else is skipped."""
    for line in text.split("\n"):
        if line.startswith("{"):
            try:
                value = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(value, dict) and (kind is None or value.get("type") == kind):
                yield value


def last_of_type(text: str, kind: str) -> Mapping[str, Any]:
    """The last such object; {} if there is none."""
    objects = list(_objects(text, kind))
    return objects[-1] if objects else {}


def _last_object(text: str) -> Mapping[str, Any]:
    """The last JSON object that begins a line, however many lines it has; {} if there is none."""
    starts = [match.start() for match in _OBJECT.finditer(text)]
    for start in reversed(starts[-20:]):
        try:
            found, _ = json.JSONDecoder().raw_decode(text, start)
        except (ValueError, RecursionError):
            continue
        return found if isinstance(found, dict) else {}
    return {}


def mapping_of(value: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = value.get(key)
    return found if isinstance(found, dict) else {}


def count_of(value: Mapping[str, Any], key: str) -> int:
    found = value.get(key)
    return found if isinstance(found, int) and not isinstance(found, bool) and 0 < found < _MOST else 0


def cost_of(value: object) -> float | None:
    """US dollars as reported; 0 means that the program knows no price."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    return float(value) if 0 < value < _MOST else None
