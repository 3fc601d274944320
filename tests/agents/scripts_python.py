"""Scripts with the traits of public ones, and the lists of their knobs, written down before the finder saw them.

``wanted`` are the labels that a person would turn; ``never`` are pieces of text in which no literal may be turned: the
metric's arithmetic, seeds, splits and evaluation.
"""

from __future__ import annotations

from typing import NamedTuple


class Script(NamedTuple):
    file: str
    metric: str
    text: str
    wanted: str
    never: tuple[str, ...]


GLOBALS = Script(
    "train_lm.py",
    "val_loss",
    """
import math, os, time
import torch
out_dir = "out"
eval_interval = 2000
log_interval = 1
eval_iters = 200
always_save_checkpoint = True
dataset = "shakespeare"
gradient_accumulation_steps = 40
batch_size = 12
block_size = 1024
n_layer = 12
n_head = 12
n_embd = 768
dropout = 0.0
bias = False
learning_rate = 6e-4
max_iters = 600000
weight_decay = 1e-1
beta1 = 0.9
beta2 = 0.95
grad_clip = 1.0
decay_lr = True
warmup_iters = 2000
lr_decay_iters = 600000
min_lr = 6e-5
backend = "nccl"
device = "cuda"
compile = True
torch.manual_seed(1337)

def get_batch(split):
    data = train_data if split == "train" else val_data
    ix = torch.randint(len(data) - block_size, (batch_size,))
    return data[ix]

@torch.no_grad()
def estimate_loss():
    out = {}
    for split in ["train", "val"]:
        losses = torch.zeros(eval_iters)
        for k in range(eval_iters):
            losses[k] = model(get_batch(split)).item()
        out[split] = losses.mean() * 1.0
    return out

losses = estimate_loss()
print(f"val_loss: {losses['val'] / 1.5:.4f}")
""",
    "batch_size block_size n_layer n_head n_embd dropout bias learning_rate weight_decay beta1 beta2 grad_clip decay_lr"
    " warmup_iters lr_decay_iters min_lr gradient_accumulation_steps",
    (
        "torch.manual_seed(1337)",
        "eval_iters = 200",
        "out[split] = losses.mean() * 1.0",
        "val_loss: {losses['val'] / 1.5",
    ),
)

CONSTANTS = Script(
    "pretrain.py",
    "val_bpb",
    """
import time, math
ASPECT_RATIO = 64
HEAD_DIM = 128
TOTAL_BATCH_SIZE = 2**19
EMBEDDING_LR = 0.6
MATRIX_LR = 0.04
WEIGHT_DECAY = 0.2
ADAM_BETAS = (0.8, 0.95)
WARMUP_RATIO = 0.0
WARMDOWN_RATIO = 0.5
FINAL_LR_FRAC = 0.0
DEPTH = 8
DEVICE_BATCH_SIZE = 128
WINDOW_PATTERN = "SSSL"
SEED = 42
EVAL_TOKENS = 40 * 524288
TIME_BUDGET = 300
H100_PEAK_FLOPS = 989.5e12

def get_lr(progress):
    if progress < WARMUP_RATIO:
        return progress / WARMUP_RATIO
    return max(FINAL_LR_FRAC, 1 - (progress - 1 + WARMDOWN_RATIO) / WARMDOWN_RATIO)

total_nats, total_bytes = 0.0, 0
for batch in loader:
    total_nats += model(batch).sum().item()
    total_bytes += len(batch)
val_bpb = total_nats / (math.log(2) * total_bytes)
print("---")
print(f"val_bpb:          {val_bpb:.6f}")
print(f"depth:            {DEPTH}")
""",
    "ASPECT_RATIO HEAD_DIM TOTAL_BATCH_SIZE EMBEDDING_LR MATRIX_LR WEIGHT_DECAY ADAM_BETAS[0] ADAM_BETAS[1]"
    " WARMUP_RATIO WARMDOWN_RATIO FINAL_LR_FRAC DEPTH DEVICE_BATCH_SIZE",
    ("SEED = 42", "EVAL_TOKENS = 40", "val_bpb = total_nats / (math.log(2)", "total_nats, total_bytes = 0.0, 0"),
)

OPTIONS = Script(
    "digits.py",
    "accuracy",
    """
import argparse
import torch.nn as nn
from torchvision import datasets, transforms

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 32, 3, 1)
        self.drop = nn.Dropout(0.25)
        self.fc = nn.Linear(9216, 128)
        self.out = nn.Linear(128, 10)

def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--batch-size", type=int, default=64, help="input batch size")
    parser.add_argument("--test-batch-size", type=int, default=1000)
    parser.add_argument("--epochs", type=int, default=14)
    parser.add_argument("--lr", type=float, default=1.0)
    parser.add_argument("--gamma", type=float, default=0.7)
    parser.add_argument("--optimizer", choices=["adam", "sgd", "adadelta"], default="adadelta")
    parser.add_argument("--num-layers", type=int, default=2, choices=range(1, 6))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--log-interval", type=int, default=10)
    parser.add_argument("--save-model", action="store_true", default=False)
    args = parser.parse_args()
    transform = transforms.Compose([transforms.Normalize((0.1307,), (0.3081,))])
    train = datasets.MNIST("../data", train=True, download=True, transform=transform)
    test = datasets.MNIST("../data", train=False, transform=transform)
    correct = 0
    for x, y in test:
        correct += model(x).argmax(1).eq(y).sum().item()
    print("accuracy: {:.2f}".format(100.0 * correct / len(test)))
""",
    "main.--batch-size main.--lr main.--gamma main.--optimizer main.--num-layers Net.Dropout",
    (
        '"--seed", type=int, default=1',
        '"--test-batch-size", type=int, default=1000',
        'MNIST("../data", train=True',
        'MNIST("../data", train=False',
        "format(100.0 * correct",
    ),
)

DATACLASS = Script(
    "ppo.py",
    "episodic_return",
    """
from dataclasses import dataclass, field
from typing import Literal
import tyro

@dataclass
class Args:
    exp_name: str = "ppo"
    seed: int = 1
    torch_deterministic: bool = True
    cuda: bool = True
    track: bool = False
    capture_video: bool = False
    env_id: str = "CartPole-v1"
    total_timesteps: int = 500000
    learning_rate: float = 2.5e-4
    num_envs: int = 4
    num_steps: int = 128
    anneal_lr: bool = True
    gamma: float = 0.99
    gae_lambda: float = 0.95
    num_minibatches: int = 4
    update_epochs: int = 4
    norm_adv: bool = True
    clip_coef: float = 0.2
    clip_vloss: bool = True
    ent_coef: float = 0.01
    vf_coef: float = 0.5
    max_grad_norm: float = 0.5
    activation: Literal["tanh", "relu", "elu"] = "tanh"
    hidden: int = field(default=64)

args = tyro.cli(Args)
returns = []
for episode in range(10):
    returns.append(rollout(agent, episode + 1000))
print(f"episodic_return={sum(returns) / 10}")
""",
    "Args.learning_rate Args.num_envs Args.num_steps Args.anneal_lr Args.gamma Args.gae_lambda Args.num_minibatches"
    " Args.update_epochs Args.norm_adv Args.clip_coef Args.clip_vloss Args.ent_coef Args.vf_coef Args.max_grad_norm"
    " Args.activation Args.hidden",
    ("seed: int = 1", "episodic_return={sum(returns) / 10}"),
)

BOOSTING = Script(
    "boost.py",
    "rmse",
    """
import lightgbm as lgb
from sklearn.metrics import mean_squared_error
from sklearn.model_selection import train_test_split
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.2, random_state=42)
params = {
    "boosting_type": "gbdt",
    "objective": "regression",
    "metric": {"l2", "l1"},
    "num_leaves": 31,
    "learning_rate": 0.05,
    "feature_fraction": 0.9,
    "bagging_fraction": 0.8,
    "bagging_freq": 5,
    "lambda_l2": 0.0,
    "seed": 7,
    "verbose": 0,
}
gbm = lgb.train(params, train, num_boost_round=20, callbacks=[lgb.early_stopping(stopping_rounds=5)])
rmse_test = mean_squared_error(y_test, gbm.predict(X_test)) ** 0.5
print(f"The rmse of prediction is: {rmse_test}")
""",
    "params.num_leaves params.learning_rate params.feature_fraction params.bagging_fraction params.bagging_freq"
    " params.lambda_l2 train.num_boost_round",
    ("test_size=0.2", "random_state=42", '"seed": 7', "** 0.5"),
)

PLAIN = Script(
    "fit.py",
    "rmse",
    """
import random
LR = 0.05
L2 = 0.001
STEPS = 400
rng = random.Random(3)
data = [(x / 50, 3 * x / 50 + rng.gauss(0, 0.1)) for x in range(100)]
train, rest = data[:80], data[80:]
w, b = 0.0, 0.0
for step in range(STEPS):
    gw = sum(2 * (w * x + b - y) * x for x, y in train) / 80 + 2 * L2 * w
    gb = sum(2 * (w * x + b - y) for x, y in train) / 80
    w -= LR * gw
    b -= LR * gb
error = sum((w * x + b - y) ** 2 for x, y in rest) / 20
print("rmse:", error ** 0.5 * 100)
""",
    "LR L2",
    ("random.Random(3)", "data[:80]", "error = sum((w * x + b - y) ** 2 for x, y in rest) / 20", "error ** 0.5 * 100"),
)

ANNEALING = Script(
    "tour.py",
    "length",
    """
import math, random
from enum import Enum

class Move(Enum):
    SWAP = 1
    REVERSE = 2
    INSERT = 3

START_TEMPERATURE = 2.0
COOLING = 0.9995
MOVE = Move.REVERSE
RESTART_AFTER = 500
NEIGHBOURS = 12  # 4, 8, 12 or 16

def tour_length(tour, cities):
    return sum(math.dist(cities[a], cities[b]) for a, b in zip(tour, tour[1:])) * 1000 / 1000

def anneal(cities, greedy=0.3):
    temperature = START_TEMPERATURE
    tour = list(range(len(cities)))
    for step in range(20000):
        temperature *= COOLING
        candidate = change(tour, MOVE, NEIGHBOURS)
        if accept(tour, candidate, temperature, greedy):
            tour = candidate
    return tour

cities = make_cities(200, seed=5)
best = anneal(cities)
print("length", round(tour_length(best, cities), 3))
""",
    "START_TEMPERATURE COOLING MOVE RESTART_AFTER NEIGHBOURS anneal.greedy",
    ("* 1000 / 1000", "make_cities(200, seed=5)", "best, cities), 3)"),
)

PYDANTIC = Script(
    "forecast.py",
    "mae",
    """
from pydantic import BaseModel, Field
from sklearn.model_selection import KFold
import click

class Settings(BaseModel):
    lag: int = Field(default=7, ge=1, le=60)
    smoothing: float = Field(0.3, ge=0.0, le=1.0)
    trend: bool = True
    kernel: str = "rbf"  # one of: rbf, linear, poly
    n_splits: int = 5
    horizon: int = 14

@click.command()
@click.option("--alpha", default=1.0, type=click.FloatRange(0.01, 10))
@click.option("--solver", default="auto", type=click.Choice(["auto", "svd", "lsqr"]))
@click.option("--jobs", default=4)
def main(alpha, solver, jobs):
    settings = Settings()
    scores = []
    for fold, (a, b) in enumerate(KFold(n_splits=5, shuffle=True, random_state=0).split(series)):
        model = fit(series[a], settings, alpha=alpha, solver=solver)
        scores.append(abs(model.predict(b) - series[b]).mean() / 2.0)
    result = {"mae": sum(scores) / 5}
    print(result)
""",
    "Settings.lag Settings.smoothing Settings.trend Settings.kernel Settings.horizon --alpha --solver",
    (
        "KFold(n_splits=5",
        "shuffle=True",
        "random_state=0",
        '"mae": sum(scores) / 5',
        "mean() / 2.0",
        "n_splits: int = 5",
    ),
)
ACTING = Script(
    "act.py",
    "reward",
    """
import os
import random
from dataclasses import dataclass

@dataclass
class Args:
    upload_model: bool = False
    learning_rate: float = 3e-4
    num_envs: int = 4
    gamma: float = 0.99
    tau: float = 0.005
    target_network_frequency: int = 500
    target_kl: float = 0.02
    exploration_fraction: float = 0.5
    warmup_iters: int = 2000

class AverageMeter:
    def update(self, value, weight=1.0):
        self.total += value * weight

class Frames(Dataset):
    def __getitem__(self, index):
        return self.frames[index % 2]

def make_env(name):
    env = MaxAndSkip(make(name), skip=4)
    return FrameStack(env, 4)

def rate_at(step):
    return args.learning_rate * (step + 1) / (args.warmup_iters + 1)

args = Args()
args.manual_seed = random.randint(1, 10000)
tracker.init(sync_tensorboard=True, monitor_gym=True, force=True)
os.makedirs("out", exist_ok=True)
prepare = Normalize((0.1307,), (0.3081,))
agent = Agent(prepare)
running_reward = 10
step = 0
while True:
    step += 1
    rate = rate_at(step)
    reward, done = agent.play(make_env("pole"), rate)
    value = reward + args.gamma * agent.value() * (1 - done)
    agent.learn(value, clip=0.2)
    running_reward = 0.05 * reward + (1 - 0.05) * running_reward
    tracker.log({"reward": running_reward * 100, "rate": rate})
    if step > 1000:
        break
""",
    "Args.learning_rate Args.num_envs Args.gamma Args.tau Args.target_network_frequency Args.target_kl"
    " Args.exploration_fraction Args.warmup_iters learn.clip",
    (
        "upload_model: bool = False",
        "weight=1.0",
        "index % 2",
        "skip=4",
        "FrameStack(env, 4)",
        "random.randint(1, 10000)",
        "sync_tensorboard=True, monitor_gym=True, force=True",
        "exist_ok=True",
        "Normalize((0.1307,), (0.3081,))",
        "running_reward = 10",
        "while True",
        "(1 - done)",
        "0.05 * reward + (1 - 0.05)",
        "running_reward * 100",
    ),
)
PYTHON = (ACTING, GLOBALS, CONSTANTS, OPTIONS, DATACLASS, BOOSTING, PLAIN, ANNEALING, PYDANTIC)
