"""Hostile programs, each with the level that stops it. The table in docs/security.md is made from this file.

A program runs with ``A`` (the arena's paths, ports and pids). It has succeeded if the arena finds its victims harmed,
the secret in its output, ``DID`` in its output, or, run a second time, ``KEPT``. Successes are harmless by
construction: what is set is set to what it was, and what is opened is not written.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass

STOPPED, SUCCEEDS, DEPENDS = "stopped", "succeeds", "it depends"
ROOT, USER = "succeeds as root", "succeeds unless root"


@dataclass(frozen=True, slots=True)
class Attack:
    """``outcome`` by level, ``timeout`` in seconds, ``quick``: the answer must come within timeout + grace + 0.2 s."""

    kind: str
    name: str
    program: str
    bwrap: str = STOPPED
    landlock: str = STOPPED
    process: str = SUCCEEDS
    timeout: float = 10.0

    def expected(self, level: str, *, is_root: bool) -> str:
        """``stopped``, ``succeeds``, or that it depends on the machine."""
        outcome: str = getattr(self, level)
        return {ROOT: (STOPPED, SUCCEEDS)[is_root], USER: (SUCCEEDS, STOPPED)[is_root]}.get(outcome, outcome)


PRELUDE = """
import ctypes, errno, glob, json, os, signal, socket, struct, sys, time
A = json.loads(sys.argv[1])
libc = ctypes.CDLL(None, use_errno=True)

def call(name, *arguments):
    result = getattr(libc, name)(*arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result

def did(*what):
    print("DID", *what, flush=True)

def attempt(*steps):
    for step in steps:
        try:
            step()
        except (OSError, AttributeError) as error:
            print("failed:", error, flush=True)

def show(path):
    print(open(path, "rb").read(100_000), flush=True)

def daemon(work):
    "Runs work in a process that has left its session, its parent and its environment behind."
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.execve(sys.executable, [sys.executable, "-S", "-I", "-c", work], {})
        os._exit(0)
    os.wait()

SLEEP = "import signal, time\\nfor n in (1, 2, 15): signal.signal(n, signal.SIG_IGN)\\ntime.sleep(60)"
"""

ATTACKS: list[Attack] = []


def _attack(kind: str, name: str, program: str, *, timeout: float = 10.0, **outcomes: str) -> None:
    ATTACKS.append(Attack(kind, name, textwrap.dedent(program).strip(), timeout=timeout, **outcomes))


# ---------------------------------------------------------------------------------------------------------- processes

_attack(
    "process",
    "a daemon (forked twice, own session, empty environment, deaf to signals) outlives the run",
    "daemon(SLEEP)",
    process=STOPPED,
)
_attack(
    "process",
    "a daemon outlives the timeout",
    "daemon(SLEEP); time.sleep(60)",
    timeout=0.5,
    process=STOPPED,
)
_attack(
    "process",
    "a daemon holds the output open to delay the answer",
    "daemon(SLEEP); os._exit(0)",
    process=STOPPED,
)
_attack(
    "process",
    "kills the process that watches it, so that its daemon is forgotten",
    "daemon(SLEEP); attempt(lambda: os.kill(os.getppid(), 9)); time.sleep(1)",
    timeout=3.0,
    process=DEPENDS,  # on whether the supervisor saw the daemon in time
)
_attack(
    "process",
    "stops the process that watches it, to live past the timeout",
    "attempt(lambda: os.kill(os.getppid(), signal.SIGSTOP)); time.sleep(60)",
    timeout=0.5,
    process=STOPPED,
)
_attack(
    "process",
    "ignores every signal it can",
    """
    for number in range(1, 64):
        try: signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError): pass
    while True: time.sleep(1)
    """,
    timeout=0.5,
    process=STOPPED,
)
_attack(
    "process",
    "starts processes faster than they can be counted",
    "for _ in range(9): os.fork()\ntime.sleep(60)  # 512 of them: enough to be one, too few to hurt",
    process=STOPPED,
)
_attack(
    "process",
    "starts more threads than the machine has room for",
    """
    import threading
    threading.stack_size(65536)
    for _ in range(2000): threading.Thread(target=time.sleep, args=(5,), daemon=True).start()
    time.sleep(1); did()
    """,
    process=STOPPED,
)
_attack(
    "process",
    "keeps respawning itself in new sessions under the kill",
    """
    os.setsid() if os.getpid() != os.getsid(0) else None
    until = time.time() + 8
    while time.time() < until:
        if os.fork(): os._exit(0)
        os.setsid()
    """,
    timeout=0.5,
    process=STOPPED,
)
_attack(
    "process",
    "leaves hundreds of orphans that end at once",
    """
    for _ in range(200):
        if os.fork() == 0:
            os.setsid()
            os.fork()
            os._exit(0)
        os.wait()
    """,
    process=STOPPED,
)
_attack(
    "process",
    "makes a daemon that is its sibling, not its child (CLONE_PARENT), under a misleading name",
    """
    if libc.syscall(56, 0x8000 | signal.SIGCHLD, 0, 0, 0, 0) == 0:
        libc.prctl(15, b") S 1 1 1", 0, 0, 0)
        os.setsid()
        time.sleep(60)
    time.sleep(0.1)
    """,
    process=STOPPED,
)
_attack(
    "process",
    "opens files until none can be opened",
    """
    import resource
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    attempt(lambda: [os.open("/dev/null", os.O_RDONLY) for _ in range(100_000)])
    """,
    process=STOPPED,
)
_attack(
    "process",
    "floods its output, without a single line end",
    "block = b'x' * (1 << 20)\nfor _ in range(64): os.write(1, block)",
    process=STOPPED,
)
_attack(
    "process",
    "takes 600 MB of memory under a limit of 200 MB",
    "x = bytearray(600_000_000)\nfor i in range(0, len(x), 4096): x[i] = 1\ntime.sleep(3)\ndid()",
    process=STOPPED,
)
_attack(
    "process",
    "hides the memory it takes in many processes",
    """
    for _ in range(12):
        if os.fork() == 0:
            x = bytearray(50_000_000)
            for i in range(0, len(x), 4096): x[i] = 1
            time.sleep(60)
    time.sleep(3); did()
    """,
    process=STOPPED,
)
_attack(
    "process",
    "hides the memory it takes behind a first thread that has ended",
    """
    import threading
    def work():
        time.sleep(0.5)
        x = bytearray(600_000_000)
        for i in range(0, len(x), 4096): x[i] = 1
        time.sleep(3); did()
    threading.Thread(target=work).start()
    libc.syscall({"x86_64": 60}.get(os.uname().machine, 93), 0)
    """,
    process=STOPPED,
)
_attack(
    "process",
    "hides the memory it takes behind dead processes that nobody waits for",
    """
    for _ in range(100):
        if os.fork() == 0: os._exit(0)
    if os.fork() == 0:
        x = bytearray(600_000_000)
        for i in range(0, len(x), 4096): x[i] = 1
        time.sleep(2); did()
        os._exit(0)
    time.sleep(4)
    """,
    process=STOPPED,
)
_attack(
    "process",
    "fills the table of processes with dead ones",
    """
    for _ in range(250):
        if os.fork() == 0: os._exit(0)
    time.sleep(0.5); did()
    """,
    process=STOPPED,
)
_attack(
    "process",
    "leaves it to the kernel to take others first when memory ends (oom_score_adj)",
    """
    path, before = "/proc/self/oom_score_adj", int(open("/proc/self/oom_score_adj").read())
    attempt(lambda: open(path, "w").write("0"))
    if int(open(path).read()) < before: did()
    """,
    process=DEPENDS,
)
_attack(
    "process",
    "waits in the kernel: stopped, in vfork, for a lock and for a pipe",
    """
    import fcntl
    os.mkfifo("pipe")
    def locked(): fcntl.flock(open("lock", "w"), fcntl.LOCK_EX); os.kill(os.getpid(), signal.SIGSTOP)
    def waits(): time.sleep(0.1); fcntl.flock(open("lock", "w"), fcntl.LOCK_EX)
    def parent(): libc.syscall(56, 0x4000 | signal.SIGCHLD, 0, 0, 0, 0) or time.sleep(60)
    for work in (locked, waits, parent, lambda: open("pipe")):
        if os.fork() == 0:
            os.setsid()
            work()
            time.sleep(60)
    os.kill(os.getpid(), signal.SIGSTOP)
    """,
    timeout=0.5,
    process=STOPPED,
)
_attack("process", "kills another process of the user", "attempt(lambda: os.kill(A['victim'], 9)); time.sleep(0.2)")
_attack(
    "process",
    "kills whatever it finds in /proc by name",
    """
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            if A["name"].encode() in open(path, "rb").read() and int(path.split("/")[2]) == A["victim"]:
                os.kill(int(path.split("/")[2]), 9)
        except OSError: pass
    time.sleep(0.2)
    """,
)
_attack(
    "process",
    "reads the environment of another process",
    "attempt(lambda: show(f\"/proc/{A['victim']}/environ\"))",
)
_attack(
    "process",
    "reads the supervisor's environment",
    "attempt(lambda: did(open(f\"/proc/{A['supervisor']}/environ\", 'rb').read()[:1] or 1 / 0))",
    process=ROOT,
)
_attack(
    "process",
    "reads another process's memory through /proc",
    "attempt(lambda: did(open(f\"/proc/{A['victim']}/mem\", 'rb')))",
)
_attack(
    "process",
    "reads another process's memory with process_vm_readv",
    """
    class Part(ctypes.Structure):
        _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]
    into = ctypes.create_string_buffer(64)
    def read():
        local, remote = Part(ctypes.addressof(into), 16), Part(A["address"], 16)
        call("process_vm_readv", A["victim"], ctypes.byref(local), 1, ctypes.byref(remote), 1, 0)
        did()
    attempt(read)
    """,
)
_attack(
    "process",
    "attaches to another process as a debugger",
    """
    def attach():
        call("ptrace", 16, A["victim"], None, None)
        os.waitpid(A["victim"], 0x40000000)
        call("ptrace", 17, A["victim"], None, None)
        did()
    attempt(attach)
    """,
)
_attack(
    "process",
    "kills another process by the owner of a file (F_SETOWN, F_SETSIG), a queued signal or a pidfd",
    """
    import fcntl
    def by_owner():
        reader, writer = os.pipe()
        fcntl.fcntl(reader, fcntl.F_SETOWN, A["victim"])
        fcntl.fcntl(reader, 10, signal.SIGKILL)
        fcntl.fcntl(reader, fcntl.F_SETFL, os.O_ASYNC)
        os.write(writer, b"x")
    def by_queue():
        call("syscall", {"x86_64": 129}.get(os.uname().machine, 138), A["victim"], 9, struct.pack("iii116x", 9, 0, -1))
    attempt(by_owner, by_queue, lambda: signal.pidfd_send_signal(os.pidfd_open(A["victim"]), 9))
    time.sleep(0.2)
    """,
)
_attack(
    "process",
    "attaches to the sandbox's own process (pid 1), or writes its memory",
    """
    class Part(ctypes.Structure):
        _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]
    def write():
        part = Part(ctypes.addressof(ctypes.create_string_buffer(8)), 8)
        if libc.process_vm_writev(1, ctypes.byref(part), 1, ctypes.byref(Part(8, 8)), 1, 0) < 0:
            if ctypes.get_errno() == errno.EFAULT: did()  # it may, but there is nothing at this address
    def attach():
        call("ptrace", 16, 1, None, None)
        os.waitpid(1, 0x40000000)
        call("ptrace", 17, 1, None, None)
        did()
    attempt(write)
    if not os.path.exists(f"/proc/{A['victim']}"):  # else pid 1 is the machine's, and is left alone
        attempt(attach)
    """,
    process=DEPENDS,
)
_attack(
    "process",
    "reads files through another process's root, directory and descriptors in /proc",
    """
    for pid in [entry for entry in os.listdir("/proc") if entry.isdigit()]:
        attempt(lambda: show(f"/proc/{pid}/root{A['secret']}"), lambda: show(f"/proc/{pid}/cwd/secret"))
    victim = f"/proc/{A['victim']}/fd"
    attempt(lambda: [show(f"{victim}/{fd}") for fd in os.listdir(victim) if int(fd) > 2])
    """,
)
_attack(
    "process",
    "takes an open file from another process with pidfd_getfd",
    """
    def take():
        handle = call("syscall", 434, A["victim"], 0)
        show(f"/proc/self/fd/{call('syscall', 438, handle, A['open_file'], 0)}")
    attempt(take)
    """,
)
_attack(
    "process",
    "uses a descriptor that the supervisor left open",
    """
    for fd in range(3, 1024):
        try: os.fstat(fd)
        except OSError: continue
        did(fd, os.readlink(f"/proc/self/fd/{fd}"))
    """,
    process=STOPPED,
)
_attack(
    "process",
    "slows another process down (nice)",
    "attempt(lambda: os.setpriority(os.PRIO_PROCESS, A['victim'], 10))",
)
_attack(
    "process",
    "slows another process down (processor affinity)",
    "attempt(lambda: os.sched_setaffinity(A['victim'], {min(os.sched_getaffinity(0))}))",
    landlock=USER,
)
_attack(
    "process",
    "slows another process down (disk priority)",
    "attempt(lambda: (call('syscall', 251, 1, A['victim'], 3 << 13), did()))",
)
_attack(
    "process",
    "limits another process (prlimit)",
    "import resource\nattempt(lambda: (resource.prlimit(A['victim'], resource.RLIMIT_CORE, (0, 0)), did()))",
)
_attack(
    "process",
    "offers another process to the out-of-memory killer",
    "attempt(lambda: open(f\"/proc/{A['victim']}/oom_score_adj\", 'w').write('900'))",
)
_attack(
    "process",
    "takes the processor for itself (real-time scheduling)",
    "attempt(lambda: (os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1)), did()))",
    process=ROOT,
)
_attack(
    "process",
    "leaves a core dump",
    """
    import resource
    attempt(lambda: resource.setrlimit(resource.RLIMIT_CORE, (1 << 30, 1 << 30)))
    os.kill(os.getpid(), signal.SIGSEGV)
    """,
    process=DEPENDS,
)
_attack(
    "process",
    "types into the user's terminal (TIOCSTI)",
    """
    import fcntl, termios
    for path in ("/dev/tty", "/dev/stdin", "/proc/self/fd/1", A["terminal"]):
        attempt(lambda: (fcntl.ioctl(os.open(path, os.O_RDWR | os.O_NOCTTY), 0x5412, b"x"), did()))
    """,
    process=DEPENDS,  # root always, others where dev.tty.legacy_tiocsti is 1 and the terminal is nobody's
)
_attack(
    "process",
    "writes on the user's terminal, by its device",
    "attempt(lambda: did(os.write(os.open(A['terminal'], os.O_WRONLY | os.O_NOCTTY), b'KEEP 0.0')))",
)
_attack(
    "process",
    "learns what others run, with every argument",
    "attempt(lambda: A['name'] in open(f\"/proc/{A['victim']}/cmdline\").read() and did())",
    landlock=SUCCEEDS,
)

# -------------------------------------------------------------------------------------------------------------- files

_attack("file", "reads the user's SSH key", "attempt(lambda: show(os.path.join(A['home'], '.ssh/id_rsa')))")
_attack("file", "reads a token file outside the repository", "attempt(lambda: show(A['secret']))")
_attack(
    "file",
    "reads it through a link planted in the workspace",
    "attempt(lambda: os.symlink(A['secret'], 'link'), lambda: show('link'))",
)
_attack("file", "reads it through ..", "attempt(lambda: show('../' * 20 + A['secret'].lstrip('/')))")
_attack("file", "reads the password hashes", "attempt(lambda: (show('/etc/shadow'), did()))", process=ROOT)
_attack("file", "reads the hidden held-out data", "attempt(lambda: show(A['hidden']))")
_attack(
    "file",
    "learns names, sizes and times of the user's files (stat)",
    "attempt(lambda: did(os.stat(A['secret']).st_size))",
    landlock=SUCCEEDS,
)
_attack(
    "file",
    "watches the user's files (inotify)",
    "attempt(lambda: call('inotify_add_watch', call('inotify_init'), A['secret'].encode(), 0xFFF) and did())",
    landlock=SUCCEEDS,
)
_attack("file", "writes outside the workspace", "attempt(lambda: open(A['outside'] + '/written', 'w'))")
_attack(
    "file", "appends to the user's shell start-up file", "attempt(lambda: open(A['home'] + '/.bashrc', 'a').write('x'))"
)
_attack("file", "truncates a file it may not write", "attempt(lambda: os.truncate(A['secret'], 0))")
_attack("file", "changes rights of a file outside", "attempt(lambda: os.chmod(A['secret'], 0o777))", landlock=SUCCEEDS)
_attack(
    "file",
    "changes the sandbox's own program, through /proc/1/exe",
    """
    def change():
        status = os.stat("/proc/1/exe")
        if "bwrap" in os.readlink("/proc/1/exe"):
            os.chmod("/proc/1/exe", status.st_mode & 0o7777)
            did()
    attempt(change)
    """,
    process=STOPPED,
)
_attack("file", "changes times of a file outside", "attempt(lambda: os.utime(A['secret'], (1, 1)))", landlock=SUCCEEDS)
_attack(
    "file",
    "notes something in the attributes of a file outside",
    "attempt(lambda: (os.setxattr(A['secret'], 'user.note', b'x'), did()))",
    landlock=SUCCEEDS,
)
_attack(
    "file",
    "makes a second name for a file outside (hard link)",
    "attempt(lambda: os.link(A['secret'], 'hard'), lambda: show('hard'))",
)
_attack("file", "renames a file outside", "attempt(lambda: os.rename(A['secret'], A['secret'] + '.gone'))")
_attack("file", "deletes a file outside", "attempt(lambda: os.unlink(A['secret']))")
_attack("file", "poisons declared data", "attempt(lambda: open(A['data'] + '/numbers', 'w').write('9'))")
_attack(
    "file",
    "replaces declared data",
    "attempt(lambda: os.rename(A['data'], A['data'] + '.old'), lambda: os.mkdir(A['data']))",
)
_attack(
    "file",
    "rewrites a read-only file",
    "attempt(lambda: open('lib/grader.py', 'w').write('print(0)'))",
    landlock=SUCCEEDS,
)
_attack(
    "file",
    "replaces a read-only file by another",
    "attempt(lambda: open('own', 'w').write('x'), lambda: os.replace('own', 'lib/grader.py'))",
    landlock=SUCCEEDS,
)
_attack(
    "file",
    "renames the directory of a read-only file and makes its own",
    """
    attempt(lambda: os.rename('lib', 'old'), lambda: os.mkdir('lib'))
    attempt(lambda: open('lib/grader.py', 'x').write('print(0)'))
    """,
    landlock=SUCCEEDS,
)
_attack(
    "file",
    "makes a read-only file writable (chmod, then write)",
    "attempt(lambda: os.chmod('lib/grader.py', 0o777), lambda: open('lib/grader.py', 'a').write('#'))",
    landlock=SUCCEEDS,
)
_attack(
    "file",
    "writes a read-only file through a second name (hard link)",
    "attempt(lambda: os.link('lib/grader.py', 'second'), lambda: open('second', 'a').write('#'))",
    landlock=SUCCEEDS,
)
_attack(
    "file",
    "writes into the interpreter's packages",
    "attempt(lambda: did(os.open(A['packages'], os.O_TMPFILE | os.O_RDWR)))",
    process=DEPENDS,
)
_attack(
    "file",
    "rewrites the supervisor's own code",
    "attempt(lambda: os.open(A['package'] + '/__init__.py', os.O_WRONLY) and did())",
    process=DEPENDS,
)
_attack(
    "file",
    "opens a file by its kernel handle, without a path",
    """
    def open_handle():
        body = bytes.fromhex(A["handle"])
        show(f"/proc/self/fd/{call('open_by_handle_at', os.open('.', os.O_RDONLY), body, os.O_RDONLY)}")
    attempt(open_handle)
    """,
    process=ROOT,
)
_attack(
    "file",
    "plants a hook in the repository",
    "attempt(lambda: open(A['repository'] + '/.git/hooks/post-commit', 'w'))",
)
_attack("file", "reads credentials in .git/config", "attempt(lambda: show(A['repository'] + '/.git/config'))")
_attack(
    "file",
    "deletes the repository's history",
    "import shutil\nattempt(lambda: shutil.rmtree(A['repository'] + '/.git'))",
)
_attack("file", "changes the user's checkout", "attempt(lambda: open(A['checkout_file'], 'a').write('x'))")

# ------------------------------------------------------------------------------------------------- state between runs

_KEEP = """
def keep(path):
    if os.path.exists(path): print("KEPT", path)
    open(path, "w").close()
"""

_attack("state", "leaves a note in /tmp for the next run", _KEEP + "attempt(lambda: keep('/tmp/' + A['name']))")
_attack("state", "leaves a note in /var/tmp", _KEEP + "attempt(lambda: keep('/var/tmp/' + A['name']))")
_attack(
    "state",
    "leaves a note in /dev/shm",
    _KEEP + "attempt(lambda: keep('/dev/shm/' + A['name']))",
    landlock=SUCCEEDS,
)
_attack(
    "state",
    "leaves a note in HOME or TMPDIR",
    _KEEP + "attempt(lambda: keep(os.environ['HOME'] + '/note'), lambda: keep(os.environ['TMPDIR'] + '/note'))",
    process=STOPPED,
)
_attack(
    "state",
    "leaves a note in a System V shared memory segment",
    """
    attempt(lambda: (call("shmget", A["key"], 1, 0o600), print("KEPT")))
    attempt(lambda: call("shmget", A["key"], 1, 0o1600))
    """,
    landlock=SUCCEEDS,
)
_attack(
    "state",
    "leaves a note in a System V message queue",
    """
    attempt(lambda: (call("msgget", A["key"], 0o600), print("KEPT")))
    attempt(lambda: call("msgget", A["key"], 0o1600))
    """,
    landlock=SUCCEEDS,
)
_attack(
    "state",
    "leaves a note in a POSIX message queue",
    """
    name = ("/" + A["name"]).encode()
    try: queue = ctypes.CDLL("librt.so.1", use_errno=True).mq_open
    except OSError: queue = libc.mq_open
    if queue(name, os.O_RDWR) >= 0: print("KEPT")
    queue(name, os.O_RDWR | os.O_CREAT, 0o600, None)
    """,
)
_attack(
    "state",
    "leaves a note in the kernel's key rings",
    """
    name = A["name"].encode()
    for ring in (-3, -4, -5):
        attempt(lambda: (call("syscall", 250, 10, ring, b"user", name, 0), print("KEPT")))
        attempt(lambda: call("syscall", 248, b"user", name, b"x", 1, ring))
    """,
)
_attack(
    "state",
    "leaves a note in a System V semaphore",
    """
    attempt(lambda: (call("semget", A["key"], 1, 0o600), print("KEPT")))
    attempt(lambda: call("semget", A["key"], 1, 0o1600))
    """,
    landlock=SUCCEEDS,
)
_attack(
    "state",
    "leaves a note in which pages of a file are in memory",
    """
    files = sorted(path for path in glob.glob("/usr/share/doc/*/copyright") if os.path.isfile(path))
    if files:
        file = os.open(files[A["key"] % len(files)], os.O_RDONLY)
        attempt(lambda: (os.preadv(file, [bytearray(1)], 0, os.RWF_NOWAIT), print("KEPT")))
        os.pread(file, 1, 0)
    """,
    bwrap=DEPENDS,
    landlock=DEPENDS,
    process=DEPENDS,  # on the file system, and on what else the machine reads
)
_attack(
    "state",
    "leaves a note in the size of a directory and the time a file was read",
    """
    if os.stat(".").st_size > 4096 or os.stat("train.py").st_atime_ns > os.stat("train.py").st_mtime_ns: print("KEPT")
    open("train.py").read()
    for n in range(60): open(f"{n}" * 100, "w").close()
    """,
    bwrap=DEPENDS,
    landlock=DEPENDS,
    process=DEPENDS,  # on the file system
)
_attack(
    "state",
    "leaves a process that tells the next run",
    """
    try:
        s = socket.socket(socket.AF_UNIX); s.connect("\\0note" + A["name"]); print("KEPT")
    except OSError: pass
    daemon("import socket, time; s = socket.socket(1); s.bind('\\\\0note" + A["name"] + "'); s.listen(); time.sleep(9)")
    time.sleep(0.1)
    """,
    process=STOPPED,
)

# ------------------------------------------------------------------------------------------------------------ network

_attack(
    "network",
    "connects to a service of this machine (TCP)",
    "attempt(lambda: socket.create_connection(('127.0.0.1', A['tcp']), 1).send(b'x')); time.sleep(0.1)",
)
_attack(
    "network",
    "connects to it over IPv6",
    "attempt(lambda: socket.create_connection(('::ffff:127.0.0.1', A['tcp']), 1).send(b'x')); time.sleep(0.1)",
)
_attack(
    "network",
    "connects without a connect: TCP fast open, multipath TCP",
    """
    def send(protocol):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM, protocol) as s:
            s.sendto(b"x", 0x20000000, ("127.0.0.1", A["tcp"]))
    attempt(lambda: send(0), lambda: send(262)); time.sleep(0.1)
    """,
)
_attack(
    "network",
    "waits for connections from the machine",
    """
    def listen():
        with socket.create_server(("127.0.0.1", 0)):
            if os.readlink("/proc/self/ns/net") == A["network"]: did()
    attempt(listen)
    """,
)
_attack(
    "network",
    "sends a datagram (UDP)",
    "attempt(lambda: socket.socket(2, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', A['udp']))); time.sleep(0.1)",
)
_attack(
    "network",
    "connects to an abstract unix socket",
    "attempt(lambda: socket.socket(socket.AF_UNIX).connect('\\0' + A['abstract'])); time.sleep(0.1)",
)
_attack(
    "network",
    "connects to a unix socket by its path (docker, dbus, ssh-agent)",
    "attempt(lambda: socket.socket(socket.AF_UNIX).connect(A['socket'])); time.sleep(0.1)",
    landlock=SUCCEEDS,
)
_attack(
    "network",
    "learns who is connected to this machine",
    "attempt(lambda: f\":{A['tcp']:04X} \" in open('/proc/net/tcp').read() and did())",
    landlock=SUCCEEDS,
)
_attack(
    "network",
    "asks the kernel who is connected to it (netlink)",
    """
    def ask():
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 4) as s:
            s.settimeout(1)
            s.send(struct.pack("=IHHII", 72, 20, 0x301, 1, 0) + struct.pack("=BBBxI48x", 2, 6, 0, 0xFFFFFFFF))
            if struct.pack(">H", A["tcp"]) in s.recv(65536): did()
    attempt(ask)
    """,
    landlock=SUCCEEDS,
)
_attack(
    "network",
    "reaches the hypervisor (vsock)",
    "attempt(lambda: did(socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM)))",
    process=DEPENDS,
)
_attack(
    "network",
    "makes sockets through io_uring, past any filter",
    "attempt(lambda: did(call('syscall', 425, 1, ctypes.create_string_buffer(256))))",
    process=DEPENDS,
)
_attack(
    "network",
    "listens to the wire (packet socket)",
    "attempt(lambda: did(socket.socket(socket.AF_PACKET, socket.SOCK_RAW)))",
    process=ROOT,
)

# ------------------------------------------------------------------------------------------------------------- system

_attack(
    "system",
    "mounts something over its own view, in namespaces of its own",
    """
    def remount():
        os.mkdir("over")
        call("unshare", 0x10000000 | 0x00020000)
        call("mount", b"none", os.path.abspath("over").encode(), b"tmpfs", 0, None)
        did()
    attempt(remount)
    """,
    process=DEPENDS,
)
_attack(
    "system",
    "makes the read-only mounts writable again",
    """
    path = (A["repository"] + "/lib/grader.py").encode()
    attempt(lambda: (call("mount", None, path, None, 0x20 | 0x1000, None), did()))
    attempt(lambda: (call("umount2", path, 2), did()))
    """,
    process=STOPPED,
)
_attack(
    "system",
    "enters the namespaces of another process",
    "attempt(lambda: (call('setns', os.open(f\"/proc/{A['victim']}/ns/mnt\", os.O_RDONLY), 0), did()))",
    process=ROOT,
)
_attack(
    "system",
    "makes a device file",
    "attempt(lambda: (os.mknod('node', 0o20600, os.makedev(1, 3)), did()))",
    process=ROOT,
)
_attack(
    "system",
    "opens the disk, memory or kernel log",
    """
    for path in ("/dev/mem", "/dev/kmsg", *glob.glob("/dev/vd?"), *glob.glob("/dev/sd?"), *glob.glob("/dev/nvme?n?")):
        attempt(lambda: did(os.open(path, os.O_RDONLY)))
    """,
    process=ROOT,
)
_attack(
    "system",
    "reads the kernel log by its system call",
    "attempt(lambda: call('klogctl', 3, ctypes.create_string_buffer(4096), 4096) and did())",
    process=DEPENDS,  # root always, others where kernel.dmesg_restrict is 0
)
_attack(
    "system",
    "makes 32-bit system calls, past any filter",
    """
    import mmap
    if os.uname().machine == "x86_64":
        memory = mmap.mmap(-1, 4096, prot=7)
        memory.write(bytes.fromhex("53b814000000cd805bc3"))  # getpid by int 0x80
        if ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(memory)))() == os.getpid(): did()
    """,
    process=DEPENDS,
)
_attack(
    "system",
    "takes a detached copy of the mounts (open_tree, fsopen)",
    """
    for number, arguments in ((428, (-100, b"/", 1)), (430, (b"tmpfs", 0))):
        attempt(lambda: did(call("syscall", number, *arguments)))
    """,
    process=ROOT,
)
_attack(
    "system",
    "changes kernel settings (/proc/sys, /sys, cgroups, sysrq)",
    """
    for path in ("/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger", "/sys/kernel/mm/transparent_hugepage/enabled",
                 "/sys/fs/cgroup/cgroup.procs", "/sys/devices/system/cpu/cpu1/online", "/proc/irq/0/smp_affinity"):
        attempt(lambda: did(os.open(path, os.O_WRONLY)))
    """,
    process=ROOT,
)
_attack(
    "system",
    "sets the clock",
    "attempt(lambda: (time.clock_settime(time.CLOCK_REALTIME, time.time()), did()))",
    process=ROOT,
)
_attack(
    "system", "renames the machine", "attempt(lambda: (socket.sethostname(socket.gethostname()), did()))", process=ROOT
)
_attack(
    "system",
    "asks for a reboot or loads a kernel module",
    """
    for number, arguments in ((169, (0, 0, 0, 0)), (313, (-1, b"", 0))):
        try: call("syscall", number, *arguments)
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.ENOSYS): did(number, error)
    """,
    process=ROOT,
)
_attack(
    "system",
    "becomes another user",
    "attempt(lambda: (os.setuid(12345), did()))",
    process=ROOT,
)
_attack(
    "system",
    "gains rights through a set-user-id program",
    """
    status = open("/proc/self/status").read()
    print("no new privileges" if "NoNewPrivs:\\t1" in status else "DID")
    """,
)
