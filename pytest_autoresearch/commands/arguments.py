"""Values of the commands' arguments, as argparse asks for them: it shows the words of its own kind of error alone."""

from __future__ import annotations

import argparse

from pytest_autoresearch.protocol.values import parse_positive_count


def positive_count(text: str) -> int:
    """A whole number, 1 or more; ArgumentTypeError for anything else."""
    try:
        return parse_positive_count(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
