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
    """898 images and the digits they show."""
    return _parts()[0]


def evaluate(classifier: Classifier) -> float:
    """The log loss of the 599 digits held out: what experiments are judged by."""
    images, digits = _parts()[1]
    return loss(classifier.predict_proba(images), digits)


def hidden_data() -> tuple[np.ndarray, np.ndarray]:
    """300 images and digits that decide nothing: what a session has gained is looked at there when it is over."""
    return _parts()[2]


def loss(probabilities: np.ndarray, digits: np.ndarray) -> float:
    """The mean negative log-likelihood, in nats; `probabilities` has a row of ten for each digit."""
    probabilities = np.asarray(probabilities, dtype=float)
    if (probabilities < 0.0).any() or not np.allclose(probabilities.sum(axis=1), 1.0):
        raise ValueError("a row of probabilities is no distribution")
    return float(log_loss(digits, probabilities, labels=range(10)))


def _parts() -> list[tuple[np.ndarray, np.ndarray]]:
    """Training, validation and hidden digits."""
    images, digits = load_digits(return_X_y=True)
    rest, validation, of_rest, of_validation = train_test_split(
        images / 16, digits, test_size=1 / 3, random_state=0, stratify=digits
    )
    training, hidden, of_training, of_hidden = train_test_split(
        rest, of_rest, test_size=1 / 4, random_state=0, stratify=of_rest
    )
    return [(training, of_training), (validation, of_validation), (hidden, of_hidden)]
