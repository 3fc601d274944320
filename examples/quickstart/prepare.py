"""The fixed half of the experiment: the text, its split and the score.

Read-only for the agent: a better number has to come from a better model.
"""

import math
from collections.abc import Iterator
from pydoc_data.topics import topics
from typing import Protocol

TRAINING_BYTES = 16_000
VALIDATION_BYTES = 4_000


class Model(Protocol):
    """What is scored: a predictor of the next bit that learns as it goes."""

    def predict(self) -> float:
        """Return the probability that the next bit is a one, strictly between 0 and 1."""

    def update(self, bit: int) -> None:
        """Learn what the bit really was."""


def training_text() -> bytes:
    """Four paragraphs of every five."""
    paragraphs = documentation()
    del paragraphs[::5]
    return "\n\n".join(paragraphs).encode()[:TRAINING_BYTES]


def evaluate(model: Model) -> float:
    """Bits per byte on the paragraphs held out. The model has to predict each bit before it is shown."""
    text = "\n\n".join(documentation()[::5]).encode()[:VALIDATION_BYTES]
    cost = 0.0
    for bit in bits(text):
        one = float(model.predict())
        if not 0.0 < one < 1.0:
            raise ValueError(f"predict() returned {one}: not a probability strictly between 0 and 1")
        cost -= math.log2(one if bit else 1.0 - one)
        model.update(bit)
    return cost / len(text)


def bits(text: bytes) -> Iterator[int]:
    """The bits of a text, the most significant of each byte first."""
    for byte in text:
        for shift in range(7, -1, -1):
            yield byte >> shift & 1


def documentation() -> list[str]:
    """The English text that ships with Python; each paragraph once, since topics quote each other."""
    text = "\n\n".join(topics[name] for name in sorted(topics))
    return list(dict.fromkeys(text.split("\n\n")))
