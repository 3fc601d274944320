"""An offered extract command is run here by a real bash on the log it was made for."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from pytest_autoresearch.lab.metrics import read_extract, read_log
from pytest_autoresearch.lab.offers import offer_for
from pytest_autoresearch.protocol.model import Direction, Metric

METRIC = Metric("val_loss", Direction.LOWER)


@pytest.mark.parametrize(
    ("log", "value", "is_sure"),
    [
        ("val_loss: 93.4%", 93.4, True),
        ("val_loss: 12.3 ms", 12.3, True),
        ("val_loss: 15,200", 15200, True),
        ("val_loss: 1_000", 1000, True),
        ("val_loss: $1.20", 1.2, True),
        ("val_loss: 0,41", 0.41, False),
        ("val_loss: 93/100", 0.93, True),
        ("val_loss: 0:01:23", 83, True),
        ("val_loss: 0.41 ± 0.02", 0.41, False),
        ("val_loss: 0.41 (0.43)", 0.41, False),
        ("val_loss: 0.5 -> 0.41", 0.41, False),
        ("train: val_loss=0.5 x\nval: val_loss=0.41", 0.41, False),
        ("val loss: 0.41", 0.41, False),
        ("Val. Loss = 0.41 (best)", 0.41, False),
        ("93.4% val_loss", 93.4, False),
        ("val_loss on test: 93.4 %", 93.4, True),
        ("val_loss (lower is better): 12.5", 12.5, True),
        ("\x1b[32mval_loss: 93.4%\x1b[0m", 93.4, True),
        ("10%\rval_loss: 1%\rval_loss: 93.4%\n", 93.4, True),
        ("val_loss: \u22120.41", -0.41, True),
        ("val_loss: -3.5e-04 nats\r\n", -3.5e-4, True),
        ("val_loss\t0m1.5s\nuser\t0m1.1s", 1.5, True),
        ("val_loss: 1h 2m 3.5s", 3723.5, True),
        ("val_loss at step 100: 0.41, acc: 0.9", 0.41, False),
        ("val_loss[100]: 0.41\ntime[1]: 3", 0.41, False),
        ("val_loss (epoch 3): 0.41", 0.41, False),
        ("val_loss for fold=2 = 0.41", 0.41, False),
    ],
)
def test_an_offer_reads_this_log(log: str, value: float, is_sure: bool, tmp_path: Path) -> None:
    assert read_log(log.encode(), METRIC).value is None
    offer = offer_for(log.encode(), "val_loss")
    assert offer.extract is not None and offer.value == value and offer.is_sure is is_sure
    (tmp_path / "run.log").write_bytes(log.encode())
    printed = subprocess.run(["bash", "-c", offer.extract], cwd=tmp_path, capture_output=True, check=True)
    assert read_extract(printed.stdout, METRIC).value == value


def test_an_offer_does_not_read_another_unit(tmp_path: Path) -> None:
    offer = offer_for(b"val_loss: 900 ms", "val_loss")
    (tmp_path / "run.log").write_text("val_loss: 1.1 s\n")
    printed = subprocess.run(["bash", "-c", offer.extract or ""], cwd=tmp_path, capture_output=True, check=True)
    assert printed.stdout == b""


@pytest.mark.parametrize(
    ("log", "words"),
    [
        ("val_loss: nan", "is no number in this run"),
        ("valid_loss: 3\nlr: 0.1", "the log reports `valid_loss`, `lr`"),
        ('{"a": {"vloss": 3}}', "`a.vloss`"),
        ("done", "print one line `val_loss: <number>`"),
        ("BenchmarkFoo-8   \t 1000000\t      1234 ns/op", "sed -nE 's/^BenchmarkFoo(-[0-9]+)?"),
        ("val_loss: 3'000.5 units", "the log reports"),
        ("val_loss: 15 200 units", "the log reports"),
        ("val_loss: 0x1p-1", "the log reports"),
        ("val_loss: 1.2.3", "the log reports"),
        ("val_loss: Fraction(41, 100)", "print one line"),
        ("val_loss: (0.41, 0.39)", "print one line"),
        ("val_loss 3 0.41", "print one line"),
        ("fib 20      val_loss:   [1.2 ms 1.3 ms 1.4 ms]", "the log reports"),
        ("fib 20      time:   [1.2 ms 1.3 ms 1.4 ms]", "`target/criterion/fib 20/new/estimates.json`"),
        ("  Time (mean ± σ):      12.3 ms ±   0.4 ms", "--export-json bench.json"),
    ],
)
def test_without_an_offer_the_words_say_what_the_log_has(log: str, words: str) -> None:
    offer = offer_for(log.encode(), "val_loss")
    assert offer.extract is None and words in offer.words
