"""Opens a session: from a protocol and settings to locked, resumed, ready parts; and closes them whatever happens."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pytest_autoresearch.agents.base import Agent, AgentSettings
from pytest_autoresearch.agents.registry import create
from pytest_autoresearch.errors import ConfigError, LabError
from pytest_autoresearch.executables import workspaces
from pytest_autoresearch.judge import Judge, JudgeSettings, JudgeState
from pytest_autoresearch.lab.executors.local import LocalExecutor
from pytest_autoresearch.lab.job import Executor, Site
from pytest_autoresearch.lab.machine import machine_fingerprint, system_name
from pytest_autoresearch.lab.removal import remove_tree
from pytest_autoresearch.lab.sandbox import WEAK, choose
from pytest_autoresearch.notebook import steering
from pytest_autoresearch.notebook.chain import read_history
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.notebook.ledger import Notebook, sessions, state_directory
from pytest_autoresearch.notebook.record import History, Session
from pytest_autoresearch.notebook.results import table_path
from pytest_autoresearch.notebook.tags import locate
from pytest_autoresearch.protocol.experiment import Experiment, Place
from pytest_autoresearch.protocol.markdown import load
from pytest_autoresearch.protocol.model import Protocol
from pytest_autoresearch.protocol.scope import Scope
from pytest_autoresearch.protocol.serialise import digests, fixed, from_json, to_json
from pytest_autoresearch.protocol.settings import Settings, resolve
from pytest_autoresearch.report.terminal import Opening
from pytest_autoresearch.research.admission import refuse_visible_holdout, scope_of
from pytest_autoresearch.research.fitting import (
    refuse_misfit,
    refuse_missing_programs,
    refuse_unseen_scripts,
    surveyed,
    unread_code,
)
from pytest_autoresearch.research.loop import Research
from pytest_autoresearch.research.parts import Parts
from pytest_autoresearch.research.proposing import reached_by
from pytest_autoresearch.research.submodules import Submodules
from pytest_autoresearch.research.watch import Watch, waiting

LONGEST_SHOWN = 300  # characters of a setting that has changed
FRESH = timedelta(hours=1)  # levels measured longer ago are not compared with; the machine may have changed its mind
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


@contextmanager
def opened(protocol: Protocol, git: Git, settings: Settings, *, hook: Any, watch: Watch) -> Iterator[Research]:
    """One session, locked by this process. Raises AutoresearchError for everything the user has to mend."""
    with ExitStack() as stack:
        if settings.workers > 1:
            raise ConfigError("workers: this version runs one experiment at a time", remedy="leave it at 1")
        known = sessions(git)
        tag = _tag(protocol, settings, known)
        begun = next((session for session in known if session.tag == tag), None)
        session = begun or _new_session(git, protocol, settings, tag)
        _refuse_changes(session, protocol)
        refuse_visible_holdout(protocol, settings)
        tracked = git.files(session.start).keys()
        scope = scope_of(protocol, git, session.start)
        if begun is None:  # what has begun has shown that it works
            refuse_misfit(protocol, git, session.start, scope.targets)
        for file, why in unread_code(surveyed(protocol, git, session.start, scope.targets)):
            watch.remark(f"{file} is not read, neither for seeds nor for knobs: {why}")
        refuse_unseen_scripts(settings.agents, protocol, git.top, tracked)
        refuse_missing_programs(settings.agents, protocol, git.top)
        notebook = stack.enter_context(
            Notebook.open(
                git,
                tag,
                table=table_path(git, protocol.source, tag),
                metric=protocol.metric.name,
                say=watch.remark,
            )
        )
        before = notebook.judged.place if notebook.judged is not None else None
        lab = stack.enter_context(
            equipped(
                protocol,
                git,
                settings,
                tag=tag,
                scope=scope,
                hook=hook,
                outputs=_outputs(notebook),
                granted=_granted(notebook),
                devices=before.devices if before is not None else (),
            )
        )
        place = lab.occupy(waiting(watch))
        state = state_directory(git, tag)
        steering.begin_anew(state)

        yield Research(
            Parts(
                protocol=protocol,
                settings=settings,
                scope=scope,
                session=session,
                git=git,
                notebook=notebook,
                lab=lab,
                workspace=lab.workspace,
                judge=_judge(protocol, settings, notebook, place),
                agents=_agents(settings, hook, limits_hosts=lab.limits_hosts),
                place=place,
                watch=watch,
                told=_observers(hook, notebook, watch),
                told_by_people=_Listening(protocol, git.top, state, watch).told,
                stop_requested=lambda: steering.stop_requested(state),
                paused=lambda: steering.paused(state),
            )
        )


def _observers(hook: Any, notebook: Notebook, watch: Watch) -> Callable[[Experiment], None]:
    """Tells the plugins that look on of a recorded experiment."""

    def told(experiment: Experiment) -> None:
        try:
            hook.pytest_autoresearch_recorded(experiment=experiment, history=notebook.history)
        except Exception as error:  # an observer is a guest; the loop does not end for it
            watch.remark(f"a plugin's pytest_autoresearch_recorded failed: {type(error).__name__}: {error}")

    return told


@contextmanager
def equipped(
    protocol: Protocol,
    git: Git,
    settings: Settings,
    *,
    tag: str,
    scope: Scope,
    hook: Any,
    outputs: frozenset[str] = frozenset(),
    granted: frozenset[str] | None = None,
    devices: tuple[str, ...] = (),
) -> Iterator[Executor]:
    """The lab for one protocol: a scratch directory, the best sandbox there is, and the executor."""
    with _scratch(git, tag) as scratch, closing(Submodules(git)) as submodules:
        site = Site(
            top=git.top,
            scratch=scratch,
            tag=tag,
            protocol=protocol,
            read_blobs=submodules.read,
            expand=submodules.expanded,
            interpreter_bin=Path(sys.executable).parent,
            targets=frozenset(scope.targets),
            readonly=frozenset(scope.readonly),
            outputs=outputs,
            granted=granted,
            isolation=settings.isolation,
            machine=machine_fingerprint(),
            devices=devices,
        )
        with _executor(settings.executor, site, hook) as executor:
            yield executor


class NoPlugins:
    """The hooks where no pytest is: nobody answers."""

    def pytest_autoresearch_agent(self, settings: AgentSettings) -> None:
        """No third party's agent."""

    def pytest_autoresearch_executor(self, name: str, site: Site) -> None:
        """No third party's executor."""

    def pytest_autoresearch_recorded(self, experiment: Experiment, history: History) -> None:
        """No observer."""


@contextmanager
def reopened(path: Path, tag: str | None, *, watch: Watch) -> Iterator[Research]:
    """The session that ``tag`` names, else the newest of the config at ``path``, for a command around the loop."""
    located = locate(path, tag)
    with located.git as git:
        session = read_history(git, located.tag).session
        marked = "::" in session.source
        protocol = from_json(session.protocol) if marked else load(git.top / session.source, top=git.top)
        settings = resolve({"tag": located.tag}, os.environ, protocol.options, {})
        with opened(protocol, git, settings, hook=NoPlugins(), watch=watch) as research:
            yield research


class _Listening:
    """What people say while a session runs: hints, and edits of what the config tells the agents."""

    def __init__(self, protocol: Protocol, top: Path, state: Path, watch: Watch) -> None:
        self._protocol, self._top, self._state, self._watch = protocol, top, state, watch
        self._seen = self._stamp()

    def told(self) -> tuple[Protocol, Sequence[str]]:
        """The protocol with the goal, constraints, notes and further sections as they stand now, and the hints."""
        stamp = self._stamp()
        if stamp != self._seen:
            self._seen = stamp
            try:
                now = load(self._top / self._protocol.source, top=self._top)
            except ConfigError as error:
                self._watch.remark(f"the edited config can not be read, what it said before holds: {error}")
            else:
                self._protocol = replace(
                    self._protocol,
                    goal=now.goal,
                    constraints=now.constraints,
                    notes=now.notes,
                    extra_sections=now.extra_sections,
                )
        return self._protocol, [hint.text for hint in steering.hints(self._state)]

    def _stamp(self) -> tuple[int, int] | None:
        try:
            found = (self._top / self._protocol.source).stat()
        except OSError:  # a marked test's source is no path
            return None
        return found.st_mtime_ns, found.st_size


def opening_of(research: Research, deselected: int) -> Opening:
    """What the header tells of an opened session."""
    parts = research.parts
    return Opening(
        protocol=parts.protocol,
        tag=parts.session.tag,
        agent=", ".join(_with_network(agent, parts) for agent in parts.agents),
        judge=parts.settings.judge,
        isolation=parts.lab.isolation,
        isolation_why=parts.lab.refused,
        incumbent=parts.notebook.history.incumbent,
        experiments=len(research.history) - 1,
        dirty=parts.git.dirty(),
        deselected=deselected,
        device=" ".join([parts.lab.device, *parts.place.devices]) if parts.place.devices else "",
    )


def _with_network(agent: Agent, parts: Parts) -> str:
    """The agent, and how far its network goes where it has a program of its own."""
    network = reached_by(agent, parts.lab)
    if network == "yes" and parts.settings.agent_network in ("model", "no"):
        network = f"yes, since nothing here can hold it to {parts.settings.agent_network}"
    return f"{agent.name} (network: {network})" if network else agent.name


def _tag(protocol: Protocol, settings: Settings, known: Sequence[Session]) -> str:
    """The tag asked for, else the newest of this config, else the date the session begins."""
    asked = settings.tag or protocol.tag
    if asked is not None:
        return asked
    mine = [session for session in known if session.source == protocol.source]
    if mine:
        return max(mine, key=lambda session: session.started).tag
    today = datetime.now()
    date = f"{MONTHS[today.month - 1]}{today.day:02d}"
    taken = {session.tag for session in known}
    return next(tag for tag in (date, *(f"{date}-{n}" for n in range(2, len(taken) + 3))) if tag not in taken)


def _new_session(git: Git, protocol: Protocol, settings: Settings, tag: str) -> Session:
    return Session(
        tag=tag,
        source=protocol.source,
        start=git.head(),
        protocol=to_json(protocol),
        digests=digests(protocol),
        machine=machine_fingerprint(),
        versions={
            "pytest-autoresearch": version("pytest-autoresearch"),
            "pytest": version("pytest"),
            "python": platform.python_version(),
            "system": system_name(),
        },
        started=datetime.now(timezone.utc),
        seed=settings.seed,
    )


def _refuse_changes(session: Session, protocol: Protocol) -> None:
    """A session's numbers are comparable only while what they measure stays the same."""
    now = digests(protocol)
    changed = [name for name in now if now[name] != session.digests.get(name, now[name])]
    if changed:
        was, became = (_shown(fixed(each)[changed[0]]) for each in (from_json(session.protocol), protocol))
        raise ConfigError(
            f"{', '.join(changed)} changed since the session {session.tag} began, so its numbers do not compare\n"
            f"    {changed[0]} was:    {was}\n"
            f"    {changed[0]} is now: {became}",
            file=protocol.source,
            line=protocol.origins.get(changed[0]),
            remedy="undo the change, or begin another session: --autoresearch-tag NAME",
        )


def _shown(value: object) -> str:
    """A setting in one line."""
    text = " ".join(value.split()) if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST_SHOWN else text[: LONGEST_SHOWN - 1] + "…"


@contextmanager
def _scratch(git: Git, tag: str) -> Iterator[Path]:
    """A directory of this session alone, in the user's cache and never in the checkout; gone afterwards."""
    name = hashlib.sha256(str(git.common_dir).encode("utf-8", "surrogateescape")).hexdigest()[:12]
    scratch = workspaces() / f"{name}-{tag}"
    try:
        remove_tree(scratch)  # what a session that died has left; the lock says that it is not in use
        scratch.mkdir(parents=True, mode=0o700)
    except OSError as error:
        raise LabError(
            f"{scratch}: {error.strerror}\n  set XDG_CACHE_HOME to a directory that can be written"
        ) from None
    try:
        yield scratch
    finally:
        remove_tree(scratch)


@contextmanager
def _executor(name: str, site: Site, hook: Any) -> Iterator[Executor]:
    executor: Executor | None = hook.pytest_autoresearch_executor(name=name, site=site)
    if executor is None and name == "local":
        executor = LocalExecutor(site, choose(site.isolation, scratch=site.scratch, repository=site.top))
    if executor is None:
        raise LabError(f"executor {name!r} is unknown; `local` is built in, others come from plugins")
    try:
        if site.isolation == "strict" and executor.isolation in WEAK:
            raise LabError(f"isolation is strict, and the executor {name!r} gives {executor.isolation}\n  use another")
        yield executor
    finally:
        executor.close()


def _granted(notebook: Notebook) -> frozenset[str] | None:
    """What the baseline's extract command was found to need."""
    baseline = notebook.history.experiments[:1]
    return next(
        (frozenset(run.granted) for each in baseline for run in each.measurements if run.granted is not None), None
    )


def _outputs(notebook: Notebook) -> frozenset[str]:
    """What the baseline's runs were found to rewrite."""
    baseline = notebook.history.experiments[:1]
    return frozenset(path for each in baseline for run in each.measurements for path in run.outputs)


def _judge(protocol: Protocol, settings: Settings, notebook: Notebook, place: Place) -> Judge:
    """The judge as the ledger left it; at another place, or after an hour, it will measure the incumbent anew."""
    wanted = JudgeSettings(protocol.metric.direction, settings.judge, min_delta=protocol.metric.min_delta)
    newest, pending = notebook.judged, notebook.pending
    if newest is None:
        return Judge(wanted)
    measured = pending.judge if pending is not None and pending.judge else newest.judge
    judge = Judge(wanted, JudgeState.from_json(measured))
    age = datetime.now(timezone.utc) - (newest.ended or datetime.min.replace(tzinfo=timezone.utc))
    runs = pending.measurements if pending is not None and pending.judge else ()
    is_here = runs[-1].place == place if runs and runs[-1].place is not None else newest.was_measured_at(place)
    if not is_here or not timedelta(0) <= age < FRESH:
        judge.recalibrate()
    return judge


def _agents(settings: Settings, hook: Any, *, limits_hosts: bool) -> list[Agent]:
    return [
        create(
            AgentSettings(
                name=name,
                model=settings.model,
                args=settings.agent_args,
                pass_env=settings.agent_env,
                network=settings.agent_network,
                hosts=settings.agent_hosts,
                limits_hosts=limits_hosts,
                deadline=settings.agent_deadline,
                prices=settings.prices,
            ),
            hook.pytest_autoresearch_agent,
        )
        for name in settings.agents
    ]
