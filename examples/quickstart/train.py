"""A small language model: bit statistics under contexts of several lengths, combined by a learning mixer.

This is the file to improve. It has to end by printing `val_bpb: …`.
"""

import math
from operator import mul

from prepare import bits, evaluate, training_text

PRIOR = 0.5  # added to every count (the Krichevsky-Trofimov estimator)
MEMORY = 0.5  # the share of a count that survives when the other bit turns up
LEARNING_RATE = 0.02  # of the mixer
INITIAL_WEIGHT = 0.3  # of every order in the mixer
MAX_ORDER = 5  # the longest context, in bytes; a run takes longer with each


class ContextMixer:
    """Predicts a bit from what followed the last 0, 1, … MAX_ORDER bytes when they were seen before.

    Every order gives its log-odds; their weighted sum is the prediction. The weights are learnt online, one set for
    each number of orders that know the context: the more of them do, the more the longest deserves to be heard.
    """

    def __init__(self) -> None:
        orders = MAX_ORDER + 1
        self.tables = [{} for _ in range(orders)]  # context -> {bits of the byte so far -> [zeros, ones]}
        self.weights = [[INITIAL_WEIGHT] * orders for _ in range(orders + 1)]
        self.history = 0
        self.begin_byte()

    def begin_byte(self) -> None:
        self.so_far = 1  # a leading one, then the bits of this byte
        contexts = [self.history % 256**order for order in range(MAX_ORDER + 1)]  # the last 0, 1, … bytes
        self.nodes = [self.tables[order].setdefault(context, {}) for order, context in enumerate(contexts)]

    def predict(self) -> float:
        self.counts, self.log_odds, known = [], [], 0
        for node in self.nodes:
            counts = node.get(self.so_far)
            if counts is None:
                counts = node[self.so_far] = [0, 0]
            else:
                known += 1
            zeros, ones = counts
            self.counts.append(counts)
            self.log_odds.append(math.log((ones + PRIOR) / (zeros + PRIOR)))
        self.mixer = self.weights[known]
        total = sum(map(mul, self.mixer, self.log_odds))
        self.prediction = 1 / (1 + math.exp(-max(-30, min(30, total))))
        return self.prediction

    def update(self, bit: int) -> None:
        step = LEARNING_RATE * (bit - self.prediction)
        for order, counts in enumerate(self.counts):
            self.mixer[order] += step * self.log_odds[order]
            counts[bit] += 1
            counts[1 - bit] *= MEMORY
        self.so_far = 2 * self.so_far + bit
        if self.so_far >= 256:
            self.history = (256 * self.history + self.so_far % 256) % 256**MAX_ORDER
            self.begin_byte()


def main() -> None:
    model = ContextMixer()
    for bit in bits(training_text()):
        model.predict()
        model.update(bit)
    print(f"val_bpb: {evaluate(model):.6f}")


if __name__ == "__main__":
    main()
