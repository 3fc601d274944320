"""Tables of docs/security.md that are made from the programs that prove them."""

from __future__ import annotations

import os
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "security.md"


def check(name: str, table: str) -> None:
    """The page shows exactly this table between its marks; with UPDATE_DOCS set it is written there instead."""
    begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->"
    before, _, rest = PAGE.read_text().partition(begin)
    shown, _, after = rest.partition(end)
    if os.environ.get("UPDATE_DOCS"):
        PAGE.write_text(f"{before}{begin}{table}\n{end}{after}")
    else:
        assert shown.strip() == table, "UPDATE_DOCS=1 writes it"
