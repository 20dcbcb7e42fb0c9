"""The command line as a whole: what it says of itself, and that every command explains itself."""

import pytest
import typer
from typer.testing import CliRunner

import voxelmill
from voxelmill.cli import app

COMMANDS = sorted(typer.main.get_command(app).commands)  # type: ignore[attr-defined]


def test_it_tells_its_version() -> None:
    done = CliRunner().invoke(app, ["--version"])
    assert (done.exit_code, done.output) == (0, f"voxelmill {voxelmill.__version__}\n")


def test_without_a_command_it_shows_them_all() -> None:
    done = CliRunner().invoke(app, [])
    for name in ("run", "verify", "login"):
        assert f"\n  {name} " in done.output


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name: str) -> None:
    done = CliRunner().invoke(app, [name, "--help"])
    assert done.exit_code == 0
    assert f"Usage: root {name} " in done.output
    assert "Show this message and exit." in done.output
