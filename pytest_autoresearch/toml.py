"""TOML on every Python: the parser of the standard library, or before 3.11 the one that pytest brings for its own."""

from __future__ import annotations

import sys

if sys.version_info >= (3, 11):
    from tomllib import loads
else:
    from tomli import loads

__all__ = ["loads"]
