from __future__ import annotations

import pytest

from pytest_autoresearch.protocol.scripts import scripts_of

FILES = frozenset(
    "grade.py t.py tools/score.sh tools/grade.py Makefile pkg/grade/__main__.py x.awk src/lib/m.py package.json".split()
)


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("python grade.py", {"grade.py"}),
        ("python3.12 -I -W ignore -X utf8 ./grade.py out.json", {"grade.py"}),
        ("python tools/../grade.py t.py", {"grade.py"}),
        ("./tools/score.sh", {"tools/score.sh"}),
        ("cd tools && ./score.sh", {"tools/score.sh"}),
        ("cd tools\npython grade.py", {"tools/grade.py"}),
        ("source tools/score.sh", {"tools/score.sh"}),
        ("bash -c 'python grade.py | tail -1'", {"grade.py"}),
        ("python < grade.py", {"grade.py"}),
        ("cat grade.py | python -", {"grade.py"}),
        ("python -m pkg.grade", {"pkg/grade/__main__.py"}),
        ("python -mlib.m", {"src/lib/m.py"}),
        ("FOO=1 timeout 10 env -i python grade.py | cat", {"grade.py"}),
        ("uv run --no-sync python grade.py", {"grade.py"}),
        ("uv run grade.py", {"grade.py"}),
        ("echo $(python grade.py)", {"grade.py"}),
        ('echo "score: $(python grade.py)"', {"grade.py"}),
        ("echo `python grade.py`", {"grade.py"}),
        ('python "$PWD/grade.py"', {"grade.py"}),
        ("if true; then python grade.py; fi", {"grade.py"}),
        ("make -C . metric", {"Makefile"}),
        ("npm run score", {"package.json"}),
        ("awk -f x.awk out.txt", {"x.awk"}),
        ("python grade.py && tools/score.sh", {"grade.py", "tools/score.sh"}),
        ("python -c 'import grade; print(grade.score())'", {"grade.py"}),
        ('python3 -c "import json, grade; from lib.m import x"', {"grade.py", "src/lib/m.py"}),
        ("python -c \"exec(open('grade.py').read())\"", {"grade.py"}),
        ("python -c \"import runpy; runpy.run_path('tools/grade.py')\"", {"tools/grade.py"}),
        ("docker run --rm image python grade.py", {"grade.py"}),
        ("flock /tmp/lock python grade.py", {"grade.py"}),
        ("uv run --with numpy grade.py", {"grade.py"}),
        ("hyperfine 'python grade.py'", {"grade.py"}),
        ("xargs -a list python grade.py", {"grade.py"}),
        ("python -um grade", {"grade.py"}),
        ("python -m coverage run grade.py", {"grade.py"}),
        ("python -m timeit -s 'import grade' 'grade.f()'", {"grade.py"}),
        ("python -m pytest tools/grade.py", {"tools/grade.py"}),
        ("python -c \"__import__('grade').main()\"", {"grade.py"}),
        ("python - <<'END'\nimport grade\nprint(grade.score())\nEND", {"grade.py"}),
        ("SCRIPT=grade.py; python $SCRIPT", {"grade.py"}),
        ("python gr*.py", {"grade.py"}),
        ("gcc grade.py -o /tmp/g && /tmp/g", {"grade.py"}),
        ("go run ./tools", {"tools/score.sh", "tools/grade.py"}),
        ("find . -name out -exec python grade.py {} \\;", {"grade.py"}),
    ],
)
def test_what_a_command_executes_is_found(command: str, expected: set[str]) -> None:
    assert scripts_of(command, FILES, ".") == expected


@pytest.mark.parametrize(
    "command",
    [
        "wc -c < t.py",
        "ruff check t.py | wc -l",
        "python -m ruff check t.py",
        "python -m http.server t.py",
        "echo 'python t.py'",
        "grep loss t.py | tail -1",
        "tail -1 run.log",
        "python -c 'print(1)' t.py",
        "'",
        "cat t.py",
        "python -c \"print(len(open('t.py').read()))\"",
    ],
)
def test_what_a_command_only_reads_is_no_script(command: str) -> None:
    assert scripts_of(command, FILES, ".") == frozenset()


def test_a_metric_may_be_the_size_of_a_target() -> None:
    assert scripts_of("python -c \"print(len(open('t.py').read()))\"", FILES, ".") == frozenset()
