"""Names the machine, so that levels measured elsewhere are not compared with."""

from __future__ import annotations

import hashlib
import os
import platform


def machine_fingerprint() -> str:
    """Host, architecture, kernel, number of processors and Python, as 16 hexadecimal digits."""
    parts = (platform.node(), platform.machine(), platform.release(), str(os.cpu_count()), platform.python_version())
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def system_name() -> str:
    """System, release, machine and C library.

    Not ``platform.platform()``: to unpack its ``uname()`` it starts `uname -p` by name, with the caller's PATH and
    directory, and uses nothing of the answer (CPython 3.10.13 to 3.13.0, Lib/platform.py).
    """
    here = os.uname()
    libc = "".join(platform.libc_ver())
    return f"{here.sysname}-{here.release}-{here.machine}" + (f"-with-{libc}" if libc else "")
