"""Three scripts of odd shape: their lists were written down before the finder saw them."""

from __future__ import annotations

from tests.agents.scripts_python import Script

MATCHED = Script(
    "fold.py",
    "mean_f1",
    '''
"""Everything in one class; the folds by a hash, the metric by a walrus inside a match."""
import hashlib, json, logging, sys
import numpy as np
log = logging.getLogger(__name__)

class Fit:
    hyper = dict(eta=0.3, max_depth=6, subsample=0.8, colsample_bytree=1.0, n_estimators=200, reg_lambda=1.0)
    threshold: float = 0.5
    def __init__(self, state=np.random.RandomState(11), *, noise: float = 0.01):
        self.state, self.noise = state, noise
    @staticmethod
    def fold_of(key: str, folds=5):
        return int(hashlib.md5(key.encode()).hexdigest(), 16) % folds
    def f1(self, truth, said):
        match (tp := sum(a and b for a, b in zip(truth, said)), sum(truth), sum(said)):
            case (0, _, _):
                return 0.0
            case (_, positives, claimed):
                p, r = tp / claimed, tp / positives
                return (1 + 1.0 ** 2) * p * r / (1.0 ** 2 * p + r)
    def run(self, rows):
        scores = []
        for held in range(5):
            inside = [row for row in rows if self.fold_of(row.key) != held]
            outside = [row for row in rows if self.fold_of(row.key) == held]
            model = boost(inside, **self.hyper, jitter=self.noise)
            scores.append(self.f1([row.y for row in outside], [model(row) > self.threshold for row in outside]))
        return scores

if __name__ == "__main__":
    scores = Fit().run(load("rows.jsonl"))
    json.dump({"mean_f1": round(sum(scores) / len(scores) * 100, 2)}, sys.stdout)
''',
    "Fit.hyper.eta Fit.hyper.max_depth Fit.hyper.subsample Fit.hyper.colsample_bytree Fit.hyper.n_estimators"
    " Fit.hyper.reg_lambda",
    (
        "RandomState(11)",
        "folds=5",
        "hexdigest(), 16)",
        "(1 + 1.0 ** 2) * p * r / (1.0 ** 2 * p + r)",
        "range(5)",
        "return 0.0",
        "* 100, 2)",
    ),
)

PERCENT = Script(
    "keras_digits.py",
    "val_acc",
    """
from tensorflow import keras; import numpy as np, random, os
os.environ['PYTHONHASHSEED'] = '0'; random.seed(9); np.random.seed(9)
(x, y), _ = keras.datasets.mnist.load_data()
x = x / 255.0
xt, xv, yt, yv = x[:-10000], x[-10000:], y[:-10000], y[-10000:]
def net(units=128, rate=.2, l2=1e-4):
\treturn keras.Sequential([
\t\tkeras.layers.Flatten(input_shape=(28, 28)),
\t\tkeras.layers.Dense(units, activation='relu', kernel_regularizer=keras.regularizers.L2(l2)),
\t\tkeras.layers.Dropout(rate), keras.layers.Dense(10, activation='softmax')])
m = net(); m.compile(optimizer=keras.optimizers.SGD(learning_rate=.01, momentum=.9, nesterov=False),
\tloss='sparse_categorical_crossentropy', metrics=['accuracy'])
m.fit(xt, yt, batch_size=32, epochs=3, validation_split=0.1, verbose=0,
\tcallbacks=[keras.callbacks.ReduceLROnPlateau(factor=0.5, patience=2, min_delta=1e-4)])
_, acc = m.evaluate(xv, yv, batch_size=1000, verbose=0)
print('val_acc=%.4f  errors=%d' % (acc * 1.0, (1 - acc) * 10000))
""",
    "net.units net.rate net.l2 SGD.learning_rate SGD.momentum fit.batch_size",
    (
        "random.seed(9); np.random.seed(9)",
        "['PYTHONHASHSEED'] = '0'",
        "x[:-10000], x[-10000:], y[:-10000], y[-10000:]",
        "input_shape=(28, 28)",
        "validation_split=0.1",
        "m.evaluate(xv, yv, batch_size=1000",
        "(acc * 1.0, (1 - acc) * 10000)",
    ),
)

PIPED = Script(
    "bench.py",
    "p95_ms",
    """
import functools, statistics, time
from contextlib import contextmanager
POOL = 4; CHUNK = 1 << 12; PREFETCH: int = 2
BACKOFF = (0.05, 2.0)  # first wait, factor
CODEC = "lz4"  # lz4, zstd or none
@contextmanager
def timed(into, unit=1e3):
    began = time.perf_counter()
    yield
    into.append((time.perf_counter() - began) * unit)
quantile = lambda values, q=95: statistics.quantiles(values, n=100)[q - 1]
@functools.lru_cache(maxsize=64)
def encoder(codec=CODEC, level=3): return make(codec, level)
def serve(requests, pool=POOL, chunk=CHUNK, cache_size=256):
    taken = []
    for request in requests:
        with timed(taken):
            answer(request, pool, chunk, PREFETCH, encoder(), cache_size, backoff=BACKOFF)
    return taken
warm, rounds = 20, 200
requests = workload(seed=1234, count=warm + rounds)
taken = serve(requests)[warm:]
print(f"requests: {len(taken)}", f"p95_ms: {quantile(taken):.2f}", sep="\\n")
""",
    "POOL CHUNK PREFETCH CODEC encoder.level serve.cache_size",
    ("unit=1e3", "q=95", "n=100)[q - 1]", "warm, rounds = 20, 200", "seed=1234"),
)

ODD = (MATCHED, PERCENT, PIPED)
