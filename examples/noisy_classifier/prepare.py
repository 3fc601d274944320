"""The fixed half of the experiment: the digits, their split and the score.

Read-only for the agent: a better number has to come from a better classifier.
"""

from typing import Protocol

import numpy as np
from sklearn.datasets import load_digits
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split


class Classifier(Protocol):
    """What is scored."""

    def predict_proba(self, images: np.ndarray) -> np.ndarray:
        """Return one row of ten probabilities for each image of 64 grey levels between 0 and 1."""


def training_data() -> tuple[np.ndarray, np.ndarray]:
    """1,198 images and the digits they show."""
    images, _, digits, _ = _split()
    return images, digits


def evaluate(classifier: Classifier) -> float:
    """The mean negative log-likelihood, in nats, of the digits held out."""
    _, images, _, digits = _split()
    probabilities = np.asarray(classifier.predict_proba(images), dtype=float)
    if (probabilities < 0.0).any() or not np.allclose(probabilities.sum(axis=1), 1.0):
        raise ValueError("predict_proba() returned a row that is no distribution")
    return float(log_loss(digits, probabilities, labels=range(10)))


def _split() -> list[np.ndarray]:
    images, digits = load_digits(return_X_y=True)
    return train_test_split(images / 16, digits, test_size=1 / 3, random_state=0, stratify=digits)
