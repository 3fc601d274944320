"""Every attack at every level that this machine gives: exactly the documented ones succeed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.attacks.arena import arena, available
from tests.attacks.programs import ATTACKS, DEPENDS, ROOT, STOPPED, Attack


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
@pytest.mark.parametrize("level", ["bwrap", "landlock", "process"])
def test_an_attack_ends_as_the_security_model_says(level: str, attack: Attack, tmp_path: Path) -> None:
    sandbox = available(level)
    if sandbox is None:
        pytest.skip(f"this machine has no {level}")
    with arena(tmp_path) as place:
        harms = place.attack(attack, sandbox)
    expected = attack.expected(level)
    if expected == DEPENDS:
        return
    if expected == STOPPED or (expected == ROOT and os.getuid()):
        assert harms == set()
    else:
        assert harms, "the table says that this level does not stop it; if it does now, say so there"
