"""Which tracked files a shell command executes: the program itself, what an interpreter is given, a makefile. Pure.

What a command only reads (``wc -c main.py``) is data: a metric may well be the size of a target.
"""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Collection, Iterator, Sequence

from pytest_autoresearch.patterns import regex
from pytest_autoresearch.protocol.globs import is_glob, matches

_INTERPRETERS = regex(
    r"(?:i?python|pypy)[\d.]*|(?:ba|da|z|k|fi)?sh|node(?:js)?|deno|bun|tsx|ts-node|perl[\d.]*|ruby[\d.]*|php[\d.]*"
    r"|lua[\d.]*|luajit|julia|Rscript|R|java|groovy|swift|elixir|escript|tclsh|octave|guile|osascript|pwsh|torchrun"
    r"|streamlit|gnuplot|papermill"
)
_READ_SCRIPTS = frozenset("sqlite3 duckdb psql mysql gnuplot gdb bc".split())
"""Programs that execute what they are given on their standard input, beside the interpreters."""
_COMPILERS = regex(
    r"(?:[\w-]+-)?(?:gcc|g\+\+|cc|c\+\+|clang|clang\+\+)[\d.-]*|go|rustc|cargo|javac|nvcc|ghc|nim|zig|tcc"
)
_READERS = frozenset(
    """
    cat head tail grep egrep fgrep rg wc cut tr sort uniq diff cmp ls stat du file echo printf test [ md5sum sha1sum
    sha256sum cksum gzip xz bzip2 zstd tee cp mv rm mkdir touch find git jq yq awk gawk mawk sed column nl tac xxd od
    strings base64 cloc tokei scc ruff flake8 pylint mypy pyright black isort radon bandit lizard shellcheck
    """.split()
)
"""Programs whose arguments are data: a script among them is only looked at."""
_LAUNCHERS = frozenset(
    (
        "env time timeout nice nohup exec command eval builtin sudo stdbuf setsid ionice taskset numactl chrt xargs "
        "parallel uv uvx poetry pdm pipenv hatch rye pixi conda mamba run run-script tool accelerate launch then do "
        "else ! if while until valgrind strace coverage kernprof"
    ).split()
)
_BUILT_BY = {
    "make": ("Makefile", "makefile", "GNUmakefile"),
    "just": ("justfile", "Justfile", ".justfile"),
    "task": ("Taskfile.yml", "Taskfile.yaml"),
    **dict.fromkeys(("npm", "pnpm", "yarn"), ("package.json",)),
    "tox": ("tox.ini",),
    "nox": ("noxfile.py",),
    "rake": ("Rakefile", "rakefile"),
    **dict.fromkeys(("invoke", "inv"), ("tasks.py",)),
    "doit": ("dodo.py",),
    "snakemake": ("Snakefile", "workflow/Snakefile"),
    "gradle": ("build.gradle", "build.gradle.kts"),
    "mvn": ("pom.xml",),
    "cmake": ("CMakeLists.txt",),
    "meson": ("meson.build",),
    "cargo": ("Cargo.toml",),
    **dict.fromkeys(("hatch", "pdm", "poe"), ("pyproject.toml",)),
    "pixi": ("pixi.toml", "pyproject.toml"),
}
_FILE_OPTIONS = {"awk": "f", "gawk": "f", "mawk": "f", "sed": "f", "jq": "f", "make": "f", "bc": "", "sqlite3": ""}
_OPENING = regex(r"\$\(|`|[<>]\(")
_ENDS = frozenset("; & && | || |& ( ) { } ;;".split())
_IMPORTED = regex(r"\b(?:from|import)\s+([\w.]+(?:\s*,\s*[\w.]+)*)")
_RUNS_FILES = regex(
    r"\b(?:__import__|import_module|require|include|dofile|load|run|exec|eval|compile|run_path|run_module|system|popen|Popen|source|spec_from_file_location)\b"
)
_IN_QUOTES = regex(r"[\"']([\w./-]{1,200})[\"']")
_SET = regex(r"(?:^|[;&|\s])([A-Za-z_]\w{0,40})=([\w./-]{1,200})(?=[;&|\s]|$)")
_HERE_DOCUMENT = regex(r"\b(?:python|node|ruby|perl|julia|Rscript)[\d.]*\s[^\n]{0,200}<<")
_SCRIPTS = tuple(".py .sh .bash .js .mjs .cjs .ts .rb .pl .r .R .jl .lua .php .ipynb".split())
_CRATES = {"--bin": "src/bin", "--example": "examples", "--bench": "benches", "--test": "tests"}
_RUNNERS = frozenset(
    """
    pytest coverage cProfile profile pdb trace timeit runpy doctest unittest kernprof line_profiler memory_profiler
    scalene pyinstrument viztracer torch accelerate papermill nbconvert jupyter IPython ipykernel debugpy
    """.split()
)
"""Modules that run what they are given."""
_ASSIGNMENT = regex(r"[A-Za-z_]\w*\+?=")


def scripts_of(command: str, files: Collection[str], directory: str) -> frozenset[str]:
    """Those of ``files`` (relative to the top) that ``command`` executes when it starts in ``directory``."""
    return frozenset(_executed(command, files, directory, depth=0))


def _executed(command: str, files: Collection[str], directory: str, *, depth: int) -> Iterator[str]:
    if depth > 4:
        return
    here, before = directory, [""]
    command = with_values(command)
    if _HERE_DOCUMENT.search(command):
        yield from (p for word in _named_in_code(command) for p in _candidates(word, directory) if p in files)
    for words in _simple_commands(command):
        if words[0] in ("cd", "pushd") and len(words) > 1:
            here = posixpath.normpath(posixpath.join(here, words[1]))
            continue
        piped = before[1:] if before[0] == "cat" and _reads_its_script(words) else []
        before = words
        for word in (*_scripts_in(words), *_compiled(words, files, here), *piped):
            if is_glob(word):
                pattern = posixpath.normpath(posixpath.join(here, word))
                yield from (path for path in files if matches(pattern, path))
            elif " " in word.strip() or "\n" in word:  # the text of `bash -c`
                yield from _executed(word, files, here, depth=depth + 1)
                continue
            yield from (path for path in _candidates(word, here) if path in files)
    for inner in _OPENING.finditer(command):
        yield from _executed(command[inner.end() :], files, directory, depth=depth + 1)


def with_values(command: str) -> str:
    """A command with the variables that it sets itself, so that ``S=grade.py; python $S`` names the script."""
    for name, value in _SET.findall(command)[:20]:
        command = re.sub(rf"\$(?:{name}\b|\{{{name}\}})", lambda _, value=value: value, command)  # type: ignore[misc]
    return command


def _compiled(words: Sequence[str], files: Collection[str], directory: str) -> Iterator[str]:
    """What a compiler is given: files, packages, and the programs of a crate by their names."""
    if not words or not _COMPILERS.fullmatch(words[0].rpartition("/")[2]):
        return
    for n, word in enumerate(words[1:], 1):
        place = posixpath.normpath(posixpath.join(directory, word))
        yield word
        if words[0] == "go" and word.startswith("."):
            yield from (posixpath.relpath(path, directory) for path in files if path.startswith(f"{place}/"))
        if words[n - 1] in _CRATES:
            folder = _CRATES[words[n - 1]]
            yield from (f"{folder}/{word}.rs", f"{folder}/{word}/main.rs")


def _reads_its_script(words: Sequence[str]) -> bool:
    """Whether it is an interpreter that is given its script through a pipe."""
    name = words[0].rpartition("/")[2]
    return _INTERPRETERS.fullmatch(name) is not None and all(word in ("-", "-s", "/dev/stdin") for word in words[1:])


def _candidates(word: str, directory: str) -> Iterator[str]:
    """What a word may mean; a variable such as ``$PWD`` or ``${ROOT}`` before the first slash is where we are."""
    word = re.sub(r"^(?:\$\{?\w+\}?|\$\([^)]*\))/", "", word)
    path = posixpath.normpath(posixpath.join(directory, word.rstrip("`")))
    yield from (path, f"{path}/__main__.py", f"{path}/__init__.py")


def _simple_commands(command: str) -> Iterator[list[str]]:
    """The words of each simple command, redirections among them."""
    text = command.replace("\\\n", " ").replace("\n", " ; ")
    lexer = shlex.shlex(text, posix=True, punctuation_chars=True)
    lexer.whitespace_split, lexer.commenters = True, ""
    words: list[str] = []
    try:
        for word in lexer:
            if word in _ENDS or set(word) <= set(";&|()"):
                if words:
                    yield words
                words = []
            else:
                words.append(word)
    except ValueError:  # a quote without its end: what was read so far has to do
        pass
    if words:
        yield words


def _scripts_in(words: Sequence[str]) -> Iterator[str]:
    """The words of a simple command that name what it executes."""
    while words and (_ASSIGNMENT.match(words[0]) or words[0].rpartition("/")[2] in _LAUNCHERS):
        words = words[1:]
        while words and (words[0].startswith("-") or re.fullmatch(r"[\d.]+[smhd]?", words[0])):
            if words[0] == "-m" and len(words) > 1:
                yield from _module(words[1])
            words = words[1:]
    if not words:
        return
    program, rest = words[0], words[1:]
    name = program.rpartition("/")[2]
    yield program
    if name not in _READERS and not _INTERPRETERS.fullmatch(name):
        yield from _started_by(rest)
    if name in (".", "source"):
        yield from rest[:1]
    elif _INTERPRETERS.fullmatch(name):
        yield from _interpreted(rest)
    elif letter := _FILE_OPTIONS.get(name):
        yield from _after_option(rest, letter)
    for n, word in enumerate(rest):
        if word == "--from-file" or (word == "<" and name in _READ_SCRIPTS):
            yield from rest[n + 1 : n + 2]
    for n, word in enumerate(rest):
        if name == "find" and word in ("-exec", "-execdir", "-ok"):
            yield from _scripts_in(rest[n + 1 :])
    for built in _BUILT_BY.get(name, ()):
        folder = next((rest[n + 1] for n, word in enumerate(rest[:-1]) if word in ("-C", "--prefix")), ".")
        yield posixpath.join(folder, built)
    if (name == "pytest" or name.startswith("pytest.")) and rest:
        yield from (word.partition("::")[0] for word in rest if not word.startswith("-"))


def _started_by(words: Sequence[str]) -> Iterator[str]:
    """What a program that is not known may start: an interpreter among its words, or a command in quotes."""
    for n, word in enumerate(words):
        if _INTERPRETERS.fullmatch(word.rpartition("/")[2]):
            yield from _interpreted(words[n + 1 :])
            return
        if " " in word.strip():
            yield word
        elif word.endswith(_SCRIPTS):
            yield word
            return


def _named_in_code(code: str) -> Iterator[str]:
    """What ``python -c`` imports, and the files that it names where it runs some; what it only reads is data."""
    for names in _IMPORTED.findall(code):
        for name in re.split(r"[\s,]+", names):
            yield from _module(name)
    if _RUNS_FILES.search(code):
        for name in _IN_QUOTES.findall(code):
            yield from (name, *_module(name))


def _interpreted(words: Sequence[str]) -> Iterator[str]:
    """The script, module or text that an interpreter is given, by name or on its standard input."""
    for n, word in enumerate(words):
        if word in ("<", "0<"):
            yield from words[n + 1 : n + 2]
            return
        if found := re.fullmatch(r"--module|-[A-Za-z]{0,4}m(.*)", word):
            module, rest = (found[1], words[n + 1 :]) if found[1] else ("".join(words[n + 1 : n + 2]), words[n + 2 :])
            yield from _module(module)
            if module.partition(".")[0] in _RUNNERS:
                yield from (each.partition("::")[0] for each in rest if not each.startswith("-"))
                yield from (name for each in rest for name in _named_in_code(each))
                yield from (name for each in rest if re.fullmatch(r"\w+(?:\.\w+)*", each) for name in _module(each))
            return
        if word in ("-f", "--file") and words[n + 1 : n + 2]:  # R
            yield words[n + 1]
        if (code := re.fullmatch(r"(?:-[a-zA-Z]*[ce]|--eval|-p|--print)(\s*\S.*|)", word, re.DOTALL)) is not None:
            for text in [code[1]] if code[1] else words[n + 1 : n + 2]:
                yield text
                yield from _named_in_code(text)
            return
        if not word.startswith("-") and ("." in word or "/" in word or n + 1 == len(words)):
            yield word
            return


def _module(name: str) -> Iterator[str]:
    path = name.replace(".", "/")
    yield from (path, f"{path}.py", f"src/{path}.py", f"src/{path}")


def _after_option(words: Sequence[str], letter: str) -> Iterator[str]:
    for n, word in enumerate(words):
        if re.fullmatch(rf"-[a-zA-Z]*{letter}", word):
            yield from words[n + 1 : n + 2]
        elif word.startswith((f"-{letter}", "--file=")):
            yield word.partition("=")[2] or word[2:]
