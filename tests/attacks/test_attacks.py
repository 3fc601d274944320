"""Every attack at every level that this machine gives: exactly the documented ones succeed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.attacks.arena import arena, available
from tests.attacks.programs import ATTACKS, STOPPED, SUCCEEDS, Attack

LEVELS = ["bwrap", *(pytest.param(level, marks=pytest.mark.slow) for level in ("landlock", "process"))]


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
@pytest.mark.parametrize("level", LEVELS)
def test_an_attack_ends_as_the_security_model_says(level: str, attack: Attack, tmp_path: Path) -> None:
    sandbox = available(level)
    if sandbox is None:
        pytest.skip(f"this machine has no {level}")
    with arena(tmp_path) as place:
        harms = place.attack(attack, sandbox)
    expected = attack.expected(level, is_root=os.getuid() == 0)
    if expected == STOPPED:
        assert harms == set()
    if expected == SUCCEEDS:
        assert harms, "the table says that this level does not stop it; if it does now, say so there"


@pytest.mark.slow
@pytest.mark.skipif(os.getuid() != 0, reason="is about becoming another user")
@pytest.mark.parametrize("level", ["bwrap", "landlock", "process"])
def test_a_normal_user_is_protected_as_root_is(level: str) -> None:
    python = shutil.which("python3", path="/usr/bin:/bin")
    if python is None or not shutil.which("setpriv"):
        pytest.skip("needs setpriv and an interpreter that another user can read")
    with tempfile.TemporaryDirectory() as home:
        os.chown(home, 65534, 65534)
        become = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
        environment = {"HOME": home, "TMPDIR": home, "PATH": os.defpath, "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(
            [*become, python, "-m", "tests.attacks.arena", level],
            cwd=Path(__file__).parents[2],
            env=environment,
            capture_output=True,
            check=True,
        )
    harms = json.loads(done.stdout)
    expected = {attack.name: attack.expected(level, is_root=False) for attack in ATTACKS}
    assert {name: found for name, found in harms.items() if found and expected[name] == STOPPED} == {}
    assert {name for name, found in harms.items() if not found and expected[name] == SUCCEEDS} == set()
