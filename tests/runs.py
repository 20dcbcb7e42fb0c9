"""`voxelmill run` as a user starts it, and what Snakemake says that it has run."""

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

OBJECTS = """
objects:
  nuclei: {channel: DNA, segmenter: {kind: watershed, diameter_um: 12}}
  cells: {channel: AGP, segmenter: {kind: propagate, seeds: nuclei}}
  cytoplasm: {subtract: [cells, nuclei]}
"""
"""Part of a configuration for a plate of `write_demo_plate`."""


def run(
    folder: Path, environment: Mapping[str, str], *arguments: str, config: str = "config.yaml"
) -> subprocess.CompletedProcess[str]:
    """Run the workflow on two cores in a folder."""
    command = [sys.executable, "-m", "voxelmill", "run", config, "--cores", "2", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True,
                          timeout=280, check=False)  # fmt: skip


def jobs(done: subprocess.CompletedProcess[str]) -> Counter[str]:
    """Jobs by rule as Snakemake announces them, without the targets' own."""
    text = done.stdout + done.stderr
    rules = re.findall(r"^(?:local)?rule (\w+):$", text, re.MULTILINE)
    return Counter(rule for rule in rules if rule != "all")
