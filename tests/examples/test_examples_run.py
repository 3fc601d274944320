"""People copy the examples: each has to run as it stands and print its metric."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_autoresearch.protocol.markdown import load
from pytest_autoresearch.protocol.model import Direction

if TYPE_CHECKING:
    from tests.conftest import Project

EXAMPLES = Path(__file__).parents[2] / "examples"
CONFIGS = ["noisy_classifier", "quickstart", "tiny_gpt"]


def copy(example: str, directory: Path) -> None:
    """An example as a clone has it, without what running it left behind."""
    shutil.copytree(EXAMPLES / example, directory, ignore=shutil.ignore_patterns("__pycache__", "results*.tsv"))


def measure(example: str, directory: Path, **environment: str) -> float:
    """One run of an example's config in a copy of its directory, as the config says."""
    copy(example, directory)
    protocol = load(directory / "autoresearch.config.md", top=directory)
    own = {name: value for name, value in os.environ.items() if not name.startswith("AUTORESEARCH_")}
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    env = {**own, **protocol.env, "PATH": path, **environment}

    def shell(command: str) -> str:
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=directory,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=protocol.deadline,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    (directory / "run.log").write_text(shell(protocol.run))
    assert protocol.metric.extract is not None
    printed = shell(protocol.metric.extract)
    number = re.fullmatch(rf"{protocol.metric.name}: (\d+\.\d{{6}})\n", printed)
    assert number, printed
    return float(number[1])


def prepared(example: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """An example's read-only half, imported by its path."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    spec = importlib.util.spec_from_file_location(f"{example}_prepare", EXAMPLES / example / "prepare.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("example", CONFIGS)
def test_a_config_is_complete_and_names_files_that_exist(example: str) -> None:
    directory = EXAMPLES / example
    protocol = load(directory / "autoresearch.config.md", top=EXAMPLES)
    assert protocol.goal and protocol.constraints and protocol.notes and protocol.metric.extract
    assert protocol.metric.direction is Direction.LOWER
    assert protocol.tag == example.replace("_", "-")
    assert protocol.budget is not None and protocol.deadline is not None and protocol.deadline > protocol.budget
    assert protocol.options.experiments or protocol.options.duration, "a first run has to end by itself"
    assert not protocol.extra_sections
    for rule in (*protocol.targets, *protocol.readonly):
        assert (directory / rule.pattern).is_file(), rule


@pytest.mark.parametrize("example", [*CONFIGS, "circle_packing", "fast_function", "speed"])
def test_a_readme_gives_the_one_command(example: str) -> None:
    readme = (EXAMPLES / example / "README.md").read_text()
    assert re.search(rf"^    .*pytest --autoresearch .*\bexamples/{example}$", readme, re.MULTILINE)


@pytest.mark.slow
def test_the_quickstart_gives_the_same_number_whatever_the_hash_seed(tmp_path: Path) -> None:
    first = measure("quickstart", tmp_path / "first", PYTHONHASHSEED="1")
    second = measure("quickstart", tmp_path / "second", PYTHONHASHSEED="2")
    assert first == second
    assert 1.5 < first < 3.0


def test_the_quickstart_scores_a_coin_at_eight_bits_a_byte_and_asks_before_it_tells(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    prepare = prepared("quickstart", monkeypatch)
    calls: list[str] = []

    class Coin:
        def predict(self) -> float:
            calls.append("predict")
            return 0.5

        def update(self, bit: int) -> None:
            calls.append("update")

    assert prepare.evaluate(Coin()) == 8.0
    assert calls == ["predict", "update"] * (8 * prepare.VALIDATION_BYTES)


@pytest.mark.parametrize("certainty", [1.0, 0.0, 1.5, -0.1, float("nan")])
def test_the_quickstart_refuses_what_is_no_probability(certainty: float, monkeypatch: pytest.MonkeyPatch) -> None:
    class Certain:
        def predict(self) -> float:
            return certainty

        def update(self, bit: int) -> None: ...

    with pytest.raises(ValueError, match="not a probability"):
        prepared("quickstart", monkeypatch).evaluate(Certain())


def test_the_quickstart_never_trains_on_what_it_is_scored_on(monkeypatch: pytest.MonkeyPatch) -> None:
    prepare = prepared("quickstart", monkeypatch)
    training = set(prepare.training_text().decode(errors="ignore").split("\n\n"))
    held_out = set(prepare.documentation()[::5])
    assert training and held_out and not training & held_out


@pytest.mark.slow
def test_the_noisy_classifier_depends_on_the_seed(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    one = measure("noisy_classifier", tmp_path / "one", AUTORESEARCH_SEED="1")
    other = measure("noisy_classifier", tmp_path / "other", AUTORESEARCH_SEED="2")
    assert one != pytest.approx(other, rel=1e-3)
    assert one == pytest.approx(other, rel=0.5)


def test_the_tiny_gpt_trains_for_the_time_it_is_given(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    value = measure("tiny_gpt", tmp_path / "run", AUTORESEARCH_TIME_BUDGET="5", AUTORESEARCH_SEED="1")
    log = (tmp_path / "run" / "run.log").read_text()
    assert 1.0 < value < 7.0, "an untrained model needs 8 bits a byte"
    assert re.search(r"^peak_(vram_)?mb: \d+\.\d$", log, re.MULTILINE)
    assert re.search(r"^steps: [1-9]\d*$", log, re.MULTILINE)


def test_the_tiny_gpt_refuses_a_model_that_sees_the_future(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")

    class Prophet:
        def eval(self) -> None: ...

        def __call__(self, tokens: Any) -> Any:
            return 50.0 * torch.nn.functional.one_hot(tokens.roll(-1, 1), 256)

    with pytest.raises(ValueError, match="bytes after it"):
        prepared("tiny_gpt", monkeypatch).evaluate(Prophet(), 64, torch.device("cpu"))


def test_the_fast_function_is_an_ordinary_test_without_the_loop(tmp_path: Path) -> None:
    copy("fast_function", tmp_path / "fast_function")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", "fast_function"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^14 passed", done.stdout, re.MULTILINE)


@pytest.mark.slow
def test_the_fast_function_is_measured_by_the_loop(project: Project) -> None:
    copy("fast_function", project.root / "fast_function")
    project.commit()

    done = project.pytest(
        "--autoresearch", "--autoresearch-experiments=0", "--autoresearch-tag=example", "fast_function"
    )

    assert done.returncode == 0, done.stdout + done.stderr
    header, baseline = project.table("fast_function/results.example.tsv")
    assert header[1] == "seconds"
    assert baseline[0] == "baseline" and 0.001 < float(baseline[1]) < 5.0


def test_the_circle_packing_has_an_exact_checker_and_its_start_passes(tmp_path: Path) -> None:
    copy("circle_packing", tmp_path / "circles")
    protocol = load(tmp_path / "circles" / "autoresearch.config.md", top=tmp_path)
    assert protocol.metric.direction is Direction.HIGHER and protocol.metric.bounds == (0.0, 2.877)
    done = subprocess.run(
        ["bash", "-c", protocol.run.replace("python ", f"{sys.executable} ")],
        cwd=tmp_path / "circles",
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert re.fullmatch(r"sum_radii: 2\.[45]\d{5}\n", done.stdout), done.stdout + done.stderr


def test_the_circle_checker_refuses_the_smallest_overlap() -> None:
    spec = importlib.util.spec_from_file_location("circle_check", EXAMPLES / "circle_packing" / "check.py")
    assert spec is not None and spec.loader is not None
    check = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(check)
    apart = [[0.25, 0.25, 0.25], [0.75, 0.25, 0.25], *([0.5, 0.75, 0.0] for _ in range(24))]
    assert check.sum_of_radii(apart) == 0.5
    for circles, why in (
        ([[0.25, 0.25, 0.25], [0.75, 0.25, 0.2500000000000001], *apart[2:]], "leaves the square|overlap"),
        ([[0.2, 0.25, 0.2], [0.6, 0.25, 0.20000000000000004], *apart[2:]], "overlap"),
        (apart[1:], "25 circles"),
        ([[0.25, 0.25, -0.1], *apart[1:]], "negative"),
    ):
        with pytest.raises(ValueError, match=why):
            check.sum_of_radii(circles)


def test_the_speed_example_is_an_ordinary_test_without_the_loop(tmp_path: Path) -> None:
    copy("speed", tmp_path / "speed")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", "speed"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0 and re.search(r"^11 passed", done.stdout, re.MULTILINE), done.stdout + done.stderr
