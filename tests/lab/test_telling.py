"""Of many words the one line that tells most, with file and line where the sources are to blame."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_autoresearch.lab.telling import telling_line

TOPS = ("/home/me/repo", "/cache/workspace")


@pytest.mark.parametrize(
    ("log", "line"),
    [
        ("", ""),
        ("KeyError: 'a'\nDuring handling\nValueError: b\n", "ValueError: b"),
        ("x\ntorch.OutOfMemoryError: CUDA out of memory.\nbye", "torch.OutOfMemoryError: CUDA out of memory."),
        ("make: *** [all] Error 1\n\n", "make: *** [all] Error 1"),
        (
            'Traceback (most recent call last):\n  File "/home/me/repo/run.py", line 1, in <module>\n    import train\n'
            "  File \"/home/me/repo/train.py\", line 12\n    x = (\n        ^\nSyntaxError: '(' was never closed\n",
            "SyntaxError: train.py:12: '(' was never closed",
        ),
        (
            '  File "/cache/workspace/a/train.py", line 3\n    return 1\nIndentationError: unexpected indent\n',
            "IndentationError: a/train.py:3: unexpected indent",
        ),
        (
            "_____ ERROR collecting test_loss.py _____\n"
            "test_loss.py:5: in <module>\n    import model\n"
            'E     File "/home/me/repo/model.py", line 4\nE       def loss(:\nE                ^\n'
            "E   SyntaxError: invalid syntax\n===== short test summary info =====\nERROR test_loss.py\n"
            "!!!!! Interrupted: 1 error during collection !!!!!\nno `loss` was recorded; there is: nothing",
            "SyntaxError: model.py:4: invalid syntax",
        ),
        (
            "ImportError while importing test module '/home/me/repo/test_loss.py'.\ntest_loss.py:5: in <module>\n"
            "    import model\nmodel.py:1: in <module>\n    from math import nothing\n"
            "E   ImportError: cannot import name 'nothing' from 'math' (unknown location)\nERROR test_loss.py",
            "ImportError: model.py:1: cannot import name 'nothing' from 'math' (unknown location)",
        ),
        (
            '  File "/home/me/repo/train.py", line 2, in <module>\n    import nope\n'
            "ModuleNotFoundError: No module named 'nope'",
            "ModuleNotFoundError: train.py:2: No module named 'nope'",
        ),
        (
            "/home/me/repo/bench.js:3\nlet x = ;\n        ^\n\nSyntaxError: Unexpected token ';'\n    at wrapSafe\n",
            "SyntaxError: bench.js:3: Unexpected token ';'",
        ),
        (
            "running build_ext\nsrc/a.c:12:5: warning: unused\nsrc/a.c:14:9: error: expected ';' before '}'\n"
            "error: command '/usr/bin/gcc' failed with exit code 1\n",
            "src/a.c:14: error: expected ';' before '}'",
        ),
        (
            "error[E0308]: mismatched types\n --> src/main.rs:4:5\n  |\nerror: could not compile `x`",
            "src/main.rs:4: error[E0308]: mismatched types",
        ),
        ("# x\n./main.go:5:2: undefined: y\n", "main.go:5: error: undefined: y"),
        ("src/a.ts(3,4): error TS2322: no\n", "src/a.ts:3: error: TS2322: no"),
        ("Error compiling Cython file:\nm.pyx:3:4: undeclared name\n", "m.pyx:3: error: undeclared name"),
        (
            "CMake Error at CMakeLists.txt:3 (find_package):\n  Could not find X\n-- Configuring incomplete",
            "CMakeLists.txt:3: CMake Error: Could not find X",
        ),
        (
            "configuration error: `project.license` must be valid\nGIVEN VALUE:\n{\n}\nDEFINED BY:\n#/x\n}",
            "configuration error: `project.license` must be valid",
        ),
    ],
)
def test_this_line_tells_most(log: str, line: str) -> None:
    assert telling_line(log.encode(), TOPS) == line


@given(st.binary(max_size=500))
def test_any_bytes_have_a_line_that_can_be_shown(data: bytes) -> None:
    assert telling_line(data).isprintable()
