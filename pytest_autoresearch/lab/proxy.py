"""The way out for an agent that may reach its model and nothing else; run as ``python -S -I proxy.py FD``.

FD is a socket on which one listening socket arrives, made inside the sandbox's network namespace: whoever connects to
it there is answered here. The first line on standard input is the allow-list as JSON; when standard input ends, the
supervisor is gone and so is this. It opens tunnels (CONNECT) and forwards plain requests (``GET http://…``), to a host
and port of the list, and writes on standard output, one a line, what else was asked for.
"""

import array
import json
import os
import re
import select
import socket
import sys
import threading

LONGEST_HEAD = 65_536  # bytes
MOST_CONNECTIONS = 200
MOST_REFUSED = 50
PATIENCE = 30.0  # s to say what is wanted, and to be connected
IDLE = 900.0  # s in which a model may think without a word

_AUTHORITY = re.compile(r"(\[[0-9a-f:.]{2,64}\]|[a-z0-9._-]{1,253}):([0-9]{1,5})")
_ADDRESS = re.compile(r"http://([^/?#@\s]{1,300})([/?][^\s#]*)?", re.IGNORECASE)
_METHOD = re.compile(r"[A-Z]{3,10}")
_HOP = re.compile(r"(?:host|connection|proxy-[a-z-]+|keep-alive|upgrade)\s*:", re.IGNORECASE)


class Refused(Exception):
    """What the other side is told."""

    def __init__(self, status: str, words: str) -> None:
        super().__init__(words)
        self.status = status


class Proxy:
    """``hosts`` are [name, port, via]: a name, or ``*.`` and its end; ``via`` is the user's own proxy, or None."""

    def __init__(self, hosts: "list[list[object]]") -> None:
        self._hosts = hosts
        self._places = threading.BoundedSemaphore(MOST_CONNECTIONS)
        self._refused: set[str] = set()

    def serve(self, listener: socket.socket) -> None:
        while True:
            client, _ = listener.accept()
            if self._places.acquire(blocking=False):
                threading.Thread(target=self._answer, args=(client,), daemon=True).start()
            else:
                client.close()

    def _answer(self, client: socket.socket) -> None:
        try:
            with client:
                client.settimeout(PATIENCE)
                try:
                    server, first, reply = self._opened(*_head(client))
                except Refused as why:
                    body = f"{why}\n".encode()
                    head = f"HTTP/1.1 {why.status}\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\n"
                    client.sendall(f"{head}Connection: close\r\n\r\n".encode() + body)
                    return
                with server:
                    server.sendall(first)
                    client.sendall(reply)
                    _relay(client, server)
        except OSError:  # one of the two has gone
            pass
        finally:
            self._places.release()

    def _opened(self, lines: "list[str]", rest: bytes) -> "tuple[socket.socket, bytes, bytes]":
        """The connection that a request asks for, what goes to it first, and what the client is told."""
        words = lines[0].split(" ")
        if len(words) != 3 or not _METHOD.fullmatch(words[0]) or not words[2].startswith("HTTP/1."):
            raise Refused("400 Bad Request", "this is a proxy: it takes CONNECT, and requests for http:// addresses")
        if words[0] == "CONNECT":
            name, port = _authority(words[1])
            server, _, early = self._connected(name, port, tunnel=True)
            return server, rest, b"HTTP/1.1 200 Connection established\r\n\r\n" + early
        found = _ADDRESS.fullmatch(words[1])
        if found is None:
            raise Refused("400 Bad Request", "this is a proxy: it takes CONNECT, and requests for http:// addresses")
        name, port = _authority(found[1] if re.search(r":[0-9]+$", found[1]) else f"{found[1]}:80")
        server, via, _ = self._connected(name, port, tunnel=False)
        path = found[2] or "/"
        target = words[1] if via else (path if path.startswith("/") else f"/{path}")
        host = name if port == 80 else f"{name}:{port}"
        # One request a connection: the next one may be for another host.
        own = [f"{words[0]} {target} HTTP/1.1", f"Host: {host}", "Connection: close", *via]
        kept = [line for line in lines[1:] if not _HOP.match(line)]
        return server, "\r\n".join([*own, *kept, "", ""]).encode("latin-1") + rest, b""

    def _connected(self, name: str, port: int, *, tunnel: bool) -> "tuple[socket.socket, list[str], bytes]":
        """The socket, the header lines that the user's own proxy wants with a plain request, and what came at once."""
        via = self._way_to(name, port)
        try:
            if via is None:
                return socket.create_connection((name.strip("[]"), port), PATIENCE), [], b""
            server = socket.create_connection((str(via["host"]), int(str(via["port"]))), PATIENCE)
        except OSError as error:
            raise Refused("502 Bad Gateway", f"{name}:{port}: {error}") from None
        lines = [f"Proxy-Authorization: Basic {via['auth']}"] if via["auth"] else []
        if not tunnel:
            return server, lines or ["Via: 1.1 autoresearch"], b""
        server.sendall(
            "\r\n".join([f"CONNECT {name}:{port} HTTP/1.1", f"Host: {name}:{port}", *lines, "", ""]).encode()
        )
        answer, early = _head(server)
        if answer[0].split(" ")[1:2] != ["200"]:
            server.close()
            raise Refused("502 Bad Gateway", f"{name}:{port}: the proxy {via['host']} says {answer[0][:200]}")
        return server, [], early

    def _way_to(self, name: str, port: int) -> "dict[str, object] | None":
        for pattern, allowed, via in self._hosts:
            pattern = str(pattern)
            if port == allowed and (name == pattern or (pattern.startswith("*.") and name.endswith(pattern[1:]))):
                return via  # type: ignore[return-value]
        if len(self._refused) < MOST_REFUSED and (asked := f"{name}:{port}") not in self._refused:
            self._refused.add(asked)
            os.write(1, f"{asked}\n".encode())
        raise Refused(
            "403 Forbidden", f"{name}:{port} is not among the hosts that this agent may reach: agent_hosts adds names"
        )


def _authority(text: str) -> "tuple[str, int]":
    found = _AUTHORITY.fullmatch(text.lower())
    if found is None or not 0 < int(found[2]) < 65_536:
        raise Refused("400 Bad Request", "no host and port")
    return found[1].rstrip("."), int(found[2])


def _head(client: socket.socket) -> "tuple[list[str], bytes]":
    """The lines of a request or an answer up to the empty one, and what has come of the rest."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = client.recv(LONGEST_HEAD)
        data += more
        if not more or len(data) > LONGEST_HEAD:
            raise Refused("400 Bad Request", "no end of the request's head")
    head, _, rest = data.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    if any("\r" in line or "\n" in line or "\0" in line for line in lines):
        raise Refused("400 Bad Request", "a line end where none belongs")
    return lines, rest


def _relay(one: socket.socket, other: socket.socket) -> None:
    """Bytes both ways until both are at their end, or nobody says anything for long."""
    reading = [one, other]
    while reading:
        ready, _, _ = select.select(reading, [], [], IDLE)
        if not ready:
            return
        for source in ready:
            sink = other if source is one else one
            data = source.recv(LONGEST_HEAD)
            if data:
                sink.sendall(data)
            else:
                reading.remove(source)
                sink.shutdown(socket.SHUT_WR)


def _die_with_supervisor() -> None:
    while sys.stdin.buffer.read(4096):
        pass
    os._exit(0)


def main(arguments: "list[str]") -> None:
    hosts = json.loads(sys.stdin.buffer.readline())
    threading.Thread(target=_die_with_supervisor, daemon=True).start()
    with socket.socket(fileno=int(arguments[0])) as channel:
        _, parts, _, _ = channel.recvmsg(1, socket.CMSG_SPACE(4))
    if parts:
        Proxy(hosts).serve(socket.socket(fileno=array.array("i", parts[0][2][:4])[0]))


if __name__ == "__main__":
    main(sys.argv[1:])
