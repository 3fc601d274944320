"""The words in which programs say that something is not there: git, the network, programs, modules, files. Pure."""

from __future__ import annotations

import re
from pathlib import Path

from pytest_autoresearch.patterns import regex

NO_GIT = regex(
    r"not a git repository|InvalidGitRepositoryError|unable to detect version for|could not find (?:a )?git repository"
    r"|could not find repository (?:at|from)|versioneer.{0,500}?(?:no .git|unable)|not under git"
    r"|does not appear to be a git|unable to detect version control|access to an upstream git repository"
    r"|not supported without git|['\"]git['\" ][^\n]{0,500}? returned non-zero exit status 128"
    r"|command failed: git ",
    re.IGNORECASE,
)
NO_HISTORY = regex(
    r"No names found, cannot describe|No tags can describe|no tag exactly matches"
    r"|(?:bad|unknown|ambiguous argument ['\"]?\S{1,200}['\"]?: unknown) revision|Needed a single revision",
    re.IGNORECASE,
)
"""git is there, but not the tags or commits that it is asked for."""

NO_NETWORK = regex(
    r"[Tt]emporary failure in name resolution|[Nn]ame or service not known|[Nn]etwork is unreachable"
    r"|[Cc]ould ?n.t resolve host|[Cc]ould not resolve|getaddrinfo (?:ENOTFOUND|EAI_AGAIN|failed)|EAI_AGAIN|ENETUNREACH"
    r"|nodename nor servname"
    r"|[Ff]ailed to (?:lookup|look up) address|dns error|NameResolutionError|no such host|Errno -[23]\]"
    r"|dial (?:tcp|udp)[^\n]{0,500}?(?:unreachable|refused|lookup)"
    r"|Failed to establish a new connection|Max retries exceeded"
    r"|Cannot connect to host|Unable to connect to the server|URLError|ConnectError|LocalEntryNotFoundError"
    r"|[Uu]nable to resolve host|[Nn]etwork is down|[Cc]an't reach database|Unknown host|UnknownHostException",
)
FETCHERS = (
    (regex(r"crates\.io|index\.crates|as a dependency of package|spurious network"), "cargo fetch", ()),
    (regex(r"proxy\.golang\.org|sum\.golang\.org"), "go mod download", ()),
    (regex(r"registry\.(?:npmjs|yarnpkg)\.|npm (?:ERR|error)"), "npm install", ("node_modules",)),
    (regex(r"pypi\.org|files\.pythonhosted|simple/"), "uv sync (or pip install)", (".venv", "venv")),
    (regex(r"pkg\.julialang\.org"), "julia --project -e 'using Pkg; Pkg.instantiate()'", ()),
    (regex(r"static\.rust-lang\.org"), "rustup toolchain install", ()),
    (regex(r"conda\.anaconda\.org|repo\.anaconda\.com|prefix\.dev"), "the environment's install", (".pixi",)),
)
"""Who fetches packages, by the address it asks; what makes that unnecessary; the folder it then leaves."""

NO_PROGRAM = (
    regex(r"(?:^|[\s:])(?P<name>[\w.+/~-]+): (?:command )?not found", re.MULTILINE),
    regex(r"env: [‘'\"]?(?P<name>[\w.+-]+)[’'\"]?: No such file"),
    regex(r"No such file or directory: ['\"](?P<name>[\w.+-]+)['\"]"),
    regex(r"exec: \"(?P<name>[\w.+-]+)\": executable file not found"),
    regex(r"spawn (?P<name>[\w.+-]+) ENOENT"),
    regex(r"make: (?P<name>[\w.+-]+): No such file"),
    regex(r"linker [`'](?P<name>[\w.+-]+)[`'] not found"),
    regex(r"(?P<name>[\w.+-]+): program not found|could not find (?:the )?program [`'\"](?P<other>[\w.+-]+)"),
    regex(r"could not execute process [`'](?P<name>[\w.+-]+)"),
)
NO_MODULE = regex(
    r"No module named ['\"](?P<python>[\w.]+)['\"]"
    r"|Cannot find (?:module|package) ['\"](?P<node>[^'\"]+)['\"]"
    r"|cannot import name ['\"](?P<name>\w+)['\"] from (?:partially initialized module )?['\"](?P<parent>[\w.]+)['\"]"
)
READ_ONLY = regex(r"(?i)read-only file system|\bEROFS\b|os error 30")
MISSING = regex(
    r"(?i)no such file|not found|cannot open|can't open|could not open|unable to open|failed to open|does not exist"
    r"|doesn't exist|errno 2\]|enoent|permission denied|cannot access|os error 2\b|nosuchfile|missing|can't find"
    r"|cannot find|could not find"
)
NOT_EXECUTABLE = regex(r"(?:line \d+|sh: \d+|bash|env): [‘'\"]?(?:\./)?(?P<path>[\w./+-]+)[’'\"]?: Permission denied")
PLAIN = (
    (
        regex(
            r"env: [^\n]{0,80}(?:\\r|\r)['’\"]?: No such|bad interpreter: [^\n]{0,80}(?:\^M|\r)"
            r"|\$'\\r': command not found"
        ),
        "a script has the line ends of Windows: sed -i 's/\\r$//' it and commit (`*.sh text eol=lf` in .gitattributes)",
    ),
    (
        regex(r"(?:connect to|trying to connect to) the (?:Docker|docker) (?:daemon|API)|docker daemon is not running"),
        "a run is not given Docker's socket, which gives away the machine: write the command without docker",
    ),
)
"""What needs no look around: words, and what to say."""
REFUSED = regex(r"[Cc]onnection refused|ECONNREFUSED|os error 111\b")


def fetcher_of(path: Path, home: Path) -> str | None:
    """What fills a folder of HOME that a package manager keeps; None for any other."""
    for part, fetcher in ((".cargo", "cargo fetch"), ("go/pkg", "go mod download"), (".julia", "Pkg.instantiate()")):
        if path.is_relative_to(home / part):
            return fetcher
    return None
