#!/usr/bin/env bash
# tokenizers 0.23.3: two processes train WordPiece on the same lines and get different vocabularies, also on one thread
# (RAYON_NUM_THREADS=1); there is no seed to set. Unigram gives other scores each time. Byte-pair encoding gives the same.
# Ties between equally frequent pairs are the likely cause: their order differs from process to process.
set -euo pipefail
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
python3 -m venv "$room/venv"
"$room/venv/bin/pip" install -qq --disable-pip-version-check tokenizers==0.23.3

cat > "$room/train.py" <<'PY'
import sys
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

lines = [f"the quick brown fox jumps over the lazy dog {i} alpha beta gamma" for i in range(2000)]
lines += ["pack my box with five dozen liquor jugs"] * 50
model, trainer = {
    "bpe": (models.BPE(), trainers.BpeTrainer(vocab_size=200, show_progress=False)),
    "wordpiece": (models.WordPiece(), trainers.WordPieceTrainer(vocab_size=200, show_progress=False)),
}[sys.argv[1]]
tokenizer = Tokenizer(model)
tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
tokenizer.train_from_iterator(lines, trainer)
print(" ".join(sorted(tokenizer.get_vocab())))
PY

export RAYON_NUM_THREADS=1
for kind in bpe wordpiece; do
  for _ in 1 2 3 4 5 6; do "$room/venv/bin/python" "$room/train.py" "$kind"; done | sort -u | wc -l > "$room/$kind"
  echo "tokenizers 0.23.3, $kind: $(cat "$room/$kind") different vocabularies in 6 processes"
done
[ "$(cat "$room/bpe")" -eq 1 ] || { echo "changed: byte-pair encoding varies"; exit 1; }
[ "$(cat "$room/wordpiece")" -gt 1 ] || { echo "changed: WordPiece is the same in every process"; exit 1; }
