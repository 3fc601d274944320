#!/usr/bin/env bash
# GitPython 3.2.1 and pygit2 1.21.0: `index.add` stores a file as it lies there and not as `git add` does. A clean filter
# that .gitattributes names (nbstripout for notebooks, Git LFS) is not run, also where it is `required`, and nothing is
# said; afterwards git shows the file as changed. dulwich 1.2.21 runs it, and so does `Repo.git.add` of GitPython, which
# its maintainer recommends (GitPython issue 1290).
set -euo pipefail
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
python3 -m venv "$room/venv"
"$room/venv/bin/pip" install -qq --disable-pip-version-check GitPython==3.2.1 pygit2==1.21.0 dulwich==1.2.21

cat > "$room/add.py" <<'PY'
import sys

import git
import pygit2
from dulwich import porcelain


def add_by_pygit2():
    index = pygit2.Repository(".").index
    index.add("a.ipynb")
    index.write()


{
    "GitPython": lambda: git.Repo(".").index.add(["a.ipynb"]),
    "pygit2": add_by_pygit2,
    "dulwich": lambda: porcelain.add(".", paths=["a.ipynb"]),
    "Repo.git.add": lambda: git.Repo(".").git.add("a.ipynb"),
}[sys.argv[1]]()
PY

export HOME=$room GIT_CONFIG_NOSYSTEM=1
for library in GitPython pygit2 dulwich Repo.git.add; do
  git init -q "$room/$library" 2> /dev/null
  cd "$room/$library"
  git config filter.strip.clean "sed /output/d"
  git config filter.strip.required true
  echo '*.ipynb filter=strip' > .gitattributes
  printf 'source\noutput\n' > a.ipynb
  "$room/venv/bin/python" "$room/add.py" "$library"
  echo "$library:" $(git show :a.ipynb) | tee -a "$room/seen"
done
[ "$(tr '\n' ' ' < "$room/seen")" = "GitPython: source output pygit2: source output dulwich: source Repo.git.add: source " ] ||
  { echo "this has changed"; exit 1; }
