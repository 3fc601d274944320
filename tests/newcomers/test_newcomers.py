"""Eight repositories as people have them: `init --yes` alone ends in a baseline that is proved by a run."""

# ruff: noqa: E501  (files are written as they stand, line by line)
from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from pytest_autoresearch.protocol.markdown import load

if TYPE_CHECKING:
    from tests.conftest import Project

NOTEBOOK = {
    "cells": [
        {"cell_type": "markdown", "metadata": {}, "source": ["# A model\n"]},
        {"cell_type": "code", "metadata": {}, "execution_count": None, "outputs": [],
         "source": ["LEARNING_RATE = 0.1\n", "loss = (LEARNING_RATE - 0.3) ** 2\n"]},
        {"cell_type": "code", "metadata": {}, "execution_count": None, "outputs": [], "source": ["print(f\"val_loss: {loss}\")"]},
    ],
    "metadata": {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}},
    "nbformat": 4,
    "nbformat_minor": 5,
}  # fmt: skip
PYPROJECT = '[project]\nname = "tiny"\nversion = "0.1.0"\nrequires-python = ">=3.10"\n'
LOCK = 'version = 1\nrevision = 1\nrequires-python = ">=3.10"\n\n[[package]]\nname = "tiny"\nversion = "0.1.0"\nsource = { virtual = "." }\n'


@dataclass(frozen=True)
class Newcomer:
    """A repository, and what `init` has to make of it. ``ignored`` files are there and not committed."""

    files: dict[str, str]
    metric: str
    run: str
    targets: tuple[str, ...]
    build: str | None = None
    data: tuple[str, ...] = ()
    ignored: dict[str, str] = field(default_factory=dict)
    needs: tuple[str, ...] = ()


NEWCOMERS = {
    "hydra": Newcomer(
        {
            "train.py": "import hydra\n\n\n@hydra.main(version_base=None, config_path=\"conf\", config_name=\"config\")\ndef main(cfg):\n"
            "    print(f\"val_loss: {(cfg.lr - 0.3) ** 2 + cfg.model.width * 0}\")\n\n\nmain()\n",
            "conf/config.yaml": "defaults:\n  - model: small\n\nlr: 0.1\n",
            "conf/model/small.yaml": "width: 8\n",
        },
        "val_loss", "python train.py", ("train.py", "conf/config.yaml", "conf/model/small.yaml"), needs=("import hydra",),
    ),
    "uv": Newcomer(
        {"pyproject.toml": PYPROJECT, "uv.lock": LOCK, "train.py": "LR = 0.1\nprint(f'val_loss: {(LR - 0.3) ** 2}')\n"},
        "val_loss", "uv run python train.py", ("train.py",), needs=("uv",),
    ),
    "cargo": Newcomer(
        {
            "Cargo.toml": '[package]\nname = "tiny"\nversion = "0.1.0"\nedition = "2021"\n',
            "src/main.rs": "fn main() {\n    println!(\"cost: {}\", (0.1f64 - 0.3).powi(2));\n}\n",
        },
        "cost", "cargo run --release --quiet", ("src/main.rs",), build="cargo build --release", needs=("cargo",),
    ),
    "cmake": Newcomer(
        {
            "CMakeLists.txt": "cmake_minimum_required(VERSION 3.10)\nproject(tiny CXX)\nadd_executable(tiny src/main.cpp)\n",
            "src/main.cpp": "#include <cstdio>\nint main() { printf(\"latency_ms: %f\\n\", 2.5); }\n",
        },
        "latency_ms", "./build/tiny", ("src/main.cpp",),
        build="cmake -S . -B build -DCMAKE_BUILD_TYPE=Release && cmake --build build", needs=("cmake", "c++"),
    ),
    "node": Newcomer(
        {
            "package.json": '{"name": "tiny", "scripts": {"bench": "node bench.js", "test": "node --test"}}\n',
            "bench.js": "const { solve } = require('./solver');\nconsole.log(`latency_ms: ${solve()}`);\n",
            "solver.js": "exports.solve = () => 2.5;\n",
        },
        "latency_ms", "npm run --silent bench", ("solver.js",), needs=("node", "npm"),
    ),
    "notebook": Newcomer(
        {"model.ipynb": json.dumps(NOTEBOOK, indent=1) + "\n"}, "val_loss", "python -c", ("model.ipynb",),
    ),
    "ignored data": Newcomer(
        {
            ".gitignore": "data/\noutputs/\n",
            "train.py": "import csv\n\nLR = 0.1\nrows = list(csv.reader(open('data/train.csv')))\nOUT = 'outputs/'\n"
            "print(f'val_loss: {(LR - 0.3) ** 2 + len(rows)}')\n",
        },
        "val_loss", "python train.py", ("train.py",), data=("data/",),
        ignored={"data/train.csv": "1,2\n3,4\n", "outputs/old.txt": "x\n"},
    ),
    "src layout": Newcomer(
        {
            "src/tiny/__init__.py": "from tiny.core import solve\n",
            "src/tiny/core.py": "WIDTH = 8\n\n\ndef solve():\n    return WIDTH * 2\n",
            "benchmarks/bench.py": "from tiny.core import solve\nimport tiny\n\nprint(f'seconds: {solve()}')\n",
        },
        "seconds", "PYTHONPATH=src python benchmarks/bench.py", ("src/tiny/__init__.py", "src/tiny/core.py"),
    ),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", NEWCOMERS)
def test_init_alone_ends_in_a_proven_baseline(name: str, project: Project) -> None:
    newcomer = NEWCOMERS[name]
    for need in newcomer.needs:
        if need.startswith("import "):
            pytest.importorskip(need.removeprefix("import "))
        elif shutil.which(need) is None:
            pytest.skip(f"{need} is not installed")
    project.env["HOME"] = os.environ["HOME"]  # where toolchains lie: rustup's, uv's Pythons
    project.git("rm", "-q", "-r", ".")
    for path, text in newcomer.files.items():
        project.write(path, text)
    project.commit("a newcomer's")
    for path, text in newcomer.ignored.items():
        project.write(path, text)
    done = project.cli("init", "--yes")
    assert done.returncode == 0 and f"It works: {newcomer.metric} = " in done.stdout, done.stdout + done.stderr
    protocol = load(project.root / "autoresearch.config.md", top=project.root)
    assert protocol.metric.name == newcomer.metric and protocol.run.startswith(newcomer.run)
    assert tuple(rule.pattern for rule in protocol.targets) == newcomer.targets
    assert (protocol.build, protocol.data) == (newcomer.build, newcomer.data)
    assert newcomer.metric in protocol.goal
