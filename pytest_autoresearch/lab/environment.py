"""The environment of what is run: named variables of the supervisor's, the protocol's own, and the contract's. Pure."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from pytest_autoresearch.executables import workspaces
from pytest_autoresearch.lab.toolchains import VARIABLES

_ALLOWED = VARIABLES | frozenset(
    """
    LANG LANGUAGE TZ USER LOGNAME SHELL LD_LIBRARY_PATH VIRTUAL_ENV CONDA_PREFIX CONDA_DEFAULT_ENV
    PYTHONHASHSEED PYTHONUTF8 PYTHONIOENCODING PYTHONUNBUFFERED SSL_CERT_FILE SSL_CERT_DIR REQUESTS_CA_BUNDLE
    OMP_NUM_THREADS MKL_NUM_THREADS OPENBLAS_NUM_THREADS NUMEXPR_NUM_THREADS JAVA_HOME GOROOT CUDA_HOME
    CUDA_VISIBLE_DEVICES CUDA_DEVICE_ORDER ROCR_VISIBLE_DEVICES HIP_VISIBLE_DEVICES NVIDIA_VISIBLE_DEVICES
    RUNNER_TRACKING_ID RUSTUP_TOOLCHAIN PYENV_VERSION ASDF_DIR GOTOOLCHAIN GOMODCACHE NODE_PATH MAMBA_EXE
    CONDA_SHLVL CONDA_PYTHON_EXE
    """.split()
)
# The Actions runner finds what a job has left behind by RUNNER_TRACKING_ID.

_PROXIES = frozenset("HTTP_PROXY HTTPS_PROXY ALL_PROXY NO_PROXY http_proxy https_proxy all_proxy no_proxy".split())


def base_environment(
    inherited: Mapping[str, str], *, interpreter_bin: Path, top: Path, network: bool
) -> dict[str, str]:
    """What every command gets of the supervisor's environment; nothing that could be a credential.

    Programs are looked for last where a run may have put some: in the repository, and never in a workspace. A relative
    entry would mean the directory that a command starts in, and so would an empty one, which ``LD_LIBRARY_PATH`` often
    ends with.
    """
    allowed = _ALLOWED | _PROXIES if network else _ALLOWED
    environment = {n: value for n, value in inherited.items() if n in allowed or n.startswith("LC_")}
    own = workspaces()
    search = _ordered(inherited.get("PATH", os.defpath), own, top)
    environment["PATH"] = os.pathsep.join(dict.fromkeys([str(interpreter_bin), *search]))
    if "LD_LIBRARY_PATH" in environment:
        environment["LD_LIBRARY_PATH"] = os.pathsep.join(_absolute(environment["LD_LIBRARY_PATH"], own))
    environment["TERM"] = "dumb"
    return environment


@lru_cache(maxsize=8)
def _ordered(search: str, own: Path, top: Path) -> tuple[str, ...]:
    return tuple(sorted(_absolute(search, own), key=lambda path: Path(path).is_relative_to(top)))


def _absolute(search: str, own: Path) -> list[str]:
    return [path for path in search.split(os.pathsep) if os.path.isabs(path) and not Path(path).is_relative_to(own)]


def contract_environment(
    *, tag: str, number: int | None, budget: float | None, seed: int | None, ceilings: tuple[Path, ...]
) -> dict[str, str]:
    """The variables that a protocol may rely on. None: that one is not set."""
    environment = {
        "AUTORESEARCH_TAG": tag,
        "GIT_CEILING_DIRECTORIES": os.pathsep.join(str(path) for path in ceilings),
    }
    if number is not None:
        environment["AUTORESEARCH_EXPERIMENT"] = str(number)
    if budget is not None:
        environment["AUTORESEARCH_TIME_BUDGET"] = f"{budget:.6g}"
    if seed is not None:
        environment["AUTORESEARCH_SEED"] = str(seed)
    return environment
