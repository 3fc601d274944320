from __future__ import annotations

import pytest

from pytest_autoresearch.forwarding import forwarded


@pytest.mark.parametrize(
    ("words", "kept"),
    [
        ("--autoresearch tests/a.py", ""),
        ("--autoresearch --autoresearch-tag x --autoresearch-agent=sweep tests/a.py::b", ""),
        ("--size big tests/a.py --flag", "--size big --flag"),
        (
            "tests/a.py --size=big -W error -p my.plugin -o xfail_strict=true",
            "--size=big -W error -p my.plugin -o xfail_strict=true",
        ),
        ("-k fast -kfast -m smoke -n0 -n 0 tests/a.py -vv -q -sx -rA -r A --tb short --tb=no", ""),
        ("--junitxml r.xml --html=r.html --report-log log.json --cov src --cov=src --cov-report term tests/a.py", ""),
        ("-p no:terminal -p no:cacheprovider", "-p no:cacheprovider"),
        ("--lf --ff --nf --co --collect-only --maxfail 3 --durations=5 --reruns 2 -c my.ini --rootdir .", ""),
        ("--benchmark-min-rounds 9 --benchmark-json out.json --benchmark-skip", "--benchmark-min-rounds 9"),
        ("--asyncio-mode auto -- tests/a.py", "--asyncio-mode auto"),
        ("--loud -x --mode -", "--loud --mode -"),
        ("--size -5 --mode=-x tests/a.py", "--size -5 --mode=-x"),
        ("--alluredir /tmp/a --md-report --csv out.csv --unknown-report=x --count 5 --flake-finder", ""),
        ("--strict-markers tests/a.py --runxfail", "--strict-markers --runxfail"),
    ],
)
def test_the_measuring_pytest_gets_what_says_how_tests_work_and_not_which_or_how_reported(
    words: str, kept: str
) -> None:
    own = {"--size", "--flag", "--loud", "--mode"}
    assert forwarded(words.split(), ["tests/a.py", "tests/a.py::b"], own) == kept.split()
