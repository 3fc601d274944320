"""How we call the kernel where Python has no name for a call: through the C library, with its errors as OSError."""

from __future__ import annotations

import ctypes
import os
from functools import cache


@cache
def libc() -> ctypes.CDLL:
    """The C library of this process, loaded once."""
    return ctypes.CDLL(None, use_errno=True)


def checked(result: int) -> int:
    """The result of a call, OSError where it is negative."""
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
