"""``autoresearch-try``: what an agent may have run on its edit, and what it may not get by it."""

from __future__ import annotations

import fcntl
import json
from typing import Any

import pytest

from pytest_autoresearch.protocol.values import parse_tries
from tests.conftest import Project

pytestmark = pytest.mark.slow

LEVELS = pytest.mark.parametrize("isolation", ["none", "auto"])
EDIT = "sed -i 's/RATE = 8.0/RATE = 4.0/' train.py"


def session(project: Project, agent: str, *, front: str = "agent_try: 2 runs", isolation: str = "none") -> str:
    config = project.root / "autoresearch.config.md"
    said = config.read_text()
    if not said.startswith("---"):
        config.write_text(f"---\n{front}\n---\n{said}")
        project.commit("grant")
    script = project.home.parent / "agent.sh"
    script.write_text(agent)
    done = project.pytest(
        "--autoresearch",
        f"--autoresearch-agent=command:bash {script}",
        "--autoresearch-experiments=1",
        f"--autoresearch-isolation={isolation}",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def last(project: Project) -> dict[str, Any]:
    """The newest experiment's record."""
    log = project.git("log", "--first-parent", "-z", "--format=%B", "refs/autoresearch/demo/log")
    records = [json.loads(message) for message in log.split("\0") if message.strip()]
    return next(record["data"] for record in records if record["kind"] == "experiment")


@LEVELS
def test_an_agent_sees_its_edits_output_and_the_record_only_its_seconds(project: Project, isolation: str) -> None:
    said = f"""{EDIT}
autoresearch-try > ~/out; code=$?
echo "DESCRIPTION: $code $(grep loss ~/out) $(tail -n 1 ~/out | cut -d';' -f 2-)"
"""
    session(project, said, isolation=isolation)
    record = last(project)
    assert record["description"].startswith("0 loss: 5.32 ")
    assert "1 left; it is for you alone, and no evidence" in record["description"]
    assert (record["status"], record["usage"]["tries"]) == ("keep", 1)
    assert 0 < record["usage"]["try_seconds"] < 30
    assert len([m for m in record["measurements"] if m["role"] == "candidate"]) >= 1, "it was measured all the same"


@LEVELS
def test_no_more_is_run_than_is_granted(project: Project, isolation: str) -> None:
    said = f"""{EDIT}
for i in 1 2 3 4; do autoresearch-try > ~/out 2>&1 && good="$good$i"; done
echo "DESCRIPTION: good $good, $(cat ~/out)"
"""
    session(project, said, isolation=isolation)
    record = last(project)
    assert record["description"] == "good 12, autoresearch-try: the tries of this turn are used up (2)"
    assert record["usage"]["tries"] == 2


def test_where_nothing_is_granted_there_is_no_such_program(project: Project) -> None:
    session(project, f"{EDIT}; command -v autoresearch-try; echo none", front="seed: 3")
    assert last(project)["description"] == "none"
    assert not last(project).get("usage")


def test_what_would_not_be_run_is_refused_with_its_reason_and_costs_no_try(project: Project) -> None:
    said = f"""
nothing=$(autoresearch-try); echo 'offset = 0' > prepare.py; scope=$(autoresearch-try); echo 'offset = 1.0' > prepare.py
{EDIT}; autoresearch-try > /dev/null && echo "DESCRIPTION: $nothing / $scope"
"""
    session(project, said)
    told = last(project)["description"]
    assert "no-change: the agent changed nothing / autoresearch-try: out-of-scope: prepare.py" in told
    assert last(project)["usage"]["tries"] == 1


def test_guards_can_be_tried_too(project: Project) -> None:
    said = f"{EDIT}; autoresearch-try --guard > ~/out; code=$?; grep -q was-here ~/out && echo DESCRIPTION: $code"
    session(project, said, front="agent_try: 1 run\nguard: ['echo was-here; grep -q 8.0 train.py']")
    assert last(project)["description"] == "1"
    assert last(project)["reason"] == "guard"


def test_a_run_that_fails_says_so_by_its_exit_status(project: Project) -> None:
    said = "echo 'raise SystemExit(7)' >> train.py; autoresearch-try > ~/out; echo DESCRIPTION: $?"
    session(project, said)
    assert last(project)["description"] == "7"


@LEVELS
def test_hidden_files_and_what_a_run_writes_are_not_there(project: Project, isolation: str) -> None:
    project.write("secret.txt", "hidden answers")
    project.write(
        "train.py",
        "import os\nRATE = 8.0\nprint('sees', os.path.exists('secret.txt'), os.path.exists('mark'))\n"
        "open('mark', 'w').close()\nprint('loss:', RATE)\n",
    )
    front = "agent_try: 2 runs\nholdout: {run: 'cat secret.txt > /dev/null; echo loss 1', files: [secret.txt]}"
    said = f"""{EDIT}
a=$(autoresearch-try | grep sees); b=$(autoresearch-try | grep sees); test -e mark && left=yes
echo "DESCRIPTION: $a, $b, $left"
"""
    session(project, said, front=front, isolation=isolation)
    assert last(project)["description"] == "sees False False, sees False False,"


def test_an_edit_after_the_request_is_not_what_runs(project: Project) -> None:
    begun, edited = project.home / "begun", project.home / "edited"
    project.write(
        "train.py",
        f"import os, pathlib, time\npathlib.Path({str(begun)!r}).touch()\n"
        f"while os.path.exists({str(project.home / 'tries')!r}) and not os.path.exists({str(edited)!r}):\n"
        "    time.sleep(0.02)\n"
        "RATE = 8.0\nprint('loss:', RATE)\n",
    )
    said = f"""{EDIT}
rm {begun}; touch {project.home / "tries"}
autoresearch-try > ~/out & until [ -e {begun} ]; do sleep 0.02; done
sed -i 's/RATE = 4.0/RATE = 1.0/' train.py; touch {edited}; wait
echo "DESCRIPTION: tried $(grep loss ~/out), left $(grep RATE train.py | head -n 1)"
"""
    session(project, said)
    assert last(project)["description"] == "tried loss: 4.0, left RATE = 1.0"
    assert last(project)["value"] == 1.0


def test_a_flood_of_requests_gets_two_runs_and_then_nobody(project: Project) -> None:
    said = f"""{EDIT}
python3 - <<'END'
import os, socket
place = os.path.dirname(os.popen("command -v autoresearch-try").read().strip())
print(sorted(os.listdir(place)))
held = []
for kind in ["run", "guard"] * 400:
    asked = socket.socket(socket.AF_UNIX)
    asked.setblocking(False)
    try:
        asked.connect(os.path.join(place, kind))
        asked.send(b"x" * 100)
        held.append(asked)
    except OSError:
        pass
import time
time.sleep(6)
END
for i in 1 2 3; do autoresearch-try > ~/out 2>&1; done
echo "DESCRIPTION: $(tail -n 1 ~/out)"
"""
    session(project, said)
    assert last(project)["usage"]["tries"] <= 2
    assert last(project)["status"] == "keep"


@LEVELS
def test_what_is_offered_can_not_be_changed_from_inside(project: Project, isolation: str) -> None:
    if isolation == "none":
        pytest.skip("nothing confines files there")
    said = f"""{EDIT}
place=$(dirname $(command -v autoresearch-try))
(echo evil > $place/autoresearch-try; rm $place/run; touch $place/new; mv $place $place.gone) 2> /dev/null
echo "DESCRIPTION: $(ls $place | tr '\\n' ' ')$(grep -c evil $place/autoresearch-try)"
"""
    session(project, said, isolation=isolation)
    assert last(project)["description"] == "autoresearch-try guard run 0"


def test_a_try_does_not_outlive_its_turn(project: Project) -> None:
    mark = project.home / "mark"
    project.write(
        "train.py",
        f"import fcntl, pathlib, time\nRATE = 8.0\nprint('loss:', RATE, flush=True)\n"
        f"mark = pathlib.Path({str(mark)!r})\n"
        "if RATE < 5 and not mark.exists():\n"
        "    held = open(mark.with_name('held'), 'w')\n    fcntl.flock(held, fcntl.LOCK_EX)\n"
        "    mark.touch()\n    time.sleep(600)\n",
    )
    said = (
        f"{EDIT}; autoresearch-try > /dev/null 2>&1 & until [ -e {mark} ]; do sleep 0.05; done; echo DESCRIPTION: gone"
    )
    session(project, said)
    assert last(project)["description"] == "gone"
    with open(mark.with_name("held")) as held:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)  # who held it is gone


@pytest.mark.parametrize(("text", "runs"), [("2 runs", 2), ("1 run", 1), ("3", 3), ("no", 0), ("0", 0)])
def test_a_grant_is_written_as_people_write_it(text: str, runs: int) -> None:
    assert parse_tries(text) == runs


@pytest.mark.parametrize("text", ["many", "-1", "2 tries", "1e3", "٣ runs", ""])
def test_what_is_no_grant_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no number of runs; write `2 runs`"):
        parse_tries(text)
