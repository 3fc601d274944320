"""Which number another tool's prompt is about, and which way it improves. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from pytest_autoresearch.patterns import regex
from pytest_autoresearch.protocol.importing.draft import Draft, Rank
from pytest_autoresearch.protocol.importing.pieces import Piece, sentences
from pytest_autoresearch.protocol.model import Direction, Limit
from pytest_autoresearch.protocol.suggest import direction_of
from pytest_autoresearch.protocol.text import field_of, one_line, spans
from pytest_autoresearch.protocol.vocabulary import directions_in, normalise

_NAME = r"[A-Za-z_µ][\wµ./@%-]{0,60}"
_SECONDARY = regex(
    r"\b(?:secondary|supporting|other|optional|additional|guard\w*|diagnostic|constraint|limits?|tie ?breakers?)\b"
)
_PRIMARY_LABEL = regex(r"^(?:the )?(?:primary|main|key|target) (?:metric|score)|^metric\b|^(?:optimi[sz]e|target)$")
_RANKED_LABEL = regex(r"\bpriorit(?:y|ies)\b|\bin order\b")
_PRIMARY_KEYS = frozenset(
    "primary, primary metric, metric, name, metric name, main metric, target metric, key metric, optimize, optimise, "
    "primary score, score, headline metric, objective metric, metric key, optimization metric".split(", ")
)
_DIRECTION_KEYS = frozenset("direction, optimization direction, better, goal direction, mode, optimize for".split(", "))
_STATED = regex(
    rf"(?:(?:primary|main|key|headline|optimi[sz]ation|target)\s{{1,4}}(?:metric|score)|^\W{{0,4}}metric|\bthe metric"
    rf"|\bthe score(?=\W{{0,6}}is `))\W{{0,6}}(?:is|=|:)\W{{0,6}}(?P<name>{_NAME})",
    re.IGNORECASE,
)
_GET = regex(
    rf"\bget (?:the|a|an) (?P<way>lowest|highest|best) (?:possible )?[`*]{{0,3}}(?P<name>{_NAME})", re.IGNORECASE
)
_AIM = regex(  # `Goal: the highest `score``, `to achieve the lowest possible `val_loss``
    r"\b(?P<way>lowest|highest|smallest|largest|greatest)\b"
    r"(?:(?!\b(?:and|but|or|that|to|when|where|which|while|with)\b)[^`.,;]){0,60}"  # else it is of another thing
    rf"`(?P<name>{_NAME})`",
    re.IGNORECASE,
)
_MOVED = regex(  # `drive `p95_ms` down`, `push `f1` as high as possible`
    rf"`(?P<name>{_NAME})`\s{{1,3}}(?P<way>down|up(?! to\b)|as (?:low|small|high|large) as)\b", re.IGNORECASE
)
_VERB = regex(
    r"\b(?P<way>minimi[sz]e|maximi[sz]e|reduce|lower|decrease|increase|raise|improve|optimi[sz]e)\s{1,3}"
    rf"(?:(?:the|our|final|mean|average|total|overall|test|best)\s{{1,3}}){{0,3}}(?P<code>[`*]{{0,3}})(?P<name>{_NAME})",
    re.IGNORECASE,
)
_GREP = regex(r"\bgrep\s[^|\n]{0,40}?[\"']\^?(?:METRIC )?(?P<name>[A-Za-z_][\w.]{0,60})\s?[:=]")
_METRIC_LINE = regex(r"\bMETRIC\s{1,4}([A-Za-z_][\w.%/-]{0,60})\s?=")
_PRINTED = regex(
    r"^\s{0,8}(?:METRIC )?([A-Za-z_][\w./-]{0,60})[ \t]{0,3}[:=][ \t]{0,24}[-+]?(?:[\d<{]|\.\d)", re.MULTILINE
)
_TEMPLATE = regex(  # `ppl: <number>`, not `experiment: <description>`
    rf"(?:METRIC )?({_NAME})\s?[:=]\s?<(?![^<>]{{0,40}}\b(?:description|text|reason|summary|status|name|command|hash"
    r"|commit|message|words?|idea|hypothesis|path|file|date|title)\b)[^<>]{1,40}>"
)
_ONE_METRIC = regex(r"(?:(?:the|our) )?(?:\w+ )?metric(?: and \w+)?")  # a heading; not `metric logging`
_NO_LEAD = frozenset("note goal objective aim target task direction remember reminder important hint tip".split())
_LED = regex(rf"[`*]{{0,3}}({_NAME}?)[`*]{{0,3}}\s?[,:;(—–-]")  # `val_bpb, lower is better`
_JSON_KEY = regex(r"\"([A-Za-z_][\w./-]{0,60})\"\s?:\s?[-\d<]")
_BOUND = regex(
    rf"[`*]{{0,3}}(?P<name>{_NAME})[`*]{{0,3}}\s?\((?:must (?:stay|be|remain)|stays?|keep)?\s?"
    r"(?P<sign><=|>=|≤|≥|<|>|at most|at least|below|above)\s?(?P<size>[\d.]{1,12})"
)
_JOINING = (
    "on|of|in|from|over|at|is|as|for|with|and|or|by|to|per|across|reported|printed|measured|computed|unless|where|which|"
    "that|lower|higher|minimi|maximi"
)
_GOES_ON = regex(  # `action-conditioned next-frame MSE`: words, of which the first is no name
    rf"[A-Za-zµ][\wµ./@%]{{0,60}}[*\"']{{0,3}}(?:-| (?!(?:{_JOINING})\b))[A-Za-z]"
)
_OPENING = regex(r"\b(?:goal|objective|mission|aim|task)\b", re.IGNORECASE)
_NO_NAME = frozenset(
    "the a an it is are as this that same quality performance speed code result results run runs time complexity "
    "everything anything number value values one single simple your our of for in on and or to be model models cost "
    "costs metric metrics higher lower better best possible grep egrep tail head cat sed awk jq python bash name "
    "mean median average add use run see validation training evaluation testing test val final overall".split()
)
_FILE_NAME = regex(r"\.(?:md|py|sh|json|ya?ml|toml|txt|log|csv|tsv|rs|go|js|ts|cpp|c|h|jl|ipynb)$|/$", re.IGNORECASE)


def read_metric(draft: Draft, pieces: Sequence[Piece]) -> None:
    """Add every claim on the metric's name and direction that the prompt makes."""
    for piece in pieces:
        draft.printed += _printed_in(piece)
        draft.grepped += [found["name"] for found in _GREP.finditer(piece.text) if found[0].endswith(":")]
    section: list[Piece] = []
    for piece in [*pieces, Piece("heading", "", ())]:
        if piece.kind == "heading":
            _read_section(draft, section)
            section = []
        section.append(piece)
    for piece in pieces:
        if piece.kind in ("text", "item", "quote", "heading") and not _is_secondary(piece):
            _read_labelled(draft, piece)
            for sentence in sentences(piece.text):
                _read_sentence(draft, sentence, piece)
    _read_statements(draft, pieces)


def infer_metric(draft: Draft) -> None:
    """What is left to say when the prompt has been read: names that are printed, a direction that the name tells."""
    for name in dict.fromkeys(draft.printed):
        draft.name.add(Rank.INFERRED, name, "it is the first that is printed")
    named = [span.code for span in spans(draft.goal) if re.fullmatch(_NAME, span.code) and name_in(span.code)]
    if draft.name.best() is None and len(set(named)) == 1:
        draft.name.add(Rank.INFERRED, named[0], "the goal names nothing else")
        draft.direction.add(Rank.INFERRED, one_direction(draft.goal), "the goal says so")
    chosen = draft.name.best()
    if chosen is not None:
        draft.direction.add(Rank.INFERRED, direction_of(chosen), f"the name {chosen} suggests it")


def metric_lines(script: str) -> list[str]:
    """The names of a script's `METRIC name=` lines."""
    return list(dict.fromkeys(_METRIC_LINE.findall(script)))


def directions(text: str) -> set[Direction]:
    """The directions a text speaks of; `Higher =` in a table's head is one too."""
    return directions_in(re.sub(rf"[`*]{{1,3}}{_NAME}[`*]{{1,3}}", " ", text))


def one_direction(text: str) -> Direction | None:
    found = directions(text)
    return found.pop() if len(found) == 1 else None


def _is_secondary(piece: Piece) -> bool:
    return any(_SECONDARY.search(title) for title in (*piece.titles[-1:], normalise(piece.label)))


def _is_about_metric(title: str) -> bool:
    words = set(title.split())
    return bool(words & {"metric", "metrics", "score", "scoring", "metrik"}) and not _SECONDARY.search(title)


def _read_section(draft: Draft, section: Sequence[Piece]) -> None:
    """A section whose heading says that it is about the metric."""
    if not section or not _is_about_metric(section[0].title):
        return
    title = section[0].title
    is_primary = bool({"primary", "main", "key"} & set(title.split())) or _ONE_METRIC.fullmatch(title) is not None
    unkeyed: list[str] = []
    plain = ""
    for piece in section[1:]:
        if piece.kind == "code" or _SECONDARY.search(normalise(piece.label)):
            continue
        if piece.kind == "row" and any(normalise(cell).split()[:1] == ["primary"] for cell in piece.cells[1:]):
            draft.name.add(Rank.DECLARED, name_in(piece.cells[0]), "its section says so")
            draft.direction.add(Rank.DECLARED, one_direction(" ".join(piece.cells[1:])), "its section says so")
            continue
        lines = [" : ".join(piece.cells)] if piece.kind == "row" else piece.text.split("\n")
        for line in (one_line(line) for line in lines if line.strip()):
            key, value = field_of(line) or ("", line)
            key = normalise(key)
            if _SECONDARY.search(key) or _SECONDARY.match(normalise(line)):
                _read_secondary(draft, line)
            elif key in _DIRECTION_KEYS:
                draft.direction.add(Rank.DECLARED, one_direction(value) or _by_word(value), "its section says so")
            elif key in _PRIMARY_KEYS:
                draft.name.add(_rank_of(value), name_in(value), "its section says so")
                draft.direction.add(Rank.DECLARED, one_direction(value), "its section says so")
            else:
                unkeyed.append(line)
                plain += f" {line}."
    if not is_primary:
        return
    if all(rank is not Rank.DECLARED for rank, _, _ in draft.name.found):
        draft.name.add(Rank.DECLARED, next(filter(None, map(_only_name, unkeyed)), None), "its section says so")
    draft.direction.add(Rank.DECLARED, one_direction(plain), "its section says so")


def _read_labelled(draft: Draft, piece: Piece) -> None:
    """The first entry of a list that `Primary metric:` or `The order of priorities:` leads up to."""
    label = normalise(piece.label)
    if piece.kind != "item" or not label or any(why == f"it stands below `{label}`" for _, _, why in draft.name.found):
        return
    if _PRIMARY_LABEL.search(label) or (label.split()[:1] == ["primary"] and _is_about_metric(piece.title)):
        draft.name.add(Rank.DECLARED, _only_name(one_line(piece.text)), f"it stands below `{label}`")
        way = one_direction(piece.label) or one_direction(piece.text)
        draft.direction.add(Rank.DECLARED, way, f"it stands below `{label}`")
    elif _RANKED_LABEL.search(label):
        draft.name.add(Rank.INFERRED, _only_name(one_line(piece.text)), f"it stands below `{label}`")


def _read_secondary(draft: Draft, line: str) -> None:
    for found in _BOUND.finditer(line):
        at_most = found["sign"] in ("<=", "<", "≤", "at most", "below")
        size = float(found["size"].strip(".") or 0)
        name = found["name"]
        draft.limits.append(Limit(name, at_most=size) if at_most else Limit(name, at_least=size))
    rest = (field_of(line) or ("", line))[1]
    draft.notes.append(f"Secondary metrics, watched but not limited: {rest}")
    draft.tell("Secondary metrics are kept in Notes; a bound on one is written `limits:` in front")


def _read_sentence(draft: Draft, sentence: str, piece: Piece) -> None:
    if _SECONDARY.match(normalise(sentence)):
        return
    if (found := _STATED.search(sentence)) and (stated := name_in(found["name"])):
        draft.name.add(_rank_of(sentence[found.start("name") - 1 :]), stated, "it is called the metric")
        draft.direction.add(Rank.DECLARED, one_direction(sentence[found.start() :]), "said beside the name")
    for got in _GET.finditer(sentence):
        if (best := name_in(got["name"])) is not None:
            draft.name.add(Rank.SAID, best, f"the goal is to {got[0]}")
            way = {"lowest": Direction.LOWER, "highest": Direction.HIGHER}.get(got["way"].lower())
            draft.direction.add(Rank.SAID, way or one_direction(sentence[got.end() :]), f"the goal is to {got[0]}")
    if not (_OPENING.search(sentence[:60]) or _OPENING.search(piece.title) or _OPENING.search(piece.label)):
        return
    for said in (*_AIM.finditer(sentence), *_MOVED.finditer(sentence)):
        draft.name.add(Rank.SAID, name_in(said["name"]), f"the goal is {said[0]}")
        draft.direction.add(Rank.SAID, _by_word(said["way"]), f"the goal is {said[0]}")
    for verb in _VERB.finditer(sentence):
        aim = name_in(verb["name"])
        if aim is None:
            continue
        is_name = "`" in verb["code"] or "_" in aim
        known = not draft.printed or aim in draft.printed
        is_goal = piece.kind != "item" or not piece.label or _OPENING.search(piece.label) is not None
        rank = Rank.SAID if is_name and known and is_goal else Rank.INFERRED
        if not is_name:
            behind = next((span.code for span in spans(sentence[verb.end() :]) if re.fullmatch(_NAME, span.code)), "")
            draft.name.add(Rank.INFERRED, name_in(behind), f"the goal is to {verb[0]} …")
        draft.name.add(rank, aim, f"the goal is to {verb[0]}")
        draft.direction.add(rank, _by_word(verb["way"]), f"the goal is to {verb[0]}")


def _read_statements(draft: Draft, pieces: Iterable[Piece]) -> None:
    """`Lower is better.` somewhere: sure only where nothing else is said of any metric."""
    found: set[Direction] = set()
    for piece in pieces:
        if piece.kind in ("text", "item") and not _is_secondary(piece):
            for line in piece.text.split("\n"):
                if re.search(r"\b(?:is|are|=) better\b", line, re.IGNORECASE) and not _SECONDARY.search(line.lower()):
                    found |= directions(line)
    if len(found) == 1:
        draft.direction.add(Rank.SAID, found.pop(), "the prompt says so")


def _by_word(word: str) -> Direction | None:
    word = word.strip(" `*.").lower()
    word = word.removeprefix("as ").removesuffix(" as")
    if word in ("min", "low", "down") or word.startswith(("minimi", "reduc", "lower", "lowest", "decreas", "small")):
        return Direction.LOWER
    if word in ("max", "up") or word.startswith(("maximi", "increas", "rais", "high", "large", "great")):
        return Direction.HIGHER
    return None


def name_in(text: str) -> str | None:
    """The name that a value begins with, in code or bare."""
    code = next((span.code.strip() for span in spans(text) if re.fullmatch(_NAME, span.code.strip())), None)
    plain = re.match(rf"[\s*_\"'(]*({_NAME})", text)
    name = code or (plain[1] if plain else None)
    name = name.rstrip(".,:;-") if name else None
    return None if not name or name.lower() in _NO_NAME or _FILE_NAME.search(name) else name


def _rank_of(value: str) -> Rank:
    """How surely a value is a name: one word or inline code is, the first of several words is a guess."""
    return Rank.INFERRED if _GOES_ON.match(value.lstrip(" *_\"'(:=")) else Rank.DECLARED


def _only_name(line: str) -> str | None:
    """The name of a line that is one, or that begins with one in code."""
    stripped = line.strip(" .*`")
    if re.fullmatch(_NAME, stripped) and stripped.lower() not in _NO_NAME and not directions_in(stripped):
        return stripped
    first = next(spans(line), None)
    if first is not None and re.fullmatch(_NAME, first.code.strip()) and not re.search(r"\w{3}", line[: first.start]):
        return first.code.strip()
    led = _LED.match(line)
    if led is None or led[1].lower() in _NO_LEAD or len(directions_in(line[led.end() :])) != 1:
        return None
    return name_in(led[1])


def _printed_in(piece: Piece) -> list[str]:
    """Names that a piece shows being printed or looked for; JSON's before the rest of what is in a fence."""
    if piece.kind == "code" and not piece.language.startswith(("tsv", "csv", "yaml", "toml", "python", "py")):
        greps = [found["name"] for found in _GREP.finditer(piece.text)]
        metrics = _METRIC_LINE.findall(piece.text)
        is_output = not re.search(r"^[ \t]{0,8}\d{1,2}\. |\bLOOP\b", piece.text, re.MULTILINE)
        plain = [*_JSON_KEY.findall(piece.text), *_PRINTED.findall(piece.text)] if is_output else []
        return [name for name in (*greps, *metrics, *plain) if len(name) > 1 and name not in ("name", "key", "value")]
    templates = [found[1] for span in spans(piece.text) if (found := _TEMPLATE.fullmatch(span.code.strip()))]
    return [*templates, *(found["name"] for span in spans(piece.text) for found in _GREP.finditer(span.code))]
