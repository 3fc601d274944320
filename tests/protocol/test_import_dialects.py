"""Prompts of other tools, rebuilt from what public repositories have: the facts carry over, and a doubt is a guess."""

# ruff: noqa: E501  (prompts are written as they stand, line by line)
from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pytest_autoresearch.errors import ConfigError
from pytest_autoresearch.protocol.importing import PLACEHOLDER, import_session
from pytest_autoresearch.protocol.markdown import parse
from pytest_autoresearch.protocol.model import Direction, Limit
from pytest_autoresearch.protocol.render import render

LOWER, HIGHER = Direction.LOWER, Direction.HIGHER


@dataclass(frozen=True)
class Case:
    """Files by path, and what must come out; ``guesses`` are the fields that a person has to confirm."""

    files: dict[str, str]
    metric: tuple[str, Direction]
    run: str
    targets: tuple[str, ...]
    readonly: tuple[str, ...] = ()
    guard: tuple[str, ...] = ()
    guesses: frozenset[str] = frozenset()
    there: tuple[str, ...] = field(default=())


CASES = {
    "primary as a heading": Case(
        {
            "autoresearch.md": "# x\n\n## Objective\n\nBetter.\n\n## Primary Metric\n\n- `mean_ap`\n\nHigher is better.\n\n"
            "## Secondary Metrics\n\n- `roc_auc`\n- `peak_gb`\n\n## How to Run One Experiment\n\n`./autoresearch.sh`\n\n"
            "## Files in Scope\n\n- `app/train.py`\n",
            "autoresearch.sh": "echo METRIC roc_auc=1\necho METRIC mean_ap=2\n",
            "app/train.py": "",
        },
        ("mean_ap", HIGHER), "bash autoresearch.sh", ("app/train.py",), ("autoresearch.sh",),
    ),
    "a prelude and bounds": Case(
        {
            "autoresearch.md": "# x\n## Metrics\n- **Primary**: `suite_s` (seconds, lower is better) — wall time\n"
            "- **Secondary**: `tests` (must stay >= 10), `failures` (must stay <= 2)\n\n## How to Run\n```bash\n"
            "source /opt/chruby.sh && chruby 3.4 && ./autoresearch.sh\n```\nOutputs `METRIC name=number` lines.\n\n"
            "## Files in Scope\n\n### Helpers (primary targets)\n- `test/helper.rb` — loaded by all\n\n### Core\n- `lib/a.rb`\n\n"
            "## Off Limits\n- **Do NOT delete tests**\n- `test/fixtures/` — must not be modified\n- `lib/a.rb` — public\n",
            "autoresearch.sh": "echo METRIC suite_s=1; echo METRIC tests=10\n", "test/helper.rb": "", "lib/a.rb": "",
            "test/fixtures/x": "",
        },
        ("suite_s", LOWER), "source /opt/chruby.sh && chruby 3.4 && bash autoresearch.sh", ("test/helper.rb",),
        ("test/fixtures/", "lib/a.rb", "autoresearch.sh"),
    ),
    "two scripts in one fence": Case(
        {
            "autoresearch.md": "# x\n## Metrics\n- **Primary**: `wall_seconds` — total (lower is better) of\n  ```\n"
            "  time ./tool --all\n  ```\n- **Secondary**:\n  - `peak_rss_mb` — memory\n\n## How to Run\n```bash\n"
            "./autoresearch.sh        # builds, runs\n./autoresearch.checks.sh # deep\n```\n## Files in Scope\n- `src/a.rs` — loop\n",
            "autoresearch.sh": "x", "autoresearch.checks.sh": "y", "src/a.rs": "",
        },
        ("wall_seconds", LOWER), "bash autoresearch.sh", ("src/a.rs",), ("autoresearch.sh", "autoresearch.checks.sh"),
        ("bash autoresearch.checks.sh",),
    ),
    "its own files are no targets": Case(
        {
            "autoresearch.md": "# x\n## Metrics\n- **Primary**: `loss` (unitless, lower is better) — mean\n\n## How to Run\n"
            "`./autoresearch.sh` — outputs lines.\n\n## Files in Scope\n- `src/d.jl` — model\n- `autoresearch.sh` — harness\n"
            "- `autoresearch.md` — notes\n",
            "autoresearch.sh": "x", "src/d.jl": "",
        },
        ("loss", LOWER), "bash autoresearch.sh", ("src/d.jl",), ("autoresearch.sh",),
    ),
    "codex's plain bullets": Case(
        {
            "autoresearch.md": "# x\n## Objective\nBe good.\n\n## Metrics\n- Primary: quality_closed (gaps closed, higher is better)\n"
            "- Secondary: quality_gap, quality_total\n\n## How to Run\n`bash ./autoresearch.sh` prints `METRIC name=value` lines.\n\n"
            "## Files in Scope\n- src/q.py\n\n## Off Limits\n- TBD: add off-limits files\n",
            "autoresearch.sh": "x", "src/q.py": "",
        },
        ("quality_closed", HIGHER), "bash autoresearch.sh", ("src/q.py",), ("autoresearch.sh",),
    ),
    "can and can not as headings": Case(
        {
            "program.md": "# x\n\n## What you CAN do\n\n- Modify `reward.py` — this is the ONLY file you edit. Write `Reward`.\n"
            "- Use `numpy` operations in `compute()`\n\n## What you CANNOT do\n\n- Modify `train.py`, `prepare.py`, `metrics.py` — they "
            "are read-only\n- Install new packages\n\n## Goal\n\nGet the highest `task_perf` over the tasks.\n\n## Loop\n\n```\n"
            "LOOP FOREVER:\n  1. edit reward.py\n  2. git commit -m x\n  3. uv run python prepare.py\n```\n",
            "reward.py": "", "train.py": "", "prepare.py": "", "metrics.py": "",
        },
        ("task_perf", HIGHER), "uv run python prepare.py", ("reward.py",), ("train.py", "prepare.py", "metrics.py"),
    ),
    "files listed with words": Case(
        {
            "program.md": "# y\n\n## Setup (run once at start)\n1. Read `oracle.py` — this is the immutable oracle. DO NOT EDIT IT.\n"
            "2. Read `strategy.py` — this is the ONLY file you edit\n3. Ensure data exists: `python oracle.py fetch`\n"
            "4. Run baseline: `python strategy.py` and record it\n\n## Scoring\nPrimary metric: **avg_sharpe** (higher is better)\n\n"
            "## The Loop\n1. Edit `strategy.py`\n2. Run eval: `python strategy.py`\n   - If avg_sharpe > best: keep\n\n## Constraints\n"
            "- Edit ONLY `strategy.py`. Never touch `oracle.py`.\n",
            "oracle.py": "", "strategy.py": "",
        },
        ("avg_sharpe", HIGHER), "python strategy.py", ("strategy.py",), ("oracle.py",),
    ),
    "the file in the heading, the name in the output": Case(
        {
            "program.md": "# MoE\n\n## Setup\n1. Read:\n   - `harness.py` — fixed: model loading. **Do not modify.**\n   - `bench.py` — "
            "the ONLY file you edit. Cache.\n4. If not, run: `uv run python scripts/download.py`\n\n## Experimentation\n\nA **fixed "
            "5-minute generation budget**.\n\n**What you CAN modify in `bench.py`:**\n- Cache size (`k`)\n\n**What you CANNOT modify:**\n"
            "- `harness.py` — the fixed harness\n\n**The goal: maximize tok/s.** Secondary: minimize peak VRAM.\n\n## Output\n```\n---\n"
            "tok_per_sec:     4.82\ntotal_seconds:   300.1\n```\nExtract: `grep \"^tok_per_sec:\" run.log`\n\n## Loop\n```\n1. git status\n"
            "4. uv run python bench.py > run.log 2>&1\n5. grep \"^tok_per_sec:\" run.log\n```\n",
            "harness.py": "", "bench.py": "",
        },
        ("tok/s", HIGHER), "uv run python bench.py", ("bench.py",), ("harness.py",), guesses=frozenset({"metric", "direction"}),
    ),
    "a launch command in a fence, edits in words": Case(
        {
            "autoresearch.md": "# a\n\n## Mission\n\n- Minimize the final score printed as `final_bpb`.\n\n## Setup\n```bash\n"
            "git checkout main\n```\n## What You Can Change\n\n- Modify `train_gpt.py`.\n- Override variables.\n\n## What You Must Not Change\n\n"
            "- Do not edit `data/`.\n\n## Baseline Run\n\nDefault local launch command:\n\n```bash\nmkdir -p logs\n"
            "torchrun --standalone train_gpt.py > logs/x.log 2>&1\n```\n",
            "train_gpt.py": "", "data/x": "",
        },
        ("final_bpb", LOWER), "mkdir -p logs\ntorchrun --standalone train_gpt.py", ("train_gpt.py",), ("data/",),
        guesses=frozenset({"metric", "direction"}),
    ),
    "autoloop": Case(
        {
            ".autoloop/programs/speed.md": "---\nschedule: every 6h\ntimeout-minutes: 40\ntarget-metric: 30\n---\n\n# Speed\n\n## Goal\n\n"
            "Make the build quick.\n\n## Target\n\nOnly modify these files:\n- `build/core.py` -- the core\n\nDo NOT modify:\n- `bench/run.py`\n\n"
            "## Evaluation\n\n```bash\npython bench/run.py\n```\n\nPrints:\n\n```json\n{\"build_seconds\": 42.5}\n```\n\nThe metric is "
            "`build_seconds`. **Lower is better.**\n",
            "build/core.py": "", "bench/run.py": "",
        },
        ("build_seconds", LOWER), "python bench/run.py", ("build/core.py",), ("bench/run.py",),
    ),
    "one-line parameters": Case(
        {
            "program.md": "/autoresearch\nGoal: Raise the coverage\nScope: src/**/*.ts, tests/\nMetric: coverage % (higher is better)\n"
            "Verify: npm test -- --coverage | grep \"All files\"\nGuard: npm run types\nIterations: 25\n",
            "src/a/b.ts": "", "tests/x": "",
        },
        ("coverage", HIGHER), 'npm test -- --coverage | grep "All files"', ("src/**/*.ts", "tests/"), (), ("npm run types",),
        frozenset({"extract"}),
    ),
    "evo": Case(
        {".evo/run_0000/config.json": '{"target": "agent.py", "benchmark": "python bench.py --agent {target}", "metric": "max",'
         ' "gates": [{"name": "t", "command": "pytest -q"}]}', "agent.py": ""},
        ("score", HIGHER), "python bench.py --agent agent.py", ("agent.py",), (), ("pytest -q",),
    ),
    "evo's command in a document": Case(
        {"program.md": "# e\n\n```bash\nuv run evo init --target agent.py --benchmark \"python b.py {target}\" --metric min --gate \"make t\"\n"
         "```\n", "agent.py": ""},
        ("score", LOWER), "python b.py agent.py", ("agent.py",), (), ("make t",),
    ),
    "a metric contract and a benchmark list": Case(
        {
            "program.md": "# z\n\n## Metric Contract\n- Name: `p95_ms`\n- Direction: lower\n- Unit: ms\n\n## Benchmark\n- Command: `cargo "
            "bench --bench core`\n- Runs: 5\n\n## You may edit\n- `src/core.rs`\n- `src/util.rs`\n\n## Off limits\n- `benches/`\n",
            "src/core.rs": "", "src/util.rs": "", "benches/core.rs": "",
        },
        ("p95_ms", LOWER), "cargo bench --bench core", ("src/core.rs", "src/util.rs"), ("benches/",),
    ),
    "launch on a line of its own": Case(
        {
            "program.md": "# m\n\nLaunch: `cd search && uv run train.py`\n\n**What you CAN do:**\n- Modify `search/train.py`.\n\n**What you "
            "CANNOT do:**\n- Modify `search/prepare.py`. It is fixed.\n\n**Goal**: Maximize `val_accuracy`.\n",
            "search/train.py": "", "search/prepare.py": "",
        },
        ("val_accuracy", HIGHER), "cd search && uv run train.py", ("search/train.py",), ("search/prepare.py",),
    ),
    "lists below labels, and tie-breakers": Case(
        {
            "program.md": "# Program\n\n## Objective\n\nImprove success.\n\nPrimary metric:\n\n- `success_rate`\n\nTie-breakers, in order:\n\n"
            "- lower `bc_loss`\n\n## Editable Surface\n\nYou may edit:\n\n- `train.py`\n\nYou may not edit:\n\n- `prepare.py`\n- `data/`\n\n"
            "## Runtime Budget\n\nEach candidate run has at most 5 minutes:\n\n```bash\npython train.py --out runs/c\n```\n",
            "train.py": "", "prepare.py": "", "data/x": "",
        },
        ("success_rate", HIGHER), "python train.py --out runs/c", ("train.py",), ("prepare.py", "data/"), guesses=frozenset({"direction"}),
    ),
    "each experiment in a fence": Case(
        {
            "program.md": "# Q\n\n## Setup\n3. **Read the in-scope files**:\n   - `src/b.py` — fixed evaluation harness. Do NOT modify.\n   - `src/s.py` — "
            "the file you modify.\n4. If not, tell the human to run `uv run python cli.py setup`.\n\n## Experimentation\n\nEach experiment:\n```bash\n"
            "uv run python src/b.py > run.log 2>&1\n```\n\n## The goal\n\nGet the highest **SCORE** (Average).\n\n## Output\n\n```\n---\nSCORE: 0.54\n"
            "SORTINO: 0.81\n```\n",
            "src/b.py": "", "src/s.py": "",
        },
        ("SCORE", HIGHER), "uv run python src/b.py", ("src/s.py",), ("src/b.py",),
    ),
    "priorities, and a step that is a fence": Case(
        {
            "program.md": "# s\n\n## Objective\n\nLower the deployed error.\n\nThe priority order is:\n\n1. `int8_wer` on the fixed set\n2. `fp32_wer`\n\n"
            "## In-scope files\n\nYou may edit:\n\n- `run.py`\n- new helper files\n\n## Experiment loop\n\n1. Check git.\n4. Run:\n\n```bash\n"
            "python run.py --description x\n```\n\n5. Read it.\n",
            "run.py": "",
        },
        ("deployed", LOWER), "python run.py --description x", ("run.py",), guesses=frozenset({"metric", "direction"}),
    ),
    "nothing says which way": Case(
        {"program.md": "# n\n\nMetric: `wobble`\n\nLaunch it as: `python w.py`\n\nOnly modify `w.py`.\n", "w.py": ""},
        ("wobble", LOWER), "python w.py", ("w.py",), guesses=frozenset({"direction"}),
    ),
    "two ways at once": Case(
        {"program.md": "# n\n\nGet the lowest loss.\n\nGet the highest score.\n\nRun it: `python w.py`\n\nOnly modify `w.py`.\n", "w.py": ""},
        ("loss", LOWER), "python w.py", ("w.py",), guesses=frozenset({"metric", "direction"}),
    ),
    "two commands": Case(
        {"program.md": "# n\n\nGet the lowest loss.\n\nLaunch it: `python a.py`\n\nLaunch it: `python b.py`\n\nOnly modify `a.py`.\n", "a.py": ""},
        ("loss", LOWER), "python a.py", ("a.py",), guesses=frozenset({"run"}),
    ),
    "autoloop measures with a program in quotes": Case(
        {
            ".autoloop/programs/pack/program.md": "---\nschedule: every 6h\n---\n# Pack\n\n## Target\n\nOnly modify these files:\n"
            "- `.autoloop/programs/pack/code/p.py`\n\n## Evaluation\n\n```bash\npip install -q numpy && python3 -c \"\n"
            "import json\n# isn't it\nr = 1 > 0\nprint(json.dumps({'sum': 1.0}))\n\"\n```\n\n"
            "The metric is `sum` from the JSON output. **Higher is better.**\n",
            ".autoloop/programs/pack/code/p.py": "",
        },
        ("sum", HIGHER), "python3 -c \"\nimport json\n# isn't it\nr = 1 > 0\nprint(json.dumps({'sum': 1.0}))\n\"",
        (".autoloop/programs/pack/code/p.py",),
    ),
    "a here-document, and where a run's output goes": Case(
        {
            "program.md": "# x\n\nThe metric is `acc` (higher is better). Only modify `w.py`.\n\n## Run the experiment\n\n```bash\nset -e\n"
            "nohup python - <<'PY' \nprint('acc: 1')  # > 0\nPY\npython report.py\n```\n", "w.py": "",
        },
        ("acc", HIGHER), "set -e\npython - <<'PY'\nprint('acc: 1')  # > 0\nPY", ("w.py",),
    ),
    "a log named by the day, in the background": Case(
        {"program.md": "# x\n\nThe metric is `acc`, higher is better. Only modify `w.py`.\n\n## Run\n\n```bash\n"
         "nohup python w.py --q \"a > b\" > logs/$(date +%Y%m%d).log 2>&1 &\n```\n", "w.py": ""},
        ("acc", HIGHER), 'python w.py --q "a > b"', ("w.py",),
    ),
    "a primary metric of several words": Case(
        {"program.md": "# x\n\n## Metric\n\nPrimary metric: action-conditioned next-frame MSE. Lower is better.\n\nLaunch it: `python w.py`\n\n"
         "Only modify `w.py`.\n", "w.py": ""},
        ("action-conditioned", LOWER), "python w.py", ("w.py",), guesses=frozenset({"metric"}),
    ),
    "a label says primary": Case(
        {
            "autoresearch.md": "# x\n\n## Metrics\n\n**Primary** (higher is better):\n\n- `total` - of all three\n\n**Secondary**:\n\n- `ttft`\n\n"
            "## How to Run\n\n```\nMETRIC name=number\n```\n\n## Files in Scope\n- `w.py`\n",
            "autoresearch.sh": "echo METRIC ttft=1 total=2\n", "w.py": "",
        },
        ("total", HIGHER), "bash autoresearch.sh", ("w.py",), ("autoresearch.sh",),
    ),
    "a step greps for what the prose calls otherwise": Case(
        {"program.md": "# x\n\nThe goal is simple: get the highest `tok_per_sec`. Extract key metric: `grep \"^tok_per_sec:\" run.log`\n\n"
         "Launch it: `python w.py`\n\nOnly modify `w.py`.\n", "w.py": ""},
        ("tok_per_sec", HIGHER), "python w.py", ("w.py",),
    ),
    "autoanything": Case(
        {
            "problem.yaml": "name: tsp\ndescription: >\n  Find the shortest tour that visits every city exactly once and comes back to where it began.\n"
            "  Only the order of the cities may change, and it has to name each of the twenty cities of the list one time, no more, no less.\n"
            "score:\n  name: tour\n  direction: minimize\n",
            "state/tour.py": "", "context/cities.py": "", "scoring/score.py": "def score(): return {'tour': 1.0}\n",
        },
        ("tour", LOWER),
        'python -c "import json, sys; sys.path.insert(0, \'scoring\'); from score import score; print(json.dumps(score()))"',
        ("state/",), ("context/",), guesses=frozenset({"run"}),
    ),
    "a list of what may change in a problem": Case(
        {"problem.yml": "mutable:\n  - a.py\nreadonly:\n  - b.py\nscore:\n  direction: maximize\nrun: python b.py\n", "a.py": "", "b.py": ""},
        ("score", HIGHER), "python b.py", ("a.py",), ("b.py",),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_prompt_becomes_the_protocol_that_it_describes(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    for path, text in case.files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    imported = import_session(tmp_path)
    protocol = imported.protocol
    assert (protocol.metric.name, protocol.metric.direction) == case.metric
    assert protocol.run == case.run
    assert tuple(rule.pattern for rule in protocol.targets) == case.targets
    assert tuple(rule.pattern for rule in protocol.readonly) == case.readonly
    assert protocol.guard == case.guard
    assert {guess.field for guess in imported.guesses} == case.guesses
    assert parse(render(protocol), file="autoresearch.config.md") == protocol


@pytest.mark.parametrize(
    ("said", "name", "direction", "is_guess"),
    [
        ("Goal: the highest `score`.", "score", HIGHER, False),
        ("The objective is to achieve the lowest possible `val_err` on the dev set.", "val_err", LOWER, False),
        ("Goal: lowest validation loss (`val_loss`).", "val_loss", LOWER, False),
        ("Goal: drive `p95_ms` down as far as possible.", "p95_ms", LOWER, False),
        ("**Goal**: push `hits` as high as possible.", "hits", HIGHER, False),
        ("Goal: beat the baseline `auc` of 0.91.", "auc", HIGHER, True),
        ("## Objective\n\nMinimize **validation perplexity**, printed as `ppl: <number>`.", "ppl", LOWER, True),
        ("## Metric\n\nval_bpb, lower is better", "val_bpb", LOWER, False),
        (
            "Minimize the loss, printed as `took: <final loss in bits>`, then `experiment: <description>`.",
            "took",
            LOWER,
            True,
        ),
        ("## Success metric\n\n`took`: smaller is better", "took", LOWER, False),
        ("## Evaluation\n\nThe score is `mAP`, larger is better.", "mAP", HIGHER, False),
        ("Goal: find the largest batch that fits `vram`; minimize `val_loss`.", "val_loss", LOWER, False),
        ("Goal: with the largest model that fits, minimize `val_bpb`.", "val_bpb", LOWER, False),
        ("Goal: scale `batch_size` up to 512, minimize `val_loss`.", "val_loss", LOWER, False),
        ("## Metric\n\nNote: lower is better\n\n`val_loss` is printed at the end.", "val_loss", LOWER, False),
        (
            "## Metrics\n\n| Metric | Direction | Role |\n|---|---|---|\n| `mem` | minimize | secondary |\n"
            "| `hits` | maximize | primary |",
            "hits",
            HIGHER,
            False,
        ),
    ],
)
def test_a_metric_is_found_in_the_words_that_name_it(
    tmp_path: Path, said: str, name: str, direction: Direction, is_guess: bool
) -> None:
    (tmp_path / "w.py").touch()
    (tmp_path / "program.md").write_text(f"# x\n\nRun: `python w.py`\n\nOnly modify `w.py`.\n\n{said}\n")
    imported = import_session(tmp_path)
    assert (imported.protocol.metric.name, imported.protocol.metric.direction) == (name, direction)
    assert ("metric" in {guess.field for guess in imported.guesses}) == is_guess


@pytest.mark.parametrize(
    "said",
    [
        "**What you CAN do:**\n- Modify `w.py` and anything under `conf/`.\n\n**What you CANNOT do:**\n- Modify `e.py`",
        "## Allowed changes\n- w.py\n- conf/\n\n## Forbidden\n- e.py",
        "## Scope\n\nIn: `w.py`, `conf/`\nOut: `e.py`",
        "## What you can modify\n\n`w.py`, `conf/` (settings)\n\n## What you must not modify\n\n`e.py`",
        "**DO NOT** modify `e.py`. The file to edit is `w.py`. Edit only `conf/`.",
        "- **Mutable**: `w.py`, `conf/`\n- **Immutable**: `e.py`",
        "- \u2705 `w.py`\n- \u2705 `conf/`\n- \u274c `e.py`",
        "## Files\n\n- `w.py` – you edit this\n- `conf/` – you edit this\n- `e.py` – read only",
    ],
)
def test_what_may_change_is_found_in_the_words_that_say_so(tmp_path: Path, said: str) -> None:
    (tmp_path / "conf").mkdir()
    for name in ("w.py", "e.py"):
        (tmp_path / name).touch()
    (tmp_path / "program.md").write_text(f"# x\n\nStart it as `nohup python w.py > run.log 2>&1 &`.\n\n{said}\n")
    protocol = import_session(tmp_path).protocol
    assert [rule.pattern for rule in protocol.targets] == ["w.py", "conf/"]
    assert [rule.pattern for rule in protocol.readonly] == ["e.py"]
    assert protocol.run == "python w.py"


@pytest.mark.parametrize(
    "said",
    [
        "Only modify `w.py`. Read only `w.py` and `e.py` first; `e.py` is read only.",
        "Only modify `w.py`.\n\n## Data\n\n- In: `raw.csv`\n- Out: `w.csv`\n\n## Must not change\n\n`e.py` scores what `w.py` writes.",
        "## Must not change\n\n`w.py` is the only file you may edit. Everything else is fixed.\n\n- `e.py`",
        "Only modify `w.py`.\n\n## Status\n\n- \u2705 `e.py` ran once\n- \u274c `w.py` is slow\n\nNever modify `e.py`.",
        "## Scope\n\nIn: `w.py`\nOut: `e.py` (it scores what `w.py` writes)",
    ],
)
def test_files_that_are_only_spoken_of_are_neither_open_nor_closed(tmp_path: Path, said: str) -> None:
    for name in ("w.py", "e.py", "raw.csv"):
        (tmp_path / name).touch()
    (tmp_path / "program.md").write_text(f"# x\n\nRun: `python w.py`\n\nMinimize `loss`.\n\n{said}\n")
    protocol = import_session(tmp_path).protocol
    assert [rule.pattern for rule in protocol.targets] == ["w.py"]
    assert [rule.pattern for rule in protocol.readonly] == ["e.py"]


def test_bounds_on_printed_numbers_become_limits_and_the_rest_is_kept(tmp_path: Path) -> None:
    for path, text in CASES["a prelude and bounds"].files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    protocol = import_session(tmp_path).protocol
    assert protocol.limits == (Limit("tests", at_least=10.0),)  # the script prints no `failures`
    assert "failures" in protocol.notes and "Off Limits: **Do NOT delete tests**" in protocol.constraints


def test_a_number_of_parameters_or_tokens_is_no_time(tmp_path: Path) -> None:
    (tmp_path / "program.md").write_text(
        "# x\n\nYou train a small model (50-200M params) on ~57M tokens per run.\n\nA fixed time budget of 10 minutes.\n"
    )
    assert import_session(tmp_path).protocol.budget == 600


def test_a_climb_is_read_and_what_it_counts_is_left_to_say(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    for name in ("rules.md", "evaluate.py", "split.json"):
        (tmp_path / "work" / name).write_text("")
    (tmp_path / "hillclimb.toml").write_text(
        'workspace = "work"\nallow = ["rules.md"]\nheld_out = "split.json"\nobjective = "quality"\nmax_iterations = 5\n'
        'evaluate = ["{python}", "evaluate.py", "{output}"]\npropose = ["{python}", "p.py"]\ntimeout_seconds = 60\n'
    )
    imported = import_session(tmp_path)
    protocol = imported.protocol
    assert protocol.run == "cd work && python evaluate.py result.json"
    assert [rule.pattern for rule in protocol.targets] == ["work/rules.md"]
    assert [rule.pattern for rule in protocol.readonly] == ["work/evaluate.py", "work/split.json"]
    assert (protocol.budget, protocol.options.experiments) == (60, 5)
    assert protocol.metric.name == PLACEHOLDER and "a share of cases that pass" in "\n".join(imported.unmapped)
    (tmp_path / "hillclimb.toml").write_text("workspace = [\n")
    with pytest.raises(ConfigError, match="it is not TOML"):
        import_session(tmp_path)


def test_a_goal_oriented_program_has_a_target(tmp_path: Path) -> None:
    (tmp_path / "program.md").write_text("---\ntarget-metric: 0.95\n---\n# x\n\nMetric: `acc` (higher is better)\n")
    assert import_session(tmp_path).protocol.metric.target == 0.95


@pytest.mark.parametrize(
    "command",
    ["python e.py --model <model_name>", "python e.py {config}", "bash path/to/run.sh", "python YOUR_SCRIPT.py"],
)
def test_a_command_with_a_placeholder_is_said_to_be_unfinished(tmp_path: Path, command: str) -> None:
    (tmp_path / "program.md").write_text(f"# x\n\nLaunch it: `{command}`\n\nGet the highest score.\n")
    imported = import_session(tmp_path)
    assert imported.protocol.run == command
    assert f"Run Command: `{command}` is unfinished" in "\n".join(imported.unmapped)


def test_sections_that_have_a_meaning_here_do_not_become_one(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("")
    (tmp_path / "autoresearch.sh").write_text("echo METRIC t=1\n")
    (tmp_path / "autoresearch.md").write_text(
        "# x\n## Metrics\n- **Primary**: `t` (lower is better)\n## How to Run\n`./autoresearch.sh`\n## Files in Scope\n- `a.py`\n"
        "## Notes\nx\n## Branch\nfeature/other\n## Guard\nAll of it.\n## History\n### Metric\nold\n**Guard**: see above\n# Limits\nnone really known\n"
    )
    protocol = import_session(tmp_path).protocol
    assert parse(render(protocol), file="autoresearch.config.md") == protocol
    assert protocol.guard == () and protocol.tag is None and protocol.metric.name == "t"
