"""A compact GPT over bytes, trained for a fixed time on whatever device there is.

This is the file to improve. It has to end by printing `val_bpb: …`.
"""

import math
import os
import resource
import sys
import time

import torch
from prepare import TRAINING_SECONDS, VOCABULARY, evaluate, training_bytes
from torch import Tensor, nn
from torch.nn import functional as F

LAYERS = 2
HEADS = 4
WIDTH = 64
CONTEXT = 64
BATCH_SIZE = 8
LEARNING_RATE = 0.003
WEIGHT_DECAY = 0.1
WARM_UP = 0.05  # share of the training time
GRADIENT_CLIP = 1.0
CPU_THREADS = 1  # a model this small gains little from more, and loses much when other programs run


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(WIDTH)
        self.query_key_value = nn.Linear(WIDTH, 3 * WIDTH, bias=False)
        self.attention_out = nn.Linear(WIDTH, WIDTH, bias=False)
        self.mlp = nn.Sequential(
            nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 4 * WIDTH), nn.GELU(), nn.Linear(4 * WIDTH, WIDTH)
        )

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attend(self.attention_norm(x))
        return x + self.mlp(x)

    def attend(self, x: Tensor) -> Tensor:
        batch, length, _ = x.shape
        heads = self.query_key_value(x).view(batch, length, 3, HEADS, WIDTH // HEADS)
        query, key, value = heads.permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        return self.attention_out(mixed.transpose(1, 2).reshape(batch, length, WIDTH))


class GPT(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.token = nn.Embedding(VOCABULARY, WIDTH)
        self.position = nn.Embedding(CONTEXT, WIDTH)
        self.blocks = nn.Sequential(*(Block() for _ in range(LAYERS)))
        self.norm = nn.LayerNorm(WIDTH)
        self.head = nn.Linear(WIDTH, VOCABULARY, bias=False)
        for weight in (self.token.weight, self.position.weight, self.head.weight):
            nn.init.normal_(weight, std=0.02)

    def forward(self, tokens: Tensor) -> Tensor:
        positions = torch.arange(tokens.shape[1], device=tokens.device)
        return self.head(self.norm(self.blocks(self.token(tokens) + self.position(positions))))


def train(model: GPT, text: Tensor) -> int:
    """Train until the time is over; returns the number of steps."""
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=WEIGHT_DECAY, betas=(0.9, 0.95))
    window = torch.arange(CONTEXT + 1, device=text.device)
    steps, began = 0, time.monotonic()
    while (progress := (time.monotonic() - began) / TRAINING_SECONDS) < 1:
        for group in optimizer.param_groups:
            group["lr"] = LEARNING_RATE * schedule(progress)
        starts = torch.randint(len(text) - CONTEXT, (BATCH_SIZE, 1), device=text.device)
        batch = text[starts + window]
        loss = F.cross_entropy(model(batch[:, :-1]).flatten(0, 1), batch[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), GRADIENT_CLIP)
        optimizer.step()
        steps += 1
    return steps


def schedule(progress: float) -> float:
    """The share of the learning rate at a point of the training time: a linear rise, then a cosine to zero."""
    if progress < WARM_UP:
        return progress / WARM_UP
    return 0.5 + 0.5 * math.cos(math.pi * (progress - WARM_UP) / (1 - WARM_UP))


def peak_memory(device: torch.device) -> str:
    if device.type == "cuda":
        return f"peak_vram_mb: {torch.cuda.max_memory_allocated() / 2**20:.1f}"
    unit = 1 if sys.platform == "darwin" else 1024  # what ru_maxrss counts in
    return f"peak_mb: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20:.1f}"


def main() -> None:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(int(os.environ.get("AUTORESEARCH_SEED", "0")))
    torch.set_num_threads(CPU_THREADS)
    torch.set_float32_matmul_precision("high")

    model = GPT().to(device)
    steps = train(model, training_bytes().to(device))
    print(f"steps: {steps}")
    print(peak_memory(device))
    print(f"val_bpb: {evaluate(model, CONTEXT, device):.6f}")


if __name__ == "__main__":
    main()
