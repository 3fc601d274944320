"""What a call costs, whatever else the machine and the tests before it do."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable


def seconds(work: Callable[[], object], *, tries: int = 3) -> float:
    """CPU seconds of this thread, the least of some tries.

    Without the garbage collector: what it looks through was left by thousands of other tests.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        return min(_once(work) for _ in range(tries))
    finally:
        if collects:
            gc.enable()


def _once(work: Callable[[], object]) -> float:
    began = time.thread_time()
    work()
    return time.thread_time() - began
