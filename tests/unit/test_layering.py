"""The import direction of the package, as tables; each rule is shown to be able to fail."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "analysis" / "voxelmill"

LAYERS = (
    # A part of the package imports from its own row and the rows below. "*": what no row names.
    ("__init__", "__main__", "cli"),
    ("steps", "warm"),
    ("api",),
    ("*",),
    ("segmenters", "features", "qc"),
    ("blocks", "kernels"),
    ("plugin",),
)
ONLY = {
    # library: the parts that may import it
    "dask": ("run",),
    "distributed": ("run",),
    "dask_jobqueue": ("run",),
    "kubernetes": ("kubeapi",),
    "zarr": ("store",),
    "obstore": ("store",),
    "pyarrow": ("tables",),
    "xarray": ("api",),
    "anndata": ("export",),
    "spatialdata": ("export",),
    "snakemake": (),
    **dict.fromkeys(("httpx", "joserfc", "qrcode", "keyring"), ("access",)),
}
LAZY = (  # heavy: imported inside functions
    "numba", "torch", "cellpose", "bioimageio", "onnx", "onnxruntime", "matplotlib", "kubernetes",
    "anndata", "spatialdata",
)  # fmt: skip
PLUGIN_SEES = ("plugin", "kernels")  # and its own contract: the __init__ and _shared parts


@dataclass(frozen=True)
class Import:
    """One import statement: who, where, what; `lazy` inside a function."""

    module: str
    line: int
    target: str
    lazy: bool

    @property
    def place(self) -> str:
        """Where and what, for a message."""
        return f"{self.module}:{self.line} imports {self.target}"


def modules(package: Path) -> dict[str, Path]:
    """Files by dotted name below the package; a package's file is its own name."""
    names = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package).with_suffix("").parts
        names[".".join(parts[:-1] if parts[-1] == "__init__" and parts[1:] else parts)] = path
    return names


def imports(package: Path) -> list[Import]:
    """All imports of all files; own modules are named below the package (`store`, `qc.focus`)."""
    known = modules(package)
    found = []
    for module, path in known.items():
        tree = ast.parse(path.read_text())
        inside = {id(n) for f in ast.walk(tree) if is_function(f) for n in ast.walk(f)}
        for node in ast.walk(tree):
            for target in targets(node, package.name, path, package):
                own = target.removeprefix(f"{package.name}.")
                while own not in known and own != target and "." in own:
                    own = own.rpartition(".")[0]
                name = own if own in known and target.startswith(f"{package.name}.") else target
                found.append(Import(module, node.lineno, name, id(node) in inside))
    return [i for i in found if i.target != package.name or i.module == "__init__"]


def is_function(node: ast.AST) -> bool:
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)


def targets(node: ast.AST, name: str, path: Path, package: Path) -> Iterator[str]:
    """Absolute dotted names that an import statement may load."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    if isinstance(node, ast.ImportFrom):
        base = node.module or ""
        if node.level:
            folder = (name, *path.relative_to(package).parts[:-1])
            above = folder[: len(folder) - node.level + 1]
            base = ".".join((*above, *([base] if base else [])))
        yield from (f"{base}.{alias.name}" for alias in node.names)


def part(module: str) -> str:
    return module.partition(".")[0]


def row(module: str) -> int:
    """Row of LAYERS a module belongs to; 0 is the top."""
    rest = next(i for i, names in enumerate(LAYERS) if "*" in names)
    return next((i for i, names in enumerate(LAYERS) if part(module) in names), rest)


def violations(package: Path) -> list[str]:
    """Every broken rule of a package, one line each."""
    known = modules(package)
    found = imports(package)
    own = [i for i in found if i.target in known]
    contracts = LAYERS[row("segmenters")]
    broken = [f"{i.place}: upwards" for i in own if row(i.target) < row(i.module)]
    for i in own:
        plugin = part(i.module) in contracts
        sees = (*PLUGIN_SEES, part(i.module))
        if plugin and part(i.target) not in sees:
            broken.append(f"{i.place}: a plugin sees {', '.join(sees)}")
        beside = part(i.target) == part(i.module) and "." in i.target and "._" not in i.target
        if plugin and beside:
            broken.append(f"{i.place}: a plugin never imports another")
    for i in found:
        allowed = ONLY.get(part(i.target))
        if i.target not in known and allowed is not None and part(i.module) not in allowed:
            broken.append(f"{i.place}: only {', '.join(allowed) or 'nobody'} may")
        if part(i.target) in LAZY and not i.lazy:
            broken.append(f"{i.place}: heavy, import it inside a function")
    graph: dict[str, set[str]] = {name: set() for name in known}
    for i in own:
        graph[i.module].add(i.target)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        broken.append(f"cycle: {' -> '.join(error.args[1])}")
    return broken


def test_the_package_keeps_its_layers() -> None:
    assert len(modules(PACKAGE)) > 5
    assert violations(PACKAGE) == []


SOUND = {
    "__init__.py": "from voxelmill.api import segment",
    "cli.py": "from voxelmill.steps import measure",
    "steps/__init__.py": "",
    "steps/measure.py": "from voxelmill import run\nfrom ..tables import write",
    "api.py": "import xarray\nfrom voxelmill.run import go",
    "run.py": "import dask.array\nfrom voxelmill.blocks import Grid",
    "tables.py": "import pyarrow.parquet as pq\nwrite = 1",
    "store/__init__.py": "from voxelmill.store.remote import get",
    "store/remote.py": "import zarr, obstore",
    "blocks.py": "from voxelmill.plugin import Index",
    "plugin.py": "import numpy",
    "kernels/__init__.py": "",
    "kernels/flood.py": "def f():\n    import numba",
    "segmenters/__init__.py": "from voxelmill.plugin import Plugin",
    "segmenters/a.py": "from voxelmill.segmenters import Segmenter\nfrom ..kernels import flood",
    "segmenters/_sized.py": "from voxelmill.plugin import Index",
    "segmenters/b.py": "from ._sized import size\n\n\ndef f():\n    import torch",
    "qc/__init__.py": "from ..plugin import Plugin",
}


def tree(root: Path, changes: dict[str, str]) -> Path:
    package = root / "voxelmill"
    for name, text in {**SOUND, **changes}.items():
        path = package / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return package


def test_a_sound_tree_breaks_no_rule(tmp_path: Path) -> None:
    assert violations(tree(tmp_path, {})) == []


@pytest.mark.parametrize(
    ("file", "text", "broken"),
    [
        ("plugin.py", "from voxelmill.blocks import Grid", "upwards"),
        ("run.py", "from voxelmill.steps.measure import main", "upwards"),
        ("run.py", "def f():\n    from voxelmill import cli", "upwards"),
        ("steps/measure.py", "import voxelmill.cli", "upwards"),
        ("tables.py", "from .api import segment", "upwards"),
        ("kernels/flood.py", "from ..segmenters import Segmenter", "upwards"),
        ("segmenters/a.py", "from voxelmill.run import go", "upwards"),
        ("segmenters/a.py", "from voxelmill.blocks import Grid", "a plugin sees"),
        ("segmenters/a.py", "from voxelmill.qc import Metric", "a plugin sees"),
        ("segmenters/a.py", "from .b import f", "never imports another"),
        ("segmenters/a.py", "from voxelmill.segmenters import b", "never imports another"),
        ("segmenters/a.py", "import dask", "only run may"),
        ("api.py", "from distributed import Client", "only run may"),
        ("run.py", "def f():\n    import zarr", "only store may"),
        ("run.py", "from obstore.store import HTTPStore", "only store may"),
        ("run.py", "import pyarrow", "only tables may"),
        ("run.py", "import xarray as xr", "only api may"),
        ("cli.py", "from snakemake.api import SnakemakeApi", "only nobody may"),
        ("segmenters/b.py", "import torch", "heavy"),
        ("tables.py", "if True:\n    from matplotlib import pyplot", "heavy"),
        ("tables.py", "import voxelmill.run\nwrite = 1", "cycle: "),
        ("store/remote.py", "from voxelmill.store import get", "cycle: "),
    ],
)
def test_each_rule_can_fail(tmp_path: Path, file: str, text: str, broken: str) -> None:
    changes = {file: text}
    if broken == "cycle: " and file == "tables.py":
        changes["run.py"] = "from voxelmill.tables import write"
    found = violations(tree(tmp_path, changes))
    assert found
    assert any(broken in line for line in found), found


def test_commands_that_only_read_records_load_no_heavy_library() -> None:
    """Snakemake's own process, in every cluster job, is one of them."""
    heavy = ("numba", "scipy", "pandas", "zarr", "dask", "rich", "matplotlib",
             "httpx", "joserfc", "qrcode", "keyring")  # fmt: skip
    steps = "prepare, aggregate, report, check, login, whoami"
    code = f"import sys, voxelmill.cli; from voxelmill.steps import {steps}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert [name for name in heavy if name in done.stdout.split()] == []
