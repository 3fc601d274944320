#!/usr/bin/env bash
# tensorboard 2.21.0: EventAccumulator, by which scripts read the scalars of a training run, holds 10,000 of each tag
# and forgets others by chance: the last is kept, the best need not be. Of a run of 20,000 steps the maximum that is
# read differs from that in the file, with no sign of it. `size_guidance={"scalars": 0}` holds all.
set -euo pipefail
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
python3 -m venv "$room/venv"
"$room/venv/bin/pip" install -qq --disable-pip-version-check tensorboard==2.21.0 setuptools==80.9.0

"$room/venv/bin/python" -W ignore - <<'PY'
import tempfile

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.event_file_writer import EventFileWriter


def read(steps, best, **settings):
    room = tempfile.mkdtemp()
    writer = EventFileWriter(room)
    for step in range(steps):
        value = Summary.Value(tag="accuracy", simple_value=1.0 if step == best else 0.5)
        writer.add_event(Event(step=step, wall_time=step, summary=Summary(value=[value])))
    writer.close()
    accumulator = EventAccumulator(room, **settings)
    accumulator.Reload()
    scalars = accumulator.Scalars("accuracy")
    return len(scalars), max(scalar.value for scalar in scalars)


short, long = read(10_000, 5_000), [read(20_000, best) for best in range(1_000, 20_000, 3_000)]
whole = read(20_000, 5_000, size_guidance={"scalars": 0})
print("tensorboard 2.21.0, scalars read and their maximum, which is 1 in every file")
print("10,000 steps:", *short)
print("20,000 steps, the best at seven places:", *long)
print("20,000 steps, size_guidance 0:", *whole)
assert short == (10_000, 1.0) and whole == (20_000, 1.0), "this has changed"
assert all(count == 10_000 for count, _ in long) and {best for _, best in long} == {0.5, 1.0}, "this has changed"
PY
