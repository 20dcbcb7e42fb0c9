"""The command line: parse, call a step, turn a `VoxelmillError` into one line and exit code 2."""

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from voxelmill.plugin import VoxelmillError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    help="OME-Zarr images in; labelled objects, feature tables, QC verdicts and a report out.",
    epilog="First time here: `voxelmill demo`, then open the report it names.",
)

USER, STEP = "For people", "Steps (called by the workflow)"
Files = Annotated[list[Path], typer.Argument(help="Batch files of one dataset.")]
Batch = Annotated[Path, typer.Argument(help="results/<dataset>/batches/<batch>.json")]
Record = Annotated[Path, typer.Option(help="Record to write, last and atomically.")]
Settings = Annotated[str, typer.Option("--config", help="YAML file, or the JSON of its part.")]
Run = Annotated[Path | None, typer.Option("--run", help="JSON file: `blocks`, `compute`.")]
Workers = Annotated[int, typer.Option(min=1, help="Blocks worked on at once.")]
ConfigFile = Annotated[Path, typer.Argument(help="Configuration file (YAML).")]


@app.command(
    "run",
    rich_help_panel=USER,
    context_settings={"allow_extra_args": True, "ignore_unknown_options": False},
    epilog="Example: voxelmill run configs/demo.yaml --cores 8 -- --dry-run",
)
def run_command(
    context: typer.Context,
    config: ConfigFile,
    profile: Annotated[str | None, typer.Option(help="Folder of a Snakemake profile.")] = None,
    cores: Annotated[int | None, typer.Option(min=1, help="Cores to use on this machine.")] = None,
    retry_quarantined: Annotated[
        bool, typer.Option("--retry-quarantined", help="Try mended images again.")
    ] = False,
) -> None:
    """Run the whole workflow; options after `--` go to Snakemake."""
    from voxelmill.steps.run import run

    raise typer.Exit(
        run(
            config,
            profile=profile,
            cores=cores,
            retry_quarantined=retry_quarantined,
            extra=context.args,
        )
    )


@app.command(
    "inspect", rich_help_panel=USER, epilog="Example: voxelmill inspect plate.zarr --fields"
)
def inspect_command(
    url: Annotated[str, typer.Argument(help="Local path or http(s):// URL of an OME-Zarr.")],
    fields: Annotated[bool, typer.Option("--fields", help="One line for every image.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print what is in an OME-Zarr: images, wells, channels, sizes, chunks stored and expected."""
    from voxelmill.steps.inspect import inspect, inspect_json

    if as_json:
        import json

        typer.echo(json.dumps(inspect_json(url), indent=1))
    else:
        typer.echo(inspect(url, fields))


@app.command(
    "ingest",
    rich_help_panel=USER,
    epilog=r"Example: voxelmill ingest tiffs --out plate.zarr --pixel-size-um 0.65 "
    r"--pattern '(?P<well>[A-H]\d\d)_s(?P<site>\d)_w(?P<channel>\d)\.tif'",
)
def ingest_command(
    source: Annotated[Path, typer.Argument(help="Folder of TIFF files, read with subfolders.")],
    pattern: Annotated[
        str, typer.Option(help="Regular expression with groups well|row+col, site, channel, z, t.")
    ],
    out: Annotated[Path, typer.Option(help="Plate to make (PLATE.zarr).")],
    pixel_size_um: Annotated[
        float | None, typer.Option(help="Width of a pixel in micrometres.")
    ] = None,
    z_step_um: Annotated[float | None, typer.Option(help="Distance of planes in µm.")] = None,
    channel: Annotated[
        list[str] | None, typer.Option(help="Rename a channel: FOUND=NAME. Repeatable.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the plate.")] = None,
    pages: Annotated[
        Literal["z", "c", "t"], typer.Option(help="What the pages of a multi-page TIFF are.")
    ] = "z",
    workers: Workers = 2,
) -> None:
    """Make an OME-Zarr plate of a folder of TIFFs."""
    from voxelmill.steps.ingest import ingest

    text = ingest(
        source,
        pattern,
        out,
        pixel_size_um=pixel_size_um,
        z_step_um=z_step_um,
        channels=channel or [],
        name=name,
        pages=pages,
        workers=workers,
    )
    typer.echo(text)


@app.command("demo", rich_help_panel=USER, epilog="Example: voxelmill demo --out demo --cores 2")
def demo_command(
    out: Annotated[Path, typer.Option(help="Folder for the plate and its results.")] = Path("demo"),
    cores: Annotated[int | None, typer.Option(min=1, help="Cores to use.")] = None,
) -> None:
    """Make a synthetic plate with planted faults, run the workflow, and score what it found."""
    from voxelmill.steps.score import demo

    raise typer.Exit(demo(out, cores))


@app.command("scan", rich_help_panel=USER, epilog="Example: voxelmill scan configs/demo.yaml")
def scan_command(
    config: ConfigFile,
    fresh: Annotated[bool, typer.Option("--fresh", help="Open known datasets again.")] = False,
) -> None:
    """Find all images of all datasets and cut them into batches (`run` does it too)."""
    from voxelmill.configfile import load_config
    from voxelmill.steps.scan import scan

    found = scan(load_config(config), config, fresh=fresh)
    batches = sum(map(len, found.batches.values()))
    typer.echo(
        f"{found.images} images of {len(found.batches)} datasets in {batches} batches "
        f"({found.opened} datasets opened now)"
    )


@app.command(
    "plan", rich_help_panel=USER, epilog="Example: voxelmill plan configs/demo.yaml --cores 8"
)
def plan_command(
    config: ConfigFile,
    cores: Annotated[int | None, typer.Option(min=1, help="Cores to use; default: all.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say what a run will do and how much memory it will need; exit code 2 if it cannot fit."""
    from voxelmill.steps import plan

    planned = plan.plan(config, cores)
    typer.echo(plan.as_json(planned) if as_json else plan.text(planned))
    raise typer.Exit(2 if planned["refusal"] else 0)


@app.command(
    "prove",
    rich_help_panel=USER,
    epilog="Example: voxelmill prove plate.zarr --config my.yaml --path B/03/0",
)
def prove_command(
    url: Annotated[str, typer.Argument(help="Local path or http(s):// URL of an OME-Zarr.")],
    config: Annotated[str, typer.Option("--config", help="Configuration file (YAML).")],
    path: Annotated[str | None, typer.Option(help="Image in it; default: the first.")] = None,
    crop: Annotated[
        int | None, typer.Option(min=32, help="Edge of the crop; default: 1024 if time allows.")
    ] = None,
    minutes: Annotated[float, typer.Option(min=0, help="Start no more runs after so long.")] = 2.0,
    workers: Annotated[str, typer.Option(help="Numbers of workers to try.")] = "1,2,4",
    blocks: Annotated[str, typer.Option(help="Block sizes to try; default: chosen.")] = "",
    every: Annotated[bool, typer.Option("--all", help="All combinations, however long.")] = False,
) -> None:
    """Check on your own data that results do not depend on blocks, storage or workers."""
    from voxelmill.configfile import load_settings
    from voxelmill.steps.bench import Effort
    from voxelmill.steps.prove import numbers, prove

    effort = Effort(
        edge=crop,
        minutes=minutes,
        workers=numbers("--workers", workers, 1),
        blocks=numbers("--blocks", blocks, 16),
        all=every,
    )
    raise typer.Exit(prove(url, path, load_settings(config), effort, typer.echo))


@app.command("schema", rich_help_panel=USER)
def schema_command() -> None:
    """Print the JSON schema of the configuration file as YAML."""
    from voxelmill.schema import schema_yaml

    typer.echo(schema_yaml(), nl=False)


@app.command("qc", rich_help_panel=STEP)
def qc_command(
    batch: Batch, record: Record, config: Settings, run: Run = None, workers: Workers = 1
) -> None:
    """Measure the quality of every image of a batch."""
    from voxelmill.configfile import load_settings
    from voxelmill.steps.qc import qc
    from voxelmill.steps.work import read_execution

    qc(batch, record, load_settings(config), read_execution(run, workers))


@app.command("segment", rich_help_panel=STEP)
def segment_command(
    batch: Batch, record: Record, config: Settings, run: Run = None, workers: Workers = 1
) -> None:
    """Find objects in every image of a batch."""
    from voxelmill.configfile import load_settings
    from voxelmill.steps.segment import segment
    from voxelmill.steps.work import read_execution

    segment(batch, record, load_settings(config), read_execution(run, workers))


@app.command("measure", rich_help_panel=STEP)
def measure_command(
    batch: Batch,
    segmented: Annotated[Path, typer.Option(help="Record of `segment`.")],
    record: Record,
    config: Settings,
    run: Run = None,
    workers: Workers = 1,
) -> None:
    """Measure the objects of a batch."""
    from voxelmill.configfile import load_settings
    from voxelmill.steps.measure import measure
    from voxelmill.steps.work import read_execution

    measure(batch, segmented, record, load_settings(config), read_execution(run, workers))


@app.command("aggregate", rich_help_panel=STEP)
def aggregate_command(
    batches: Files,
    record: Record,
    config: Settings,
    plate_map: Annotated[Path | None, typer.Option(help="Table of treatments by well.")] = None,
) -> None:
    """Summarise a dataset by image and by well."""
    from voxelmill.configfile import load_settings
    from voxelmill.steps.aggregate import aggregate

    aggregate(batches, record, load_settings(config), plate_map)


@app.command("report", rich_help_panel=STEP)
def report_command(
    batches: Files,
    record: Record,
    config: Settings,
    command: Annotated[str, typer.Option(help="Command shown as how to reproduce it.")] = "",
) -> None:
    """Write the report of a dataset."""
    from voxelmill.configfile import load_settings
    from voxelmill.steps.report import report

    report(batches, record, load_settings(config), command)


@app.command("check", rich_help_panel=STEP)
def check_command(
    aggregated: Annotated[list[Path], typer.Argument(help="Records of `aggregate`.")],
    record: Record,
    max_quarantined: Annotated[int, typer.Option(min=0, help="Most quarantined images.")] = 0,
) -> None:
    """Judge a run: fails if more images than allowed are quarantined."""
    from voxelmill.steps.check import check

    typer.echo(check(aggregated, record, max_quarantined))


def main() -> None:
    """Entry point of `voxelmill`."""
    try:
        app()
    except VoxelmillError as error:
        sys.stderr.write(f"voxelmill: {' '.join(str(error).split())}\n")
        raise SystemExit(2) from None
