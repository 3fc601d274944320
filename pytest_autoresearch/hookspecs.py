"""What third parties plug in. Every hook is optional; see docs/extending.md for a plugin in 20 lines.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_autoresearch.agents.base import Agent, AgentSettings
    from pytest_autoresearch.lab.job import Executor, Site
    from pytest_autoresearch.notebook.record import History
    from pytest_autoresearch.protocol.experiment import Experiment


@pytest.hookspec(firstresult=True)
def pytest_autoresearch_agent(settings: AgentSettings) -> Agent | None:
    """Make the agent that ``--autoresearch-agent NAME`` asks for, or None if the name is not yours.

    def pytest_autoresearch_agent(settings):
        return MyAgent(settings.model) if settings.name == "mine" else None
    """


@pytest.hookspec(firstresult=True)
def pytest_autoresearch_executor(name: str, site: Site) -> Executor | None:
    """Make the executor that ``--autoresearch-executor NAME`` asks for, or None if the name is not yours."""


@pytest.hookspec
def pytest_autoresearch_recorded(experiment: Experiment, history: History) -> None:
    """Told after every experiment that has been recorded; what an observer raises does not stop the loop."""
