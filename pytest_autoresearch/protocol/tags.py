"""Tags: the names of sessions. Pure, with git's own rules for branch names."""

from __future__ import annotations

LONGEST = 60
PREFIX = "autoresearch/"
EXAMPLE = "write a short name like `mar17-lr`; the branch will be `autoresearch/mar17-lr`"


def parse_tag(text: str) -> str:
    """The tag that a branch name or tag means: ``autoresearch/x`` and ``x`` are both ``x``."""
    name = text.strip()
    tag = name[len(PREFIX) :] if name.startswith(PREFIX) else name
    complaint = _complaint(tag)
    if complaint:
        raise ValueError(f"`{name[:80]}` is no usable branch name: {complaint}; {EXAMPLE}")
    return tag


def _complaint(tag: str) -> str:
    """What is wrong with a tag, in the terms of ``git check-ref-format``; empty if nothing is."""
    if not tag:
        return "it is empty"
    if "/" in tag:
        return "it has a slash of its own"
    if len(tag) > LONGEST:
        return f"it has {len(tag)} characters, {LONGEST} are allowed"
    bad = next((c for c in tag if not c.isprintable() or c in " ~^:?*[\\"), None)
    if bad is not None:
        return "it has a space" if bad == " " else f"it has {bad!r}"
    if tag[0] in ".-" or tag[-1] == ".":
        return "it begins with '.' or '-', or ends with '.'"
    if ".." in tag or "@{" in tag or tag == "@":
        return "it has '..' or '@{'"
    if tag.endswith(".lock"):
        return "it ends with '.lock'"
    if tag.startswith("<") and tag.endswith(">"):
        return "it is still the template's placeholder"
    return ""
