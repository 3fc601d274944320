"""The one table of docs/security.md, way by level, made from the programs that prove it; each cell names its test."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.attacks.bodies import STARTED
from tests.attacks.forgeries import FORGERIES, HONEST
from tests.attacks.neighbours import NEIGHBOURLY
from tests.attacks.peeks import PEEKS
from tests.attacks.programs import ATTACKS, STOPPED, SUCCEEDS

PAGE = Path(__file__).parents[2] / "docs" / "security.md"
LEVELS = ("bwrap", "landlock", "process")

# Reference → file and test. A row's own case is [LEVEL-NAME OF THE ROW] where the test has cases.
TESTS = {
    "attacks": ("test_attacks.py", "test_an_attack_ends_as_the_security_model_says"),
    "neighbours": (
        "test_side_by_side.py",
        "test_what_a_run_tries_with_its_neighbours_ends_as_the_security_model_says",
    ),
    "forgeries": ("test_forgeries.py", "test_a_forgery_ends_as_the_security_model_says"),
    "bodies": ("test_bodies.py", "test_a_started_program_ends_as_the_security_model_says"),
    "holdout": ("test_holdout.py", "test_no_candidate_sees_what_scores_it"),
    "visible": ("test_holdout.py", "test_in_the_form_without_a_score_the_run_sees_the_files"),
    "shadows": ("test_shadows.py", "test_no_new_module_reaches_the_grader_or_the_guard"),
    "names": ("../protocol/test_shadowing.py", "test_a_new_file_takes_no_name_that_is_found_elsewhere"),
    "guards": ("test_shadows.py", "test_a_guards_pytest_is_complete_before_it_looks_into_the_candidates_directory"),
    "planted": ("test_planted_programs.py", "test_a_session_starts_every_program_by_absolute_path_and_nowhere_that_is"),
    "pickles": ("test_pickles.py", "test_code_that_a_grader_unpickles_keeps_nothing_for_the_next_run"),
    "unpickled": ("test_pickles.py", "test_what_a_grader_unpickles_decides_the_number_and_is_named"),
    "spelling": ("test_passage.py", "test_no_spelling_leads_to_a_service_of_the_machine"),
    "requests": ("test_passage.py", "test_no_request_is_taken_for_another_hosts"),
    "nothing": ("test_passage.py", "test_nothing_else_of_the_machines_network_is_there"),
    "proxy": ("test_passage.py", "test_the_proxy_ends_with_the_turn_and_with_the_supervisor"),
}


@dataclass(frozen=True, slots=True)
class Way:
    """One row: what somebody tries, what comes of it at each level, and the reference of the test."""

    kind: str
    name: str
    outcomes: tuple[str, str, str]
    test: str


def ways() -> Iterator[Way]:
    """Every row, kind by kind."""
    marks = {STOPPED: "stopped", SUCCEEDS: "**succeeds**"}
    for attack in [*ATTACKS, *NEIGHBOURLY]:
        outcomes = [marks.get(cell, cell) for cell in (attack.bwrap, attack.landlock, attack.process)]
        test = "neighbours" if attack in NEIGHBOURLY else "attacks"
        yield Way(attack.kind, attack.name, (outcomes[0], outcomes[1], outcomes[2]), test)
    as_yes = ("as with `yes`", "as with `yes`")
    for name, outcome, test in AGENTS:
        yield Way("agent's network", name, (outcome, *as_yes), test)
    for forgery in FORGERIES:
        told = [text if text == HONEST else f"`{text}`" for text in (forgery.bwrap, forgery.landlock, forgery.process)]
        yield Way("number", forgery.name, (told[0], told[1], told[2]), "forgeries")
    for name, said, test in NEW_FILES:
        yield Way("new file", name, (said, said, said), test)
    for started in STARTED:
        yield Way("`experiment.run`", started.name, (started.outcome,) * 3, "bodies")
    for peek in PEEKS:
        yield Way(
            "holdout", peek.name, ("stopped", "stopped", "stopped" if peek.process else "**succeeds**"), "holdout"
        )
    yield Way("holdout", "reads the hidden files where the holdout has no `score`", ("**succeeds**",) * 3, "visible")
    yield Way("extract", "leaves a pickle that prints another number when the grader loads it", UNPICKLED, "unpickled")
    yield Way(
        "extract", "lets that code keep something for its next run", ("stopped", "stopped", "**succeeds**"), "pickles"
    )


UNPICKLED = ("**succeeds**, named",) * 3
AGENTS = (
    (
        "connects to a service of this machine (TCP, UDP, abstract socket) under `agent_network: model`",
        "stopped",
        "nothing",
    ),
    (
        "asks the proxy for the machine by another spelling (`127.1`, `0`, `[::ffff:127.0.0.1]`, …)",
        "stopped",
        "spelling",
    ),
    ("asks for an allowed host on another port, or smuggles a second request", "stopped", "requests"),
    ("keeps the proxy alive after its turn", "stopped", "proxy"),
)
NEW_FILES = (
    (
        "takes the name of a module of the standard library or of a package, beside the grader",
        "`out-of-scope`",
        "shadows",
    ),
    (
        "takes the name of what pytest imports, beside the tests or in a new directory of them",
        "`out-of-scope`",
        "shadows",
    ),
    (
        "stands before a module of the repository that is no target (package, `.so`, stub, `.js`)",
        "`out-of-scope`",
        "names",
    ),
    ("passes for an installed package (`*.dist-info` with an entry point, `node_modules`)", "`out-of-scope`", "names"),
    ("steers a tool (`GNUmakefile`, `.coveragerc`, `package.json`, `*.pth`, `conftest.py`)", "`out-of-scope`", "names"),
    ("would be imported by a guard's pytest at its start", "stopped", "guards"),
    ("is a `git`, `bash` or `python` for the supervisor to start", "stopped", "planted"),
)


def table() -> str:
    """The rows as Markdown, and what the references of their cells mean."""
    lines = ["| kind | way | `bwrap` | `landlock` | `process` |", "|---|---|---|---|---|"]
    for way in ways():
        cells = (f"[{outcome}][{way.test}]" for outcome in way.outcomes)
        lines.append(f"| {way.kind} | {way.name} | {' | '.join(cells)} |")
    lines.append("")
    for reference, (file, test) in TESTS.items():
        path = os.path.normpath(f"../tests/attacks/{file}")
        lines.append(f'[{reference}]: {path} "{test}"')
    return "\n".join(lines)


def check(name: str, text: str) -> None:
    """The page shows exactly this between its marks; with UPDATE_DOCS set it is written there instead."""
    begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->"
    before, _, rest = PAGE.read_text().partition(begin)
    shown, _, after = rest.partition(end)
    if os.environ.get("UPDATE_DOCS"):
        PAGE.write_text(f"{before}{begin}{text}\n{end}{after}")
    else:
        assert shown.strip() == text, "UPDATE_DOCS=1 writes it"
