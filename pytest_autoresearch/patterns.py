"""Regular expressions of modules, compiled when one is first needed: the start of a session needs 41 of 387.

To compile all of them took a quarter of the instructions of that start.
"""

from __future__ import annotations

import re
from typing import Any, AnyStr, cast

_OFFERED = frozenset(name for name in dir(re.Pattern) if not name.startswith("_"))


class _Later:
    def __init__(self, expression: str | bytes, flags: int) -> None:
        self._expression, self._flags = expression, flags

    def __getattr__(self, name: str) -> Any:
        if name not in _OFFERED:
            raise AttributeError(name)
        compiled = re.compile(self._expression, self._flags)
        vars(self).update({offered: getattr(compiled, offered) for offered in _OFFERED})  # asked once
        return getattr(compiled, name)


def regex(expression: AnyStr, flags: int = 0) -> re.Pattern[AnyStr]:
    """As ``re.compile`` for an expression that stands in a module; one that is wrong is found at its first use."""
    return cast("re.Pattern[AnyStr]", _Later(expression, flags))
