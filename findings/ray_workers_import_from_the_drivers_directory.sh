#!/usr/bin/env bash
# ray 2.60.0: the directory that a driver is started in stands first on every worker's sys.path, though it is not on the
# driver's own (its script lies elsewhere). A file there named as a module of Python is what a task imports, on every
# node that has the directory: a repository's colorsys.py, calendar.py or queue.py. To start the driver in / avoids it.
set -euo pipefail
room=$(mktemp -d /tmp/ray-XXXXXX) # the paths of Ray's sockets have to be short
trap 'rm -rf "$room"' EXIT
python3 -m venv "$room/venv"
"$room/venv/bin/pip" install -qq --disable-pip-version-check ray==2.60.0

mkdir "$room/repository" "$room/script"
echo 'name = "the file of the repository"' > "$room/repository/colorsys.py"
cat > "$room/script/drive.py" <<'PY'
import os, sys
import colorsys
import ray

ray.init(num_cpus=1, include_dashboard=False, object_store_memory=80 * 2**20, log_to_driver=False)

@ray.remote
def imported():
    import colorsys
    return getattr(colorsys, "name", "the module of Python")

print(getattr(colorsys, "name", "the module of Python"), "|", os.getcwd() in sys.path, "|", ray.get(imported.remote()))
PY

export HOME=$room RAY_TMPDIR=$room RAY_agent_register_timeout_ms=200000
seen() { (cd "$1" && "$room/venv/bin/python" "$room/script/drive.py" 2>"$room/said") || { cat "$room/said"; exit 1; }; }
there=$(seen "$room/repository")
away=$(seen /)
echo "ray 2.60.0: driver imports | its directory is on its own path | a task imports"
echo "  started in the repository: $there"
echo "  started in /:              $away"
[ "$there" = "the module of Python | False | the file of the repository" ] || { echo "changed"; exit 1; }
[ "$away" = "the module of Python | False | the module of Python" ] || { echo "changed: in / too"; exit 1; }
