"""An agent that may reach its model reaches that and nothing else: no service of the machine, by no spelling."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pytest_autoresearch.lab import passage
from pytest_autoresearch.lab.bwrap import BwrapSandbox, find_program
from pytest_autoresearch.lab.command import Command, Outcome
from pytest_autoresearch.lab.passage import is_reachable, only_to
from pytest_autoresearch.lab.process import execute
from pytest_autoresearch.lab.view import View

PROGRAM = find_program()
pytestmark = pytest.mark.skipif(PROGRAM is None, reason="bubblewrap is not installed")

PRELUDE = """
import os, socket, sys
from urllib.parse import urlsplit
proxy = urlsplit(os.environ["HTTPS_PROXY"])

def ask(request, more=b""):
    with socket.create_connection((proxy.hostname, proxy.port), 5) as client:
        client.settimeout(5)
        client.sendall(request.encode("latin-1") + more)
        said = b""
        try:
            while part := client.recv(65536):
                said += part
        except OSError:
            pass
    return said.decode("latin-1", "replace")

def connect(authority, inner="GET /model HTTP/1.0\\r\\n\\r\\n"):
    return ask(f"CONNECT {authority} HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n", inner.encode())
"""


class Service(BaseHTTPRequestHandler):
    """Notes which host it was asked as, and answers with what is secret."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.server.seen.append((self.headers.get("Host", ""), self.path))  # type: ignore[attr-defined]
        body = self.server.word.encode()  # type: ignore[attr-defined]
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def log_message(self, format: str, *args: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    def __init__(self, word: str, address: str = "127.0.0.1") -> None:
        super().__init__((address, 0), Service)
        self.word, self.seen = word, list[tuple[str, str]]()
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()


@pytest.fixture
def model() -> Iterator[Server]:
    with Server("the model's answer") as server:
        yield server
        server.shutdown()


@pytest.fixture
def service() -> Iterator[Server]:
    with Server("the secret of a service") as server:
        yield server
        server.shutdown()


@pytest.fixture
def inside(tmp_path: Path) -> Callable[..., tuple[Outcome, tuple[str, ...]]]:
    """Runs a program in the sandbox, with a way to these hosts; what it said, and what it was refused."""
    for name in ("scratch/workspace", "home/repository"):
        (tmp_path / name).mkdir(parents=True)
    view = View(tmp_path / "scratch/workspace", tmp_path / "home/repository", tmp_path / "scratch")

    def run(program: str, *hosts: str, **env: str) -> tuple[Outcome, tuple[str, ...]]:
        assert PROGRAM is not None
        words = (os.path.realpath(sys.executable), "-S", "-I", "-c", PRELUDE + textwrap.dedent(program))
        command = Command(words, view.shown_at, {"PATH": os.defpath, **env}, 30.0, disk_floor=0)
        with only_to(hosts, command) as (led, way), BwrapSandbox(PROGRAM).wrap(led, view) as confined:
            outcome = execute(confined)
        return outcome, way.refused

    return run


def said(result: tuple[Outcome, tuple[str, ...]]) -> str:
    return result[0].stdout.decode()


def test_the_model_is_reached_by_a_tunnel_and_by_a_plain_request(
    model: Server, inside: Callable[..., tuple[Outcome, tuple[str, ...]]]
) -> None:
    at = f"127.0.0.1:{model.server_port}"
    program = f"""
    print(connect("{at}"))
    print(ask("GET http://{at}/plain?x=1 HTTP/1.1\\r\\nHost: {at}\\r\\n\\r\\n"))
    print(ask("POST http://{at}/post HTTP/1.1\\r\\nHost: {at}\\r\\nContent-Length: 3\\r\\n\\r\\n", b"abc"))
    """
    result = inside(program, at)
    assert said(result).count("the model's answer") == 3, result
    assert [path for _, path in model.seen] == ["/model", "/plain?x=1", "/post"]
    assert result[1] == ()


def test_a_client_of_the_standard_library_finds_the_way_by_itself(
    model: Server, inside: Callable[..., tuple[Outcome, tuple[str, ...]]]
) -> None:
    at = f"127.0.0.1:{model.server_port}"
    program = f"import urllib.request; print(urllib.request.urlopen('http://{at}/x', timeout=5).read())"
    assert "the model's answer" in said(inside(program, at, NO_PROXY="*", no_proxy="127.0.0.1"))


def test_a_program_reaches_a_server_of_its_own_beside_a_model_that_is_elsewhere(
    inside: Callable[..., tuple[Outcome, tuple[str, ...]]], service: Server
) -> None:
    """As opencode does; the machine's own services are no nearer for it."""
    program = f"""
    import http.server, threading, urllib.request
    class Own(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200); self.end_headers(); self.wfile.write(b"its own")
        def log_message(self, *args): pass
    own = http.server.HTTPServer(("127.0.0.1", 0), Own)
    threading.Thread(target=own.serve_forever, daemon=True).start()
    for port in (own.server_port, {service.server_port}):
        try:
            print(urllib.request.urlopen(f"http://127.0.0.1:{{port}}/", timeout=5).read())
        except OSError as error:
            print(error)
    """
    result = inside(program, "127.0.0.2:1")
    assert "its own" in said(result) and "secret" not in said(result), result
    assert service.seen == []


@pytest.mark.parametrize(
    "spelling",
    [
        *("127.0.0.1:{service}", "localhost:{service}", "LOCALHOST.:{service}", "[::1]:{service}", "0:{service}"),
        *("2130706433:{service}", "0x7f000001:{service}", "127.1:{service}", "[::ffff:127.0.0.1]:{service}"),
        *("0.0.0.0:{service}", "127.0.0.1.:{service}", "127.0.0.1:0{service}", "model.example:{service}"),
        *("127.0.0.1:{model}@127.0.0.1:{service}", "127.0.0.1:{model} 127.0.0.1:{service}", "127.0.0.1:{service}\t"),
        *("127.0.0.1:{model}/../127.0.0.1:{service}", "127.0.0.1", ":{service}", "127.0.0.1:99999", "127.0.0.1:-1"),
    ],
)
def test_no_spelling_leads_to_a_service_of_the_machine(
    spelling: str, model: Server, service: Server, inside: Callable[..., tuple[Outcome, tuple[str, ...]]]
) -> None:
    text = spelling.format(model=model.server_port, service=service.server_port)
    program = f"""
    print(connect({text!r}))
    print(ask("GET http://" + {text!r} + "/ HTTP/1.1\\r\\nHost: 127.0.0.1:{service.server_port}\\r\\n\\r\\n"))
    """
    assert "secret" not in said(inside(program, f"127.0.0.1:{model.server_port}"))
    assert service.seen == []


@pytest.mark.parametrize(
    "program",
    [
        # the host that a request names is the one that is connected to, and the only one that is asked for
        'ask("GET http://MODEL/a HTTP/1.1\\r\\nHost: SERVICE\\r\\n\\r\\n")',
        'ask("GET http://MODEL/a HTTP/1.1\\r\\nHost: x\\r\\nhost:SERVICE\\r\\n\\r\\n")',
        'ask("GET http://MODEL/a HTTP/1.1\\r\\n\\r\\nGET http://SERVICE/b HTTP/1.1\\r\\nHost: SERVICE\\r\\n\\r\\n")',
        'ask("GET http://MODEL/a\\r\\nHost: SERVICE HTTP/1.1\\r\\n\\r\\n")',
        'ask("GET /a HTTP/1.1\\r\\nHost: SERVICE\\r\\n\\r\\n")',
        'ask("GET ftp://SERVICE/a HTTP/1.1\\r\\n\\r\\n")',
        'ask("GET https://SERVICE/a HTTP/1.1\\r\\n\\r\\n")',
        'ask("CONNECT SERVICE HTTP/2.0\\r\\n\\r\\n")',
        'ask("CONNECT MODEL\\x00SERVICE HTTP/1.1\\r\\n\\r\\n")',
        'ask("x" * 100000)',
        pytest.param('ask("\\x05\\x01\\x00")', marks=pytest.mark.slow),  # it waits for more
    ],
)
def test_no_request_is_taken_for_another_hosts(
    program: str, model: Server, service: Server, inside: Callable[..., tuple[Outcome, tuple[str, ...]]]
) -> None:
    names = {"MODEL": f"127.0.0.1:{model.server_port}", "SERVICE": f"127.0.0.1:{service.server_port}"}
    text = re.sub("MODEL|SERVICE", lambda found: names[found[0]], program)
    result = inside(f"print({text})", names["MODEL"])
    assert "secret" not in said(result) and service.seen == []
    assert {host for host, _ in model.seen} <= {names["MODEL"]}, "a request is for the host that it names"


def test_nothing_else_of_the_machines_network_is_there(
    model: Server, service: Server, inside: Callable[..., tuple[Outcome, tuple[str, ...]]]
) -> None:
    name = f"autoresearch-{os.getpid()}"
    with socket.socket(socket.AF_UNIX) as abstract, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        abstract.bind("\0" + name)
        abstract.listen()
        datagrams.bind(("127.0.0.1", 0))
        datagrams.settimeout(0.2)
        program = f"""
        for kind, family, address in (
            ("tcp", socket.AF_INET, ("127.0.0.1", {service.server_port})),
            ("model", socket.AF_INET, ("127.0.0.1", {model.server_port})),
            ("abstract", socket.AF_UNIX, "\\0{name}"),
        ):
            try:
                socket.socket(family).connect(address)
                print("reached", kind)
            except OSError:
                pass
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", {datagrams.getsockname()!r})
        print([fd for fd in os.listdir("/proc/self/fd") if "socket" in os.path.realpath(f"/proc/self/fd/{{fd}}")])
        """
        result = inside(program, f"127.0.0.1:{model.server_port}")
        with pytest.raises(TimeoutError):
            datagrams.recv(1)
    assert said(result) == "[]\n", result


def test_what_was_refused_is_told_once_and_bounded(
    service: Server, inside: Callable[..., tuple[Outcome, tuple[str, ...]]]
) -> None:
    program = 'for n in range(120): print(connect(f"host{n % 60}.example:443"))'
    result = inside(program, "api.example:443")
    assert "403 Forbidden" in said(result) and "agent_hosts adds names" in said(result)
    assert result[1][:2] == ("host0.example:443", "host1.example:443") and len(result[1]) == 50


def test_names_below_a_name_are_let_through_where_that_is_said(
    inside: Callable[..., tuple[Outcome, tuple[str, ...]]],
) -> None:
    asked = ("a.model.invalid:443", "model.invalid:443", "notmodel.invalid:443", "a.model.invalid:80")
    answers = [said(inside(f"print(connect({at!r}))", "*.model.invalid"))[9:12] for at in asked]
    assert answers == ["502", "403", "403", "403"], "502: it is looked up, and there is no such name"


def is_alive(pid: int) -> bool:
    """Nobody may be there to reap what a dead supervisor has left."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_the_proxy_ends_with_the_turn_and_with_the_supervisor(tmp_path: Path) -> None:
    program = """
import os, subprocess
from pathlib import Path
from pytest_autoresearch.lab import passage
from pytest_autoresearch.lab.command import Command
started = []
real = subprocess.Popen
class Popen(real):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        started.append(self.pid)
subprocess.Popen = Popen
command = Command(("true",), Path("/"), {}, 1.0)
with passage.only_to(["a.example"], command): pass
way = passage.only_to(["a.example"], command)
way.__enter__()
print(*started, flush=True)
os._exit(1)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    first, second = map(int, done.stdout.split())
    assert not is_alive(first)
    deadline = time.monotonic() + 60
    while is_alive(second):
        assert time.monotonic() < deadline, "it outlives the supervisor"
        time.sleep(0.02)


def test_the_users_own_proxy_is_on_the_way_to_the_model(
    inside: Callable[..., tuple[Outcome, tuple[str, ...]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as own:
        heard: list[bytes] = []

        def serve() -> None:
            client, _ = own.accept()
            with client:
                heard.append(client.recv(4096))
                client.sendall(b"HTTP/1.1 200 OK\r\n\r\nthrough it")

        threading.Thread(target=serve, daemon=True).start()
        monkeypatch.setenv("HTTPS_PROXY", f"http://user:p%40ss@127.0.0.1:{own.getsockname()[1]}")
        assert "through it" in said(inside('print(connect("api.example:443"))', "api.example"))
    assert heard[0].startswith(b"CONNECT api.example:443 HTTP/1.1\r\n")
    assert b"Proxy-Authorization: Basic dXNlcjpwQHNz\r\n" in heard[0]


@pytest.mark.parametrize(("proxy", "reachable"), [("http://p:1", True), ("", True), ("socks5://p:1", False)])
def test_a_proxy_of_the_users_that_speaks_something_else_is_not_walked_around(proxy: str, reachable: bool) -> None:
    assert is_reachable({"HTTPS_PROXY": proxy, "PATH": "/bin"}) is reachable


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a.b", ("a.b", 443)), ("a.b:80", ("a.b", 80)), ("[::1]:80", ("[::1]", 80)), ("A.b", ("a.b", 443))],
)
def test_a_host_without_a_port_is_asked_for_by_tls(text: str, expected: tuple[str, int]) -> None:
    assert passage.split_host(text) == expected
