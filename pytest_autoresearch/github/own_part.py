"""The part of a pull request's body that each publishing writes anew; what people write around it stays. Pure."""

from __future__ import annotations

BEGIN = "<!-- pytest-autoresearch: from here on written anew; what you write above this line stays -->"
END = "<!-- pytest-autoresearch: written anew up to here; what you write below this line stays -->"
"""Nobody sees them but who edits the body."""
FRAME = len(f"{BEGIN}\n\n\n\n{END}")


def around(body: str) -> tuple[str, str]:
    """What people have written before and after our part; where that is gone, everything is theirs, and before it."""
    begin, end = body.find(BEGIN), body.rfind(END)
    if 0 <= begin < end:
        return body[:begin], body[end + len(END) :]
    kept = body.replace(BEGIN, "").replace(END, "").rstrip()
    return (f"{kept}\n\n" if kept else ""), ""


def framed(text: str, before: str = "", after: str = "") -> str:
    """The whole body."""
    return f"{before}{BEGIN}\n\n{text}\n\n{END}{after}"
