"""What another tool's prompt lets an agent change, and what not. Pure but for asking whether a path is there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from pytest_autoresearch.patterns import regex
from pytest_autoresearch.protocol.importing.draft import Draft
from pytest_autoresearch.protocol.importing.pieces import Piece, sentences
from pytest_autoresearch.protocol.text import field_of, one_line, remark_of, spans
from pytest_autoresearch.protocol.vocabulary import normalise

_LOCKED = regex(
    r"\b(?:can ?not|can't|must not|may not|do not|don't|never|off limits|out of scope|read only|readonly|immutable|"
    r"frozen|protected|forbidden|not allowed|untouchable)\b"
)
_OPEN = regex(
    r"\b(?:files? in scope|in scope|scope|targets?|target files?|editable(?: files?)?|modifiable|mutable|"
    r"(?:can|may|should|to) (?:change|modify|edit|do|touch)|you (?:change|modify|edit)|"
    r"(?:allowed|permitted) (?:changes|edits|files)|"
    r"only (?:modify|edit|change)\w*)\b"
)
_NO_SCOPE = regex(r"\b(?:target metric|target value|how|why|scope note|budget|read (?:these|the) |read in)\b")
_FORBIDS = regex(
    r"\b(?:do not (?:modify|edit|touch|change)|don't (?:modify|edit|touch|change)|never (?:modify|edit|touch|change)|"
    r"not be (?:modified|edited|changed)|must not (?:change|be)|read-?only|immutable|fixed(?: evaluation)?|"
    r"(?:is|are|be|as|stays?|remains?) read only|read only(?=\s{0,3}(?:[.,;:)*|]|$))|"  # not `read only `w.py` first`
    r"off.limits)\b",
    re.IGNORECASE,
)
_WHO = r"(?:you|agents?|the agent)"
_ALLOWS = regex(
    rf"\b(?:the only (?:source )?(?:files?|one) (?:that )?{_WHO} (?:may |can |should )?(?:edit|modif|change|touch)|"
    rf"(?:the )?files? (?:that )?{_WHO} (?:may |can )?(?:modify|edit|change|optimi[sz]e|tune)|"
    r"the main file you (?:tune|edit|modify)|files? to (?:edit|modify|change)\b|"
    rf"{_WHO} (?:only )?(?:edit|modify|modifies|change)s?\b|agents? edit)|^(?:only )?(?:modify|edit|change)\b",
    re.IGNORECASE,
)
_LEAD = regex(
    r"\W{0,4}(?:(?:do not|don't|never) )?"
    r"(?:modify|edit|change|touch|anything (?:in|under)|(?:any )?files? (?:in|under|inside))?\W{0,6}",
    re.IGNORECASE,
)
_BETWEEN = regex(
    r"[`\s,;&+*_]{0,20}(?:(?:and|or)\b)?[`\s,;&+*_]{0,20}"
    r"(?:(?:anything|everything|(?:all|any)(?: the)? files?|whatever is) (?:in|under|inside|below)\b[`\s]{0,9})?"
)
_MARK = regex(r"[\s>*-]{0,8}(?:(?P<open>[✅✓✔])|[❌🚫🔒⛔✗✘])\ufe0f?\s{0,3}")
_FIELD_OPEN = frozenset("in editable mutable modifiable allowed edit".split())
_ONLY = regex(
    r"\b(?:only (?:modify|edit|change)|(?:modify|edit|change) only|"
    rf"the only (?:source )?files? (?:that )?{_WHO} (?:may |can |should )?(?:modify|edit|change|touch))\b",
    re.IGNORECASE,
)
_PATH_WORD = regex(r"(?=[^\s]{0,200}[\w*])[\w./*@+-]{0,120}(?:\.[A-Za-z]\w{0,9}|/)(?:[\w.*/-]{0,80})")
_NO_FILE = regex(
    r"\d+(?:\.\d+)*|[\w.]+\(.*|https?://.*|[^\s<]*<\S*|(?:results|run|log)\.(?:tsv|log|txt)|e\.g\.?|i\.e\.?"
)
_OWN = regex(
    r"(?:^|/)(?:autoresearch\.(?!config\.md)[\w.]+|program\.md|results\.tsv|run\.log|\.auto/.*|worklog\.md)$",
    re.IGNORECASE,
)


def read_files(draft: Draft, pieces: Sequence[Piece]) -> None:
    """Sort every path that the prompt speaks of with a word on changing it."""
    for piece in pieces:
        if piece.kind == "heading":
            _read_heading(draft, piece)
            continue
        mode = _mode(piece)
        if piece.kind == "code":
            if mode is not None and not piece.language.startswith(("bash", "sh", "json", "tsv")):
                for line in piece.text.split("\n"):
                    path = line.split("#")[0].strip(" -*")
                    if is_path(path):
                        _take(draft, path, "", mode)
        elif piece.kind in ("item", "row", "text", "quote"):
            text = " — ".join(piece.cells) if piece.kind == "row" else piece.text
            if not _read_fields(draft, text, mode):
                _read_text(draft, piece, one_line(text), mode)


def finish_files(draft: Draft, measured_by: Sequence[str]) -> None:
    """Leave out what is not there, what is the measurement, and the other tool's own notes."""
    kept = []
    for rule in draft.targets:
        if rule.pattern in measured_by or _OWN.search(rule.pattern):
            draft.tell(f"Target Files: {rule.pattern} is the other tool's own or the measurement; it is no target")
        elif not draft.exists(rule.pattern):
            draft.tell(f"Target Files: {rule.pattern} is not there")
        elif any(locked.pattern == rule.pattern for locked in draft.readonly):
            draft.tell(f"Target Files: {rule.pattern} is said to be off limits as well; it is read-only")
        else:
            kept.append(rule)
    draft.targets = kept
    for rule in draft.readonly:
        if not draft.exists(rule.pattern):
            draft.tell(f"Read-Only Files: {rule.pattern} is not there")
    draft.readonly = [rule for rule in draft.readonly if draft.exists(rule.pattern)]


def is_path(text: str) -> bool:
    """Whether a word looks like a file, a directory or a pattern for them."""
    return (
        _PATH_WORD.fullmatch(text) is not None and _NO_FILE.fullmatch(text) is None and not text.startswith(("~", "-"))
    )


def _mode(piece: Piece) -> str | None:
    """What the label, else the nearest heading that says anything, makes of the paths below it."""
    for words in (normalise(piece.label), *reversed(piece.titles)):
        if _LOCKED.search(words):
            return "locked"
        if _OPEN.search(words) and not _NO_SCOPE.search(words):
            return "open"
        if words and words in piece.titles[-1:] and piece.is_setup:
            return None
    return None


def _read_heading(draft: Draft, piece: Piece) -> None:
    """`What you can modify in `bench.py`` names the file itself."""
    for path in _paths(piece.raw_title):
        words = normalise(piece.raw_title.replace("`", ""))
        if _LOCKED.search(words):
            draft.must_not_change(path)
        elif re.search(r"\b(?:can|may|you) (?:modify|edit|change)\b|\bonly\b", words):
            draft.may_change(path)


def _read_text(draft: Draft, piece: Piece, text: str, mode: str | None) -> None:
    if piece.kind == "text" and text.rstrip("*_ ").endswith((":", "：")):
        for path in _paths(text):  # a label with a file in it
            lead = normalise(text.replace("`", ""))
            if _LOCKED.search(lead):
                draft.must_not_change(path)
            elif re.search(r"\b(?:can|may|you) (?:modify|edit|change)\b", lead):
                draft.may_change(path)
        return
    named = list(_paths(text))
    begins = bool(named) and text.lstrip("`./ ").startswith(named[0].lstrip("./"))
    if mode == "locked" and (piece.kind in ("item", "row") or begins) and not _ONLY.search(text):
        if piece.kind in ("item", "row") or _is_list(text, named):
            _read_locked(draft, piece, text)
        else:  # `eval.py scores what train.py writes`
            draft.must_not_change(named[0], _note(text, named[0]))
        return
    if mode == "open" and piece.kind in ("item", "row", "text") and not _FORBIDS.search(text):
        _read_open(draft, piece, text)
        return
    whole = list(sentences(text))
    for sentence in whole:
        paths = list(_paths(sentence))
        if not paths:
            continue
        if _ONLY.search(sentence):
            for path in paths:
                draft.may_change(path)
        elif _FORBIDS.search(_bare(sentence)) or (sentence == whole[0] and len(whole) > 1 and _FORBIDS.search(text)):
            says_first = re.match(r"\W{0,4}(?:do not|don't|never)", sentence, re.IGNORECASE)
            for path in paths if says_first else paths[:1]:
                draft.must_not_change(path, _note(text, path))
        elif _ALLOWS.search(sentence) or (sentence == whole[0] and _ALLOWS.search(text) and piece.kind == "item"):
            draft.may_change(paths[0], _note(text, paths[0]))


def _read_fields(draft: Draft, text: str, mode: str | None) -> bool:
    """`In: `train.py`` and `Out: `eval.py``, or ✅ and ❌, each on a line: whether there were any.

    Where nothing around them speaks of changing files, they may be what a program reads and writes, or what is done.
    """
    found = False
    for line in text.split("\n"):
        mark = _MARK.match(line)
        key, value = field_of(line) or ("", line)
        if mark is not None:
            key, value = ("in" if mark["open"] else "out"), line[mark.end() :]
        words = normalise(key)
        paths = list(_paths(value))
        if not paths or not _LEAD.fullmatch(value[: value.find(paths[0])]):
            continue
        if words in ("in", "out") and mode is None and (mark is None or not _is_bare(value, paths)):
            continue
        if words == "out" or _LOCKED.search(words):
            found = True
            for path in paths if _is_list(value, paths) else paths[:1]:
                draft.must_not_change(path, _note(value, path))
        elif words in _FIELD_OPEN:
            found = True
            for path in paths if _is_list(value, paths) else paths[:1]:
                draft.may_change(path, _note(value, path))
    return found


def _read_locked(draft: Draft, piece: Piece, text: str) -> None:
    paths = [path for path in _paths(text) if draft.exists(path)] or [path for path in _paths(text)][:1]
    is_about_files = bool(paths) and _LEAD.fullmatch(text[: text.find(paths[0])]) is not None
    if is_about_files:
        for path in paths:
            draft.must_not_change(path, _note(text, paths[-1]))
        if re.match(r"\W*(?:modify|edit|change)\b", text, re.IGNORECASE):
            draft.constraints.append(f"Do not: {text}")
    else:
        title = piece.raw_title.strip("* :")
        negates = re.search(r"\b(?:cannot|can not|can't|must not|not)\b", normalise(piece.label or title))
        draft.constraints.append(f"Do not: {text}" if negates else f"{title}: {text}" if title else text)


def _read_open(draft: Draft, piece: Piece, text: str) -> None:
    verb = re.match(r"\W*(?:modify|edit|change|tune|rewrite)\b", text, re.IGNORECASE)
    lead = list(_paths(text))
    begun = re.sub(r"^[^\w./]{1,20}", "", text)
    at_start = [path for path in lead if begun.startswith((path, f"./{path}")) or verb]
    first = lead.index(at_start[0]) if at_start else 0
    taken = lead[first:] if at_start and _is_list(text, lead[first:]) else at_start[:1]
    for path in taken:
        draft.may_change(path, _note(text, path))
    if not taken and piece.kind == "item":
        title = piece.raw_title.strip("* :")
        is_list_of_files = re.search(r"\bscope|files?\b", normalise(title))
        draft.constraints.append(f"{title}: {text}") if is_list_of_files else draft.notes.append(text)


def _is_list(text: str, paths: Sequence[str]) -> bool:
    """Whether paths follow each other with nothing but commas, `and` and `anything under` between them."""
    spot = text.find(paths[0])
    for before, after in pairwise(paths):
        begin = text.find(before, spot) + len(before)
        spot = text.find(after, begin)
        if not _BETWEEN.fullmatch(text[begin:spot]):
            return False
    return True


def _take(draft: Draft, path: str, note: str, mode: str) -> None:
    if mode == "open":
        draft.may_change(path, note)
    else:
        draft.must_not_change(path, note)


def _paths(text: str) -> Iterator[str]:
    """The paths that a text names, in code or bare."""
    seen = set()
    in_code = [span.code.strip() for span in spans(text)]
    bare = re.sub(r"`[^`]*`", " ", re.sub(r"\[([^\[\]]*)\]\([^()]*\)", r" \1 ", text)).split()
    for word in (*in_code, *(word.strip("*_,;:()\"'").rstrip(".") for word in bare)):
        path = word.removeprefix("./")
        if is_path(path) and path not in seen:
            seen.add(path)
            yield path


def _is_bare(text: str, paths: Sequence[str]) -> bool:
    """Whether a line holds paths and nothing that is said of them."""
    for path in paths:
        text = text.replace(path, " ")
    return re.fullmatch(r"(?:[\s`,;&+*_./]|\band\b)*", text) is not None


def _bare(text: str) -> str:
    return text.replace("**", "")


def _note(text: str, path: str) -> str:
    return remark_of(text[text.find(path) + len(path) :].lstrip("`*_"))
