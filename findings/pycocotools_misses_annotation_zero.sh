#!/usr/bin/env bash
# pycocotools 2.0.11: the annotation with id 0 cannot be found. COCOeval notes for each detection the id of what it
# matched, and 0 there means nothing: a perfect detector of two objects whose ids count from 0 has a mean average
# precision of 0.25, from 1 one of 1. Annotation ids are any integers elsewhere in the format, and image ids may be 0.
# Open upstream for years (cocoapi issue 507); the larger the data, the smaller the difference, and the easier missed.
set -euo pipefail
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
python3 -m venv "$room/venv"
"$room/venv/bin/pip" install -qq --disable-pip-version-check pycocotools==2.0.11 numpy==2.4.6

"$room/venv/bin/python" - <<'PY'
import contextlib
import io

from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

boxes = [[0, 0, 10, 10], [20, 0, 10, 10]]


def precision(first):
    each = [{"image_id": 0, "category_id": 1, "bbox": box} for box in boxes]
    truth = [{**one, "id": first + at, "area": 100, "iscrowd": 0} for at, one in enumerate(each)]
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = {"images": [{"id": 0}], "categories": [{"id": 1}], "annotations": truth}
        coco.createIndex()
        judge = COCOeval(coco, coco.loadRes([{**one, "score": 0.9} for one in each]), "bbox")
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    return round(float(judge.stats[0]), 3)


zero, one = precision(0), precision(1)
print(f"pycocotools 2.0.11, two objects found exactly: ids 0 and 1 -> {zero}, ids 1 and 2 -> {one}")
assert zero < 0.6 and one == 1, "this has changed"
PY
