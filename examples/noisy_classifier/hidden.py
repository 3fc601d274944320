"""The hidden measurement: `predict` runs the candidate, `score` runs when nothing of the candidate is left.

Read-only for the agent, as what it reads: the candidate's process writes probabilities and never learns the score.
"""

import sys

import numpy as np
from prepare import hidden_data, loss

if __name__ == "__main__":
    images, digits = hidden_data()
    if sys.argv[1:] == ["predict"]:
        from train import train

        np.save("probabilities.npy", train().predict_proba(images))
    else:
        print(f"val_log_loss: {loss(np.load('probabilities.npy', allow_pickle=False), digits):.6f}")
