"""How fast `slug` is. An ordinary test to pytest; with --autoresearch, the measurement that the loop repeats."""

import random
import time
from itertools import accumulate

import pytest
from slugs import slug

SYLLABLES = "ba ché da ëf gó ha ñi jo kü la mò ne øp qu ra ße ti ûv wo xy zå - ' : ½".split()


@pytest.mark.timeout(20)
@pytest.mark.autoresearch(metric="seconds", direction="lower", targets=["slugs.py"], guard=["test_slugs.py"])
def test_seconds_for_2500_titles(experiment, record_metric):
    batches = (make_titles(2_500, seed) for seed in range(experiment.seed, experiment.seed + 10))
    seconds = min(map(seconds_for, batches))  # the quickest: whatever else the machine does only adds time

    record_metric("seconds", seconds)
    assert seconds < experiment.best


def seconds_for(titles: list[str]) -> float:
    began = time.process_time()
    for title in titles:
        slug(title)
    return time.process_time() - began


def make_titles(count: int, seed: int) -> list[str]:
    """Titles of eight words each. Few words are frequent and many are rare, as in any language."""
    choose = random.Random(seed)
    words = ["".join(choose.choices(SYLLABLES, k=4)) for _ in range(4_000)]
    frequency = list(accumulate(1 / rank for rank in range(1, len(words) + 1)))
    return [" ".join(choose.choices(words, cum_weights=frequency, k=8)) for _ in range(count)]
