"""What only pytest can tell a command: the options of the ini file, and what the marker of a test means.

Asks pytest itself, in this process: it collects as it does for ``pytest --autoresearch``, and runs nothing.
"""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from pytest_autoresearch.errors import AutoresearchError, ConfigError
from pytest_autoresearch.marked import is_marked, leads, protocol_of_marked
from pytest_autoresearch.protocol.markdown import load
from pytest_autoresearch.protocol.model import Protocol
from pytest_autoresearch.protocol.options import OPTIONS

Ini = Mapping[str, Any]

LONGEST_COMPLAINT = 12  # lines of what pytest says


def names_a_test(path: Path) -> bool:
    """Whether a path on the command line is that of tests: a node id, or a Python file."""
    return "::" in str(path) or path.suffix == ".py"


def file_of(path: Path) -> Path:
    """The file of a node id. ConfigError where there is none."""
    file = Path(str(path).partition("::")[0])
    if not file.is_file():
        raise ConfigError("there is no such file", file=file, remedy="name a test: FILE.py::TEST")
    return file


def protocol_at(path: Path, top: Path) -> tuple[Protocol, Ini]:
    """The protocol of a config or of a marked test in the repository at ``top``, and what the ini file says."""
    return marked_protocol(path, top) if names_a_test(path) else (load(path, top=top), ini_options(path))


def ini_options(path: Path) -> Ini:
    """What the ini file that pytest finds for ``path`` says of our options; nothing where pytest can not start."""
    listener = _Starter()
    _ask(["--noconftest", "-oaddopts=", "-orequired_plugins=", str(path)], listener)
    return listener.ini


def marked_protocol(path: Path, top: Path) -> tuple[Protocol, Ini]:
    """The protocol of the one marked test at ``path`` in the repository at ``top``, and what the ini file says."""
    protocols, ini = _marked(path, top)
    if not protocols:
        raise ConfigError(
            "no test here is marked", file=path, remedy="mark one with @pytest.mark.autoresearch(…), see docs/pytest.md"
        )
    if len(protocols) > 1:
        known = "\n  ".join(protocol.source for protocol in protocols)
        raise ConfigError(f"{len(protocols)} tests here are marked", file=path, remedy=f"name one:\n  {known}")
    return protocols[0], ini


def marked_protocols(path: Path, top: Path) -> list[Protocol]:
    """The protocols of every marked test at ``path`` in the repository at ``top``."""
    return _marked(path, top)[0]


def _marked(path: Path, top: Path) -> tuple[list[Protocol], Ini]:
    listener = _Collector(top)
    code, said = _ask(["--collect-only", "-q", str(path)], listener)
    if listener.error is not None:
        raise listener.error
    if listener.protocols is None or code == pytest.ExitCode.USAGE_ERROR:
        lines = [line.removeprefix("INTERNALERROR> ") for line in said.strip().splitlines()]
        telling = [line for line in lines if line.startswith(("E  ", "ERROR:")) or ": error: " in line] or lines
        told = "\n".join(f"  {line}" for line in telling[-LONGEST_COMPLAINT:])
        raise AutoresearchError(f"pytest can not collect {path}\n{told}")
    return listener.protocols, listener.ini


def _ask(arguments: list[str], listener: object) -> tuple[int, str]:
    """Let pytest start with a listener; its exit code and what it said.

    How strict the person is with warnings is about their tests, and our own start is none of them. A conftest.py may
    do anything, also leave.
    """
    said = io.StringIO()
    before = {name: os.environ.pop(name, None) for name in ("PYTHONWARNINGS", "PYTEST_ADDOPTS")}
    # Not as arguments: those are what a marked test's runs are given.
    os.environ["PYTEST_ADDOPTS"] = f"{before['PYTEST_ADDOPTS'] or ''} -o filterwarnings= -p no:cacheprovider"
    try:
        with redirect_stdout(said), redirect_stderr(said), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            code = int(pytest.main(arguments, plugins=[listener]))
    except (Exception, SystemExit) as error:  # of a plugin or a conftest.py
        said.write(f"\nERROR: {type(error).__name__}: {error}")
        code = int(pytest.ExitCode.USAGE_ERROR)
    finally:
        os.environ.pop("PYTEST_ADDOPTS", None)
        os.environ.update({name: value for name, value in before.items() if value is not None})
    return code, said.getvalue()


def _ini(config: pytest.Config) -> Ini:
    return {option.name: config.getini(option.ini) for option in OPTIONS}


class _Listener:
    """Brings our plugin along where the person has plugins loaded by name only (PYTEST_DISABLE_PLUGIN_AUTOLOAD)."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_load_initial_conftests(self, early_config: pytest.Config) -> None:
        if not early_config.pluginmanager.hasplugin("autoresearch"):
            early_config.pluginmanager.import_plugin("pytest_autoresearch.plugin")


class _Starter(_Listener):
    """Reads the ini file, and lets pytest end there."""

    def __init__(self) -> None:
        self.ini: Ini = {}

    @pytest.hookimpl(tryfirst=True)
    def pytest_cmdline_main(self, config: pytest.Config) -> int:
        self.ini = _ini(config)
        return 0


class _Collector(_Listener):
    """Reads the markers of what was collected; ``protocols`` None: that came to no end."""

    def __init__(self, top: Path) -> None:
        self._top = top
        self.protocols: list[Protocol] | None = None
        self.error: AutoresearchError | None = None
        self.ini: Ini = {}

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        if session.testsfailed:
            return
        self.ini = _ini(session.config)
        marked = leads([item for item in session.items if is_marked(item)])
        try:
            self.protocols = [protocol_of_marked(item, self._top) for item in marked]
        except AutoresearchError as error:
            self.error = error
