from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_autoresearch.protocol.markdown import parse
from pytest_autoresearch.protocol.model import Direction, Protocol
from pytest_autoresearch.protocol.suggest import Suggestion, data_named, direction_of, suggest
from pytest_autoresearch.protocol.template import template
from tests.protocol.generated import protocols

TRAIN = 'from prepare import data\nLR = 0.1\nprint(f"step: {3}")\nprint(f"val_bpb: {loss:.6f}")\n'


def test_the_file_that_prints_a_validation_metric_is_run_and_tuned() -> None:
    files = {"train.py": TRAIN, "prepare.py": "data = 1\n", "README.md": "val_loss: 3"}
    assert suggest(files) == Suggestion("val_bpb", Direction.LOWER, "python train.py", ("train.py",), ("prepare.py",))


def test_a_benchmark_tunes_what_it_imports_and_is_itself_read_only() -> None:
    files = {"bench.py": 'import solver\nprint("throughput:", n / t)\n', "solver.py": "def solve(): ...\n"}
    assert suggest(files) == Suggestion(
        "throughput", Direction.HIGHER, "python bench.py", ("solver.py",), ("bench.py",)
    )


def test_a_benchmark_in_a_directory_finds_the_package_it_measures() -> None:
    bench = 'from pkg.core import f\nprint("seconds:", f(1))\n'
    flat = suggest({"benchmarks/bench.py": bench, "pkg/core.py": "", "pkg/__init__.py": ""})
    assert (flat.run, flat.targets) == ("PYTHONPATH=. python benchmarks/bench.py", ("pkg/core.py",))
    src = suggest({"benchmarks/bench.py": "import pkg\n" + bench, "src/pkg/core.py": "", "src/pkg/__init__.py": ""})
    assert src.run == "PYTHONPATH=src python benchmarks/bench.py"
    assert src.targets == ("src/pkg/__init__.py", "src/pkg/core.py")


def test_what_a_script_is_made_of_may_change_and_what_feeds_it_may_not() -> None:
    train = 'from model import net\nfrom loading import rows\nprint(f"final val_acc: {acc}")\n'
    found = suggest({"train.py": train, "model.py": "LR = 0.1\n", "loading.py": ""})
    assert (found.metric, found.targets, found.readonly) == ("val_acc", ("train.py", "model.py"), ("loading.py",))
    assert (
        suggest({"a.py": 'print(f"Test accuracy: {a:.3f}")\nprint(f"Training epoch: {e}")'}).metric == "Test accuracy"
    )
    assert suggest({"a.py": 'print(f"mean value: {a}")\nprint(f"val_loss: {e}")'}).metric == "val_loss"
    thin = {"src/pk/__init__.py": "", "src/pk/__main__.py": 'from .core import run\nprint(f"score: {run()}")\n'}
    found = suggest({**thin, "src/pk/core.py": "K = 3\n"})
    assert found.targets == ("src/pk/__main__.py", "src/pk/core.py")


def test_a_script_that_judges_what_another_leaves_is_run_behind_it() -> None:
    files = {
        "train.py": "import json\njson.dump({}, open('model.json', 'w'))\nprint('done')\n",
        "evaluate.py": "import json\nw = json.load(open('model.json'))\nprint('val_loss:', w)\n",
    }
    found = suggest(files)
    assert found.run == "python train.py && python evaluate.py"
    assert (found.targets, found.readonly) == (("train.py",), ("evaluate.py",))
    assert suggest({**files, "model.json": "{}"}).run == "python evaluate.py"


def test_hostile_files_suggest_nothing_and_no_command_is_made_of_their_names() -> None:
    assert suggest({"package.json": "[" * 100_000, "a.py": "print('x: %d'" + "(" * 5_000}).run == "python a.py"
    assert suggest({"package.json": '{"scripts": {"bench; rm -rf x": ""}}'}).run == "npm run 'bench; rm -rf x'"
    assert suggest({"it's.py": TRAIN}).run == """python 'it'"'"'s.py'"""


def test_metric_lines_of_scripts_and_other_languages_count() -> None:
    assert suggest({"run.sh": 'echo "METRIC p99_ms=$P99"\n'}).metric == "p99_ms"
    assert suggest({"bench.js": "console.log(`ops_per_second: ${n}`)\n"}).run == "node bench.js"
    added = suggest(
        {"bench.js": "const { n } = require('./lib.js')\nconsole.log('ops_per_s: ' + n)\n", "lib.js": "exports.n = 3\n"}
    )
    assert (added.metric, added.run, added.targets) == ("ops_per_s", "node bench.js", ("lib.js",))


def test_a_log_tells_the_metric_when_nothing_else_does() -> None:
    files = {"old/run.log": "step: 1\nval_loss: 2.31\n", "Makefile": "bench:\n\t./a.out\n"}
    assert suggest(files) == Suggestion("val_loss", Direction.LOWER, "make bench")


def test_the_metric_that_was_asked_for_is_looked_for() -> None:
    files = {"a.py": 'print(f"val_loss: {x}")', "b.py": 'print(f"accuracy: {y}")'}
    assert suggest(files, metric="accuracy").run == "python b.py"
    assert suggest(files, metric="unheard_of") == Suggestion("unheard_of")


def test_a_metric_that_is_told_is_found_where_it_is_printed_among_other_words() -> None:
    files = {
        "train.py": "import yaml\nfrom fit.model import fit\nyaml.safe_load(open('settings.yaml'))\n"
        "print(f'done, {n} weights | val_rmse: {rmse:.5f}')\n",
        "fit/model.py": "def fit(): pass\n",
        "settings.yaml": "rate: 0.1\n",
        "other.py": "# val_rmse: as train.py has it\nprint(f'old_val_rmse2: {1}')\n",
    }
    assert suggest(files).metric != "val_rmse"
    found = suggest(files, metric="val_rmse")
    assert (found.run, found.targets) == ("python train.py", ("train.py", "fit/model.py", "settings.yaml"))


def test_an_empty_repository_suggests_nothing() -> None:
    assert suggest({}) == Suggestion()


@pytest.mark.parametrize(
    ("name", "direction"),
    [
        ("val_loss", "lower"),
        ("p99_ms", "lower"),
        ("accuracy", "higher"),
        ("tokens_per_second", "higher"),
        ("ops_per_s", "higher"),
        ("items_per_ms", "higher"),
        ("size", "lower"),
        ("pass@1", "higher"),
        ("tok/s", "higher"),
        ("mAP50", "higher"),
        ("mape", "lower"),
        ("eval_wer", "lower"),
        ("power", None),
        ("x", None),
    ],
)
def test_a_name_tells_its_direction_where_it_does(name: str, direction: str | None) -> None:
    found = direction_of(name)
    assert (found.value if found else None) == direction


@given(st.dictionaries(st.sampled_from(["a.py", "b.sh", "Makefile", "package.json", "x.log"]), st.text(max_size=80)))
def test_any_files_give_a_suggestion(files: dict[str, str]) -> None:
    assert isinstance(suggest(files), Suggestion)


@pytest.mark.timeout(600)  # as in test_roundtrip.py
@settings(max_examples=20)
@given(protocols)
def test_a_template_reads_back_as_its_protocol(protocol: Protocol) -> None:
    assert parse(template(protocol), file=protocol.source) == protocol


@pytest.mark.parametrize(
    ("files", "run", "build", "targets"),
    [
        ({"Cargo.toml": "", "src/main.rs": 'println!("cost: {}", 7);'},
         "cargo run --release --quiet", "cargo build --release", ("src/main.rs",)),
        ({"Cargo.toml": "", "src/lib.rs": "", "benches/core.rs": 'println!("METRIC cost={}", 7);'},
         "cargo bench --bench core", None, ("src/lib.rs",)),
        ({"crate/Cargo.toml": "", "crate/src/bin/b.rs": 'println!("cost: {}", 7);'},
         "cargo run --release --quiet --manifest-path crate/Cargo.toml --bin b",
         "cargo build --release --manifest-path crate/Cargo.toml --bin b", ("crate/src/bin/b.rs",)),
        ({"src/main.rs": 'println!("cost: {}", 7);'}, None, None, ("src/main.rs",)),
        ({"go.mod": "", "cmd/x/main.go": 'fmt.Printf("cost: %v\\n", 7)'}, "go run ./cmd/x", None, ("cmd/x/main.go",)),
        ({"CMakeLists.txt": "add_executable(app main.cpp core.cpp)", "main.cpp": 'std::cout << "cost: " << 7;'},
         "./build/app", "cmake -S . -B build -DCMAKE_BUILD_TYPE=Release && cmake --build build", ("main.cpp",)),
        ({"main.c": 'printf("cost: %d", 7);'}, None, None, ("main.c",)),
        ({"main.c": 'printf("checksum: %u\\ncost: %.3f\\n", s, 7);'}, None, None, ("main.c",)),
        ({"main.c": 'printf("cost: %d", 7);', "Makefile": "bench: main\n"}, "make bench", None, ("main.c",)),
        ({"main.c": 'printf("cost: %d", 7);', "Makefile": "bench: main.c\n\t$(CC) -o $@ $<\n\nrun: bench\n\t./bench\n"},
         "make run", None, ("main.c",)),
        ({"main.c": 'printf("cost: %d", 7);', "Makefile": "run-bench: b\n\t./b\n\nbench: main.c\n\tgcc main.c -o b\n"},
         "make run-bench", None, ("main.c",)),
        ({"main.c": 'printf("cost: %d", 7);',
          "Makefile": "run-bench: b\n\t./b\n\nbench: main.c\n\tmkdir -p o && gcc main.c -o b\n"},
         "make run-bench", None, ("main.c",)),
        ({"b.ts": "console.log(`cost: ${x}`)", "package.json": '{"scripts": {"perf": "tsx b.ts"}}'},
         "npm run --silent perf", None, ("b.ts",)),
        ({"b.js": "console.log(`cost: ${x}`)", "package.json": '{"scripts": {"lint": "eslint b.js"}}'},
         "node b.js", None, ("b.js",)),
        ({"b.ts": "console.log(`cost: ${x}`)"}, None, None, ("b.ts",)),
        ({"t.py": "print(f'cost: {x}')", "uv.lock": ""}, "uv run python t.py", None, ("t.py",)),
        ({"t.py": "print(f'cost: {x}')", "poetry.lock": ""}, "poetry run python t.py", None, ("t.py",)),
        ({"pkg/__init__.py": "", "pkg/t.py": "from .a import b\nprint(f'cost: {x}')"}, "python -m pkg.t", None,
         ("pkg/t.py",)),
        ({"t.py": "p.add_argument('--config', default='cfg/base.yaml')\nprint(f'cost: {x}')", "cfg/base.yaml": "lr: 1"},
         "python t.py", None, ("t.py", "cfg/base.yaml")),
        ({"t.py": "json.load(open('c.json'))\nprint(f'cost: {x}')", "c.json": "{}", "package.json": "{}"},
         "python t.py", None, ("t.py", "c.json")),
        ({"go.sh": "python train.py\necho \"METRIC cost=$X\"", "train.py": "LR = 1"}, "bash go.sh", None,
         ("train.py",)),
        ({"t.py": "import json\nprint(json.dumps({'cost': x}))"}, "python t.py", None, ("t.py",)),
    ],
)  # fmt: skip
def test_the_command_is_one_that_the_repository_knows(
    files: dict[str, str], run: str | None, build: str | None, targets: tuple[str, ...]
) -> None:
    found = suggest(files)
    assert (found.metric, found.run, found.build, found.targets) == ("cost", run, build, targets)


def test_ignored_folders_that_the_code_reads_are_data_and_what_it_leaves_is_not() -> None:
    code = "open('data/x.csv'); open('weights.bin'); p = 'outputs/'; q = 'unused'; r = '.env'"
    ignored = ["data/", "weights.bin", "outputs/", ".venv/", ".env", "other/", "node_modules/"]
    assert data_named(ignored, [code]) == ("data/", "weights.bin")


@pytest.mark.parametrize(
    ("name", "line", "metric"),
    [
        ("t.py", 'print("val_acc", x)', "val_acc"),
        ("t.py", 'print(f"val_acc {x:.3f}")', "val_acc"),
        ("t.py", 'print("val_acc %.3f" % x)', "val_acc"),
        ("t.py", 'print(f"{val_acc=}")', "val_acc"),
        ("t.py", "print({'val_acc': x})", "val_acc"),
        ("t.py", 'tqdm.write(f"val_acc: {x}")', "val_acc"),
        ("t.rb", 'puts "seconds: #{x}"', "seconds"),
        ("t.R", 'cat("loss:", x)', "loss"),
        ("t.lua", 'print("loss: " .. x)', "loss"),
        ("t.swift", 'print("loss: \\(x)")', "loss"),
        ("t.cs", 'Console.WriteLine($"loss: {x}");', "loss"),
        ("t.py", 'print("loading", path)', None),
        ("t.py", 'print(f"{config=}")', None),
        ("t.py", "file.write(f'{loss} of it')", None),
    ],
)
def test_a_number_is_found_as_it_is_printed_in_many_forms(name: str, line: str, metric: str | None) -> None:
    assert suggest({name: line}).metric == metric
