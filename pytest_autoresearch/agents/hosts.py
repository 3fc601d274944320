"""Which hosts an agent's model is at: from the keys and addresses it is handed, and the addresses in its arguments."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import urlsplit

from pytest_autoresearch.patterns import regex

_PROVIDERS = (
    (("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN"), ("ANTHROPIC_",), "api.anthropic.com"),
    (("OPENAI_API_KEY", "CODEX_API_KEY"), ("OPENAI_",), "api.openai.com"),
    (("GEMINI_API_KEY", "GOOGLE_API_KEY"), ("GEMINI_", "GOOGLE_"), "generativelanguage.googleapis.com"),
    (("OPENROUTER_API_KEY",), ("OPENROUTER_",), "openrouter.ai"),
    (("MISTRAL_API_KEY",), ("MISTRAL_",), "api.mistral.ai"),
    (("DEEPSEEK_API_KEY",), ("DEEPSEEK_",), "api.deepseek.com"),
    (("GROQ_API_KEY",), ("GROQ_",), "api.groq.com"),
    (("XAI_API_KEY",), ("XAI_",), "api.x.ai"),
)
"""The variables that hold a provider's key, how the variable of its address begins, and its host."""

_IS_ADDRESS = regex(r"[A-Z0-9_]+(?:_BASE_URL|_API_BASE|_API_URL|_ENDPOINT)")
_ADDRESS = regex(r"https?://[^\s\"'<>]{1,300}")


def model_hosts(environ: Mapping[str, str], args: Sequence[str] = (), named: Sequence[str] = ()) -> tuple[str, ...]:
    """Names with ports, of the user's own addresses where there are any, else of the providers whose key is there.

    ``environ`` is what the agent is handed, ``args`` are its arguments, ``named`` further hosts.
    """
    addresses = {name: value for name, value in environ.items() if _IS_ADDRESS.fullmatch(name)}
    found = [host for value in addresses.values() for host in _hosts_in(value)]
    for keys, begins, host in _PROVIDERS:
        has_address = any(name.startswith(begins) for name in addresses)
        if not has_address and any(environ.get(key) for key in keys):
            found.append(f"{host}:443")
    found += [host for argument in args for host in _hosts_in(argument)]
    return tuple(dict.fromkeys((*found, *named)))


def with_refused(failure: str | None, refused: Sequence[str]) -> str | None:
    """Why a turn failed, and the hosts that it asked for in vain, which may be why."""
    if failure is None or not refused:
        return failure
    more = f" and {len(refused) - 3} more" if len(refused) > 3 else ""
    return f"{failure} (agent_network: model refused {', '.join(refused[:3])}{more}; agent_hosts adds names)"


def _hosts_in(text: str) -> Iterator[str]:
    for address in _ADDRESS.findall(text):
        try:
            parts = urlsplit(address)
            port = parts.port or (443 if parts.scheme == "https" else 80)
        except ValueError:
            continue
        if parts.hostname:
            name = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
            yield f"{name}:{port}"
