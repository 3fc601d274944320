"""Slots on other machines: a runner of ours there owns what is started, an executor here has it done.

How the two reach each other is somebody else's: an actor of Ray, or a program such as ssh.
"""

from pytest_autoresearch.lab.executors.remote.executor import RemoteExecutor
from pytest_autoresearch.lab.executors.remote.messages import CANCEL, Berth

__all__ = ["CANCEL", "Berth", "RemoteExecutor"]
