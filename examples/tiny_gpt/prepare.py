"""The fixed half of the experiment: the text, its split, the training time and the score.

Read-only for the agent: a better number has to come from a better model or better training.
"""

import math
import os
from pydoc_data.topics import topics

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# What is left of the budget pays for starting up and for the evaluation.
TRAINING_SECONDS = 0.7 * float(os.environ.get("AUTORESEARCH_TIME_BUDGET", "20"))
VOCABULARY = 256  # every value of a byte
VALIDATION_BYTES = 32_768
IGNORED = -100  # an answer that is not scored


def training_bytes() -> Tensor:
    """Nine paragraphs of every ten, as one row of byte values."""
    paragraphs = _documentation()
    del paragraphs[::10]
    return _encode(paragraphs)


@torch.no_grad()
def evaluate(model: nn.Module, context: int, device: torch.device) -> float:
    """Bits per byte on the paragraphs held out, read in rows of `context` bytes.

    `model` maps bytes (batch, time) to the logits of what comes next (batch, time, 256).
    """
    model.eval()
    text = _encode(_documentation()[::10])[: VALIDATION_BYTES + 1].to(device)
    bytes_scored = len(text) - 1
    padding = (0, -bytes_scored % context)
    inputs = F.pad(text[:-1], padding).view(-1, context)
    answers = F.pad(text[1:], padding, value=IGNORED).view(-1, context)
    _check_that_the_future_is_unseen(model, inputs[:4])
    nats = 0.0
    for some_inputs, some_answers in zip(inputs.split(32), answers.split(32), strict=True):
        logits = model(some_inputs).float().flatten(0, 1)
        nats += F.cross_entropy(logits, some_answers.flatten(), ignore_index=IGNORED, reduction="sum").item()
    return nats / math.log(2) / bytes_scored


def _check_that_the_future_is_unseen(model: nn.Module, inputs: Tensor) -> None:
    half = inputs.shape[1] // 2
    other_future = torch.cat([inputs[:, :half], inputs[:, half:].flip(1)], dim=1)
    if not torch.allclose(model(inputs)[:, :half], model(other_future)[:, :half], rtol=1e-3, atol=1e-3):
        raise ValueError("the model's prediction of a byte depends on the bytes after it")


def _encode(paragraphs: list[str]) -> Tensor:
    return torch.tensor(list("\n\n".join(paragraphs).encode()))


def _documentation() -> list[str]:
    """The English text that ships with Python; each paragraph once, since topics quote each other."""
    text = "\n\n".join(topics[name] for name in sorted(topics))
    return list(dict.fromkeys(text.split("\n\n")))
