"""The rest of the scripts, in other languages and formats; their lists were written down before the finder saw them."""

from __future__ import annotations

import json

from tests.agents.scripts_odd import ODD
from tests.agents.scripts_python import PYTHON, Script

CPP = Script(
    "lbm.cpp",
    "mlups",
    """
#include <random>
#define BLOCK 64 // tile
constexpr double OMEGA = 1.7;
static const int UNROLL = 4;
struct Config { double relaxation = 0.6f; int prefetch = 8; bool fused = true; };
int main() {
  std::mt19937 rng(42);
  const int steps_between = 16;
  double seconds = run(BLOCK, OMEGA, Config{});
  double mlups = 512.0 * 512.0 / seconds / 1e6;
  printf("mlups: %f\\n", mlups * 1.0);
}
""",
    "BLOCK OMEGA UNROLL relaxation prefetch fused steps_between",
    ("rng(42)", "512.0 * 512.0", "/ 1e6", "mlups * 1.0"),
)

RUST = Script(
    "src/main.rs",
    "score",
    """
const POPULATION: usize = 200;
const MUTATION_RATE: f64 = 0.05_f64;
static TOURNAMENT: u32 = 5;
fn main() {
    let seed = 42u64;
    let mut rng = StdRng::seed_from_u64(seed);
    let elite_share = 0.1;
    let config = Config { crossover: 0.7, generations_per_island: 25, adaptive: true };
    let best = evolve(&mut rng, config, elite_share);
    let score = best.fitness() * 100.0;
    println!("score: {}", score / 3.0);
}
""",
    "POPULATION MUTATION_RATE TOURNAMENT elite_share crossover generations_per_island adaptive",
    ("seed = 42u64", "fitness() * 100.0", "score / 3.0"),
)

NOTEBOOK = Script(
    "study.ipynb",
    "val_loss",
    json.dumps(
        {
            "cells": [
                {"cell_type": "markdown", "metadata": {}, "source": ["# lr = 5\n"]},
                {
                    "cell_type": "code",
                    "execution_count": 1,
                    "metadata": {},
                    "outputs": [{"text": ["lr = 9"]}],
                    "source": ["%matplotlib inline\n", "lr = 3e-4\n", 'name = "ü"; momentum = 0.9\n', "hidden = 128"],
                },
                {
                    "cell_type": "code",
                    "metadata": {},
                    "source": "random.seed(7)\nloss = train(lr, momentum, hidden)\nprint('val_loss:', loss * 2)\n",
                },
            ],
            "metadata": {"kernelspec": {"language": "python"}},
            "nbformat": 4,
            "nbformat_minor": 5,
        },
        indent=1,
        ensure_ascii=False,
    ),
    "lr momentum hidden",
    ("random.seed(7)", "loss * 2"),
)

HYDRA = Script(
    "conf/config.yaml",
    "val_loss",
    """
defaults:
  - optimizer: adam
model:
  depth: 6
  width: 256
  activation: gelu  # relu | gelu | silu
optim:
  lr: 3.0e-4
  weight_decay: 0.01
  nesterov: false
  betas: [0.9, 0.98]
schedule: cosine
batch_size: 64
seed: 7
eval:
  every: 100
  batches: 20
data:
  val_fraction: 0.1
trainer:
  max_epochs: 20
  num_workers: 4
""",
    "model.depth model.width model.activation optim.lr optim.weight_decay optim.nesterov optim.betas[0] optim.betas[1]"
    " schedule batch_size",
    ("seed: 7", "every: 100", "batches: 20", "val_fraction: 0.1"),
)
SCRIPTS = (*PYTHON, *ODD, CPP, RUST, NOTEBOOK, HYDRA)
