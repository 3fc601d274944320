"""The coding agents we can drive, as data: how each is called, configured and read.

An adapter starts nothing. It names the program, the variables that are handed over, the arguments and the files of a
fresh HOME; what the program printed is read by :mod:`pytest_autoresearch.agents.transcripts`. Programs that can be held
to editing are: no shell means no stray processes and no training behind the supervisor's back.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from pytest_autoresearch.agents import transcripts
from pytest_autoresearch.agents.transcripts import Said

PROMPT = "\0prompt"  # stands for the briefing among the arguments
HOME = "\0home/"  # begins an argument that is a path in the program's fresh HOME


@dataclass(frozen=True, slots=True)
class Order:
    """One turn as an adapter sees it; ``environ`` are the variables that are handed over and set.

    ``tries``: it may run `autoresearch-try`, and nothing else where it can be held to that.
    """

    model: str | None
    args: tuple[str, ...]
    targets: tuple[str, ...]
    environ: Mapping[str, str]
    tries: bool = False

    @property
    def provider(self) -> str:
        """The part of ``provider/model`` before the slash; the provider whose key is set, where it is not said."""
        if self.model is not None and "/" in self.model:
            return self.model.partition("/")[0]
        known = (("OPENAI_API_KEY", "openai"), ("GEMINI_API_KEY", "google"), ("OPENROUTER_API_KEY", "openrouter"))
        return next((name for key, name in known if key in self.environ), "anthropic")

    @property
    def model_name(self) -> str | None:
        """The model without its provider."""
        return None if self.model is None else self.model.partition("/")[2] or self.model

    @property
    def endpoint(self) -> str | None:
        """The user's own address of that provider, without a trailing slash."""
        url = self.environ.get(f"{self.provider.upper()}_BASE_URL")
        return url.rstrip("/") if url else None


@dataclass(frozen=True, slots=True)
class Adapter:
    """One coding agent.

    ``install`` is the command that installs it; ``variables`` are handed over by name when they are set, and one of
    them has to be; ``keep`` is the pattern (grep -E) of the output lines that are read, the rest being chatter that
    could push them out of a bounded log; ``epilogue`` is shell that prints what the program left in its HOME.
    ``lost`` is the pattern of the lines of one that looks for its model and would go on doing so.
    ``proxied``: it was seen to finish a turn through the allow-list proxy, against the scripted model of the tests.
    """

    program: str
    install: str
    variables: tuple[str, ...]
    arguments: Callable[[Order], Sequence[str]]
    read: Callable[[str, str], Said]
    environment: Mapping[str, str] = field(default_factory=dict)
    home: Callable[[Order], Mapping[str, bytes]] = lambda order: {}
    keep: str = ""
    epilogue: str = ""
    proxied: bool = False
    lost: str = ""


_ANTHROPIC = ("ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL")
_OPENAI = ("OPENAI_API_KEY", "OPENAI_BASE_URL")
_GEMINI = ("GEMINI_API_KEY", "GOOGLE_GEMINI_BASE_URL")
_ANY = (*_ANTHROPIC, *_OPENAI, *_GEMINI, "OPENROUTER_API_KEY")


def _model(order: Order, flag: str = "--model") -> list[str]:
    return [] if order.model is None else [flag, order.model]


def _json(value: object) -> bytes:
    return json.dumps(value, indent=1).encode()


# ── Claude Code ───────────────────────────────────────────────────────────────────────────────────────────────────────


CLAUDE_TOOLS = "Read,Edit,Write,Grep,Glob"
CLAUDE_TRIES = ",Bash(autoresearch-try),Bash(autoresearch-try --guard)"


def _claude(order: Order) -> list[str]:
    # --bare reads no keychain and no login, so it only works with a key
    bare = ["--bare"] if "ANTHROPIC_API_KEY" in order.environ else []
    return [
        "-p",
        *bare,
        *_model(order),
        *(
            "--permission-mode",
            "dontAsk",
            "--allowedTools",
            CLAUDE_TOOLS + (CLAUDE_TRIES if order.tries else ""),
        ),
        *("--no-session-persistence", "--output-format", "json"),
        *order.args,
        PROMPT,
    ]


# ── Codex ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def codex_provider(order: Order) -> list[str]:
    """Codex's settings for a key, and an address of the user's own."""
    url = order.environ.get("OPENAI_BASE_URL", "https://api.openai.com/v1")
    provider = f'{{name="own",base_url={json.dumps(url)},env_key="OPENAI_API_KEY",wire_api="responses"}}'
    quiet = ("-c", "analytics.enabled=false", "-c", "check_for_update_on_startup=false")
    return [*quiet, "-c", "model_provider=own", "-c", f"model_providers.own={provider}"]


def _codex(order: Order) -> list[str]:
    tries = ["-c", "allow_login_shell=false"] if order.tries else []  # a login shell has a PATH of its own
    return [
        *("exec", "--json", "--ephemeral", "--skip-git-repo-check"),
        # its own sandbox does not start inside ours, and then nothing can be edited
        "--dangerously-bypass-approvals-and-sandbox",
        *_model(order, "-m"),
        *codex_provider(order),
        *tries,
        *order.args,
        PROMPT,
    ]


# ── Gemini ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _gemini(order: Order) -> list[str]:
    return [
        *_model(order, "-m"),
        *("--approval-mode", "auto_edit", "--output-format", "json"),
        *order.args,
        *("-p", PROMPT),
    ]


def _gemini_home(order: Order) -> dict[str, bytes]:
    settings: dict[str, object] = {
        "security": {"auth": {"selectedType": "gemini-api-key"}},
        "privacy": {"usageStatisticsEnabled": False},
        "general": {"enableAutoUpdate": False},
    }
    if order.tries:
        settings["tools"] = {"allowed": ["run_shell_command(autoresearch-try)"]}
    return {".gemini/settings.json": _json(settings)}


# ── opencode ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _opencode(order: Order) -> list[str]:
    model = [] if order.model is None else ["-m", f"{order.provider}/{order.model_name}"]
    return ["run", "--format", "json", "--title", "experiment", *model, *order.args, PROMPT]


def _opencode_home(order: Order) -> dict[str, bytes]:
    shell = {"*": "deny", "autoresearch-try": "allow", "autoresearch-try *": "allow"} if order.tries else "deny"
    config: dict[str, object] = {
        "autoupdate": False,
        "share": "disabled",
        "permission": {"edit": "allow", "bash": shell, "webfetch": "deny", "external_directory": "deny"},
    }
    if order.endpoint is not None:
        suffix = "" if order.endpoint.endswith("/v1") else "/v1"
        provider: dict[str, object] = {"options": {"baseURL": order.endpoint + suffix}}
        if order.model_name is not None:
            provider["models"] = {order.model_name: {}}
        config["provider"] = {order.provider: provider}
    if order.model_name is not None:
        config["model"] = f"{order.provider}/{order.model_name}"
    # it would install its plugin package into every fresh HOME, unless this says that it did
    lock = {"packages": {"": {"dependencies": {"@opencode-ai/plugin": "*"}}}}
    base = ".config/opencode"
    return {
        f"{base}/opencode.json": _json(config),
        f"{base}/package-lock.json": _json(lock),
        f"{base}/node_modules/.keep": b"",
    }


# ── pi ────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _pi(order: Order) -> list[str]:
    model = [] if order.model_name is None else ["--model", order.model_name]
    return [
        *("-p", "--mode", "json", "--provider", order.provider, *model),
        *("--no-session", "--no-extensions", "--no-skills", "--no-context-files"),
        *("--tools", "read,edit,write,grep,find,ls"),
        *order.args,
        PROMPT,
    ]


def _pi_home(order: Order) -> dict[str, bytes]:
    dialects = {"anthropic": "anthropic-messages", "openai": "openai-responses"}
    if order.endpoint is None or order.model_name is None or order.provider not in dialects:
        return {}
    provider = {
        "baseUrl": order.endpoint,
        "api": dialects[order.provider],
        "apiKey": f"{order.provider.upper()}_API_KEY",  # the name of the variable
        "models": [{"id": order.model_name}],
    }
    return {".pi/agent/models.json": _json({"providers": {order.provider: provider}})}


# ── mini-swe-agent ────────────────────────────────────────────────────────────────────────────────────────────────────


def _litellm_model(order: Order, flag: str) -> list[str]:
    if order.model is None:
        return []
    provider = "gemini" if order.provider == "google" else order.provider
    return [flag, order.model if "/" in order.model else f"{provider}/{order.model}"]


def _mini(order: Order) -> list[str]:
    trajectory = ("-o", f"{HOME}{transcripts.TRAJECTORY}")
    return ["-y", "--exit-immediately", *_litellm_model(order, "-m"), *trajectory, *order.args, "-t", PROMPT]


# ── aider ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _aider(order: Order) -> list[str]:
    return [
        *_litellm_model(order, "--model"),
        *("--no-git", "--no-gitignore", "--yes-always", "--no-auto-lint", "--no-suggest-shell-commands"),
        *("--no-check-update", "--no-show-release-notes", "--no-show-model-warnings", "--no-detect-urls"),
        *("--no-pretty", "--no-stream", "--no-fancy-input", "--map-tokens", "0"),
        *("--chat-history-file", "/dev/null", "--input-history-file", "/dev/null"),
        # one turn has no history: summing it up would be a request that nobody reads, and that no count has
        *("--max-chat-history-tokens", "10000000"),
        # its analytics go nowhere; their log has the exact token counts
        *("--analytics-disable", "--analytics-log", "/dev/stderr"),
        *order.args,
        *("--message", PROMPT),
        *order.targets,
    ]


def _aider_home(order: Order) -> dict[str, bytes]:
    # a fresh cache of prices: without it aider loads one from the network at every start
    return {".aider/caches/model_prices_and_context_window.json": b'{"none": {}}'}


ADAPTERS: Mapping[str, Adapter] = {
    "claude": Adapter(
        program="claude",
        install="npm install -g @anthropic-ai/claude-code",
        variables=(*_ANTHROPIC, "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN", "CLAUDE_CODE_MAX_RETRIES"),
        arguments=_claude,
        read=transcripts.read_claude,
        environment={
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "DISABLE_AUTOUPDATER": "1",
            # a try takes as long as a run; the turn's own deadline ends it
            "BASH_DEFAULT_TIMEOUT_MS": "3600000",
            "BASH_MAX_TIMEOUT_MS": "3600000",
        },
        proxied=True,
    ),
    "codex": Adapter(
        program="codex",
        install="npm install -g @openai/codex",
        variables=_OPENAI,
        arguments=_codex,
        read=transcripts.read_codex,
        keep=r'^\{"type": ?"(turn\.|error|item\.completed.*"type": ?"(agent_message|error)")',
        lost="Reconnecting",
        proxied=True,
    ),
    "gemini": Adapter(
        program="gemini",
        install="npm install -g @google/gemini-cli",
        variables=_GEMINI,
        arguments=_gemini,
        read=transcripts.read_gemini,
        environment={"GEMINI_CLI_TRUST_WORKSPACE": "true"},
        home=_gemini_home,
        proxied=True,
    ),
    "opencode": Adapter(
        program="opencode",
        install="npm install -g opencode-ai",
        variables=_ANY,
        arguments=_opencode,
        read=transcripts.read_opencode,
        environment={"OPENCODE_DISABLE_MODELS_FETCH": "1", "OPENCODE_DISABLE_AUTOUPDATE": "1"},
        home=_opencode_home,
        keep=r'^\{"type": ?"(text|step_finish|error)"',
        proxied=True,
    ),
    "pi": Adapter(
        program="pi",
        install="npm install -g @mariozechner/pi-coding-agent",
        variables=_ANY,
        arguments=_pi,
        read=transcripts.read_pi,
        environment={"PI_OFFLINE": "1"},
        home=_pi_home,
        keep=r'^\{"type": ?"message_end".*"role": ?"assistant"',
        proxied=True,
    ),
    "mini": Adapter(
        program="mini",
        install="pip install mini-swe-agent mcp",
        variables=_ANY,
        arguments=_mini,
        read=transcripts.read_mini,
        environment={
            "MSWEA_CONFIGURED": "true",
            "MSWEA_SILENT_STARTUP": "1",
            "MSWEA_COST_TRACKING": "ignore_errors",
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        },
        epilogue=transcripts.PRINT_TRAJECTORY,
        proxied=True,
    ),
    "aider": Adapter(
        program="aider",
        install="pip install aider-chat",
        variables=_ANY,
        arguments=_aider,
        read=transcripts.read_aider,
        environment={"LITELLM_LOCAL_MODEL_COST_MAP": "True"},
        home=_aider_home,
        proxied=True,
    ),
}
