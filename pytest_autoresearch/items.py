"""Experiments as pytest items: what is collected, and what reporters see, made when an experiment has ended."""

from __future__ import annotations

import traceback
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_autoresearch.errors import AutoresearchError
from pytest_autoresearch.marked import is_benchmark, is_marked, leads, node_id, protocol_of_marked
from pytest_autoresearch.notebook.ledger import state_directory
from pytest_autoresearch.protocol.discover import CONFIG
from pytest_autoresearch.protocol.scope import retargeted

if TYPE_CHECKING:
    from pytest_autoresearch.notebook.git import Git
    from pytest_autoresearch.protocol.experiment import Experiment
    from pytest_autoresearch.protocol.model import Protocol
    from pytest_autoresearch.research.loop import Ended
    from pytest_autoresearch.research.session import Research

RECORDED = pytest.StashKey["Experiment"]()


class Unkept(Exception):
    """Ends an item whose experiment was discarded or crashed; the report shows it as an expected failure."""

    def __init__(self, experiment: Experiment) -> None:
        super().__init__(experiment.reason.value)
        self.experiment = experiment


def choose_arguments(config: pytest.Config) -> None:
    """Without an argument the config here, else the one in rootdir, is meant and nothing else."""
    here = config.invocation_params.dir
    _give_back_what_is_no_port(config)
    if config.args_source is not config.ArgsSource.ARGS:
        found = next((path for path in (here / CONFIG, config.rootpath / CONFIG) if path.exists()), None)
        if found is not None:
            config.args[:] = [str(found)]
    for argument in config.args:
        path = here / argument.partition("::")[0]
        if path.suffix == ".md" and path.name != CONFIG and path.is_file():
            raise pytest.UsageError(f"{argument}: a config is called {CONFIG}, or it is no session's; rename it")
        for found in (path, path / CONFIG):
            if found.name == CONFIG and found.is_dir():  # pytest would look inside and find nothing
                raise pytest.UsageError(f"{found}: is a directory; it must be a file, see `pytest-autoresearch init`")


def _give_back_what_is_no_port(config: pytest.Config) -> None:
    """``--autoresearch-live PATH`` means the page without a port, and the path."""
    said = config.getoption("autoresearch_live")
    if said is not None and (config.invocation_params.dir / said.partition("::")[0]).exists() and not said.isdecimal():
        config.option.autoresearch_live = "yes"
        if config.args_source is not config.ArgsSource.ARGS:
            config.args.clear()
            config.args_source = config.ArgsSource.ARGS
        config.args.insert(0, said)


class ConfigFile(pytest.File):
    """An autoresearch.config.md; collects into one session."""

    def collect(self) -> Iterable[pytest.Item]:
        yield Seed.from_parent(self, name="experiment")


class Seed(pytest.Item):
    """What collection sees of a config's session; the loop grows its experiments from it."""

    def runtest(self) -> None:  # pragma: no cover - the loop runs experiments, never the seed
        raise AssertionError("a seed is not run")

    def reportinfo(self) -> tuple[Path, int | None, str]:
        return self.path, None, self.name


class ExperimentItem(pytest.Item):
    """One experiment that has ended. Running it says how."""

    def __init__(self, *, research: Research, ended: Ended, line: int | None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._research, self._ended, self._line = research, ended, line
        self.number = ended.number

    @classmethod
    def grow(cls, seed: pytest.Item, research: Research, ended: Ended) -> ExperimentItem:
        """The item of an experiment, shown where the seed was collected.

        Its parent is the session: the seed's module and classes are set up where the body runs, not here.
        """
        label = "baseline" if ended.number == 0 else f"{ended.number:04d}"
        nodeid = seed.nodeid if isinstance(seed, Seed) else node_id(seed)
        item: ExperimentItem = cls.from_parent(
            seed.session,
            name=f"{nodeid.rpartition('::')[2]}[{label}]",
            nodeid=f"{nodeid}[{label}]",
            path=seed.path,
            research=research,
            ended=ended,
            line=seed.location[1],
        )
        item.add_marker(pytest.mark.timeout(research.runs.deadline))
        return item

    def runtest(self) -> None:
        if self._ended.error is not None:
            raise self._ended.error
        experiment = self._ended.experiment
        assert experiment is not None
        self.stash[RECORDED] = experiment
        self.user_properties.extend(_properties(experiment, self._research.protocol.metric.name))
        if not experiment.kept:
            raise Unkept(experiment)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> str:
        """One message for what the user can mend; a bug of ours is said to be one, with its traceback in a file."""
        if isinstance(excinfo.value, (AutoresearchError, Unkept)):
            return str(excinfo.value)
        parts, told = self._research.parts, "".join(traceback.format_exception(excinfo.value))
        report = state_directory(parts.git, parts.session.tag) / "bug.txt"
        try:
            report.write_text(told, encoding="utf-8", errors="backslashreplace")
            where = str(report)
        except OSError:  # a full disk may be what it is about
            where = f"this:\n{told}"
        return (
            f"a bug of pytest-autoresearch: {type(excinfo.value).__name__}: {excinfo.value}\n"
            f"every finished experiment is recorded; please report it with {where}"
        )

    def reportinfo(self) -> tuple[Path, int | None, str]:
        return self.path, self._line, self.name


def _properties(experiment: Experiment, metric: str) -> Iterator[tuple[str, object]]:
    yield "autoresearch_number", experiment.number
    yield "autoresearch_commit", experiment.commit
    yield "autoresearch_metric", metric
    yield metric, experiment.value
    yield "autoresearch_status", experiment.status.value
    yield "autoresearch_reason", experiment.reason.value
    if experiment.started is not None and experiment.ended is not None:
        yield "autoresearch_duration", (experiment.ended - experiment.started).total_seconds()


def seeds_of(items: Sequence[pytest.Item], *, targets: bool) -> list[pytest.Item]:
    """The collected items that start a session: configs and marked tests.

    Where there is neither, a benchmark test may do without a marker if the command line names the ``targets``.
    """
    seeds = [item for item in items if isinstance(item, Seed) or is_marked(item)]
    benchmarks = [item for item in items if is_benchmark(item)]
    if benchmarks and not seeds:
        if not targets:
            raise AutoresearchError(
                f"{benchmarks[0].nodeid} is not marked, and nothing says which files may change\n"
                "  name them: --autoresearch-targets FILES, or mark the test with @pytest.mark.autoresearch(…)"
            )
        seeds = benchmarks
    return leads(seeds)


def protocol_of(seed: pytest.Item, git: Git, targets: Sequence[str], base: Path) -> Protocol:
    """The protocol of a collected item; ConfigError when it makes no sense.

    ``targets``, where there are any, are instead of its own; they are relative to ``base``.
    """
    if isinstance(seed, Seed):
        from pytest_autoresearch.protocol.markdown import load

        protocol = load(seed.path, top=git.top)
    else:
        protocol = protocol_of_marked(seed, git.top, targets)
    return retargeted(protocol, targets, base=base, top=git.top) if targets else protocol
