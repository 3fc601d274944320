"""Opens a session: from a protocol and settings to locked, resumed, ready parts; and closes them whatever happens."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from pytest_autoresearch.agents.base import Agent, AgentSettings
from pytest_autoresearch.agents.registry import create
from pytest_autoresearch.errors import LabError, PlaceLost
from pytest_autoresearch.judge import Judge, JudgeSettings, JudgeState
from pytest_autoresearch.lab.job import Site
from pytest_autoresearch.lab.sandbox import Choice, choose
from pytest_autoresearch.lab.station import Station, limits_hosts
from pytest_autoresearch.notebook import steering
from pytest_autoresearch.notebook.chain import read_history
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.notebook.ledger import Notebook, sessions, state_directory
from pytest_autoresearch.notebook.results import table_path
from pytest_autoresearch.notebook.tags import locate
from pytest_autoresearch.protocol.experiment import Place
from pytest_autoresearch.protocol.markdown import load
from pytest_autoresearch.protocol.model import Protocol
from pytest_autoresearch.protocol.scope import Scope
from pytest_autoresearch.protocol.serialise import from_json
from pytest_autoresearch.protocol.settings import Settings, resolve
from pytest_autoresearch.report.terminal import Opening
from pytest_autoresearch.research.admission import admitted
from pytest_autoresearch.research.beginning import new_session, tag_of
from pytest_autoresearch.research.candidate import Drafts
from pytest_autoresearch.research.desk import Desks
from pytest_autoresearch.research.equipping import NoPlugins, at_site, lanes
from pytest_autoresearch.research.estimating import estimate_for
from pytest_autoresearch.research.fleet import mustered
from pytest_autoresearch.research.listening import Listening, observers
from pytest_autoresearch.research.memory import reasons_gone
from pytest_autoresearch.research.parts import Parts
from pytest_autoresearch.research.proposing import reached_by
from pytest_autoresearch.research.session import Research
from pytest_autoresearch.research.slots import Lane, Slots
from pytest_autoresearch.research.trying import Guard
from pytest_autoresearch.research.watch import Watch

FRESH = timedelta(hours=1)  # levels measured longer ago are not compared with; the machine may have changed its mind


@contextmanager
def opened(protocol: Protocol, git: Git, settings: Settings, *, hook: Any, watch: Watch) -> Iterator[Research]:
    """One session, locked by this process. Raises AutoresearchError for everything the user has to mend."""
    known = sessions(git)
    tag = tag_of(protocol, settings, known)
    begun = next((session for session in known if session.tag == tag), None)
    with ExitStack() as stack:
        fleet = stack.enter_context(mustered(protocol, settings, hook, state=state_directory(git, tag).parent))
        session = begun or new_session(git, protocol, settings, tag, fleet.slots)
        scope = admitted(protocol, git, settings, session, fleet.slots, watch, is_new=begun is None)
        notebook = stack.enter_context(_notebook(git, tag, protocol, watch))
        site = stack.enter_context(at_site(protocol, git, settings, tag=tag, scope=scope))
        site = replace(site, devices=_devices_before(notebook), said=state_directory(git, tag))
        choice = choose(site.isolation, scratch=site.scratch, repository=site.top)
        lane = stack.enter_context(lanes(site, fleet, watch, partial(_fitted, notebook)))
        first = lane(0)
        drafts = _drafts(protocol, git, scope, session.start, notebook)
        desks = stack.enter_context(
            closing(_desks(site, choice, scope, drafts, git, settings, lambda *asked: slots.first.guard(*asked)))
        )
        others, spare = partial(_others, lane, fleet.slots, watch), partial(_spare, lane, count(fleet.slots), watch)
        slots = stack.enter_context(closing(Slots(first, others, desks, watch, spare)))
        if notebook.history.experiments:
            slots.complete()
        state = state_directory(git, tag)
        steering.begin_anew(state)
        judge, compares = _judge(protocol, settings, notebook, slots.places, max(fleet.slots, session.workers))
        agent = partial(_agent, settings=settings, hook=hook, limits_hosts=limits_hosts(choice))
        yield Research(
            Parts(
                protocol=protocol,
                settings=settings,
                scope=scope,
                session=session,
                git=git,
                notebook=notebook,
                slots=slots,
                drafts=drafts,
                judge=judge,
                compares=compares,
                agents=[agent(name) for name in settings.agents],
                reviewer=None if settings.review is None else agent(settings.review),
                isolation=choice.level,
                watch=watch,
                told=observers(hook, notebook, watch),
                told_by_people=Listening(protocol, git.top, state, watch).told,
                stop_requested=lambda: steering.stop_requested(state),
                paused=lambda: steering.paused(state),
            )
        )


def _drafts(protocol: Protocol, git: Git, scope: Scope, start: str, notebook: Notebook) -> Drafts:
    forgiven = [each.number for each, _ in reasons_gone(protocol, notebook.history.experiments)]
    return Drafts(git, scope, start, notebook.history.experiments, forgiven)


def _desks(
    site: Site, choice: Choice, scope: Scope, drafts: Drafts, git: Git, settings: Settings, guard: Guard
) -> Desks:
    """Where agents work; what they try is run on the first slot."""
    return Desks(
        lambda number: Station(site, choice, f"desk-{number}"),
        targets=scope.targets,
        blob_id=git.blob_id,
        tried=drafts.was_tried,
        deadline=settings.agent_deadline,
        guard=guard,
    )


def _others(lane: Callable[[int], Lane], workers: int, watch: Watch) -> Iterator[Lane]:
    """The slots beside the first one, but for those whose place is gone as they are opened."""
    for number in range(1, workers):
        try:
            yield lane(number)
        except PlaceLost as lost:
            watch.remark(f"slot {number} is left out: {lost}")


def _spare(lane: Callable[[int], Lane], numbers: Iterator[int], watch: Watch) -> Lane | None:
    """A slot in the place of one that was lost."""
    try:
        return lane(next(numbers))
    except LabError as error:
        watch.remark(f"no slot in its place: {error}")
        return None


def _notebook(git: Git, tag: str, protocol: Protocol, watch: Watch) -> AbstractContextManager[Notebook]:
    table = table_path(git, protocol.source, tag)
    return Notebook.open(git, tag, table=table, metric=protocol.metric.name, say=watch.remark)


def _devices_before(notebook: Notebook) -> tuple[str, ...]:
    """The devices that the first slot had, so that it has them again."""
    place = notebook.judged.place if notebook.judged is not None else None
    return place.devices if place is not None and place.slot == 0 else ()


def _fitted(notebook: Notebook, site: Site) -> Site:
    """A site that knows what the baseline's runs were found to need and to rewrite."""
    runs = [run for each in notebook.history.experiments[:1] for run in each.measurements]
    granted = next((frozenset(run.granted) for run in runs if run.granted is not None), None)
    return replace(site, outputs=frozenset(path for run in runs for path in run.outputs), granted=granted)


def _judge(
    protocol: Protocol, settings: Settings, notebook: Notebook, places: Sequence[Place], workers: int
) -> tuple[Judge, bool]:
    """The judge as the ledger left it; at other places, or after an hour, it will measure the incumbent anew.

    Beside it, whether what was measured of a pending proposal still compares.
    """
    wanted = JudgeSettings(
        protocol.metric.direction,
        settings.judge,
        min_delta=protocol.metric.min_delta,
        workers=workers,
        paired=protocol.paired_seeds,
    )
    newest = notebook.judged
    if newest is None:
        return Judge(wanted), False
    begun = [pending for pending in notebook.pending.values() if pending.judge]
    states = [JudgeState.from_json(each) for each in (newest.judge, *(pending.judge for pending in begun))]
    state = max(states, key=lambda state: state.standing.clock)  # what is pending may have met one measured anew
    judge = Judge(wanted, replace(state, begun=None))
    judge.spend(max((pending.tests for pending in notebook.pending.values()), default=0))
    age = datetime.now(timezone.utc) - (newest.ended or datetime.min.replace(tzinfo=timezone.utc))
    where = next((run.place for pending in begun for run in pending.measurements[-1:] if run.place), None)
    is_here = any(newest.was_measured_at(place) for place in places) if where is None else where in places
    by_slot = {each.place.slot: each.place for each in notebook.history.experiments if each.place is not None}
    is_here = is_here and all(by_slot.get(place.slot, place) == place for place in places)
    compares = is_here and timedelta(0) <= age < FRESH
    if not compares:
        judge.recalibrate()
    return judge, compares


def _agent(name: str, settings: Settings, hook: Any, *, limits_hosts: bool) -> Agent:
    asked = AgentSettings(
        name=name,
        model=settings.model if name in settings.agents else None,
        args=settings.agent_args if name in settings.agents else (),
        pass_env=settings.agent_env,
        network=settings.agent_network,
        hosts=settings.agent_hosts,
        limits_hosts=limits_hosts,
        deadline=settings.agent_deadline,
        tries=settings.agent_try,
        prices=settings.prices,
    )
    return create(asked, hook.pytest_autoresearch_agent)


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
        dirty=parts.git.dirty(besides=parts.protocol.source or None),  # the config counts as it is in the checkout
        deselected=deselected,
        estimate=estimate_for(parts.git, parts.protocol, parts.settings, research.history).line,
        device=" ".join([parts.lab.device, *parts.place.devices]) if parts.place.devices else "",
    )


def _with_network(agent: Agent, parts: Parts) -> str:
    """The agent, and how far its network goes where it has a program of its own."""
    network = reached_by(agent, parts.isolation)
    if network == "yes" and parts.settings.agent_network in ("model", "no"):
        network = f"yes, since nothing here can hold it to {parts.settings.agent_network}"
    return f"{agent.name} (network: {network})" if network else agent.name
