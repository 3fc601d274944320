"""Which tests have touched a file, from what pytest-cov's ``--cov-context=test`` has left in the checkout.

Reads the user's data with the user's coverage.py, where both are there. What it says is an order and no verdict.
"""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Collection
from pathlib import Path

MOST_TESTS = 100  # named on one command line
_CONFIGS = (".coveragerc", "setup.cfg", "tox.ini", "pyproject.toml")


def touching_tests(changed: Collection[str], *, top: Path, root: Path) -> list[str]:
    """The node ids of tests that ran lines of the changed files, those that ran most of them first.

    ``changed`` relative to ``top``; ``root`` is pytest's. Empty where nothing was recorded or it can not be read,
    and where it is most of the tests: running these first would be no choice.
    """
    try:
        import coverage
    except ImportError:
        return []
    try:
        recorded = _data_file(root)
        if not recorded.is_file():
            return []
        with tempfile.TemporaryDirectory() as private:  # coverage.py may write to what it reads
            data = coverage.CoverageData(shutil.copy(recorded, private))
            data.read()
            everyone = {test for context in data.measured_contexts() if (test := _test(context))}
            paths = {(top / path).resolve() for path in changed}
            files = [file for file in data.measured_files() if (root / file).resolve() in paths]
            lines = [contexts for file in files for contexts in data.contexts_by_lineno(file).values()]
    except (coverage.CoverageException, OSError):
        return []
    touched = Counter(test for contexts in lines for test in {_test(context) for context in contexts} if test)
    return [test for test, _ in touched.most_common(MOST_TESTS)] if 2 * len(touched) <= len(everyone) else []


def _data_file(root: Path) -> Path:
    """Where the project's coverage configuration puts its data."""
    import coverage

    for name in _CONFIGS:
        if (root / name).is_file():
            said = coverage.Coverage(config_file=str(root / name)).get_option("run:data_file")
            if said and said != ".coverage":
                return root / str(said)
    return root / ".coverage"


def _test(context: str) -> str:
    """The node id in a context of pytest-cov, ``tests/test_a.py::test_one|run``; empty for any other context."""
    test, _, phase = context.rpartition("|")
    return test if phase in ("setup", "run", "teardown") and "::" in test else ""
