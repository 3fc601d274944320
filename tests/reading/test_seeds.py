"""An edit that only moves a seed is found out; any other edit is not called one."""

from __future__ import annotations

import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_autoresearch.reading import grammars
from pytest_autoresearch.reading.door import read_source
from pytest_autoresearch.reading.seeds import only_moves_seeds
from pytest_autoresearch.reading.source import Unread

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
    ("seed = 1", "seed = 2\nseed += 1"),
    ("rng = random.Random(42)", "rng = random.Random(137)"),
    ("from random import Random as R\nr = R(1)", "from random import Random as R\nr = R(2)"),
    ("g = np.random.Generator(np.random.PCG64(1))", "g = np.random.Generator(np.random.PCG64(2))"),
    ("g = Generator(Philox(key=1))", "g = Generator(Philox(key=2))"),
    ("key = jax.random.key(0)", "key = jax.random.key(7)"),
    ("from jax.random import key\nk = key(0)", "from jax.random import key\nk = key(7)"),
    ("import jax.random as jr\nk = jr.key(0)", "import jax.random as jr\nk = jr.key(7)"),
    ("key = jax.random.PRNGKey(0)", "key = jax.random.PRNGKey(9)"),
    ("key = jax.random.fold_in(key, 1)", "key = jax.random.fold_in(key, 5)"),
    ("rngs = nnx.Rngs(0, dropout=1)", "rngs = nnx.Rngs(3, dropout=2)"),
    ("tf.random.set_seed(1)", "tf.random.set_seed(2)"),
    ("pl.seed_everything(1, workers=True)", "pl.seed_everything(2, workers=True)"),
    ("g = torch.Generator().manual_seed(1)", "g = torch.Generator().manual_seed(2)"),
    ("seed = 42\ntorch.manual_seed(seed)", "seed = 42\ntorch.manual_seed(137)"),
    ("seed = 42\ntorch.manual_seed(seed)", "torch.manual_seed(137)"),
    ("torch.manual_seed(137)", "seed = 42\ntorch.manual_seed(seed)"),
    ("seed = 42\ntorch.manual_seed(seed)", "seed = 42\ntorch.manual_seed(seed + 137)"),
    ("torch.manual_seed(args.seed)", "torch.manual_seed(args.seed * 31 + 7)"),
    ("torch.manual_seed(cfg['seed'])", "torch.manual_seed(int(cfg['seed']) ^ 0xBEEF)"),
    ("n = 42\nrng = random.Random(n)", "n = 43\nrng = random.Random(n)"),
    ("n = 42\nm = n + 1\nrng = random.Random(m)", "n = 43\nm = n + 1\nrng = random.Random(m)"),
    ("def main(n):\n    random.seed(n)\nmain(1)", "def main(n):\n    random.seed(n)\nmain(2)"),
    ("def main(n=1):\n    random.seed(n)\nmain()", "def main(n=2):\n    random.seed(n)\nmain()"),
    ("random.seed(1)", "import time\nrandom.seed(int(time.time()))"),
    ("x = f()", "random.seed(3)\nx = f()"),
    ("x = f()", "import random\nrandom.seed(3)\nx = f()"),
    ("random.seed(3)\nx = f()", "x = f()"),
    ("x = rng.normal()", "rng.normal()\nx = rng.normal()"),
    ("rng.bit_generator.advance(1)", "rng.bit_generator.advance(9)"),
    ("for i in range(3):\n    torch.manual_seed(i)", "for i in range(3):\n    torch.manual_seed(i + 50)"),
    ("subprocess.run(['a', '--seed', '1'])", "subprocess.run(['a', '--seed', '2'])"),
    ("os.system('a --seed 1 --lr 2')", "os.system('a --seed 5 --lr 2')"),
    ("os.environ['PYTHONHASHSEED'] = '0'", "os.environ['PYTHONHASHSEED'] = '4'"),
    ("split(x, rng=1)", "split(x, rng=2)"),
    ("@dataclass\nclass A:\n    seed: int = 1", "@dataclass\nclass A:\n    seed: int = 2"),
    ("class A(M):\n    seed: int = Field(default=1, ge=0)", "class A(M):\n    seed: int = Field(default=2, ge=0)"),
    ("class A:\n    seed: int = field(default=1)", "class A:\n    seed: int = field(default=2)"),
    ("def f(lr=1, seed: int = typer.Option(1)): pass", "def f(lr=1, seed: int = typer.Option(2)): pass"),
    ("p.add_argument('-s', default=1, dest='seed')", "p.add_argument('-s', default=3, dest='seed')"),
    ("seed = int(argv[1]) if len(argv) > 1 else 1", "seed = int(argv[1]) if len(argv) > 1 else 2"),
    ("x = f()", "torch.rand(17)\nx = f()"),
    ("x = f()", "_ = torch.randn(3)\nx = f()"),
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
        ("exceed = 1", "exceed = 2"),
        ("train(lr=1)", "train(lr=2)"),
        ("def f(lr=1, seed=1): pass", "def f(lr=2, seed=1): pass"),
        ("seed: int = Field(default=1, ge=f(1))", "seed: int = Field(default=1, ge=f(2))"),
        ("lr: int = Field(default=1)", "lr: int = Field(default=2)"),
        ("p.add_argument('-l', default=1, dest='lr')", "p.add_argument('-l', default=2, dest='lr')"),
        ("x = torch.randn(3)", "x = torch.randn(4)"),
        ("_ = torch.randn(3)\nx = f(_)", "_ = torch.randn(4)\nx = f(_)"),
        ("run(['x', '--reseed', '--fast'])", "run(['x', '--reseed', '--slow'])"),
        ("seed = 1", "seed = ("),
        ("seed = 1", ""),
        ("n = 42\nrng = random.Random(n)\nwidth = n", "n = 43\nrng = random.Random(n)\nwidth = n"),
        (
            "def main(n):\n    random.seed(n)\n    return n\nmain(1)",
            "def main(n):\n    random.seed(n)\n    return n\nmain(2)",
        ),
        ("random.shuffle(x)", "random.shuffle(x)\nrandom.shuffle(x)"),
        ("key = sorted(x, key=1)", "key = sorted(x, key=2)"),
        ("std.advance(x, 1)", "std.advance(x, 2)"),
        ("torch.manual_seed(1)", "torch.manual_seed(train(2))"),
        ("seed = 1 if x else 2", "seed = 1 if y else 2"),
        ("import random\nx = 1", "x = 1"),
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
        ("c.yaml", "args: [--lr, 2, --seed, 1]", "args: [--lr, 2, --seed, 5]"),
        ("run.sh", "python x.py -m seed=1,2,3 lr=2", "python x.py -m seed=4,5,6 lr=2"),
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
        ("args: [--reseed, --lr, 2]", "args: [--reseed, --momentum, 2]"),
        ("args: [--seed, 1, --lr, 2]", "args: [--seed, 1, --lr, 3]"),
        ("run: x seed=1,2", "run: x seed=1,2,3"),
        ("run: x seed=1,lr=2", "run: x seed=1,lr=3"),
    ],
)
def test_other_edits_in_other_formats(before: str, after: str) -> None:
    assert not only_moves_seeds("c.yaml", before.encode(), after.encode())


LANGUAGES = [
    ("a.rs", "let mut rng = StdRng::seed_from_u64(42);", "let mut rng = StdRng::seed_from_u64(137);"),
    ("a.rs", "const SEED: u64 = 42;", "const SEED: u64 = 43;"),
    (
        "a.rs",
        "fn f() { let n: u64 = 42; let r = StdRng::seed_from_u64(n); }",
        "fn f() { let r = StdRng::seed_from_u64(7); }",
    ),
    ("a.rs", "fn f() { let r = Pcg64::new(1, 2); }", "fn f() { let r = Pcg64::new(3, 2); }"),
    ("a.rs", "fn f() { g(Config { seed: 1, lr: 2.0 }); }", "fn f() { g(Config { seed: 9, lr: 2.0 }); }"),
    ("a.cpp", "std::mt19937 rng(42);", "std::mt19937 rng(137);"),
    ("a.cpp", "std::mt19937 rng{42};", "std::mt19937 rng{137};"),
    ("a.cpp", "auto rng = std::mt19937_64(42);", "auto rng = std::mt19937_64(137);"),
    ("a.cc", "int f() { srand(42); rng.seed(3); return 0; }", "int f() { srand(7); rng.seed(4); return 0; }"),
    ("a.cu", "#define SEED 42 // luck", "#define SEED 137 // more luck"),
    ("a.c", "#define SEED 42\r\nint f(void) { srand(SEED); }", "#define SEED 43\r\nint f(void) { srand(SEED); }"),
    ("a.c", "int f(void) { unsigned n = 4; srand(n); }", "int f(void) { unsigned n = 5; srand(n + 1); }"),
    ("a.jl", "Random.seed!(42)", "Random.seed!(137)"),
    ("a.jl", "rng = MersenneTwister(42)", "rng = MersenneTwister(137)"),
    ("a.jl", "rng = Xoshiro(42)\nf(x; seed=1) = x", "rng = Xoshiro(137)\nf(x; seed=2) = x"),
    ("a.jl", "const n = 42\nrng = StableRNG(n)", "const n = 43\nrng = StableRNG(n)"),
    ("a.r", "set.seed(42)\nx <- 1", "set.seed(137)\nx <- 1"),
    ("a.R", "seed <- 42 # luck\nset.seed(seed)", "seed <- 43\nset.seed(seed)"),
    ("a.R", "n <- 42\nset.seed(n)", "set.seed(137)"),
    ("a.R", "f(x, seed = 1)", "f(x, seed = 2)"),
    ("a.R", "withr::with_seed(1, f())", "withr::with_seed(2, f())"),
    ("a.go", "package m\nvar r = rand.New(rand.NewSource(42))", "package m\nvar r = rand.New(rand.NewSource(137))"),
    ("a.go", "package m\nfunc f() { rand.Seed(42) }", "package m\nfunc f() { rand.Seed(137) }"),
    ("a.go", "package m\nvar r = rand.NewPCG(1, 2)", "package m\nvar r = rand.NewPCG(3, 4)"),
    (
        "a.go",
        'package m\nvar s = flag.Int64("seed", 1, "the seed")',
        'package m\nvar s = flag.Int64("seed", 2, "the seed")',
    ),
    ("a.js", "const rng = seedrandom('a');", "const rng = seedrandom('b');"),
    ("a.js", "const c = { seed: 1, lr: 2 };", "const c = { seed: 3, lr: 2 };"),
    ("a.mjs", "const rng = new MersenneTwister(1);", "const rng = new MersenneTwister(2);"),
    ("a.ts", "const seed: number = 1;\nconst r = mulberry32(seed);", "const r = mulberry32(7);"),
    ("a.tsx", "faker.seed(1);", "faker.seed(2);"),
    ("a.java", "class A { Random r = new Random(42L); }", "class A { Random r = new Random(43L); }"),
    ("a.java", "class A { void f() { r.setSeed(42); } }", "class A { void f() { r.setSeed(43); } }"),
    ("a.sh", "python x.py --lr 1 --seed 42", "python x.py --lr 1 --seed 43"),
    ("a.kt", "val r = Random(42)", "val r = Random(43)"),
    ("a.scala", "val r = new scala.util.Random(42L)", "val r = new scala.util.Random(43L)"),
    ("a.cs", "var r = new Random(42);", "var r = new Random(43);"),
    ("a.rb", "r = Random.new(42)", "r = Random.new(43)"),
    ("a.php", "mt_srand(42);", "mt_srand(43);"),
    ("a.lua", "math.randomseed(42)", "math.randomseed(43)"),
    ("a.swift", "srand48(42)", "srand48(43)"),
    ("a.pyx", "cdef int seed = 42\nsrand(seed)", "cdef int seed = 43\nsrand(seed)"),
]


@pytest.mark.parametrize(("path", "before", "after"), LANGUAGES)
def test_moved_seeds_in_other_languages(path: str, before: str, after: str) -> None:
    assert only_moves_seeds(path, before.encode(), after.encode())
    other = {"go": "\nvar z = {}", "java": "\nclass Z {{ int z = {}; }}", "rs": "\nconst Z: u8 = {};"}.get(path[2:])
    c_like = "\nint z = {};" if path[2:] in ("c", "cc", "cpp", "cu") else "\nz = {}"
    more = other or c_like
    assert not only_moves_seeds(path, f"{before}{more.format(1)}".encode(), f"{after}{more.format(2)}".encode())
    assert only_moves_seeds(path, f"{before}{more.format(1)}".encode(), f"{after}{more.format(1)}".encode())


@pytest.mark.parametrize(
    ("path", "before", "after"),
    [
        ("a.rs", "fn f() { let r = Vec::new(1); }", "fn f() { let r = Vec::new(2); }"),
        ("a.cpp", "Matrix m(42);", "Matrix m(43);"),
        ("a.cpp", "int n = 4; f(n);", "int n = 5; f(n);"),
        ("a.jl", "f(1)", "f(2)"),
        ("a.R", "x <- 1", "x <- 2"),
        ("a.lua", "d = Random(1, 6)", "d = Random(1, 8)"),
        ("a.rb", "f = RandomForest.new(100)", "f = RandomForest.new(300)"),
        ("a.rs", "fn f() { let f = RandomForest::new(100); }", "fn f() { let f = RandomForest::new(300); }"),
        ("a.kt", "val r = Matrix(42)", "val r = Matrix(43)"),
        ("a.rb", "r = Vec.new(42)", "r = Vec.new(43)"),
        ("a.R", "set.seed(f(1))", "set.seed(f(2))"),
        ("a.js", "const c = { speed: 1 };", "const c = { speed: 2 };"),
        ("a.go", "package m // one", "package m // two"),
    ],
)
def test_other_edits_of_other_languages(path: str, before: str, after: str) -> None:
    assert not only_moves_seeds(path, before.encode(), after.encode())


def notebook(*sources: str, count: int = 1, language: str = "python") -> bytes:
    cells = [
        {"cell_type": "code", "execution_count": count, "outputs": [], "source": source.splitlines(keepends=True)}
        for source in sources
    ]
    return json.dumps({"cells": cells, "metadata": {"kernelspec": {"language": language}}, "nbformat": 4}).encode()


def test_moved_seeds_in_a_notebook() -> None:
    before = notebook("%matplotlib inline\nimport random", "random.seed(1)\nlr = 2")
    assert only_moves_seeds(
        "a.ipynb", before, notebook("%matplotlib inline\nimport random", "random.seed(5)\nlr = 2", count=7)
    )
    assert not only_moves_seeds(
        "a.ipynb", before, notebook("%matplotlib inline\nimport random", "random.seed(5)\nlr = 3")
    )
    assert not only_moves_seeds(
        "a.ipynb", before, notebook("%matplotlib inline\nimport random", "random.seed(1)\nlr = 2", count=2)
    )
    assert only_moves_seeds(
        "b.ipynb", notebook("Random.seed!(1)", language="julia"), notebook("Random.seed!(2)", language="julia")
    )


def test_without_its_grammar_a_file_is_unread_and_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    grammars._parser.cache_clear()
    monkeypatch.setitem(sys.modules, "tree_sitter", None)
    try:
        with pytest.raises(Unread, match=r"tree-sitter-rust; run `pip install 'pytest-autoresearch\[languages\]'`"):
            read_source("a.rs", b"const SEED: u64 = 42;")
    finally:
        grammars._parser.cache_clear()


DEEP = {
    "a sum": "x = " + " + ".join(["1"] * 2_000),
    "branches": "if x: pass\n" + "".join(f"elif x == {at}: pass\n" for at in range(400)),
    "brackets": "x = " + "[" * 2000 + "]" * 2000,
    "attributes": "x" + ".a()" * 1_500,
    "signs": "x = " + "-" * 2000 + "1",
    "an open bracket": "x = " + "(" * 3_000,
}


@pytest.mark.parametrize(
    "path", ["a.py", "a.rs", "a.cpp", "a.jl", "a.R", "a.js", "a.go", "a.json", "a.yaml", "a.toml", "a.txt"]
)
@pytest.mark.parametrize("kind", DEEP)
def test_what_is_deep_or_long_ends_nothing(kind: str, path: str) -> None:
    text = DEEP[kind]
    assert not only_moves_seeds(path, text.encode(), f"{text}\nlr = 3".encode())


@given(st.binary(), st.binary(), st.sampled_from(["x.py", "x.yaml", "x.rs", "x.R", "x.cpp", "x.toml", "x.ipynb", "x"]))
def test_any_bytes_are_answered(before: bytes, after: bytes, path: str) -> None:
    assert only_moves_seeds(path, before, after) in (True, False)
    assert not only_moves_seeds(path, before, before)
