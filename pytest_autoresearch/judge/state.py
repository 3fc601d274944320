"""A judge's memory as it stands in every record: plain JSON, from which another process goes on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pytest_autoresearch.judge.settings import JudgeError
from pytest_autoresearch.judge.standing import (
    Incumbent,
    Run,
    Standing,
    Step,
    belief_from,
    incumbent_from,
    standing_from,
    to_plain,
)
from pytest_autoresearch.judge.trial import Heard, Undo
from pytest_autoresearch.judge.wander import Wander

FORMAT = 4
_REMEDY = "\n  upgrade: pip install -U pytest-autoresearch, or begin a new tag: --autoresearch-tag NAME"


@dataclass(frozen=True, slots=True)
class Begun:
    """A trial or a group under way, as what it was opened with and what it has heard: told again, it is the same."""

    heard: tuple[Heard, ...] = ()
    complexity: int = 0
    number: int = 0
    calibrates: bool = False
    pairs: int = 0
    expected: tuple[float, float] | None = None

    @property
    def is_group(self) -> bool:
        return self.pairs > 0


@dataclass(frozen=True, slots=True)
class JudgeState:
    """``standing`` is that at the opening of what has ``begun`` (None: nothing has). ``undo`` the newest keep."""

    standing: Standing = field(default_factory=Standing)
    begun: Begun | None = None
    undo: Undo | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain lists, numbers and words that ``json`` writes and :meth:`from_json` reads without loss.

        ``machine`` is for readers of the record: what the machine does, in a word, as far as that is certain.
        """
        return {"format": FORMAT, "machine": self.standing.wander.word, **to_plain(self)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> JudgeState:
        """The state that gave this; JudgeError if it is not one.

        Of the first format, which had another notion of noise, what was spent is taken over; levels are measured anew.
        """
        fields = dict(data)
        version = fields.pop("format", None)
        fields.pop("machine", None)
        if version not in (1, 2, 3, FORMAT):
            raise JudgeError(
                f"the judge's state in the ledger has format {version}, this program reads up to {FORMAT}{_REMEDY}"
            )
        try:
            if version == 1:
                return cls(_first_format(fields))
            if version in (2, 3):  # they had another notion of how a machine moves, which is learned anew
                fields["standing"] = {**fields["standing"], "wander": to_plain(Wander())}
            fields["standing"] = standing_from(fields["standing"])
            fields["begun"] = None if fields["begun"] is None else _begun(fields["begun"])
            fields["undo"] = None if fields["undo"] is None else _undo(fields["undo"])
            return cls(**fields)
        except (KeyError, TypeError, ValueError) as error:
            raise JudgeError(
                f"the judge's state in the ledger is damaged, or of a newer version: {error}{_REMEDY}"
            ) from error


def _begun(data: Mapping[str, Any]) -> Begun:
    expected = data.get("expected")
    return Begun(**{**data, "heard": _heard(data["heard"]), "expected": None if expected is None else tuple(expected)})


def _heard(data: Sequence[Sequence[Any]]) -> tuple[Heard, ...]:
    return tuple(Heard(Step(step), value, *seed) for step, value, *seed in data)


def _undo(data: Mapping[str, Any]) -> Undo:
    last = None if data["last"] is None else Run(*data["last"])
    return Undo(incumbent_from(data["incumbent"]), belief_from(data["belief"]), last, data["test"])


def _first_format(data: Mapping[str, Any]) -> Standing:
    return Standing(
        noisy=data["noisy"],
        clock=data["clock"],
        tests=data["tests"],
        keeps=tuple(data["keeps"]),
        incumbent=Incumbent(debt=data["incumbent"]["debt"]),
    )
