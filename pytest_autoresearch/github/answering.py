"""Carrying out what a reviewer asks for in a comment: at once where no session runs, else by the one that runs."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone

from pytest_autoresearch.errors import ConfigError, NotebookError, PublishError
from pytest_autoresearch.github.api import Api, Run
from pytest_autoresearch.github.going_on import inputs
from pytest_autoresearch.github.publish import Over, plan, publish, read_checked, refuse_over
from pytest_autoresearch.github.remote import Remote, tip
from pytest_autoresearch.notebook import hold, orders
from pytest_autoresearch.notebook.chain import branch_ref, metric_name, read_history
from pytest_autoresearch.notebook.drop import drop_keep
from pytest_autoresearch.notebook.export import find
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.notebook.ledger import Notebook
from pytest_autoresearch.notebook.orders import Answer, Order, Outcome
from pytest_autoresearch.notebook.record import History, Session
from pytest_autoresearch.notebook.results import table_path
from pytest_autoresearch.notebook.sync import Overtaken, fetch
from pytest_autoresearch.protocol.markdown import parse
from pytest_autoresearch.protocol.serialise import digests, to_json
from pytest_autoresearch.report.words import unproven_line
from pytest_autoresearch.research.attending import dropped_line
from pytest_autoresearch.research.beginning import MONTHS, refuse_changes

LOOP, VERIFY = "autoresearch.yml", "verify.yml"
ATTEMPTS = 5  # at a push that somebody else may win


@dataclass(frozen=True)
class Office:
    """Where orders are carried out. ``ref`` is the branch whose workflows are started."""

    git: Git
    remote: Remote
    api: Api
    tag: str
    ref: str

    def carry_out(self, order: Order) -> Answer:
        """Do it, hand it to the session that runs, or say why not. Raises AutoresearchError for what failed."""
        fetch(self.git, self.remote.name, self.tag, env=self.remote.env)
        try:
            history = read_history(self.git, self.tag)
        except NotebookError:
            return Answer(order.id, Outcome.REFUSED, f"no session {self.tag} was pushed to this repository")
        if (known := orders.answers(history).get(order.id)) is not None:  # a job that was started again
            return known
        if order.verb == "stop":
            return self._stop(order)
        branch = branch_ref(self.tag)[11:]
        try:
            refuse_over(self.api.find(branch), branch)
        except Over as error:
            return Answer(order.id, Outcome.REFUSED, str(error))
        who = self.at_work(order.verb)
        if who is not None:
            return self._hand_over(order, who)
        if order.verb == "drop":
            return self.drop(order)
        return self._verify(order, history) if order.verb == "verify" else self._go_on(order, history)

    def at_work(self, verb: str) -> str | None:
        """Who writes the session's ledger now and will see to an order, in words; None if nobody does."""
        holder = hold.holder(self.git, self.remote.name, self.tag, env=self.remote.env)
        if holder is not None and holder.lives:
            return holder.run or f"on {holder.host}"
        runs = self._runs(LOOP) or (self._runs(VERIFY) if verb == "drop" else [])
        return runs[0].address or runs[0].title if runs else None

    def drop(self, order: Order) -> Answer:
        """Take a keep out, push, and update the pull request. Who loses a race for the ledger begins again."""
        for attempt in range(ATTEMPTS):
            answer = self._drop_here(order)
            if answer.outcome is Outcome.REFUSED:
                return answer
            try:
                remarks = published_again(self.git, self.remote, self.api, self.tag)
                return replace(answer, text="\n".join([answer.text, *remarks]))
            except Overtaken:
                if attempt + 1 == ATTEMPTS:
                    raise
                fetch(self.git, self.remote.name, self.tag, env=self.remote.env)
        raise AssertionError("unreachable")

    def leftover(self, order: Order) -> Answer:
        """What becomes of an order that a session which has ended did not see."""
        if order.verb == "drop":
            return self.drop(order)
        if order.verb == "stop":
            return Answer(order.id, Outcome.DONE, "the session has ended")
        if (
            order.verb == "verify"
        ):  # the job that was to measure has ended too, or had no way to hand over what it found
            return Answer(order.id, Outcome.FAILED, "no measurement has come of it: see why in the job, then ask again")
        return Answer(order.id, Outcome.REFUSED, "the session ended before it read this: ask again")

    def _drop_here(self, order: Order) -> Answer:
        history = read_history(self.git, self.tag)
        table = table_path(self.git, history.session.source, self.tag)
        with Notebook.open(self.git, self.tag, table=table, metric=metric_name(history)) as notebook:
            try:
                why = f"asked for by {order.by} in review" if order.by else ""
                number = find(history, order.argument).number
                drop = drop_keep(notebook, number, why)
            except NotebookError as error:
                return Answer(order.id, Outcome.REFUSED, str(error))
            text = dropped_line(drop, len(notebook.history.keeps))
            text += "; the next session measures the new head"
            if drop.unproven:
                text += f" and proves again what was {unproven_line(drop.unproven)}"
            answer = Answer(order.id, Outcome.DONE, text)
            note = orders.answer_note(answer, datetime.now(timezone.utc))
            notebook.note(note.kind, note.text)
        return answer

    def _verify(self, order: Order, history: History) -> Answer:
        if not history.keeps:
            return Answer(order.id, Outcome.REFUSED, "nothing was kept, so there is nothing to verify")
        orders.hand_over(self.git, self.remote.name, self.tag, order, env=self.remote.env)
        run = self.api.dispatch(VERIFY, self.ref, {"tag": self.tag})
        return Answer(order.id, Outcome.ACCEPTED, f"{run or VERIFY} was started; what it finds will stand here")

    def _go_on(self, order: Order, history: History) -> Answer:
        if not int(order.argument):
            return Answer(order.id, Outcome.REFUSED, "0 experiments are none: name how many")
        try:
            told = inputs(history, int(order.argument))
            self._refuse_another_config(history.session)
        except (PublishError, ConfigError) as error:
            return Answer(order.id, Outcome.REFUSED, str(error))
        run = self.api.dispatch(LOOP, self.ref, told)
        with_what = ", ".join(f"{name} {value}" for name, value in told.items() if name != "tag")
        return Answer(order.id, Outcome.DONE, f"{run or LOOP} was started with {with_what}")

    def _refuse_another_config(self, session: Session) -> None:
        """ConfigError where the config that the workflow would find is not the one that the session began with.

        Both are read as they are committed: what an invocation was told beside the config is the workflow's affair.
        """
        at = tip(self.git, self.remote, self.ref)
        was = self.git.files(session.start).get(session.source)
        if at is None or was is None or not session.source.endswith(".md"):
            return
        now = self.git.files(at).get(session.source)
        if now is None:
            remedy = "put it back, or begin another session with another config"
            raise ConfigError(f"{self.ref} has it no more", file=session.source, remedy=remedy)
        began, found = (
            parse(self.git.read([blob])[blob].decode("utf-8", "replace"), file=session.source)
            for blob in (was.blob, now.blob)
        )
        refuse_changes(replace(session, protocol=to_json(began), digests=digests(began)), found)

    def _stop(self, order: Order) -> Answer:
        runs = self._runs(LOOP)
        for run in runs:  # the newest first: one that waits for the running one must not begin when that has ended
            self.api.cancel(run)
        if runs:
            where = ", ".join(run.address or str(run.number) for run in runs)
            return Answer(order.id, Outcome.DONE, f"cancelled: {where}; what is recorded is published")
        holder = hold.holder(self.git, self.remote.name, self.tag, env=self.remote.env)
        if holder is not None and holder.lives:
            return self._hand_over(order, f"on {holder.host}")
        return Answer(order.id, Outcome.REFUSED, "no session of this tag is running")

    def _hand_over(self, order: Order, who: str) -> Answer:
        orders.hand_over(self.git, self.remote.name, self.tag, order, env=self.remote.env)
        text = f"the session is running ({who}): it does this after its current experiment, or when it ends"
        return Answer(order.id, Outcome.ACCEPTED, text)

    def _runs(self, workflow: str) -> list[Run]:
        name = workflow.removesuffix(".yml")
        try:
            return [run for run in self.api.runs(workflow) if self._is_of(run, name)]
        except PublishError as error:
            if "HTTP 404" in str(error):  # a repository whose sessions run elsewhere has no such workflow
                return []
            raise

    def _is_of(self, run: Run, workflow: str) -> bool:
        """Whether a run is for this tag. One that began by schedule bears its number, and its tag is its day."""
        if run.title == f"{workflow} {self.tag}":
            return True
        return run.title == f"{workflow} {run.number}" and self.tag in scheduled_tags(run.began)


def scheduled_tags(began: str) -> Collection[str]:
    """The tags that a run which began then may have chosen; it may have waited over midnight."""
    try:
        day = datetime.fromisoformat(began.replace("Z", "+00:00")).astimezone(timezone.utc)
    except ValueError:
        return ()
    return [f"{MONTHS[d.month - 1]}{d.day:02d}" for d in (day, day + timedelta(days=1))]


def published_again(git: Git, remote: Remote, api: Api, tag: str) -> Sequence[str]:
    """Push what the ledger has now, and bring the pull request up to date; what a reviewer should know of that."""
    return publish(git, plan(git, read_checked(git, tag), remote), remote, api, keep_draft=True).remarks
