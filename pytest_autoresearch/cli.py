"""``pytest-autoresearch``: everything around the loop. One module per command, imported only when it is called."""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from types import ModuleType

from pytest_autoresearch import __version__

DESCRIPTION = "Everything around the loop; `pytest --autoresearch` runs it."

COMMANDS = {
    "init": "write an autoresearch.config.md for this repository and prove it with one run",
    "show": "print the protocol as understood, and where each value came from",
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
    "preflight": "ask GitHub whether a session can be published, before it begins",
    "benchmarks": "run the marked benchmarks of two commits in turn: better, worse, or neither",
    "answer": "carry out what a reviewer asked for on a pull request, and answer there",
    "publish": "push the branch and the ledger, open or update the one pull request",
}


def command(name: str) -> ModuleType:
    """The module of a command: ``configure(parser)`` adds its arguments, ``run(args)`` returns the exit code."""
    return import_module(f"pytest_autoresearch.commands.{name}")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. 0 done, 1 found wanting, 2 interrupted, 4 misuse or bad config."""
    warnings.simplefilter("ignore")  # PYTHONWARNINGS=error is about the person's code, not about what we import
    from pytest_autoresearch.errors import AutoresearchError

    arguments = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(prog="pytest-autoresearch", description=DESCRIPTION, allow_abbrev=False)
    parser.exit_on_error = False
    parser.add_argument("--version", action="version", version=f"pytest-autoresearch {__version__}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, summary in COMMANDS.items():
        sub = subparsers.add_parser(name, help=summary, description=summary, allow_abbrev=False)
        if arguments[:1] == [name]:
            command(name).configure(sub)
    try:
        args = parser.parse_args(arguments)
        return int(command(args.command).run(args))
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
        sys.stderr.close()
        return 0


if __name__ == "__main__":
    raise SystemExit(main())
