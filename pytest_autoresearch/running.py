"""The run loop as pytest sees it: which sessions were selected, experiments as items, reports and exit codes."""

from __future__ import annotations

import gc
import os
import shlex
import signal
import threading
from collections.abc import Generator, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from pytest_autoresearch.errors import AutoresearchError, NotebookError
from pytest_autoresearch.items import RECORDED, ExperimentItem, Seed, Unkept, protocol_of, seeds_of
from pytest_autoresearch.marked import options_of_runs
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.notebook.record import History
from pytest_autoresearch.protocol.amounts import saturated
from pytest_autoresearch.protocol.discover import near_config
from pytest_autoresearch.protocol.experiment import Experiment, Status
from pytest_autoresearch.protocol.model import Options, Protocol
from pytest_autoresearch.protocol.scope import reguarded
from pytest_autoresearch.protocol.settings import OPTIONS, Settings, resolve
from pytest_autoresearch.report.screen import Screen
from pytest_autoresearch.report.story import story
from pytest_autoresearch.report.terminal import MARKUP, Ending, header_lines, nothing_lines, summary_lines
from pytest_autoresearch.report.words import experiment_words
from pytest_autoresearch.research.attending import Attending
from pytest_autoresearch.research.attributing import attribute_at_the_end
from pytest_autoresearch.research.baseline import refresh
from pytest_autoresearch.research.guarding import HeadIsRed
from pytest_autoresearch.research.loop import Ended, Loop
from pytest_autoresearch.research.opening import opened, opening_of
from pytest_autoresearch.research.session import Research
from pytest_autoresearch.research.verifying import is_verified, verify
from pytest_autoresearch.research.watch import Watchers

OUTCOMES = {
    Status.KEEP: ("kept", "K", "KEEP"),
    Status.DISCARD: ("discarded", "d", "DISCARD"),
    Status.CRASH: ("crashed", "C", "CRASH"),
}
PROVISIONAL = ("kept provisionally", "k", "KEEP?")
BASELINE = ("baseline", "B", "KEEP")  # counted for itself: it is no improvement

HARNESS_FAILED = "the harness failed"
HEAD_IS_RED = "a guard that was added fails on the head"
BROKEN = (HARNESS_FAILED, HEAD_IS_RED)  # after these nothing more is measured


@dataclass(frozen=True)
class Selected:
    """One session that this invocation runs."""

    seed: pytest.Item
    git: Git
    protocol: Protocol
    settings: Settings


class LoopPlugin:
    """Registered under ``--autoresearch`` only."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.screen = Screen(config)
        self.selected: list[Selected] = []
        self.deselected = 0
        self.latest: dict[str, Experiment] = {}  # by node id; reports get plain values only, so that they serialise
        self.provisional: list[int] = []  # numbers of this run's, when they were reported
        self.finished: list[tuple[History, Ending]] = []

    # Selection

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> Generator[None, object, object]:
        """Keep what starts a session, as collected; every protocol is read before the first one runs."""
        collected = {item: place for place, item in enumerate(items)}
        result = yield
        items.sort(key=lambda item: collected.get(item, 0))  # sessions run in path order, whatever shuffles tests
        with _usage_errors():
            settings = self._settings(Options())
            seeds = seeds_of(items, targets=bool(settings.targets))
            others = [item for item in items if item not in set(seeds)]
            if others:
                config.hook.pytest_deselected(items=others)
                self.deselected = len(others)
            items[:] = seeds
            self.selected = [self._select(seed, settings.targets) for seed in seeds]
            self._refuse_shared_tags()
        return result

    def _settings(self, said: Options) -> Settings:
        cli = {option.name: self.config.getoption(option.dest) for option in OPTIONS}
        ini = {option.name: self.config.getini(option.ini) for option in OPTIONS}
        return resolve(cli, os.environ, said, ini)

    def _select(self, seed: pytest.Item, targets: Sequence[str]) -> Selected:
        git = Git.discover(seed.path.parent)
        self.config.add_cleanup(git.close)
        protocol = protocol_of(seed, git, targets, self.config.invocation_params.dir)
        settings = self._settings(protocol.options)
        if settings.observers or settings.notify:
            from pytest_autoresearch.report.showing import check

            check(settings)
        if settings.guard:
            protocol = reguarded(protocol, settings.guard, base=self.config.invocation_params.dir, top=git.top)
        return Selected(seed, git, protocol, settings)

    def _refuse_shared_tags(self) -> None:
        """One tag is one session."""
        sources: dict[tuple[Path, str], str] = {}
        for selected in self.selected:
            tag, source = selected.settings.tag or selected.protocol.tag, selected.protocol.source
            other = source if tag is None else sources.setdefault((selected.git.top, tag), source)
            if other != source:
                raise AutoresearchError(
                    f"the tag {tag} names one session, but it is that of {other} and of {source}\n"
                    "  give each its own, or run them one at a time"
                )

    # The loop

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool | None:
        if session.testsfailed and not session.config.option.continue_on_collection_errors:
            return None  # pytest's own loop says why it stops
        if session.config.option.collectonly:
            return True
        session.items.clear()
        session.testscollected = 0
        _interrupt_once(session.config)
        self.screen.expect(category for category, _, _ in (BASELINE, *OUTCOMES.values(), PROVISIONAL))
        for selected in self.selected:
            self._run(session, selected)
        return True

    def _run(self, session: pytest.Session, selected: Selected) -> None:
        watchers = Watchers([self.screen])
        with (
            _usage_errors(),
            self._followed(selected, watchers),
            opened(
                selected.protocol,
                selected.git,
                selected.settings,
                hook=self.config.hook,
                watch=watchers,
            ) as research,
            self._shown(research, watchers) as lines,
        ):
            self.screen.lines([*header_lines(opening_of(research, self.deselected)), *lines])
            stopped = "interrupted"
            gc.freeze()  # what was made until here stays while this pytest does, which collects twice at its end
            gc.enable()  # the plugin's door has held it back
            try:
                stopped = self._experiments(session, selected.seed, research)
                if stopped not in BROKEN and research.history:
                    if not is_verified(research):
                        verify(research)
                    attribute_at_the_end(research)
            except AutoresearchError as error:
                stopped = HARNESS_FAILED
                self.screen.remark(str(error))
                session.shouldfail = HARNESS_FAILED
                raise session.Failed(HARNESS_FAILED) from None
            finally:
                self.screen.clear()
                self._finish(selected, research, stopped)

    def _followed(self, selected: Selected, watchers: Watchers) -> AbstractContextManager[None]:
        """Pushes while it runs and a job's page on GitHub, where they are wanted."""
        if not selected.settings.publish and os.environ.get("GITHUB_ACTIONS") != "true":
            return nullcontext()
        from pytest_autoresearch.github.live import live

        told = selected.git, selected.protocol, selected.settings, self.screen.remark
        return live(self.config, *told, join=watchers.join)

    @contextmanager
    def _shown(self, research: Research, watchers: Watchers) -> Iterator[Sequence[str]]:
        """What shows the session besides this terminal, and lines for the header that say where."""
        from pytest_autoresearch.report.showing import shown

        parts, settings, say = research.parts, research.settings, self.screen.remark
        with shown(parts.git, parts.session.tag, settings, lambda: parts.notebook.history, say) as showing:
            watchers.join(showing.lanes)
            for plugin in showing.plugins:
                self.config.pluginmanager.register(plugin)
            try:
                yield showing.lines
            finally:
                for plugin in showing.plugins:
                    self.config.pluginmanager.unregister(plugin)

    def _experiments(self, session: pytest.Session, seed: pytest.Item, research: Research) -> str:
        """Run experiments until there is a reason to stop, which is returned."""
        refresh(research)
        attending = Attending(research)
        loop = Loop(research, at_rest=attending.attend, awaited=attending.is_awaited)
        while (ended := loop.next()) is not None:
            item = ExperimentItem.grow(seed, research, ended)
            session.items[:] = [item]  # reporters look here; a night's worth of items is not kept
            session.testscollected += 1
            self.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
            if session.shouldfail:
                raise session.Failed(session.shouldfail)
            if session.shouldstop:
                raise session.Interrupted(session.shouldstop)
            if RECORDED not in item.stash:
                return _why_nothing_was_recorded(ended)
            self.screen.forget(_outcome(item.stash[RECORDED])[0])
            if _outcome(item.stash[RECORDED]) is PROVISIONAL:
                self.provisional.append(item.number)
            if item.number == 0 and (words := saturated(research.protocol.metric, item.stash[RECORDED].value)):
                self.screen.lines([f"  {words}"])
        return loop.stopped

    def _finish(self, selected: Selected, research: Research, stopped: str) -> None:
        if not research.history:
            return
        try:
            research.notebook.note("stop", stopped)
        except NotebookError as error:  # what has been achieved is told all the same
            self.screen.remark(str(error))
        for number in self.provisional:  # a group may have decided meanwhile
            self.screen.recount(PROVISIONAL[0], _outcome(research.notebook.history.at(number))[0])
        self.provisional.clear()
        session = research.parts.session
        ending = Ending(
            stopped=stopped,
            table=_shown(research.notebook.table),
            branch=f"autoresearch/{session.tag}",
            base=session.start,
            command=_resuming(selected, research.tally.experiments),
        )
        self.finished.append((research.notebook.history, ending))

    # Reports

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        experiment = item.stash.get(RECORDED, None)
        if call.when == "call" and experiment is not None:
            if experiment.started is not None and experiment.ended is not None:  # the item is made when it is over
                report.start, report.stop = experiment.started.timestamp(), experiment.ended.timestamp()
                report.duration = report.stop - report.start
            self.latest = {report.nodeid: experiment}
            if call.excinfo is not None and call.excinfo.errisinstance(Unkept):
                report.outcome = "skipped"
                report.wasxfail = f"{experiment.status.value}: {experiment_words(experiment)}"
                report.longrepr = None
        return report

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(self, report: pytest.TestReport) -> tuple[str, str, Any] | None:
        experiment = self.latest.get(report.nodeid)
        if experiment is None or report.when != "call":
            return None
        category, letter, word = _outcome(experiment)
        if self.screen.draws_rows:
            return category, "", ""  # the row says it
        shown = f"{word} {experiment_words(experiment)}" if experiment.kept else word
        return category, letter, (shown, MARKUP[experiment.status])

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        experiment = self.latest.get(report.nodeid)
        if experiment is not None and report.when == "call":
            (self.screen.row if self.screen.draws_rows else self.screen.further)(experiment)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter, exitstatus: int) -> None:
        if exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED and not self.selected:
            meant = near_config(self.config.invocation_params.dir)
            self.screen.lines([*nothing_lines(self.deselected), *([f"  {meant}"] if meant else [])])
        for history, ending in self.finished:
            terminalreporter.section(f"autoresearch/{history.session.tag}")
            summary = story(history)
            if summary is not None:
                self.screen.summary(summary_lines(summary, ending))

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """``--autoresearch-fail-on``: an ended loop that found nothing, or saw a crash, may be a failure."""
        if self.finished and session.exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED:
            session.exitstatus = pytest.ExitCode.OK  # a resumed session had a reason to stop before it began
        if session.exitstatus == pytest.ExitCode.OK and any(
            self._found_wanting(history) for history, _ in self.finished
        ):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def _found_wanting(self, history: History) -> bool:
        fail_on = self.selected[0].settings.fail_on
        if fail_on == "no-keep":
            return not history.proven
        return fail_on == "crash" and any(e.status is Status.CRASH for e in history.experiments)

    # pytest-timeout: our runs have their own deadline, and a timeout must never end the session

    @pytest.hookimpl(tryfirst=True, optionalhook=True)
    def pytest_timeout_set_timer(self, item: pytest.Item, settings: object) -> bool | None:
        return True if isinstance(item, ExperimentItem) else None

    @pytest.hookimpl(tryfirst=True, optionalhook=True)
    def pytest_timeout_cancel_timer(self, item: pytest.Item) -> bool | None:
        return True if isinstance(item, ExperimentItem) else None


def _why_nothing_was_recorded(ended: Ended) -> str:
    if ended.number == 0:
        return "the baseline failed"
    return HEAD_IS_RED if isinstance(ended.error, HeadIsRed) else HARNESS_FAILED


def _outcome(experiment: Experiment) -> tuple[str, str, str]:
    """What pytest counts the experiment as, and its letter and word."""
    if experiment.kept and experiment.provisional:
        return PROVISIONAL
    return OUTCOMES[experiment.status] if experiment.number else BASELINE


@contextmanager
def _usage_errors() -> Iterator[None]:
    """What the user has to mend ends the session with one message and exit code 4."""
    try:
        yield
    except AutoresearchError as error:
        raise pytest.UsageError(str(error)) from None


def _interrupt_once(config: pytest.Config) -> None:
    """SIGTERM ends the loop like Ctrl-C; further signals tear neither what is being written nor the summary."""
    if threading.current_thread() is not threading.main_thread():
        return

    def interrupt(signum: int, frame: FrameType | None) -> None:
        for name in before:
            signal.signal(name, signal.SIG_IGN)
        raise KeyboardInterrupt

    def restore() -> None:
        for name, handler in before.items():
            signal.signal(name, handler)

    before = {name: signal.getsignal(name) for name in (signal.SIGINT, signal.SIGTERM)}
    config.add_cleanup(restore)
    for name in before:
        signal.signal(name, interrupt)


def _resuming(selected: Selected, done: int) -> str:
    """What the user types to go on after ``done`` experiments: for the rest of them, or for as many again."""
    targets, seed = selected.settings.targets, selected.seed
    words = [_shown(selected.git.top / selected.protocol.source)]
    words += ["--autoresearch-targets", ",".join(targets)] if targets else []
    for option in OPTIONS:
        typed = seed.config.getoption(option.dest)
        if option.name == "experiments" and 0 < done < (selected.settings.experiments or 0):
            typed = str((selected.settings.experiments or 0) - done)  # what an interrupted session still owes
        words += [option.flag, typed] if typed is not None and option.name != "targets" else []
    words += [] if isinstance(seed, Seed) else options_of_runs(seed.config)
    return f"pytest --autoresearch {shlex.join(words)}"


def _shown(path: Path) -> str:
    """A path as the user would type it from here."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
