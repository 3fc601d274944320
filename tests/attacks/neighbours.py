"""Hostile programs that only make sense beside runs on other slots, each with the level that stops it.

They are run in an arena whose other slots are busy: ``theirs`` in front of a name is what one of those holds,
``A["shared"]`` a file that all slots see. An attack that lasts says so with ``hold()``, which
returns when the neighbours have looked again at what is theirs.
"""

from __future__ import annotations

import textwrap

from tests.attacks.programs import SUCCEEDS, Attack

NEIGHBOURLY: list[Attack] = []

NEIGHBOURS = 3  # slots that are busy beside the one that attacks

# A run on another slot: it holds the secret in its environment, its memory, an open file and its directory until it is
# told to end. The first one has more that is its own: it looks at that again and again, notes harm and puts it right.
NEIGHBOUR = """
import ctypes, fcntl, os, socket, sys, time
from contextlib import suppress
secret = ctypes.create_string_buffer(os.environ["SECRET"].encode())
held = open("secret")
name, key, shared, libc = sys.argv[1], int(sys.argv[2]), sys.argv[3], ctypes.CDLL(None)
libc.shmat.restype = ctypes.c_void_p
servers, port, looks = [], 0, 0

def serve(family, address):
    with suppress(OSError):  # a level may refuse it
        server = socket.socket(family)
        server.bind(address)
        server.listen()
        server.setblocking(False)
        servers.append(server)
        return server

def put(memory=True, file=True):
    if memory:
        segment = libc.shmget(key + 1, 64, 0o1600)
        libc.shmctl(segment, 0, None) if segment < 0 else ctypes.memmove(libc.shmat(segment, None, 0), secret, 33)
    if file:
        open("/dev/shm/theirs" + name, "wb").write(secret.value)

def told(what):
    print(what, file=open("noticed", "a"))

def look():
    for server in servers:
        with suppress(OSError):
            server.accept()[0].sendall(secret.value)
    try:
        with socket.socket(socket.AF_UNIX) as mine:
            mine.bind("\\0next" + name)
    except OSError:
        told("its name was taken")
    try:
        file = os.open(shared, os.O_RDONLY | os.O_NONBLOCK)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            told("a lock was held")
        os.close(file)
    except BlockingIOError:
        told("a file could not be opened at once")
    if open("/dev/shm/theirs" + name, "rb").read() != secret.value:
        told("its shared file was changed")
        put(memory=False)
    if libc.shmget(key + 1, 1, 0) < 0:
        told("its shared memory was removed")
        put(file=False)

if os.path.exists("first"):
    serve(socket.AF_UNIX, "\\0theirs" + name)
    serve(socket.AF_UNIX, "theirs")
    tcp = serve(socket.AF_INET, ("127.0.0.1", 0))
    port = tcp.getsockname()[1] if tcp else 1
    put()
print(ctypes.addressof(secret), held.fileno(), port, file=open("begun.part", "w"), flush=True)
os.rename("begun.part", "begun")
while not os.path.exists("over"):
    if os.path.exists("first"):
        look()
        looks += 1
        print(looks, file=open("looks.part", "w"), flush=True)
        os.rename("looks.part", "looks")
    time.sleep(0.02)
print("undisturbed" if held.read() == secret.value.decode() == open("secret").read() else "disturbed")
"""

WAYS = """
def show_sent(client, address):
    client.settimeout(20)
    client.connect(address)
    print(client.recv(100), flush=True)

def hold():
    open("holding", "w").close()
    while not os.path.exists("enough"):
        time.sleep(0.02)
"""


def _attack(name: str, program: str, **outcomes: str) -> None:
    NEIGHBOURLY.append(Attack("neighbour", name, WAYS + textwrap.dedent(program).strip(), timeout=60.0, **outcomes))


_attack(
    "reads what a run on another slot has in its workspace",
    "attempt(lambda: show(A['outside'] + '/secret'))",
)
_attack(
    "writes into the workspace of another slot",
    "attempt(lambda: open(A['outside'] + '/planted', 'w'))",
)
_attack(
    "talks to a socket of another slot's run in the abstract namespace",
    "attempt(lambda: show_sent(socket.socket(socket.AF_UNIX), '\\0theirs' + A['name']))",
)
_attack(
    "talks to a socket of another slot's run by its path",
    "attempt(lambda: show_sent(socket.socket(socket.AF_UNIX), A['outside'] + '/theirs'))",
    landlock=SUCCEEDS,
)
_attack(
    "talks to another slot's run over the loopback (TCP)",
    "attempt(lambda: show_sent(socket.socket(), ('127.0.0.1', A['their_port'])))",
)
_attack(
    "takes an abstract name that another slot's run is about to use",
    """
    taken = socket.socket(socket.AF_UNIX)
    attempt(lambda: taken.bind('\\0next' + A['name']))
    hold()
    """,
    landlock=SUCCEEDS,
)
_attack(
    "reads what another slot's run has in /dev/shm",
    "attempt(lambda: show('/dev/shm/theirs' + A['name']))",
    landlock=SUCCEEDS,
)
_attack(
    "changes what another slot's run has in /dev/shm",
    "attempt(lambda: open('/dev/shm/theirs' + A['name'], 'w').write('changed'))\nhold()",
    landlock=SUCCEEDS,
)
_attack(
    "reads another slot's System V shared memory",
    """
    libc.shmat.restype = ctypes.c_void_p
    attempt(lambda: print(ctypes.string_at(libc.shmat(call("shmget", A["key"] + 1, 1, 0), None, 0x1000), 32)))
    """,
    landlock=SUCCEEDS,
)
_attack(
    "removes another slot's System V shared memory",
    'attempt(lambda: call("shmctl", call("shmget", A["key"] + 1, 1, 0), 0, None))\nhold()',
    landlock=SUCCEEDS,
)
_attack(
    "holds a lock on a file that all slots read (flock)",
    """
    import fcntl
    file = open(A["shared"])
    attempt(lambda: fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB))
    hold()
    """,
    bwrap=SUCCEEDS,
    landlock=SUCCEEDS,
)
_attack(
    "holds up whoever opens a file that all slots read (a lease)",
    """
    import fcntl
    signal.signal(signal.SIGIO, signal.SIG_IGN)
    file = open(A["shared"])
    attempt(lambda: fcntl.fcntl(file, 1024, fcntl.F_WRLCK))
    hold()
    """,
)
_attack(
    "has another slot's run scheduled only when nothing else is to do (SCHED_IDLE)",
    "attempt(lambda: os.sched_setscheduler(A['victim'], os.SCHED_IDLE, os.sched_param(0)))",
)
_attack(
    "slows all processes of a user at once (nice and disk priority by user)",
    """
    calls = {"x86_64": (141, 2, 251, 3), "aarch64": (140, 2, 30, 3)}[os.uname().machine]
    if os.path.exists(f"/proc/{A['victim']}"):  # else there is nobody beside it; a user that there is not is harmless
        for number, kind in (calls[:2], calls[2:]):
            try: call("syscall", number, kind, 0x7ffffff0, 0)
            except OSError as error:
                if error.errno == errno.ESRCH: did(number)
    """,
)
