"""``pytest-autoresearch doctor``: what this machine offers a session, why not more, and what would give more.

Looks, starts a few programs, runs the protocol once in its sandbox, changes nothing and asks no server.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Generator, Iterator, Mapping
from dataclasses import asdict
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from pytest_autoresearch.commands.findings import Finding, Health
from pytest_autoresearch.commands.width import hung
from pytest_autoresearch.errors import AutoresearchError
from pytest_autoresearch.executables import NEUTRAL, find, repository_around, surroundings, workspaces
from pytest_autoresearch.lab.gpus import Gpus
from pytest_autoresearch.lab.sandbox import Choice
from pytest_autoresearch.protocol.model import Protocol
from pytest_autoresearch.protocol.settings import Settings

VERSION_TIMEOUT = 10.0  # s for `PROGRAM --version`
CUDA_TIMEOUT = 60.0  # s

_ASK_CUDA = """
import ctypes, sys
cuda, count = ctypes.CDLL("libcuda.so.1"), ctypes.c_int()
answers = cuda.cuInit(0), cuda.cuDeviceGetCount(ctypes.byref(count))
if any(answers) or not count.value:
    sys.exit(f"CUDA answers {answers} and {count.value} devices")
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "path",
        metavar="PATH",
        nargs="?",
        type=Path,
        default=Path(),
        help="config or its directory, or a marked test (default: here)",
    )
    parser.add_argument("--executor", metavar="NAME", help="where experiments will run: local or ray (default: as set)")
    parser.add_argument("--address", metavar="auto|HOST:PORT", help="the Ray cluster of --executor ray")
    parser.add_argument("--no-run", action="store_true", help="look only: do not try the run and the guards")
    parser.add_argument("--estimate", action="store_true", help="also say what a night will bring, and cost")
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")


def run(args: argparse.Namespace) -> int:
    """0: ``pytest --autoresearch`` would work; 1: something keeps it from working."""
    with tempfile.TemporaryDirectory(prefix="autoresearch-doctor-") as scratch:
        from pytest_autoresearch.lab.sandbox import choose

        choice = choose("auto", scratch=Path(scratch), repository=repository_around(args.path))
        said = {"executor": args.executor, "address": args.address}
        findings = list(
            examine(args.path, os.environ, choice, Path(scratch), said, tries=not args.no_run, estimates=args.estimate)
        )
    ready = all(finding.health is not Health.BAD for finding in findings)
    if args.json:
        answer = {"ready": ready, "isolation": choice.level, "findings": [asdict(finding) for finding in findings]}
        print(json.dumps(answer, indent=1, ensure_ascii=False))
    else:
        print("\n".join(_shown(findings, ready=ready)))
    return 0 if ready else 1


def examine(
    path: Path,
    environ: Mapping[str, str],
    choice: Choice,
    scratch: Path,
    said: Mapping[str, str | None] | None = None,
    *,
    tries: bool = False,
    estimates: bool = False,
) -> Iterator[Finding]:
    """Everything worth knowing, what a session needs first. ``path`` is the config or the directory it is for.

    ``said`` are options by name, as on the command line. ``tries``: the protocol is run once, for a minute at most.
    ``estimates``: what a night will bring is told too.
    """
    yield from _software(repository_around(path))
    yield _isolation(choice)
    yield _disk()
    yield from _here(path, environ, choice, said or {}, tries=tries, estimates=estimates)
    yield from _agents(environ, repository_around(path))
    yield from _gpus(environ, choice, scratch)
    yield from _github(path, environ)


def _software(repository: Path) -> Iterator[Finding]:
    names = ("pytest-autoresearch", "pytest", "pytest-timeout", "GitPython")
    versions = ", ".join(f"{name} {version(name)}" for name in names)
    if os.name == "posix":
        yield Finding("python", Health.OK, f"{platform.python_version()} on {platform.system()}; {versions}")
    else:
        remedy = "use a Linux machine, a container, or the Windows Subsystem for Linux"
        yield Finding("python", Health.BAD, f"{platform.system()} is not supported", remedy)
    for program, remedy in (("git", "install git"), ("bash", "install bash; commands run as `bash -c`")):
        said = _version(program, repository)
        yield Finding(program, Health.BAD if said is None else Health.OK, said or "not on PATH", "" if said else remedy)


def _isolation(choice: Choice) -> Finding:
    best = not choice.refused
    words = {
        "bwrap": "runs see only what they need",
        "landlock": "runs are kept from other files, the network and other processes; read-only files are checked",
        "process": "runs are ended with all they started, but files, network and other processes are open to them",
    }
    text = f"level {choice.level}: {words[choice.level]}"
    return Finding("isolation", Health.OK if best else Health.NOTE, text, "\n".join(choice.refused))


def _disk() -> Finding:
    from pytest_autoresearch.lab.space import LEAST_SPACE

    cache = workspaces().parent
    place = next(path for path in (cache, *cache.parents) if path.exists())
    remedy = "set XDG_CACHE_HOME to a directory that can be written and has space"
    if not os.access(place, os.W_OK | os.X_OK):
        return Finding("disk", Health.BAD, f"{place} can not be written", remedy)
    free = shutil.disk_usage(place).free
    text = f"{free / 1024**3:.1f} GB free for workspaces in {cache}"
    return Finding("disk", Health.OK, text) if free >= LEAST_SPACE else Finding("disk", Health.BAD, text, remedy)


def _here(
    path: Path,
    environ: Mapping[str, str],
    choice: Choice,
    said: Mapping[str, str | None],
    *,
    tries: bool,
    estimates: bool,
) -> Iterator[Finding]:
    """Whether the protocol at ``path``, if there is one, can be run with what there is."""
    from pytest_autoresearch.agents.base import AgentSettings
    from pytest_autoresearch.agents.registry import create, describe
    from pytest_autoresearch.commands.asking import file_of, names_a_test, protocol_at
    from pytest_autoresearch.commands.nodes import offered
    from pytest_autoresearch.notebook.git import Git
    from pytest_autoresearch.protocol.discover import CONFIG
    from pytest_autoresearch.protocol.model import Options
    from pytest_autoresearch.protocol.scope import resolve_paths
    from pytest_autoresearch.protocol.settings import resolve

    config = path / CONFIG if path.is_dir() else path
    is_test = names_a_test(path)
    if not is_test and not config.exists():
        health = Health.NOTE if path.is_dir() else Health.BAD  # a directory may hold marked tests
        yield Finding("protocol", health, f"there is no {config}", "`pytest-autoresearch init` writes one")
        if said.get("executor") == "ray":
            yield from offered(Options(), resolve(said, environ, Options(), {}))
        return
    try:
        with Git.discover((file_of(path) if is_test else config).absolute().parent) as git:
            protocol, ini = protocol_at(path if is_test else config, git.top)
            scope = resolve_paths(protocol, git.files("HEAD").keys())
            settings = resolve(said, environ, protocol.options, ini)
        builtin = {name.partition(":")[0] for name in describe()}
        for name in settings.agents:
            if name.partition(":")[0] in builtin:  # of the others only their plugin knows
                create(AgentSettings(name, pass_env=settings.agent_env), lambda **_: None)
    except AutoresearchError as error:
        what, _, remedy = str(error).partition("\n")
        yield Finding("protocol", Health.BAD, what, remedy.strip())
        return
    targets = f"{len(scope.targets)} target file{'' if len(scope.targets) == 1 else 's'}"
    agents = ", ".join(settings.agents)
    yield Finding("protocol", Health.OK, f"{config}: {protocol.metric.name}, {targets}, agent {agents}")
    if settings.executor == "ray":
        yield from offered(protocol.options, settings)
    took = yield from _tried(protocol, git.top, settings, choice, tries=tries)
    if estimates:
        yield _estimate(protocol, git.top, settings, took)


def _tried(
    protocol: Protocol, top: Path, settings: Settings, choice: Choice, *, tries: bool
) -> Generator[Finding, None, float | None]:
    """Whether one run works here; returns its seconds, None where there was none."""
    took: float | None = None
    if settings.isolation == "strict" and choice.level != "bwrap":
        text = "it asks for isolation strict, which this machine does not give"
        yield Finding("protocol", Health.BAD, text, choice.refused[0])
    elif tries:
        from pytest_autoresearch.commands.trying import trouble

        failed, told, loaded, took = trouble(protocol, top, settings)
        yield Finding("run", Health.BAD, failed, told) if failed else Finding("run", Health.OK, told)
        if loaded:
            text = f"the run leaves {', '.join(loaded)}, which runs code of the run when it is loaded"
            remedy = "an extract command that loads it prints what the run likes: leave JSON, or arrays without objects"
            yield Finding("grader", Health.NOTE, text, remedy)
    return took


def _estimate(protocol: Protocol, top: Path, settings: Settings, run: float | None) -> Finding:
    """What a night will bring, as far as it is known, and what would tell more."""
    from pytest_autoresearch.notebook.git import Git
    from pytest_autoresearch.research.estimating import estimate_for

    with Git.discover(top) as git:
        told = estimate_for(git, protocol, settings, run=run)
    unknown = "\n".join(f"not known: {each}" for each in told.unknown)
    return Finding("estimate", Health.OK, f"{told.line or 'nothing is known yet'} (from {told.source})", unknown)


def _agents(environ: Mapping[str, str], repository: Path) -> Iterator[Finding]:
    """The coding agents on PATH, and whether they have a key. The embedded ones are always there."""
    from pytest_autoresearch.agents.adapters import ADAPTERS

    missing = [] if find_spec("optuna") else ["bayes (pip install 'pytest-autoresearch[optuna]')"]
    for name, adapter in ADAPTERS.items():
        said = _version(adapter.program, repository)
        if said is None:
            missing.append(name)
            continue
        keys = [variable for variable in adapter.variables if environ.get(variable)]
        remedy = "" if keys else f"to use it, set one of {', '.join(adapter.variables)}"
        words = f"{said}, with {', '.join(keys)}" if keys else f"{said}, no key in the environment"
        yield Finding(f"agent {name}", Health.OK if keys else Health.NOTE, words, remedy)
    text = "auto, sweep, grid, random and command:PROGRAM need nothing"
    others = f"not installed: {', '.join(missing)}" if missing else ""
    yield Finding("agents", Health.OK, text, others)


def _gpus(environ: Mapping[str, str], choice: Choice, scratch: Path) -> Iterator[Finding]:
    from pytest_autoresearch.lab.gpus import find_gpus

    gpus = find_gpus(environ, {})
    if gpus is None:
        if any(Path("/dev").glob("nvidia[0-9]*")):
            remedy = "pip install pytest-autoresearch[gpu]; without it runs share the GPUs unchecked"
            yield Finding("gpu", Health.NOTE, "there are NVIDIA devices, but they can not be asked", remedy)
        else:
            yield Finding("gpu", Health.OK, "none")
        return
    for gpu in gpus.all:
        yield Finding("gpu", Health.OK, f"{gpu.name}, {gpu.uuid}")
    trouble = cuda_trouble(gpus, choice, scratch)
    if trouble is None:
        yield Finding("cuda", Health.OK, f"starts inside the sandbox at level {choice.level}")
    else:
        remedy = "runs would compute on the CPU; see that `nvidia-smi` works, or use --autoresearch-isolation none"
        yield Finding("cuda", Health.BAD, f"does not start inside the sandbox: {trouble}", remedy)


def cuda_trouble(gpus: Gpus, choice: Choice, scratch: Path) -> str | None:
    """Why a confined run could not compute on a GPU, None if it can. Frameworks fall back to the CPU in silence."""
    from pytest_autoresearch.lab.command import Command
    from pytest_autoresearch.lab.environment import base_environment
    from pytest_autoresearch.lab.process import execute
    from pytest_autoresearch.lab.telling import telling_line
    from pytest_autoresearch.lab.view import View

    place, bench = scratch / "cuda", scratch / "workspace"
    place.mkdir()
    bench.mkdir()
    with gpus.hold(lambda _: None) as held, gpus.lease(held, lambda _: None) as lease:
        base = base_environment(os.environ, interpreter_bin=Path(sys.executable).parent, top=bench, network=False)
        environment = {**base, **lease.environment}
        command = Command((sys.executable, "-c", _ASK_CUDA), bench, environment, timeout=CUDA_TIMEOUT)
        view = View(workspace=bench, shown_at=bench, scratch=place, devices=lease.devices, described=lease.described)
        with choice.sandbox.wrap(command, view) as confined:
            outcome = execute(confined)
    return None if outcome.exit_code == 0 else telling_line(outcome.stdout) or outcome.detail or outcome.ending.value


def _github(path: Path, environ: Mapping[str, str]) -> Iterator[Finding]:
    """What publishing needs. Names of variables only, never a value."""
    token = next((name for name in ("GITHUB_TOKEN", "GH_TOKEN") if environ.get(name)), None)
    directory = path if path.is_dir() else path.parent
    around = repository_around(directory)
    git = find("git", around)
    asked = git and _output([str(git), "-C", str(directory.absolute()), "remote", "get-url", "origin"], around)
    remote = asked or "no remote named origin"
    where = remote.rpartition("@")[2] if "://" in remote else remote  # without credentials in the address
    if token is None:
        remedy = "to publish, set GITHUB_TOKEN to a token with contents: write and pull-requests: write"
        yield Finding("github", Health.OK, f"{where}; no token", remedy)
        return
    remedy = ""
    if environ.get("GITHUB_ACTIONS"):
        remedy = (
            "the repository must let Actions open pull requests: Settings, Actions, General, Workflow permissions,\n"
            "`Allow GitHub Actions to create and approve pull requests`"
        )
    yield Finding("github", Health.OK, f"{where}; token in {token}", remedy)


def _version(program: str, repository: Path) -> str | None:
    """The first line of ``PROGRAM --version``, None if the program is not there. Nothing in the repository is asked."""
    found = find(program, repository)
    if found is None:
        return f"{program}, in the repository" if find(program) else None
    return (_output([str(found), "--version"], repository) or f"{program}, which does not tell its version").split(
        "\n"
    )[0]


def _output(command: list[str], repository: Path) -> str:
    with tempfile.TemporaryDirectory() as home:
        env = {**surroundings(repository), "HOME": home}  # a program may be a script, which looks for its own
        try:
            done = subprocess.run(
                command,
                cwd=NEUTRAL,
                env=env,
                capture_output=True,
                text=True,
                timeout=VERSION_TIMEOUT,
                stdin=subprocess.DEVNULL,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError):
            return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _shown(findings: list[Finding], *, ready: bool) -> Iterator[str]:
    room = max(len(finding.topic) for finding in findings)
    width = shutil.get_terminal_size((0, 0)).columns
    for finding in findings:
        mark = {Health.OK: "  ", Health.NOTE: "- ", Health.BAD: "! "}[finding.health]
        yield from hung(f"{mark}{finding.topic:{room}}  ", finding.text, width)
        for line in finding.remedy.splitlines():
            yield from hung(f"  {'':{room}}  ", line, width)
    yield ""
    if not ready:
        yield "pytest --autoresearch would not work: see the lines marked !"
    elif any(finding.topic == "protocol" and finding.health is Health.NOTE for finding in findings):
        yield "pytest --autoresearch would work here, given a protocol"
    else:
        yield "pytest --autoresearch would work here"
