"""A fake GitHub, and a session in a repository with a bare origin."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.notebook.record import Session, Verification
from pytest_autoresearch.protocol.experiment import Measurement, Role
from pytest_autoresearch.protocol.markdown import load
from pytest_autoresearch.protocol.serialise import digests, to_json
from tests.conftest import CONFIG
from tests.github.fake_github import FakeGitHub, serving
from tests.notebook.conftest import room as room
from tests.notebook.diary import CONFIG as CONFIG_NAME
from tests.notebook.diary import NOW, Diary, git, new_repository


@pytest.fixture
def github() -> Iterator[FakeGitHub]:
    with serving() as fake:
        yield fake


class Work(Diary):
    """A diary whose session has the protocol of a real config."""

    def __enter__(self) -> Work:  # noqa: PYI034
        return self

    def reach(self, count: int) -> None:
        if self.notebook.session is None:
            protocol = load(self.root / CONFIG_NAME, top=self.root)
            self.notebook.begin_session(
                Session(
                    *(self.tag, CONFIG_NAME, self.git.head(), to_json(protocol), digests(protocol)),
                    *("machine", {"python": "3"}, NOW),
                    seed=7,
                )
            )
        super().reach(count)


def verify(repository: Git, *, gain: float) -> None:
    """Record a verification of the session."""
    runs = (Measurement(Role.INCUMBENT, 1.0),)
    with Work(repository.top) as work:
        history = work.notebook.history
        assert history.incumbent is not None
        start, head = history.session.start, history.incumbent.commit
        work.notebook.verification(Verification(start, head, runs, runs, gain, None, NOW))


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a bare origin and a clone that holds a session of two keeps in seven experiments."""
    place = tmp_path_factory.mktemp("finished")
    root = new_repository(place / "seed")
    for name, text in ((CONFIG_NAME, CONFIG), ("prepare.py", "offset = 1.0\n")):
        (root / name).write_text(text)
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "protocol")
    git(place, "clone", "-q", "--bare", str(root), "origin.git")
    git(place, "clone", "-q", str(place / "origin.git"), "clone")
    git(place / "clone", "remote", "set-url", "origin", "../origin.git")  # so that copies of both belong together
    with Work(place / "clone") as work:
        work.reach(8)
    return place


@pytest.fixture
def place(finished: Path, room: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, seen from a machine that is no runner."""
    for name in ("GITHUB_TOKEN", "GH_TOKEN", "GITHUB_ACTIONS", "GITHUB_RUN_ID", "GITHUB_SERVER_URL", "GITHUB_API_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GITHUB_REPOSITORY", "o/r")
    shutil.copytree(finished, room / "place", symlinks=True)
    return room / "place"


@pytest.fixture
def origin(place: Path) -> Path:
    """A bare repository that ``clone`` has as its origin."""
    return place / "origin.git"


@pytest.fixture
def clone(origin: Path) -> Path:
    """A checkout of ``origin`` in which no session was begun."""
    git(origin.parent, "clone", "-q", str(origin), "empty")
    return origin.parent / "empty"


@pytest.fixture
def repository(place: Path) -> Iterator[Git]:
    """The clone with the session."""
    with Git.discover(place / "clone") as opened:
        yield opened


@pytest.fixture
def key() -> str:
    """A private key as GitHub gives it."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    made = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    form = serialization.PrivateFormat.TraditionalOpenSSL
    return made.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()
