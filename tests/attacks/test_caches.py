"""An agent is kept from what runs share: it would be read by every run after it. At every level of this machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_autoresearch.lab.sandbox import Choice
from tests.attacks.arena import available
from tests.lab.test_local_executor import Bench, measure, turn


@pytest.mark.parametrize(("level", "elsewhere"), [("bwrap", 2), ("landlock", 2), ("process", 3)])
def test_an_agent_poisons_no_cache_but_one_elsewhere_where_no_file_is_protected(
    level: str, elsewhere: int, tmp_path: Path
) -> None:
    sandbox = available(level)
    if sandbox is None:
        pytest.skip(f"this machine has no {level}")
    bench, outside = Bench(tmp_path, Choice(sandbox, level)), tmp_path / "ccache"
    write = f"mkdir -p deep/cache; echo x >> deep/cache/file; echo x >> {outside}/file"
    lab = bench.executor(
        f"{write}; echo val_bpb: $(cat deep/cache/* {outside}/* | grep -c x)", caches=("deep/cache", str(outside))
    )
    try:
        assert measure(lab, bench.state()).value == 2
        desk = bench.desk()
        desk.fill(bench.state())
        poison = f"cat deep/cache/file; for at in deep/cache {outside}; do mkdir -p $at; echo x >> $at/poison; done"
        assert turn(desk, poison).stdout == b""
        assert desk.changes() == ()
        assert measure(lab, bench.state()).value == 2 + elsewhere
        assert not (lab.workspace / "deep/cache/poison").exists()
    finally:
        lab.close()
