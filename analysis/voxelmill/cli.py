"""The command line: parse, call a step, turn a `VoxelmillError` into one line and exit code 2."""

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from voxelmill.plugin import VoxelmillError
from voxelmill.steps import commands, groups
from voxelmill.steps.options import Account, Cores, Profile, Site, root

app = typer.Typer(
    callback=root,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    help="OME-Zarr images in; labelled objects, feature tables, QC verdicts and a report out.",
    epilog="First time here: `voxelmill demo`, then open the report it names.",
)

USER = commands.USER
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
    profile: Profile = None,
    site: Site = None,
    account: Account = None,
    cores: Cores = None,
    retry_quarantined: Annotated[
        bool, typer.Option("--retry-quarantined", help="Try mended images again.")
    ] = False,
    failed: Annotated[
        bool, typer.Option("--failed", help="Only jobs that failed or were interrupted.")
    ] = False,
) -> None:
    """Run the whole workflow; options after `--` go to Snakemake."""
    from voxelmill.steps.run import Again, Where, run

    where = Where(profile=profile, cores=cores, site=site, account=account)
    again = Again(quarantined=retry_quarantined, failed=failed)
    raise typer.Exit(run(config, where, again, context.args))


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
    site: Annotated[
        str | None, typer.Option(help="Cluster: its name, or its partition file.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say what a run will do, take and cost; exit code 2 if it breaks a limit."""
    from voxelmill.steps import plan

    planned = plan.plan(config, cores, site)
    typer.echo(plan.as_json(planned) if as_json else plan.text(planned))
    raise typer.Exit(2 if planned["refusal"] else 0)


@app.command("calibrate", rich_help_panel=USER, epilog="Example: voxelmill calibrate --site roihu")
def calibrate_command(
    site: Annotated[
        str | None, typer.Option(help="Keep it for a site: its name, or its partition file.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Another file to keep it in.")] = None,
    minutes: Annotated[float, typer.Option(help="How long it may take, about.")] = 1.5,
    cores: Annotated[int | None, typer.Option(min=1, help="Cores to use; default: all.")] = None,
    config: Annotated[
        str | None, typer.Option(help="Measure the segmenters of this configuration, too.")
    ] = None,
) -> None:
    """Measure what the steps cost on this node, for `plan` and for batches by time."""
    from voxelmill.configfile import load_settings
    from voxelmill.steps.calibrate import Effort, calibrate

    given = load_settings(config).prepared().model_dump_json() if config else ""
    effort = Effort(minutes=minutes, cores=cores, config=given)
    calibrate(site, out, effort, lambda line: typer.echo(line, err=True))


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


@app.command(
    "compare",
    rich_help_panel=USER,
    epilog="Example: voxelmill compare truth results/plate1:nuclei --out agreement.tsv",
)
def compare_command(
    a: Annotated[str, typer.Argument(metavar="A", help="Reference, the truth if there is one.")],
    b: Annotated[str, typer.Argument(metavar="B", help="What is judged by it.")],
    out: Annotated[
        Path | None, typer.Option(help="Also write the table: .tsv, .parquet or .json.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    sparse: Annotated[
        Literal["refuse", "allow"], typer.Option(help="Absent chunks: damage, or background.")
    ] = "refuse",
) -> None:
    """Compare two sets of objects on the same images: how well B agrees with A.

    A and B are each an object set of a run (results/<dataset>:<set>), an OME-Zarr label image or
    plate of label images, a TIFF or PNG, or a folder of them. Images of sets are matched by name:
    a file named A_01_0 is that of A/01/0.

    The table has one row an image and a last one for the objects of all. Splits are objects of A
    that hold most of several objects of B, merges objects of B that hold most of several of A.
    """
    from voxelmill.steps import compare

    if out is not None:
        compare.check_out(out)
    rows = compare.compare(a, b, sparse=sparse == "allow")
    if out is not None:
        compare.write(out, a, b, rows)
    typer.echo(compare.json_text(a, b, rows) if as_json else compare.text(rows))


@app.command("status", rich_help_panel=USER, epilog="Example: voxelmill status results --watch")
def status_command(
    results: Annotated[Path, typer.Argument(help="Folder of the results.")],
    every: Annotated[bool, typer.Option("--all", help="Finished datasets as well.")] = False,
    follow: Annotated[bool, typer.Option("--watch", help="Go on until nobody works.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    logs: Annotated[int, typer.Option(min=0, help="Logs of failed jobs to show the end of.")] = 3,
) -> None:
    """Say what is done, runs and has failed, how fast it goes and how long it will take.

    Reads only files, so it works on any machine that sees them, while a run goes on and after it.
    Exit code 1: a job has failed or was interrupted, or too many images are quarantined.
    """
    from voxelmill.steps import status
    from voxelmill.steps.jobsurvey import survey

    if as_json:
        found = survey(results)
        typer.echo(status.as_json(found))
        raise typer.Exit(status.exit_code(found))
    show = status.watch if follow else status.status
    raise typer.Exit(show(results, status.View(every, logs), typer.echo))


@app.command("schema", rich_help_panel=USER)
def schema_command() -> None:
    """Print the JSON schema of the configuration file as YAML."""
    from voxelmill.schema import schema_yaml

    typer.echo(schema_yaml(), nl=False)


for each in groups.GROUPS:
    app.add_typer(each)


def main() -> None:
    """Entry point of `voxelmill`."""
    try:
        app()
    except VoxelmillError as error:
        sys.stderr.write(f"voxelmill: {' '.join(str(error).split())}\n")
        raise SystemExit(2) from None
