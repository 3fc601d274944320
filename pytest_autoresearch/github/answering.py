"""Carrying out what a reviewer asks for in a comment: at once where no session runs, else by the one that runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone

from pytest_autoresearch.errors import NotebookError, PublishError
from pytest_autoresearch.github.api import Api, Run
from pytest_autoresearch.github.going_on import inputs
from pytest_autoresearch.github.publish import plan, publish, read_checked
from pytest_autoresearch.github.remote import Remote
from pytest_autoresearch.notebook import hold, orders
from pytest_autoresearch.notebook.chain import metric_name, read_history
from pytest_autoresearch.notebook.drop import drop_keep
from pytest_autoresearch.notebook.export import find
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.notebook.ledger import Notebook
from pytest_autoresearch.notebook.orders import Answer, Order, Outcome
from pytest_autoresearch.notebook.record import History
from pytest_autoresearch.notebook.results import table_path
from pytest_autoresearch.notebook.sync import Overtaken, fetch
from pytest_autoresearch.research.attending import dropped_line

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
        if order.verb == "stop":
            return self._stop(order)
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
        return Answer(order.id, Outcome.REFUSED, "the session ended before it read this: ask again")

    def _drop_here(self, order: Order) -> Answer:
        history = read_history(self.git, self.tag)
        table = table_path(self.git, history.session.source, self.tag)
        with Notebook.open(self.git, self.tag, table=table, metric=metric_name(history)) as notebook:
            try:
                why = f"asked for by {order.by} in review" if order.by else ""
                number = find(history, order.argument).number
                moved = drop_keep(notebook, number, why).moved
            except NotebookError as error:
                return Answer(order.id, Outcome.REFUSED, str(error))
            text = dropped_line(number, moved, len(notebook.history.keeps))
            answer = Answer(order.id, Outcome.DONE, f"{text}; the next session measures the new head")
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
        try:
            told = inputs(history, int(order.argument))
        except PublishError as error:
            return Answer(order.id, Outcome.REFUSED, str(error))
        run = self.api.dispatch(LOOP, self.ref, told)
        with_what = ", ".join(f"{name} {value}" for name, value in told.items() if name != "tag")
        return Answer(order.id, Outcome.DONE, f"{run or LOOP} was started with {with_what}")

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
        title = f"{workflow.removesuffix('.yml')} {self.tag}"
        try:
            return [run for run in self.api.runs(workflow) if run.title == title]
        except PublishError as error:
            if "HTTP 404" in str(error):  # a repository whose sessions run elsewhere has no such workflow
                return []
            raise


def published_again(git: Git, remote: Remote, api: Api, tag: str) -> Sequence[str]:
    """Push what the ledger has now, and bring the pull request up to date; what a reviewer should know of that."""
    return publish(git, plan(git, read_checked(git, tag), remote), remote, api, keep_draft=True).remarks
