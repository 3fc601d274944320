"""``pytest-autoresearch``: everything around the loop. One module per command, imported only when it is called."""

from __future__ import annotations

import argparse
import difflib
import errno
import os
import re
import sys
import warnings
from collections.abc import Iterable, Sequence
from contextlib import suppress
from importlib import import_module
from io import TextIOWrapper
from types import ModuleType

from pytest_autoresearch import __version__

DESCRIPTION = "Everything around the loop; `pytest --autoresearch` runs it."

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})

COMMANDS = {
    "init": "write an autoresearch.config.md for this repository and prove it with one run",
    "show": "print the protocol as understood, and where each value came from",
    "status": "say how a session stands, once or until it ends",
    "log": "list the experiments, show one, or show its diff",
    "rebuild": "write results.tsv again from git alone",
    "report": "write the page of a session, its picture, or its records as CSV or JSON",
    "drop": "take a keep out of the branch",
    "tags": "list, archive or delete sessions",
    "doctor": "say what this machine offers, and what to install for more",
    "verify": "measure start against head on fresh runs",
    "ablate": "measure the head without each keep in turn",
    "attribute": "measure what each keep is worth by itself, all from the same 32 runs",
    "compare": "run several agents on one protocol and say which finds what",
    "aa": "measure the noise of a protocol with no-op edits",
    "note": "hand the agent a hint for its next turn",
    "pause": "let a running session wait after its current experiment, or go on",
    "stop": "let a running session stop after its current experiment",
    "fetch": "bring a session here that was pushed from another clone or machine",
    "mcp": "serve the Model Context Protocol on stdin and stdout, so that any agent can run sessions",
    "skill": "write the file by which coding agents learn to run sessions",
    "preflight": "ask GitHub whether a session can be published, before it begins",
    "benchmarks": "run the marked benchmarks of two commits in turn: better, worse, or neither",
    "answer": "carry out what a reviewer asked for on a pull request, and answer there",
    "publish": "push the branch and the ledger, open or update the one pull request",
}


def command(name: str) -> ModuleType:
    """The module of a command: ``configure(parser)`` adds its arguments, ``run(args)`` returns the exit code."""
    return import_module(f"pytest_autoresearch.commands.{name}")


def _read(arguments: Sequence[str]) -> argparse.Namespace:
    """The arguments, each known; AutoresearchError that names the nearest for one that is not."""
    from pytest_autoresearch.errors import AutoresearchError

    name = next(iter(arguments), "")
    if name and not name.startswith("-") and name not in COMMANDS:
        remedy = "`pytest-autoresearch --help` lists the commands"
        raise AutoresearchError(f"there is no command `{name}`{_meant(name, COMMANDS)}\n  {remedy}")
    parser, called = _parser(arguments)
    args, unknown = parser.parse_known_args(arguments)
    if unknown:
        whose, said = called or parser, unknown[0].partition("=")[0]
        options = re.findall(r"--[a-z][a-z-]*", whose.format_help())
        meant = _meant(said, options) if said.startswith("-") else ""
        raise AutoresearchError(f"there is no `{said}` here{meant}\n  `{whose.prog} --help` lists what it takes")
    return args


def _meant(said: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(said, list(known), n=1)
    return f"; did you mean `{near[0]}`?" if near else ""


def _parser(arguments: Sequence[str]) -> tuple[argparse.ArgumentParser, argparse.ArgumentParser | None]:
    """Every command by name, and the one that is called; only that one is imported."""
    called = None
    parser = argparse.ArgumentParser(prog="pytest-autoresearch", description=DESCRIPTION, allow_abbrev=False)
    parser.exit_on_error = False
    parser.add_argument("--version", action="version", version=f"pytest-autoresearch {__version__}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, summary in COMMANDS.items():
        sub = subparsers.add_parser(name, help=summary, description=summary, allow_abbrev=False)
        if arguments[:1] == [name]:
            command(name).configure(sub)
            called = sub
    return parser, called


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. 0 done, 1 found wanting, 2 interrupted, 4 misuse or bad config."""
    warnings.simplefilter("ignore")  # PYTHONWARNINGS=error is about the person's code, not about what we import
    from pytest_autoresearch.errors import AutoresearchError, refuse_native_windows

    _accept_any_letter()
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        refuse_native_windows()
        args = _read(arguments)
        code = int(command(args.command).run(args))
        sys.stdout.flush()  # what can not be written is said here, and not by the interpreter's end
        return code
    except argparse.ArgumentError as error:
        print(f"pytest-autoresearch: {error}", file=sys.stderr)
        return 4
    except SystemExit as done:
        return 4 if done.code else 0
    except AutoresearchError as error:
        print(f"pytest-autoresearch: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("\npytest-autoresearch: interrupted", file=sys.stderr)  # below the ^C of the terminal
        return 2
    except BrokenPipeError:
        _drop_output()
        return 0
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        _drop_output()
        where = error.filename or "the output"
        print(f"pytest-autoresearch: {where}: can not be written: {error.strerror}\n  make room", file=sys.stderr)
        return 4


def _accept_any_letter() -> None:
    """A letter that the terminal's encoding has not is shown by its number instead of ending the command."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _drop_output() -> None:
    """What is left of the output goes nowhere: to write it at the interpreter's end would fail once more."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


if __name__ == "__main__":
    raise SystemExit(main())
