"""The parts of well-known toolchains that a run may read below HOME: programs and libraries, never what lies beside.

Where a tool keeps credentials in the directory of its programs, only the named parts of that directory are shown; the
credentials that some tools write *into* those parts are masked. docs/security.md shows this list, made from here.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pytest_autoresearch.patterns import regex

_TOOLS = regex(rb"^\[tools\][^\n]*\n(?:(?!\[)[^\n]*(?:\n|\Z))*", re.MULTILINE)

MOST_PARTS = 256
"""Every part is a mount; more than this is no installation that a person made."""


@dataclass(frozen=True, slots=True)
class Toolchain:
    """Where one tool keeps things. All but ``variable`` are paths or patterns; ``root`` is relative to HOME.

    ``variable`` names the environment variable that moves the root. ``secret`` are the tool's own credentials: beside
    the parts they are not shown at all, below a part, or where the system shows the root, they are masked.
    """

    name: str
    root: str
    parts: tuple[str, ...]
    variable: str = ""
    secret: tuple[str, ...] = ()

    def roots(self, home: Path, environ: Mapping[str, str]) -> tuple[Path, ...]:
        """Where it lies: as the variable says (a list of paths for some tools), else below HOME."""
        said = [Path(text) for text in environ.get(self.variable, "").split(os.pathsep) if os.path.isabs(text)]
        said = [path.parents[1] if path.is_file() else path for path in said]  # CONDA_EXE is PREFIX/bin/conda
        return tuple(path for path in said if path not in (home, *home.parents)) or (home / self.root,)


def _of(name: str, root: str, parts: str, variable: str = "", secret: str = "") -> Toolchain:
    return Toolchain(name, root, tuple(parts.split()), variable, tuple(secret.split()))


_PYTHON = "pip.conf"  # an index with its password
_NODE = "etc/npmrc"

TOOLCHAINS = (
    _of("cargo", ".cargo", "bin env registry git", "CARGO_HOME", "credentials.toml credentials config.toml config"),
    _of("rustup", ".rustup", "toolchains settings.toml", "RUSTUP_HOME"),
    _of("nvm", ".nvm", "nvm.sh nvm-exec alias versions", "NVM_DIR", f".npmrc versions/node/*/{_NODE}"),
    _of("nvm", ".config/nvm", "nvm.sh nvm-exec alias versions", "", f".npmrc versions/node/*/{_NODE}"),
    _of("fnm", ".local/share/fnm", "node-versions aliases", "FNM_DIR", f"node-versions/*/installation/{_NODE}"),
    _of("volta", ".volta", "bin tools", "VOLTA_HOME", f"tools/image/node/*/{_NODE}"),
    _of("pnpm", ".local/share/pnpm", "pnpm pnpx store global nodejs", "PNPM_HOME", f"rc nodejs/*/{_NODE}"),
    _of("bun", ".bun", "bin install/global", "BUN_INSTALL", ".npmrc"),
    _of("deno", ".deno", "bin", "DENO_INSTALL"),
    _of("uv", ".local/share/uv", "python tools", "", f"credentials tools/*/{_PYTHON}"),
    _of("uv", ".local/bin", "uv uvx env", "", "env.fish"),
    _of("pipx", ".local/share/pipx", "venvs shared", "PIPX_HOME", f"venvs/*/{_PYTHON}"),
    _of("pipx", ".local/pipx", "venvs shared", "", f"venvs/*/{_PYTHON}"),
    _of("poetry", ".local/share/pypoetry", "venv python", "POETRY_HOME", "auth.toml"),
    _of("poetry", ".cache/pypoetry", "virtualenvs", "", f"auth.toml virtualenvs/*/{_PYTHON}"),
    _of("pipenv", ".local/share/virtualenvs", "*", "WORKON_HOME", f"*/{_PYTHON}"),
    _of("virtualenvwrapper", ".virtualenvs", "*", "", f"*/{_PYTHON}"),
    _of("hatch", ".local/share/hatch", "env pythons", "", f"env/virtual/*/*/*/{_PYTHON}"),
    _of("pdm", ".local/share/pdm", "venvs python", "", f"venvs/*/{_PYTHON}"),
    _of("rye", ".rye", "shims py tools self", "RYE_HOME", "credentials config.toml"),
    _of(
        "pyenv",
        ".pyenv",
        "bin libexec shims versions version plugins pyenv.d completions",
        "PYENV_ROOT",
        f".git/config versions/*/{_PYTHON}",
    ),
    *(
        _of(
            "conda",
            root,
            "bin condabin lib libexec include share shell ssl etc/profile.d etc/conda conda-meta envs compiler_compat",
            variable,
            f".condarc condarc {_PYTHON} envs/*/.condarc envs/*/{_PYTHON} envs/*/{_NODE}",
        )
        for root, variable in (
            ("miniconda3", "CONDA_EXE"),
            ("anaconda3", ""),
            ("miniforge3", ""),
            ("mambaforge", ""),
            ("micromamba", "MAMBA_ROOT_PREFIX"),
        )
    ),
    _of("conda", ".conda", "envs", "", f"aau_token .condarc envs/*/.condarc envs/*/{_PYTHON}"),
    _of("pixi", ".pixi", "bin envs", "PIXI_HOME", "credentials.json config.toml"),
    _of(
        "asdf",
        ".asdf",
        "asdf.sh bin lib libexec shims installs plugins completions",
        "ASDF_DATA_DIR",
        f".asdfrc .git/config installs/nodejs/*/{_NODE}",
    ),
    _of("mise", ".local/share/mise", "installs shims plugins bin", "MISE_DATA_DIR", f"installs/node/*/{_NODE}"),
    _of("mise", ".local/bin", "mise", "", ""),
    _of("versions", "", ".tool-versions .python-version .node-version .nvmrc", "", ".npmrc .netrc .git-credentials"),
    _of("juliaup", ".juliaup", "bin juliaup.json julia-*", "JULIAUP_DEPOT_PATH"),
    _of("juliaup", ".julia/juliaup", "juliaup.json bin julia-*", "", ""),
    _of(
        "julia",
        ".julia",
        "packages artifacts compiled registries environments conda scratchspaces",
        "JULIA_DEPOT_PATH",
        "servers config",
    ),
    _of("go", "go", "bin pkg/mod", "GOPATH", "pkg/mod/cache/vcs"),
    _of("go", "sdk", "go*"),
    _of("goenv", ".goenv", "bin libexec shims versions version plugins", "GOENV_ROOT", ".git/config"),
    _of("rbenv", ".rbenv", "bin libexec shims versions version plugins", "RBENV_ROOT", ".git/config"),
    _of("sdkman", ".sdkman", "bin src candidates", "SDKMAN_DIR", "etc"),
    _of("ghcup", ".ghcup", "bin ghc env"),
    _of("elan", ".elan", "bin toolchains settings.toml", "ELAN_HOME"),
)

VARIABLES = frozenset(tool.variable for tool in TOOLCHAINS if tool.variable)
"""What a run gets of the environment so that its tools find themselves; none of them holds a credential."""

LINKS = (".local/bin", "bin")
"""Directories below HOME whose links into a shown part are shown as well: ``pipx`` and ``uv tool`` put them there."""


@dataclass(frozen=True)
class Installed:
    """The toolchains of one person. ``home`` is the real one, ``environ`` the supervisor's environment."""

    home: Path
    environ: Mapping[str, str]

    @cached_property
    def parts(self) -> tuple[Path, ...]:
        """Every existing part, absolute, and the links of the person's ``bin`` directories that lead into one."""
        found = dict.fromkeys(
            path
            for tool in TOOLCHAINS
            for root in tool.roots(self.home, self.environ)
            for pattern in tool.parts
            for path in _matching(root, pattern)
        )
        real = {path.resolve() for path in found}
        for place in LINKS:
            with suppress(OSError):
                links = (entry for entry in sorted((self.home / place).iterdir()) if entry.is_symlink())
                found |= dict.fromkeys(link for link in links if not real.isdisjoint([*link.resolve().parents]))
        return tuple(found)[:MOST_PARTS]

    @cached_property
    def roots(self) -> tuple[Path, ...]:
        """Roots outside of HOME: a tool wants to write its locks and its notes there."""
        used = {root for root in self._all_roots() if any(part.is_relative_to(root) for part in self.parts)}
        return tuple(sorted(root for root in used if not root.is_relative_to(self.home)))

    @cached_property
    def secrets(self) -> tuple[Path, ...]:
        """Existing credentials of these tools, to be masked wherever they would be visible."""
        return tuple(
            dict.fromkeys(
                path
                for tool in TOOLCHAINS
                for root in tool.roots(self.home, self.environ)
                for pattern in tool.secret
                for path in _matching(root, pattern)
            )
        )

    @cached_property
    def notes(self) -> Mapping[str, bytes]:
        """Files for a run's HOME, by path relative to it: the person's choice of versions without the rest.

        mise's settings hold variables too, which may be credentials.
        """
        settings = Path(self.environ.get("MISE_CONFIG_DIR") or self.home / ".config/mise") / "config.toml"
        with suppress(OSError):
            tools = _TOOLS.search(settings.read_bytes())
            return {".config/mise/config.toml": tools[0]} if tools else {}
        return {}

    def _all_roots(self) -> Iterator[Path]:
        for tool in TOOLCHAINS:
            yield from tool.roots(self.home, self.environ)


def _matching(root: Path, pattern: str) -> list[Path]:
    """What there is of a part or a secret. A pattern that ends open is about installations, which are directories."""
    try:
        if "*" not in pattern:
            return [root / pattern] if (root / pattern).exists() else []
        return sorted(path for path in root.glob(pattern) if path.is_dir() or not pattern.endswith("*"))
    except OSError:
        return []
