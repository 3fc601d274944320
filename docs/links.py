"""A hook of mkdocs: a page's links out of docs/ lead to the repository, where they are relative."""

from __future__ import annotations

SOURCE = "https://github.com/pytest-autoresearch/pytest-autoresearch/blob/main/"


def on_page_markdown(markdown: str, **_: object) -> str:
    """The page with absolute links to sources."""
    return markdown.replace("](../", f"]({SOURCE}").replace("]: ../", f"]: {SOURCE}")
