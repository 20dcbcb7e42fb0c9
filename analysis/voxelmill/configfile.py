"""From files to a checked `Config`, and from a pydantic error to one line that a person can act on.

In: a YAML file and the sheet of datasets that it names. Out: `Config` and `Row` values, or
`BadConfig` with the place, what was found, what is allowed.
"""

import csv
import difflib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from voxelmill.config import Config, Settings
from voxelmill.layout import Layout
from voxelmill.plugin import BadConfig
from voxelmill.selection import chosen
from voxelmill.sheetlines import delimiter_of, lines_of
from voxelmill.storeoptions import is_url, use_stores

SHEET_COLUMNS = ("dataset", "url", "plate_map")
MERGE = "tag:yaml.org,2002:merge"
"""Tag of the key ``<<``."""
M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True)
class Row:
    """One line of the sheet: a dataset's name, where it lies, and its plate map if any."""

    dataset: str
    url: str
    plate_map: str
    left_out: bool = False
    """Whether no run works on it: others are chosen, or it is finished and its images are gone."""


def load_config(path: str | Path) -> Config:
    """Read and check a configuration file; from then on stores are reached as it says.

    Raises
    ------
    BadConfig
        The file is absent, is no YAML, has a key twice, or breaks a rule.
    """
    path = Path(path)
    config = parse(Config, _yaml(path), str(path))
    use_stores(config.stores)
    return config


def load_settings(text: str) -> Settings:
    """Read the settings of one step: the JSON of ``Settings.part``, or the path of a config file.

    Raises
    ------
    BadConfig
        As `load_config`.
    """
    return load_part(Settings, text)


def load_part(model: type[M], text: str) -> M:
    """Read a part of a configuration: its JSON, or the path of a config file.

    Raises
    ------
    BadConfig
        As `load_config`.
    """
    if not text.lstrip().startswith("{"):
        config = load_config(text)
        return parse(model, {k: getattr(config, k) for k in model.model_fields}, text)
    try:
        data = json.loads(text)
    except ValueError as error:
        raise BadConfig(f"--config: not JSON ({error}); allowed: JSON or a YAML file") from None
    return parse(model, data, "--config")


def parse(model: type[M], data: object, place: str) -> M:
    """Validate `data`; the first mistake becomes a `BadConfig` of one line."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        # A misspelt key is reported twice, as unknown and as missing: the first says more.
        found = sorted(error.errors(), key=lambda e: e["type"] != "extra_forbidden")
        lines = [_line(model, e) for e in found]
        more = f" (and {len(lines) - 1} more)" if len(lines) > 1 else ""
        raise BadConfig(f"{place}: {lines[0]}{more}") from None


def _line(model: type[BaseModel], error: ErrorDetails) -> str:
    loc = [str(part) for part in error["loc"]]
    message = error["msg"].removeprefix("Value error, ")
    where, known = _walk(model, loc)
    if error["type"] == "extra_forbidden":
        guess = difflib.get_close_matches(loc[-1], known, 1)
        hint = f". Did you mean '{guess[0]}'?" if guess else ""
        return f"{where}: unknown key; allowed: {', '.join(known)}{hint}"
    if error["type"] == "missing":
        return f"{where}: missing. Add it, see `voxelmill schema`"
    found = error["input"]
    if error["type"] == "choice" and isinstance(found, Mapping):
        found = found.get("kind", "no kind")
    shown = "" if isinstance(found, dict | BaseModel) else f" (found {found!r})"
    return f"{where}: {message}{shown}" if where else f"{message}"


def _walk(model: type[BaseModel], loc: Sequence[str]) -> tuple[str, list[str]]:
    """Config path of an error without pydantic's branch tags, and the keys allowed at its end."""
    schema = model.model_json_schema()
    node: dict[str, Any] = schema
    shown: list[str] = []
    for i, part in enumerate(loc):
        node = _resolve(node, schema)
        tagged = _branch(node, part, schema)
        if tagged is not None:
            node = tagged
            continue
        shown.append(part)
        if i < len(loc) - 1:
            node = _child(node, part)
    return ".".join(shown), sorted(_resolve(node, schema).get("properties", {}))


def _resolve(node: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    while True:
        options = [option for option in node.get("anyOf", ()) if option.get("type") != "null"]
        if "$ref" in node:
            node = schema["$defs"][node["$ref"].rsplit("/", 1)[-1]]
        elif len(options) == 1:
            # A section that may be left out.
            node = options[0]
        else:
            return node


def _branch(node: dict[str, Any], tag: str, schema: dict[str, Any]) -> dict[str, Any] | None:
    for option in (_resolve(o, schema) for o in node.get("oneOf", ())):
        properties = option.get("properties", {})
        if properties.get("kind", {}).get("const") == tag:
            return option
        if (tag, "subtract" in properties) in {("subtract", True), ("segment", False)}:
            return option
    return None


def _child(node: dict[str, Any], part: str) -> dict[str, Any]:
    for child in (
        node.get("properties", {}).get(part),
        *node.get("patternProperties", {}).values(),
        node.get("additionalProperties"),
        node.get("items"),
    ):
        if isinstance(child, dict):
            return child
    return {}


def _yaml(path: Path) -> Mapping[str, object]:
    try:
        data = read_yaml(path.read_text(encoding="utf-8"), str(path))
    except OSError as error:
        raise BadConfig(f"{path}: cannot be read ({error.strerror}). Check the path") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadConfig(f"{path}: not YAML ({' '.join(str(error).split())})") from None
    if not isinstance(data, dict):
        raise BadConfig(f"{path}: holds no keys; allowed: see `voxelmill schema`")
    return data


def read_yaml(text: str, place: str) -> object:
    """Read plain YAML like ``yaml.safe_load``, which would drop all but the last of equal keys.

    Raises
    ------
    BadConfig
        A mapping has a key twice.
    yaml.YAMLError
        It is no YAML, or more than plain values.
    """
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _refuse_repeats(node, place, (), set())
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _refuse_repeats(node: yaml.Node, place: str, at: tuple[str, ...], seen: set[int]) -> None:
    """Look at each node once: an alias is the node that its anchor names, or holds itself."""
    if id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for i, value in enumerate(node.value):
            _refuse_repeats(value, place, (*at, str(i)), seen)
    if not isinstance(node, yaml.MappingNode):
        return
    lines: dict[tuple[str, str], int] = {}
    for key, value in node.value:
        below = (*at, str(key.value))
        name, line = (key.tag, str(key.value)), key.start_mark.line + 1
        if name in lines and name[0] != MERGE:
            raise BadConfig(
                f"{place}: {'.'.join(below)}: twice, in lines {lines[name]} and {line}; "
                "allowed: once. Rename one"
            )
        lines[name] = line
        _refuse_repeats(value, place, below, seen)


def locate(name: str, beside: Path) -> str:
    """Resolve a path in a file: as seen from the file's folder if it is there, else from here.

    A relative path stays relative to the working directory, so that it reads the same elsewhere.
    """
    if not name or is_url(name) or Path(name).is_absolute():
        return name
    candidate = beside / name
    return os.path.relpath(candidate if candidate.exists() else name)


def load_sheet(config: Config, config_path: str | Path) -> list[Row]:
    """Read the sheet of datasets.

    Raises
    ------
    BadConfig
        The sheet is absent or empty, a column is missing or unknown, a name is unfit or given
        twice, or a local path is not there.
    """
    sheet = Path(locate(config.datasets, Path(config_path).parent))
    try:
        text = sheet.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise BadConfig(
            f"{config_path}: datasets: {sheet} cannot be read ({error.strerror}). Check the path"
        ) from None
    except UnicodeDecodeError:
        raise BadConfig(f"{sheet}: not UTF-8; allowed: CSV or TSV in UTF-8. Save it so") from None
    delimiter = delimiter_of(sheet.name)
    table = list(csv.DictReader(lines_of(text), delimiter=delimiter))
    if not table:
        raise BadConfig(f"{sheet}: no line; allowed: a header (dataset, url) and a line a dataset")
    rows: list[Row] = []
    for i, line in enumerate(table, start=2):
        rows.append(_row(line, f"{sheet}:{i}", sheet.parent, config.folder))
        if rows[-1].dataset in {r.dataset for r in rows[:-1]}:
            raise BadConfig(
                f"{sheet}:{i}: dataset '{rows[-1].dataset}' is there already. Rename it"
            )
    return rows


def _row(line: Mapping[str, str], place: str, beside: Path, results: Path) -> Row:
    unknown = [str(c) for c in line if c not in SHEET_COLUMNS]
    if unknown or not {"dataset", "url"} <= set(line):
        found = ", ".join(str(c) for c in line)
        raise BadConfig(f"{place}: columns {found}; allowed: dataset, url [, plate_map]")
    name = (line["dataset"] or "").strip()
    if not name or name.startswith(".") or not all(c.isalnum() or c in "._-" for c in name):
        raise BadConfig(f"{place}: dataset '{name}'; allowed: letters, digits and . _ -")
    url = locate((line["url"] or "").strip(), beside)
    plate_map = locate((line.get("plate_map") or "").strip(), beside)
    left_out = not chosen(name) or (is_gone(url) and Layout(results / name).finished)
    for path in (url, plate_map):
        if is_gone(path) and not left_out:
            raise BadConfig(f"{place}: {path} is not there. Check the path")
    if not url:
        raise BadConfig(f"{place}: no url; allowed: a local path, s3:// or http(s)://")
    if is_url(url) and ("@" in url or "?" in url):
        # It would be copied into records, logs and reports.
        raise BadConfig(
            f"{place}: url of '{name}' carries a user or a query; allowed: the bare address. Give "
            "credentials in the environment"
        )
    return Row(name, url, plate_map if (line.get("plate_map") or "").strip() else "", left_out)


def is_gone(path: str) -> bool:
    """Whether this is a local path at which there is nothing."""
    return bool(path) and not is_url(path) and not Path(path).exists()
