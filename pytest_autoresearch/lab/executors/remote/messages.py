"""What a slot and its runner say to each other, beside jobs and measurements."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_autoresearch.protocol.experiment import Place

CANCEL = "cancel"
"""What is said while something runs; it has no answer of its own."""


@dataclass(frozen=True)
class Berth:
    """Where a slot is on its node: the ``seat``-th of ``seats``, with these GPUs (as CUDA_VISIBLE_DEVICES has them)."""

    session: str
    seat: int = 0
    seats: int = 1
    gpus: str = ""


@dataclass(frozen=True)
class Opened:
    """What a slot says of itself. ``is_new``: the node holds no contents of this session yet."""

    place: Place
    isolation: str
    refused: tuple[str, ...]
    device: str
    is_new: bool


@dataclass(frozen=True)
class Failed:
    """Why there is no answer; ``is_ours``: it is what the node lacks, in words for people, else a bug."""

    words: str
    is_ours: bool = True


@dataclass(frozen=True)
class Gone:
    """The runner was killed."""
