"""Seven more packages of other people, under their own ini files and the judge `certified`.

Each has a true speed-up, a wrong, a neutral and a broken change. One function of it is made slower, and fast again.
"""

from __future__ import annotations

import shutil
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.end_to_end.test_real_packages import Edits, Package, Upstream

WASTE = "sum(range(20_000))\n"
SPEED = "test_speed_here.py"
RIGHT = "test_right_here.py"


@dataclass(frozen=True, slots=True)
class Library:
    """A package and what is proposed. ``used`` are the lines that are timed, ``held`` those that a wrong change breaks.

    ``slow`` is where the waste goes: the line before it, indentation and all. ``folder`` is its place in a monorepo,
    with ``beside`` the sdists that lie there too.
    """

    name: str
    version: str
    target: str
    before: str  # the waste stands after this text
    indent: int
    used: str
    held: str
    wrong: Edits
    neutral: Edits
    broken: Edits
    needs: tuple[str, ...] = ()
    folder: str = ""
    beside: Mapping[str, str] = field(default_factory=dict)
    build: str = ""
    waste: str = WASTE

    @property
    def wasted(self) -> str:
        return " " * self.indent + self.waste

    def package(self) -> Package:
        place = f"{self.folder}/" if self.folder else ""
        return Package(
            self.name,
            self.version,
            benchmark=f"{place}{SPEED}::test_speed",
            target=f"{place}{self.target}",
            guard=(f"{place}{RIGHT}",),
            caught_by=f"{RIGHT}::test_right",
            slow={self.before: self.before + self.wasted},
            wrong={self.wasted: "", **self.wrong},
            neutral=self.neutral,
            needs=self.needs,
            marker=f", build={self.build!r}" if self.build else "",
        )


LIBRARIES = [
    Library(
        "cattrs",
        "26.2.1",
        target="src/cattrs/converters.py",
        before="        vals = {(x.value if isinstance(x, Enum) else x): x for x in type.__args__}\n",
        indent=8,
        used="from enum import Enum\nfrom typing import Literal\nimport cattrs\nE = Enum('E', {'A': 'a'})\n"
        "def work():\n    return cattrs.Converter().structure('a', Literal[E.A, 'b'])\n",
        held="    with pytest.raises(Exception):\n        cattrs.Converter().structure('z', Literal[E.A, 'b'])\n",
        wrong={'            raise CattrsError(f"{val} not in literal {type}") from None\n': "            return val\n"},
        neutral={"vals = {(": "known = {(", "return vals[val]": "return known[val]"},
        broken={"def _structure_enum_literal(val, type):": "def _structure_enum_literal(val, type:"},
    ),
    Library(
        "pint",
        "0.25.3",
        target="pint/util.py",
        before='"Cannot multiply UnitsContainer by {}"\n            raise TypeError(err.format(type(other)))\n\n',
        indent=8,
        used="from pint.util import UnitsContainer\n"
        "def work():\n    return UnitsContainer(m=1) * UnitsContainer(s=1)\n",
        held="    assert len(UnitsContainer(m=1) * UnitsContainer(m=-1)) == 0\n",
        wrong={"            if new._d[key] == 0:\n                del new._d[key]\n": ""},
        neutral={"Cannot multiply UnitsContainer by {}": "UnitsContainer can not be multiplied by {}"},
        broken={"    __rmul__ = __mul__\n": "    __rmul__ = of_nobody\n"},
    ),
    Library(
        "markdown-it-py",
        "4.3.0",
        target="markdown_it/rules_core/normalize.py",
        before="    # Normalize newlines\n",
        indent=4,
        used="from markdown_it import MarkdownIt\ndef work():\n    return MarkdownIt().render('*a*')\n",
        held="    assert MarkdownIt().render('a\\0b') == '<p>a\\ufffdb</p>\\n'\n",
        wrong={'    string = NULL_RE.sub("\\ufffd", string)\n': ""},
        neutral={"string": "text"},
        broken={"def normalize(state: StateCore)": "def normalize(state: StateCore"},
    ),
    Library(
        "multidict",
        "7.2.1",
        target="multidict/_multilib/identity.h",
        before="_key_to_identity_cs(mod_state* state, PyObject* key)\n{\n",
        indent=4,
        used="from multidict import MultiDict\ndef work():\n    return MultiDict(a=1)['a']\n",
        held="    with pytest.raises(TypeError):\n        MultiDict()[1] = 2\n",
        wrong={'TypeError,\n                    "MultiDict keys': 'OSError,\n                    "MultiDict keys'},
        neutral={"/* Inverted so the": "/* Inverted, so that the"},
        broken={"return Py_NewRef(key);": "return Py_NewRef(key)"},
        needs=("setuptools>=77", "pytest-cov", "hypothesis", "objgraph", "psutil"),
        # Without optimisation, as its own CI has it: nine builds with -O3 take more than a minute of processor time.
        build="MULTIDICT_DEBUG_BUILD=1 python setup.py -q build_ext --inplace",
        waste="for (volatile int n = 0; n < 300000; n++) {}\n",
    ),
    Library(
        "opentelemetry-sdk",
        "1.45.2",
        target="src/opentelemetry/sdk/trace/sampling.py",
        before="        decision = Decision.DROP\n",
        indent=8,
        used="from opentelemetry.sdk.trace.sampling import TraceIdRatioBased\n"
        "def work():\n    return TraceIdRatioBased(0.5).should_sample(None, (1 << 64) | 1, 'x')\n",
        held="    assert work().decision.is_sampled()\n",
        wrong={"trace_id & self.TRACE_ID_LIMIT < self.bound": "trace_id < self.bound"},
        neutral={"Probability must be in range": "The probability must be in range"},
        broken={"        return self._bound\n": "        return self._bound(\n"},
        folder="opentelemetry-sdk",
        beside={"opentelemetry-api": "1.45.2"},
    ),
    Library(
        "dacite",
        "1.9.2",
        target="dacite/core.py",
        before="def _build_value(type_: Type, data: Any, config: Config) -> Any:\n",
        indent=4,
        used="from dataclasses import dataclass\nfrom typing import Optional\nimport dacite\n"
        "@dataclass\nclass A:\n    x: int\n    y: Optional[int] = 5\n"
        "def work():\n    return dacite.from_dict(A, {'x': 1, 'y': None})\n",
        held="    with pytest.raises(dacite.DaciteError):\n        dacite.from_dict(A, {'x': 'a'})\n",
        wrong={"if config.check_types and not is_instance(value, field_type):": "if False:"},
        neutral={"def _build_value(type_: Type, data: Any": "def _build_value(type_: Type, data: 'Any'"},
        broken={"def _build_value(type_": "def _build_value((type_"},
    ),
    Library(
        "attrs",
        "26.1.0",
        target="src/attr/_make.py",
        before="    annot = str(annot)\n",
        indent=4,
        used="from typing import ClassVar\nimport attrs\n"
        "def work():\n    @attrs.define\n    class A:\n        x: ClassVar[int] = 1\n        y: int = 2\n"
        "    return A\n",
        held="    assert [each.name for each in attrs.fields(work())] == ['y']\n",
        wrong={"    return annot.startswith(_CLASSVAR_PREFIXES)\n": "    return False\n"},
        neutral={"base_attr_map": "base_attrs_by_name"},
        broken={"def _is_class_var(annot):": "def _is_class_var(annot:"},
    ),
]


class Shelf(Upstream):
    """A library as a repository of its own or in a monorepo, with a benchmark and a test of what must hold."""

    def __init__(self, library: Library, directory: Path) -> None:
        self.library = library
        if library.build and not shutil.which("gcc"):
            pytest.skip("needs a compiler")
        super().__init__(library.package(), directory)

    def _unpack(self, directory: Path) -> None:
        library = self.library
        if not library.folder:
            super()._unpack(directory)
            return
        for name, version in {library.name: library.version, **library.beside}.items():
            place = directory / name
            self._pip("download", "-d", str(place), "--no-deps", "--no-binary", name, f"{name}=={version}")
            with tarfile.open(next(place.iterdir())) as archive:
                archive.extractall(place, filter="data")
            shutil.copytree(next(path for path in place.iterdir() if path.is_dir()), self.root / name)

    def _install(self, *words: str) -> None:
        if self.library.folder:
            members = [str(self.root / name) for name in (*self.library.beside, self.library.name)]
            words = (*(word for member in members for word in ("-e", member)), *words[2:])
        super()._install(*words)

    def _prepare(self) -> None:
        library, place = self.library, self.root / self.library.folder
        (place / SPEED).write_text(f"{library.used}\n\ndef test_speed(benchmark):\n    benchmark(work)\n")
        (place / RIGHT).write_text(f"import pytest\n{library.used}\n\ndef test_right():\n{library.held}")
        super()._prepare()  # what the editable install has built is ignored
        self.write(".gitignore", (self.root / ".gitignore").read_text() + ".coverage*\nbenchmark.json\n")
        self.commit("ignore what is measured")


@pytest.mark.slow
@pytest.mark.timeout(2400)
@pytest.mark.parametrize("library", LIBRARIES, ids=lambda library: str(library.name))
def test_a_library_keeps_what_is_faster_and_right(library: Library, tmp_path: Path) -> None:
    shelf = Shelf(library, tmp_path)
    package, before = shelf.package, shelf.state()

    done = shelf.loop(
        ("fast but wrong", package.wrong),
        ("broken", library.broken),
        ("neither faster nor slower", package.neutral),
        ("as shipped", package.fast),
    )

    assert done.returncode == 0, done.stdout + done.stderr
    _, wrong, broken, neutral, right = shelf.experiments()
    assert (wrong["status"], wrong["reason"]) == ("discard", "guard"), done.stdout
    assert package.caught_by in wrong["detail"]
    assert (broken["status"], broken["reason"]) == ("crash", "error"), done.stdout
    assert neutral["status"] == "discard" and neutral["reason"] in ("worse", "noise"), done.stdout
    assert (right["status"], right["reason"]) == ("keep", "improved"), done.stdout
    assert shelf.state() == before
    assert shelf.git("diff", "--name-only", "main", "autoresearch/real") == package.target
