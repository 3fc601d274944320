"""Where agents work: a workspace in a sandbox, on this machine whatever measures elsewhere. It has no device."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from pytest_autoresearch.errors import LabError
from pytest_autoresearch.lab.executors.bench import Bench
from pytest_autoresearch.lab.job import Finished, Site, Tick
from pytest_autoresearch.lab.layout import Layout
from pytest_autoresearch.lab.outcomes import finished
from pytest_autoresearch.lab.passage import is_reachable
from pytest_autoresearch.lab.sandbox import Choice
from pytest_autoresearch.lab.space import require_space
from pytest_autoresearch.protocol.experiment import Change, FileEntry


def limits_hosts(choice: Choice) -> bool:
    """Whether an agent's program can be kept to named hosts."""
    return choice.level == "bwrap" and is_reachable(os.environ)


class Station:
    """One agent's workspace at a time; ``root`` is where it edits, ``isolation`` the level its programs run at."""

    def __init__(self, site: Site, choice: Choice, name: str = "desk") -> None:
        self._site = site
        self._bench = Bench(site, choice.sandbox, Layout.of(site), name)
        self.isolation, self.limits_hosts = choice.level, limits_hosts(choice)
        self.root: Path = self._bench.workspace.root

    def fill(self, state: Mapping[str, FileEntry]) -> None:
        """Make the workspace hold exactly this state, without what is hidden from agents."""
        require_space(self._site.scratch)
        self._bench.fill(state)

    def changes(self) -> tuple[Change, ...]:
        """What differs in the workspace from the last fill."""
        return self._bench.workspace.changes()

    def run(
        self,
        command: str | Sequence[str],
        *,
        stdin: bytes,
        env: Mapping[str, str],
        pass_env: Sequence[str],
        network: bool,
        hosts: Sequence[str] | None,
        timeout: float,
        home: Mapping[str, bytes],
        tick: Tick,
    ) -> Finished:
        """Run an agent's program in the protocol's directory; leftovers are swept before this returns.

        It gets the named variables of the supervisor and no others. ``hosts``: it reaches these alone, where
        ``limits_hosts``; else ``network`` decides.
        """
        handed = {name: os.environ[name] for name in pass_env if name in os.environ}
        hosts = hosts if self.limits_hosts else None
        base = self._bench.environment(budget=self._site.protocol.budget, network=network and hosts is None)
        outcome = self._bench.run(
            command if isinstance(command, str) else tuple(command),
            {**base, **handed, **env},
            timeout=timeout,
            tick=tick,
            stdin=stdin,
            merge_output=False,
            network=network,
            hosts=hosts,
            home=home,
            by_agent=True,
        )
        return finished(outcome)

    def close(self) -> None:
        """Remove the workspace."""
        try:
            self._bench.close()
        except OSError as error:
            raise LabError(f"{self.root} can not be removed: {error}") from error
