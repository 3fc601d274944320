"""An agent's way to its model, and to nothing else, where the sandbox has a network namespace of its own.

The proxy is a process outside. Its listening socket is made inside the namespace, by a small program before the
agent's, and handed out: so nothing of the machine's network is ever within reach of the agent.
"""

from __future__ import annotations

import base64
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from pytest_autoresearch.executables import NEUTRAL, surroundings
from pytest_autoresearch.lab.command import Command

HTTPS = 443
_LONGEST_STOP = 5.0  # s
_PROXY = Path(__file__).with_name("proxy.py")
_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")

_FORERUNNER = """
import array, os, socket, sys
channel = socket.socket(fileno=int(sys.argv[1]))
listener = socket.create_server(("127.0.0.1", 0), backlog=64)
channel.sendmsg([b"."], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [listener.fileno()]))])
address = f"http://127.0.0.1:{listener.getsockname()[1]}"
channel.close()
listener.close()
for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
    os.environ[name] = os.environ[name.lower()] = address
os.environ["NO_PROXY"] = os.environ["no_proxy"] = sys.argv[2]
try:
    os.execvp(sys.argv[3], sys.argv[3:])
except OSError as error:
    sys.exit(f"{sys.argv[3]}: {error}")
"""


@dataclass(slots=True)
class Passage:
    """``refused`` are the hosts that were asked for in vain, as ``name:port``; known when the passage is closed."""

    refused: tuple[str, ...] = field(default=())


@contextmanager
def only_to(hosts: Sequence[str], command: Command) -> Iterator[tuple[Command, Passage]]:
    """The command with a proxy in its environment that leads to ``hosts`` (``name``, ``name:port``, ``*.end``)."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    passage = Passage()
    with ours, theirs:
        python = (os.path.realpath(sys.executable), "-S", "-I")
        proxy = subprocess.Popen(
            [*python, str(_PROXY), str(ours.fileno())],
            cwd=NEUTRAL,
            env=surroundings(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            pass_fds=(ours.fileno(),),
        )
        try:
            ours.close()
            assert proxy.stdin is not None
            proxy.stdin.write(json.dumps([_entry(host, os.environ) for host in hosts]).encode() + b"\n")
            proxy.stdin.flush()
            words = (*python, "-c", _FORERUNNER, str(theirs.fileno()), ",".join(_direct(hosts)))
            handles = (*command.pass_fds, theirs.fileno())
            yield replace(command, argv=(*words, *command.argv), pass_fds=handles), passage
        finally:
            passage.refused = _ended(proxy)


def is_reachable(environ: Mapping[str, str]) -> bool:
    """Whether the proxy knows the way out: the user's own proxy, where there is one, has to speak plain HTTP."""
    return all(urlsplit(address).scheme in ("", "http") for address in _own_proxies(environ).values())


def split_host(text: str) -> tuple[str, int]:
    """Name and port of an entry; 443 where none is said."""
    name, colon, port = text.rpartition(":")
    if colon and port.isdigit() and (":" not in name or name.startswith("[")):
        return name.lower(), int(port)
    return text.lower(), HTTPS


def _direct(hosts: Sequence[str]) -> Sequence[str]:
    """What a program reaches without the proxy: its own servers, since the loopback is its namespace's alone.

    A model on this machine is at a name of that kind too, and only the proxy leads there.
    """
    names = {split_host(host)[0] for host in hosts}
    return [] if names.intersection(_LOOPBACK) else [name.strip("[]") for name in _LOOPBACK]


def _entry(host: str, environ: Mapping[str, str]) -> list[Any]:
    """What the proxy is told of a host: its name, its port, and the user's own proxy on the way there."""
    name, port = split_host(host)
    proxies = _own_proxies(environ)
    scheme = "https" if port == HTTPS else "http"
    address = proxies.get(scheme) or proxies.get("all")
    if not address or name in _LOOPBACK or _is_direct(name, proxies.get("no", "")):
        return [name, port, None]
    own = urlsplit(address if "://" in address else f"http://{address}")
    secret = f"{unquote(own.username or '')}:{unquote(own.password or '')}" if own.username else ""
    auth = base64.b64encode(secret.encode()).decode() if secret else ""
    return [name, port, {"host": own.hostname or "", "port": own.port or 80, "auth": auth}]


def _is_direct(name: str, exceptions: str) -> bool:
    """Whether ``NO_PROXY`` names it: a name, the end of one, or ``*``."""
    ends = [part.strip().lower().lstrip("*.") for part in exceptions.split(",") if part.strip()]
    return "" in ends or any(name == end or name.endswith(f".{end}") for end in ends)


def _own_proxies(environ: Mapping[str, str]) -> dict[str, str]:
    """``http``, ``https``, ``all`` and ``no``, in either spelling."""
    from urllib.request import getproxies_environment  # which loads what speaks HTTP and TLS

    found = getproxies_environment() if environ is os.environ else {}
    for name, value in environ.items() if environ is not os.environ else ():
        if name.lower().endswith("_proxy") and value:
            found[name.lower().removesuffix("_proxy")] = value
    return {name: found[name] for name in ("http", "https", "all", "no") if found.get(name)}


def _ended(proxy: subprocess.Popen[bytes]) -> tuple[str, ...]:
    """End it; the hosts that it has refused."""
    proxy.kill()
    try:
        said, _ = proxy.communicate(timeout=_LONGEST_STOP)
    except subprocess.TimeoutExpired:
        return ()
    return tuple(line for line in said.decode("ascii", "replace").splitlines() if line)
