"""A grader that unpickles what a run left runs the run's code: it is said, and that code can keep nothing."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pytest_autoresearch.protocol.experiment import Measurement, Role
from pytest_autoresearch.protocol.model import Direction, Metric, Protocol
from tests.attacks.slot import Slot

LEVELS = ("bwrap", *(pytest.param(level, marks=pytest.mark.slow) for level in ("landlock", "process")))
GRADER = "import pickle\nprint(sum(pickle.load(open('out.pkl', 'rb'))))\n"
HONEST = "import pickle; pickle.dump([1, 2, 4], open('out.pkl', 'wb'))\n"
NOTE = Path("/dev/shm/autoresearch-test-note")
KEEPS = f"""
import os, pickle
places = ["CACHE/note", "note", "{NOTE}", "kept.pkl"]
payload = "for place in " + repr(places) + ":\\n try: open(place, 'a').write('kept')\\n except OSError: pass"
class Payload:
    def __reduce__(self):
        return (eval, ("(exec(" + repr(payload) + "), [1, 2, 4])[1]",))
pickle.dump([0] if any(map(os.path.exists, places)) else Payload(), open("out.pkl", "wb"))
"""


class Lab:
    """A slot for one grader; ``cache`` is declared and shared between runs."""

    def __init__(self, root: Path, level: str, grader: str) -> None:
        self.cache, self.grader = root / "shared", grader
        self.cache.mkdir()
        metric = Metric("score", Direction.LOWER, extract="python grade.py")
        protocol = Protocol(goal="", metric=metric, targets=(), run="python train.py", caches=(str(self.cache),))
        self.slot = Slot(root, level, protocol, ("grade.py",))

    def measure(self, program: str, number: int, **more: str) -> Measurement:
        files = {"train.py": program, "grade.py": self.grader, "labels.py": "RIGHT = 7\n", **more}
        return self.slot.measure(files, number, role=Role.CANDIDATE if number else Role.INCUMBENT)


@contextmanager
def lab(root: Path, level: str, grader: str = GRADER) -> Iterator[Lab]:
    place = Lab(root, level, grader)
    try:
        yield place
    finally:
        place.slot.close()


@pytest.mark.parametrize("level", LEVELS)
def test_code_that_a_grader_unpickles_keeps_nothing_for_the_next_run(level: str, tmp_path: Path) -> None:
    with lab(tmp_path, level) as place:
        baseline = place.measure(HONEST, 0)
        assert (baseline.value, baseline.granted, baseline.pickles) == (7.0, (), ("out.pkl",)), baseline
        program = KEEPS.replace("CACHE", str(place.cache))
        try:
            values = [place.measure(program, number).value for number in (1, 2)]
        finally:
            NOTE.unlink(missing_ok=True)
        if level == "process":
            assert values == [7.0, 0.0], "the page says that this level does not stop it"
        else:
            assert values == [7.0, 7.0] and list(place.cache.iterdir()) == []


@pytest.mark.parametrize("level", LEVELS)
def test_what_a_grader_unpickles_decides_the_number_and_is_named(level: str, tmp_path: Path) -> None:
    """It can not be prevented inside of the grader: the page, the record and `doctor` say so."""
    with lab(tmp_path, level) as place:
        place.measure(HONEST, 0)
        forged = "import os, pickle\nclass P:\n def __reduce__(self):\n  return (exec, (code,))\n"
        forged += "code = 'print(0.0, flush=True)\\nimport os\\nos._exit(0)'\n"
        measured = place.measure(f"{forged}pickle.dump(P(), open('out.pkl', 'wb'))\n", 1)
        assert measured.pickles == ("out.pkl",) and measured.granted is None
        assert measured.value == 0.0


GRADERS = {
    (): "print(7)",
    ("modules",): "from labels import RIGHT\nprint(RIGHT)",
    ("write",): "open('seen.txt', 'w').write('7')\nprint(open('seen.txt').read())",
    ("modules", "write"): "from labels import RIGHT\nopen('x', 'w')\nprint(RIGHT)",
    ("caches", "modules", "write"): "open('CACHE/x', 'w')\nprint(7)",
}


@pytest.mark.parametrize("needs", GRADERS, ids=lambda needs: "+".join(needs) or "nothing")
def test_an_extract_command_is_granted_what_the_baseline_shows_it_to_need(
    needs: tuple[str, ...], tmp_path: Path
) -> None:
    with lab(tmp_path, "bwrap", GRADERS[needs].replace("CACHE", str(tmp_path / "shared"))) as place:
        baseline = place.measure(HONEST, 0)
        if sys.version_info < (3, 11) and "caches" not in needs:  # no PYTHONSAFEPATH: nobody needs what all have
            needs = tuple(need for need in needs if need != "modules")
        assert (baseline.value, baseline.granted) == (7.0, needs), baseline
        later = place.measure(f"{HONEST}# again", 1)
        assert (later.value, later.granted) == (7.0, None)


def test_a_module_that_is_installed_as_well_stays_the_repositorys(tmp_path: Path) -> None:
    """Without the workspace on the path the installed one would give the baseline's number to every candidate."""
    with lab(tmp_path, "bwrap", "print(7)") as place:
        assert place.measure(HONEST, 0, **{"pluggy/__init__.py": ""}).granted == ("modules",)


@pytest.mark.parametrize(
    ("made", "found"),
    [
        ("import pickle; pickle.dump([1, 2, 4], open('weights.bin', 'wb'))", ("out.pkl", "weights.bin")),
        ("open('model.pt', 'w').close(); open('a.joblib', 'w').close()", ("a.joblib", "model.pt", "out.pkl")),
        ("import numpy; numpy.save('o.npy', numpy.array([[], 1], dtype=object))", ("o.npy", "out.pkl")),
        ("import numpy; numpy.save('plain.npy', numpy.zeros(3))", ("out.pkl",)),
        ("import numpy; numpy.savez('plain.npz', a=numpy.zeros(3))", ("out.pkl",)),
        ("import numpy; numpy.savez('o.npz', a=numpy.zeros(3), b=numpy.array([{}]))", ("o.npz", "out.pkl")),
        ("open('out.json', 'w').write('[1]')", ("out.pkl",)),
    ],
)
def test_files_that_run_code_when_they_are_loaded_are_in_the_record(
    made: str, found: tuple[str, ...], tmp_path: Path
) -> None:
    if "numpy" in made:
        pytest.importorskip("numpy")
    with lab(tmp_path, "bwrap") as place:
        assert place.measure(f"{HONEST}{made}\n", 0).pickles == found
