#!/usr/bin/env bash
# DuckDB 2.0.1: NaN is larger than any number, so that `max(accuracy)` and `arg_max(commit, accuracy)` of a table of
# results name the run that failed; of a loss, `min` names the best. Polars 2.1.0 has both answers: `max` and `arg_max`
# skip the NaN, while `top_k`, a sort and a filter of `>=` take it first. Written as Python prints it, `nan`, it makes
# the column text in Polars, whose maximum is 'nan'.
set -euo pipefail
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
python3 -m venv "$room/venv"
"$room/venv/bin/pip" install -qq --disable-pip-version-check duckdb==2.0.1 polars==2.1.0

cd "$room"
printf 'commit\taccuracy\n%s\t0.5\n%s\t%s\n%s\t0.9\n' first failed nan best > results.tsv
sed s/nan/NaN/ results.tsv > spelled.tsv
"$room/venv/bin/python" - <<'PY'
import duckdb
import polars

query = "select arg_max(commit, accuracy), max(accuracy), arg_min(commit, accuracy) from read_csv('results.tsv')"
(duck,) = duckdb.sql(query).fetchall()
print("duckdb 2.0.1: the commit of the largest accuracy, the largest, the commit of the least:", duck)

table, text = (polars.read_csv(name, separator="\t") for name in ("spelled.tsv", "results.tsv"))
accuracy = table["accuracy"]
first = [table.top_k(1, by="accuracy"), table.sort("accuracy", descending=True), table.filter(accuracy >= 0.9)]
named = [each["commit"][0] for each in first]
print("polars 2.1.0: max", accuracy.max(), table["commit"][accuracy.arg_max()], "- top_k, sort, filter:", *named)
print("polars 2.1.0, `nan`:", text["accuracy"].dtype, repr(text["accuracy"].max()))
assert duck[0] == "failed" and duck[1] != duck[1] and duck[2] == "first", "this has changed"
assert accuracy.max() == 0.9 and named == ["failed"] * 3 and text["accuracy"].max() == "nan", "this has changed"
PY
