"""The course of a run in few points, from a log that nobody trusts."""

from __future__ import annotations

from dataclasses import replace

from pytest_autoresearch.lab.curves import LINES, POINTS, Curve, curve_of, with_course
from pytest_autoresearch.protocol.experiment import Measurement, Reason, Role
from pytest_autoresearch.protocol.model import Direction, Metric, PathRule, Protocol

PROTOCOL = Protocol("", Metric("val_bpb", Direction.LOWER), (PathRule("train.py"),), "python train.py")


def log(name: str, count: int) -> bytes:
    return b"".join(b"step %d %s: %d.5 (ok)\n" % (n, name.encode(), n) for n in range(count))


def test_a_long_course_keeps_its_ends_and_evenly_spread_points_between() -> None:
    curve = curve_of(log("val_bpb", 1000), PROTOCOL)
    assert curve.name == "val_bpb"
    assert len(curve.points) == POINTS
    assert (curve.points[0], curve.points[-1]) == (0.5, 999.5)
    assert list(curve.points) == sorted(curve.points)


def test_declared_progress_comes_before_the_metric_and_the_metric_before_the_loss() -> None:
    both = log("reward", 4) + log("val_bpb", 5) + log("loss", 6)
    assert curve_of(both, replace(PROTOCOL, progress="reward")) == Curve("reward", (0.5, 1.5, 2.5, 3.5))
    assert curve_of(both, PROTOCOL).name == "val_bpb"
    assert curve_of(log("loss", 6) + b"val_bpb: 1\n", PROTOCOL).name == "loss"


def test_two_numbers_or_none_or_rubbish_are_no_curve() -> None:
    assert curve_of(log("val_bpb", 2), PROTOCOL) == Curve()
    assert curve_of(b"val_bpb: nan\nval_bpb: inf\nval_bpb: 1e\nval_bpb: \xff\xfe\n", PROTOCOL) == Curve()


def test_a_good_run_keeps_a_short_end_and_a_hidden_one_nothing() -> None:
    good = with_course(Measurement(Role.CANDIDATE, value=1.0), log("val_bpb", 50), PROTOCOL)
    assert len(good.log_tail.splitlines()) == LINES and good.curve[0] == 0.5
    hidden = with_course(Measurement(Role.HOLDOUT, value=1.0), log("val_bpb", 50), PROTOCOL)
    assert (hidden.log_tail, hidden.curve) == ("", ())
    failed = with_course(Measurement(Role.HOLDOUT, failure=Reason.ERROR), b"boom", PROTOCOL)
    assert failed.log_tail == "boom"
