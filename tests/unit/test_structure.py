"""The shape of the sources: small files, short functions, no leftovers; and an honest lock file."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path
from statistics import median, quantiles

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = sorted((ROOT / "analysis" / "voxelmill").rglob("*.py"))
TEXTS = {
    ".py",
    ".smk",
    ".md",
    ".yaml",
    ".yml",
    ".toml",
    ".lock",
    ".html",
    ".j2",
    ".cff",
    ".json",
    "",
}
OURS = ("analysis", "tests", "benchmarks", "workflow", "configs", "profiles", "docs", ".ci")
MAX_FILE, MEDIAN_FILE, P95_FUNCTION = 300, 120, 40
MACHINE_PATH = re.compile(r"(?<![\w.:/-])/(?:work|root|home|Users|opt)/\w")


def lines(path: Path) -> int:
    return len(path.read_text().splitlines())


def functions(tree: ast.AST) -> list[int]:
    kinds = ast.FunctionDef | ast.AsyncFunctionDef
    return [(n.end_lineno or 0) - n.lineno + 1 for n in ast.walk(tree) if isinstance(n, kinds)]


def leftovers(tree: ast.AST) -> list[str]:
    """Statements that have no place in the package, as `what:line`."""
    found = []
    for node in ast.walk(tree):
        match node:
            case ast.Assert():
                found.append(f"assert:{node.lineno}")
            case ast.Global():
                found.append(f"global:{node.lineno}")
            case ast.Call(func=ast.Name(id="print" | "breakpoint" as name)):
                found.append(f"{name}:{node.lineno}")
            case ast.ExceptHandler(type=kind, body=[*_, last]) if broad(kind) and not again(last):
                found.append(f"broad except:{node.lineno}")
    return found


def again(last: ast.stmt) -> bool:
    """Whether a handler tidies up and lets the error go on."""
    return isinstance(last, ast.Raise) and last.exc is None


def broad(kind: ast.expr | None) -> bool:
    if isinstance(kind, ast.Tuple):
        return any(broad(item) for item in kind.elts)
    return kind is None or (
        isinstance(kind, ast.Name) and kind.id in ("Exception", "BaseException")
    )


def texts() -> list[Path]:
    files = [p for p in ROOT.iterdir() if p.is_file()]
    files += [p for part in OURS for p in (ROOT / part).rglob("*") if p.is_file()]
    return [p for p in files if p.suffix in TEXTS and "__pycache__" not in p.parts]


def test_files_are_small() -> None:
    sizes = {str(p.relative_to(ROOT)): lines(p) for p in PACKAGE}
    assert {name: n for name, n in sizes.items() if n > MAX_FILE} == {}
    assert median(sizes.values()) <= MEDIAN_FILE


def test_functions_are_short() -> None:
    sizes = [n for p in PACKAGE for n in functions(ast.parse(p.read_text()))]
    assert quantiles(sizes, n=20)[-1] <= P95_FUNCTION


@pytest.mark.parametrize("path", PACKAGE, ids=lambda p: str(p.relative_to(ROOT)))
def test_the_package_has_no_leftovers(path: Path) -> None:
    assert leftovers(ast.parse(path.read_text())) == []


def test_leftovers_are_seen() -> None:
    source = """
def f():
    global g
    assert g
    print(g)
    try:
        f()
    except (ValueError, Exception):
        pass
    try:
        f()
    except:
        pass
    try:
        f()
    except BaseException:
        f()
        raise
"""
    expected = ["global:3", "assert:4", "print:5", "broad except:8", "broad except:12"]
    assert sorted(leftovers(ast.parse(source))) == sorted(expected)


def test_no_file_names_a_path_of_one_machine() -> None:
    hits = [p.relative_to(ROOT) for p in texts() if MACHINE_PATH.search(p.read_text())]
    assert hits == []


@pytest.mark.parametrize("first", ["work", "root", "home", "Users", "opt"])
def test_paths_of_a_machine_are_seen(first: str) -> None:
    assert MACHINE_PATH.search(f"cd /{first}/somewhere")
    assert not MACHINE_PATH.search(f"results/{first}/somewhere https://x.org/{first}/y")


def imported(path: Path) -> set[str]:
    """First names of all absolute imports of a file."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Import(names=names):
                found |= {alias.name.partition(".")[0] for alias in names}
            case ast.ImportFrom(module=str(name), level=0):
                found.add(name.partition(".")[0])
    return found


def declared(*extras: str) -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    optional = project["optional-dependencies"]
    wanted = [*project["dependencies"], *(d for extra in extras for d in optional[extra])]
    return {canonicalize_name(Requirement(text).name) for text in wanted}


ABSENT = {"bioimageio": "bioimageio.core"}
"""Package of a module, where it is not installed and cannot be asked."""


@pytest.mark.parametrize(
    ("folder", "extras"),
    [
        (
            "analysis/voxelmill",
            (
                "bioimageio",
                "cellpose",
                "export",
                "keyring",
                "kubernetes",
                "login",
                "s3",
                "slurm",
                "spatialdata",
            ),
        ),
        ("benchmarks", ("bench", "s3")),
    ],
)
def test_what_is_imported_is_declared(folder: str, extras: tuple[str, ...]) -> None:
    """A package that only comes along with another one goes away when that one changes."""
    names = {name for path in (ROOT / folder).rglob("*.py") for name in imported(path)}
    own = {"voxelmill", "benchmarks", "tests", *sys.stdlib_module_names}
    providers = packages_distributions()
    missing = {
        name
        for name in names - own
        if not declared(*extras)
        & {canonicalize_name(d) for d in providers.get(name, [ABSENT.get(name, name)])}
    }
    assert missing == set()


UNLOCKED = ("bioimageio", "cellpose", "cellpose-sam", "spatialdata")
"""Extras with PyTorch, whose builds for CPU and CUDA have other hashes, or with very much else."""


def locked() -> dict[str, str]:
    pins = re.findall(r"^([\w.-]+)==([\w.+!]+)", (ROOT / "requirements.lock").read_text(), re.M)
    return {canonicalize_name(name): version for name, version in pins}


def test_the_lock_holds_every_dependency_at_an_allowed_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = [*project["build-system"]["requires"], *project["project"]["dependencies"]]
    optional = project["project"]["optional-dependencies"]
    wanted += [d for name, extra in optional.items() if name not in UNLOCKED for d in extra]
    pins = locked()
    for requirement in map(Requirement, wanted):
        version = pins.get(canonicalize_name(requirement.name))
        assert version, f"{requirement.name} is not locked: run `make lock`"
        assert requirement.specifier.contains(version), f"{requirement}: locked {version}"


def test_the_lock_names_hashes_and_no_address() -> None:
    blocks = re.split(r"\n(?=[a-z])", (ROOT / "requirements.lock").read_text())
    pinned = [block for block in blocks if "==" in block]
    assert len(pinned) == len(locked())
    assert [block for block in pinned if "--hash=sha256:" not in block] == []
    assert not re.search(r"https?:|file:|--(extra-)?index|--find-links", "".join(blocks))
