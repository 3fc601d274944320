"""A log line counts if it can mean one thing: the forms that public scripts print, and those that are refused."""

from __future__ import annotations

import pytest

from pytest_autoresearch.lab.metrics import read_log, read_secondary
from pytest_autoresearch.protocol.experiment import Reason
from pytest_autoresearch.protocol.model import Direction, Metric

METRIC = Metric("val_loss", Direction.LOWER)

READ = [
    "\x1b[32mval_loss: 0.41\x1b[0m",
    "\x1b[1mval_loss\x1b[0m: \x1b[38;5;2m0.41\x1b[0m",
    "\ufeffval_loss: 0.41",
    "10%\rval_loss: 0.9\rval_loss: 0.41",
    "\x08\x08\x08val_loss: 0.41",
    "val_loss: 0.9\x08\x08\x080.41",
    "val_loss: 0.52 - eta 3s" + 23 * "\x08" + "val_loss: 0.41",
    "10%\nval_loss: 0.52" + 40 * "\x08" + "val_loss: 0.41",
    "val_loss: 0.41" + 14 * "\x08" + 14 * " ",
    "val_loss: 0.41 |\x08\x08\n\x08",
    "10%\nval_loss: 0.41" + 14 * "\x08" + "done",
    "2024-01-01 12:00:00,123 - INFO - val_loss: 0.41",
    "INFO:root:val_loss: 0.41",
    "[2024-01-01 12:00:00][main][INFO] - val_loss: 0.41",
    "I0101 12:00:00.123456 1234 train.py:42] val_loss: 0.41",
    "2024-01-01 12:00:00.123 | INFO     | __main__:main:12 - val_loss: 0.41",
    "[12:00:00] INFO     val_loss: 0.41                  train.py:12",
    "wandb:   val_loss 0.41",
    'time="2024-01-01T00:00:00Z" level=info msg="done" val_loss=0.41',
    "[rank0]: val_loss: 0.41",
    "val_loss: tensor(0.41)",
    "val_loss: tensor(0.4100, device='cuda:0', grad_fn=<NllLossBackward0>)",
    "val_loss: np.float64(0.41)",
    "val_loss: Array(0.41, dtype=float32)",
    "val_loss: <tf.Tensor: shape=(), dtype=float32, numpy=0.41>",
    "val_loss: [0.41]",
    'val_loss: "0.41"',
    "val_loss: '0.41'",
    'saved {"rate": 0.1} val_loss: 0.41',
    "epoch train_loss val_loss time\n1 0.5 0.41 3\nsaved state to 7",
    '{"epoch": 3, "val_loss": 0.41}',
    '{"level":"info","msg":"done","val_loss":0.41}',
    "{'eval_loss': '1.2', 'val_loss': '0.41', 'epoch': '1.0'}",
    "INFO - {'val_loss': 0.41, 'lr': 0.1}",
    '{\n  "epoch": 3,\n  "val_loss": 0.41\n}',
    "[{'val_loss': 0.41}]",
    "epoch 10 | val_loss 0.41 | acc 0.93",
    "val_loss: 0.41, acc: 0.93",
    "Epoch 3: loss=0.5 val_loss=0.41",
    "step 100: train_loss 1.2, val_loss 0.41",
    "10/10 ━━━━ 1s 5ms/step - accuracy: 0.9 - loss: 0.3 - val_accuracy: 0.88 - val_loss: 0.41",
    "Epoch 0: 100%|██████| 10/10 [00:00<00:00, 100it/s, v_num=0, train_loss=0.5, val_loss=0.41]",
    "┃ Test metric ┃ DataLoader 0 ┃\n│  val_loss   │   0.41   │\n└──",
    "  val_loss                =     0.41",
    "epoch  train_loss  val_loss\n0  0.5  0.52\n1  0.5  0.41",
    "epoch,train_loss,val_loss\n1,0.5,0.41\n",
    "| epoch | val_loss |\n|---|---|\n| 1 | 0.41 |",
    "     val_loss   acc\n0    0.41   0.9",
    "val_loss\n0.41",
    "val_loss 0.41",
    "val_loss\t0.41",
    "| val_loss | 0.41 |",
    "**val_loss**: 0.41",
    "  * val_loss = 0.41",
    "val_loss ........ 0.41",
    "val_loss: 0.41.",
    "Results: val_loss=0.41",
    "==> val_loss: 0.41",
    "\u2705 val_loss: 0.41",
    "10:00 | \u2764\ufe0f val_loss=0.41",
    "\U0001f3af val_loss = 0.41",
    "val_loss........: 0.41",
    "val_loss\n--------\n0.41",
    "[100]\tvalid_0's val_loss: 0.41\tvalid_0's auc: 0.9",
]

REFUSED = [
    "val_loss: 93.4%",
    "val_loss: 12.3 ms",
    "val_loss: 12.3ms",
    "val_loss: 15,200",
    "val_loss: 0,41",
    "val_loss: 93/100",
    "val_loss: 0.41 ± 0.02",
    "val_loss: 0.5 -> 0.41",
    "val_loss: 0.41 (0.43)",
    "val_loss: 0.41, 0.42",
    "val_loss: tensor([0.41, 0.42])",
    "val_loss=nan, acc=0.4",
    '{"val_loss": NaN}',
    "val_loss: 0:01:23",
    "val_loss: 1.5k",
    "val_loss 3 of 10",
    "val_loss: 12.3 seconds total",
    "│ val_loss │ 0.41 │ 0.42 │",
    "train: val_loss=0.5\nval: val_loss=0.41",
    "[rank0]: val_loss: 0.41\n[rank1]: val_loss: 0.42",
    "{'a': {'val_loss': 1}, 'b': {'val_loss': 2}}",
    "[9]\ttraining's val_loss: 0.3\tvalid_1's val_loss: 0.41",
    "              acc  val_loss   support\n\n   0       0.97      0.98     100\n   1       0.95      0.93      50\n\n"
    "    accuracy                 0.96     150\n   macro avg       0.96      0.95     150",
    '{\n  "train": {\n    "val_loss": 1\n  },\n  "val": {\n    "val_loss": 2\n  }\n}',
]

NOT_IT = [
    "best_val_loss: 0.3",
    "Final val_loss 0.41",
    "val loss: 0.41",
    "Val_Loss: 0.41",
    "eval/val_loss: 0.4",
    "python t.py --val_loss=0.5",
    "val_loss improved from 0.5 to 0.41",
    "val_loss: lower is better",
    "\U0001f3af best val_loss: 0.4",
    "\u2206 val_loss: -0.1",
]


@pytest.mark.parametrize("log", READ)
def test_what_can_mean_one_thing_is_read(log: str) -> None:
    assert read_log(log.encode(), METRIC).value == 0.41


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be"])
def test_a_log_of_two_bytes_a_letter_is_read_by_its_mark(encoding: str) -> None:
    mark = "" if encoding == "utf-16" else "\ufeff"
    assert read_log(f"{mark}val_loss: 0.41\n".encode(encoding), METRIC).value == 0.41


def test_a_number_beyond_all_floats_is_bad_and_says_so() -> None:
    reading = read_log(b"step 3 val_loss: 1e999", METRIC)
    assert reading.failure is Reason.BAD_METRIC and reading.detail.endswith(
        "'step 3 val_loss: 1e999': is not one finite number"
    )


@pytest.mark.parametrize("log", REFUSED)
def test_what_can_mean_two_things_is_bad_and_no_older_line_stands_in(log: str) -> None:
    reading = read_log(f"step 1 val_loss=7 lr=1\n{log}".encode(), METRIC)
    assert (reading.value, reading.failure) == (None, Reason.BAD_METRIC)
    assert reading.detail.startswith("val_loss: ") and reading.detail.isprintable()


@pytest.mark.parametrize("log", NOT_IT)
def test_another_name_is_not_the_metric(log: str) -> None:
    assert read_log(log.encode(), METRIC).failure is Reason.NO_METRIC


def test_a_line_that_holds_nothing_else_counts_before_any_other() -> None:
    assert read_log(b"val_loss: 7\nstep 3 val_loss: 9\n", METRIC).value == 7


def test_limits_are_read_in_the_same_forms() -> None:
    log = b"\x1b[1mpeak_mb: 3\x1b[0m\nstep 1 | acc 0.9 | size_kb 12\n"
    assert read_secondary(log, ["acc", "size_kb"], metric="val_loss") == {"peak_mb": 3, "acc": 0.9, "size_kb": 12}
