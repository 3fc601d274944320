"""An edit that only moves a seed is found out; any other edit is not called one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_autoresearch.lab.seeds import only_moves_seeds

PYTHON = [
    ("seed = 1", "seed = 2"),
    ("SEED: int = 1", "SEED: int = 2"),
    ("self.random_seed = 1", "self.random_seed = -5"),
    ("modelSeed = 1", "modelSeed = 3"),
    ("torch.manual_seed(1)", "torch.manual_seed(42)"),
    ("np.random.seed(1)", "np.random.seed(40 + 2)"),
    ("rng = np.random.default_rng(1)", "rng = np.random.default_rng(2)"),
    ("train(seed=1, lr=2)", "train(seed=7, lr=2)"),
    ("train(random_state=1)", "train(random_state=7)"),
    ("config = {'seed': 1, 'lr': 2}", "config = {'seed': 9, 'lr': 2}"),
    ("config['seed'] = 1", "config['seed'] = 2"),
    ("def f(x=1, seed=1): pass", "def f(x=1, seed=2): pass"),
    ("def f(*, seed=1): pass", "def f(*, seed=2): pass"),
    ("p.add_argument('--seed', type=int, default=1)", "p.add_argument('--seed', type=int, default=3)"),
    ("os.environ.get('SEED', '1')", "os.environ.get('SEED', '2')"),
    ("SEEDS = [1, 2, 3]", "SEEDS = [4, 5, 6]"),
    ("seed = 1  # why not", "seed = 2  # better luck"),
    ("seed = 1\nlr = 3", "\nseed = 2\n\nlr = 3"),
    ("if (seed := 1): pass", "if (seed := 2): pass"),
]


@pytest.mark.parametrize(("before", "after"), PYTHON)
def test_moved_seed_literals_in_python(before: str, after: str) -> None:
    assert only_moves_seeds("train.py", before.encode(), after.encode())
    assert not only_moves_seeds("train.py", f"{before}\nlr = 1".encode(), f"{after}\nlr = 2".encode())


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("lr = 1", "lr = 2"),
        ("seed = 1", "seed = 1  # a comment"),
        ("seed = 1", "seed = best_of(range(9))"),
        ("seed = 1", "speed = 1"),
        ("seed = 1", "seed = 2\nseed += 1"),
        ("exceed = 1", "exceed = 2"),
        ("train(lr=1)", "train(lr=2)"),
        ("def f(lr=1, seed=1): pass", "def f(lr=2, seed=1): pass"),
        ("seed = 1", "seed = ("),
        ("seed = 1", ""),
    ],
)
def test_other_edits_of_python(before: str, after: str) -> None:
    assert not only_moves_seeds("train.py", before.encode(), after.encode())


@pytest.mark.parametrize(
    ("path", "before", "after"),
    [
        ("c.json", '{\n  "seed": 1,\n  "lr": 2\n}', '{\n  "seed": 8,\n  "lr": 2\n}'),
        ("c.json", '{"lr": 2, "seed": 1}', '{"lr": 2, "seed": 5}'),
        ("c.yaml", "model:\n  random_seed: 1\n  lr: 2", "model:\n  random_seed: 5 # luck\n  lr: 2"),
        ("c.toml", "[train]\nseed = 1", "[train]\nseed = 2"),
        ("run.sh", "export SEED=1\npython x.py", "export SEED=2\npython x.py"),
        ("run.sh", "python x.py --seed 1 --lr 2", "python x.py --seed 2 --lr 2"),
        ("run.sh", "python x.py --seed=1", "python x.py --seed=2"),
        (".env", "MODEL_SEED=1", "MODEL_SEED=2"),
    ],
)
def test_moved_seeds_in_other_formats(path: str, before: str, after: str) -> None:
    assert only_moves_seeds(path, before.encode(), after.encode())
    assert not only_moves_seeds(path, before.encode(), f"{after}\nmore = 1".encode())


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('{"lr": 2, "seed": 1}', '{"lr": 3, "seed": 1}'),
        ('{"lr": 2, "seed": 1}', '{"lr": 3, "seed": 2}'),
        ("seed: 1\nlr: 2", "seed: 2\nlr: 3"),
        ("linseed: 1", "linseed: 2"),
        ("python x.py --seed 1 --lr 2", "python x.py --seed 2 --lr 3"),
    ],
)
def test_other_edits_in_other_formats(before: str, after: str) -> None:
    assert not only_moves_seeds("c.yaml", before.encode(), after.encode())


@given(st.binary(), st.binary(), st.sampled_from(["x.py", "x.yaml"]))
def test_any_bytes_are_answered(before: bytes, after: bytes, path: str) -> None:
    assert only_moves_seeds(path, before, after) in (True, False)
    assert not only_moves_seeds(path, before, before)
