"""The command line: arguments to calls, values to the console, and an exit code.

Imports stand inside the commands: `--help` and a refused argument cost no more than they need.
"""

import gc
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from scaffolder import console
from scaffolder.diagnostics import UserError, from_system
from scaffolder.editing import adding, removing, renaming
from scaffolder.options import Folder, Json, tidy
from scaffolder.watching import calibrate, monitor, probe

# Typer gives a name of its own to only some of the errors in arguments, not to what all of them are.
ArgumentError: type[typer.BadParameter] = typer.BadParameter.__bases__[0]

app = typer.Typer(
    name="mcp-scaffold",
    help="Declare an MCP server once, in mcp.yaml; generate it for several runtimes, and prove it on each.",
    epilog="Exit status: 0 fine, 1 found something, 2 could not work, 130 interrupted.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

app.add_typer(adding, name="add")
app.add_typer(removing, name="remove")
app.add_typer(renaming, name="rename")

ManifestPath = Annotated[Path, typer.Argument(help="The manifest.", show_default=True)]


def print_version(wanted: bool) -> None:  # noqa: FBT001 - Typer calls it so
    """Print the version, and exit."""
    if wanted:
        from importlib.metadata import version  # noqa: PLC0415

        console.result(f"mcp-scaffold {version('mcp-scaffold')}")
        raise typer.Exit


@app.callback()
def mcp_scaffold(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Declare an MCP server once, in mcp.yaml; generate it for several runtimes, and prove it on each."""


@app.command()
def new(
    destination: Annotated[Path, typer.Argument(help="The folder to make; it has to be empty or absent.")],
    *,
    manifest: Annotated[
        Path | None, typer.Option("--manifest", "-m", help="Take the answers from this mcp.yaml.")
    ] = None,
    defaults: Annotated[bool, typer.Option("--defaults", help="Ask nothing.")] = False,
    json: Json = False,
) -> None:
    """Make a new project.

    From a manifest, from the defaults, or from your answers to a few questions.
    """
    from scaffolder import project  # noqa: PLC0415
    from scaffolder.reports import project as project_report  # noqa: PLC0415

    if manifest and defaults:
        raise typer.BadParameter("--manifest and --defaults exclude each other")
    asked = manifest is None and not defaults
    made = project.ask(destination) if asked else project.generate(destination, manifest)
    raise typer.Exit(project_report.made(made, as_json=json))


@app.command()
def check(
    path: ManifestPath = Path("mcp.yaml"),
    *,
    explain: Annotated[
        str | None, typer.Option("--explain", metavar="CODE", help="Print what a code is about.")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit 1 on a warning too.")] = False,
    json: Json = False,
) -> None:
    """Report what is wrong or unwise in a manifest, all at once."""
    from scaffolder.manifest import Loaded, load  # noqa: PLC0415
    from scaffolder.reports import manifest as manifest_report  # noqa: PLC0415
    from scaffolder.rules import warnings  # noqa: PLC0415

    if explain is not None:
        from scaffolder.rules.pages import explained  # noqa: PLC0415

        raise typer.Exit(manifest_report.explained(explained(explain), as_json=json))
    path = path / "mcp.yaml" if path.is_dir() else path
    tidy(path.parent)
    outcome = load(path)
    found = warnings(outcome) if isinstance(outcome, Loaded) else ()
    raise typer.Exit(manifest_report.judged(path, outcome, found, strict=strict, as_json=json))


@app.command()
def schema() -> None:
    """Print the JSON Schema of mcp.yaml."""
    from scaffolder.bundle import bundle  # noqa: PLC0415

    console.result((bundle() / "templates/_data/manifest.schema.json").read_text().rstrip())


@app.command()
def verify(
    project: Folder = Path(),
    *,
    target: Annotated[
        list[str] | None, typer.Option("--target", "-t", help="Only this target; may be repeated.")
    ] = None,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Targets at a time.")] = 1,
    json: Json = False,
) -> None:
    """Prove a project on its real runtimes.

    Checks the types, builds, starts and calls each target as a client does, and compares what it
    lists with the manifest.
    """
    from scaffolder.reports import manifest as manifest_report  # noqa: PLC0415
    from scaffolder.reports import verify as verify_report  # noqa: PLC0415
    from scaffolder.verify import verify_project  # noqa: PLC0415
    from scaffolder.workbench import InvalidProjectError, open_project  # noqa: PLC0415

    tidy(project)
    try:
        opened = open_project(project)
    except InvalidProjectError as error:
        raise typer.Exit(manifest_report.refused("verify", error.invalid, as_json=json)) from error
    with verify_report.progress(quiet=json) as listener:
        outcomes = verify_project(opened, target, jobs=jobs, on_event=listener)
    raise typer.Exit(verify_report.proven(outcomes, opened.warnings, as_json=json))


@app.command("regenerate")
def regenerate_project(
    project: Folder = Path(),
    *,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit 1 if something would change.")
    ] = False,
    diff: Annotated[bool, typer.Option("--diff", help="Write nothing; print what would change.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Regenerate at every change of mcp.yaml.")] = False,
    restore: Annotated[
        list[str] | None,
        typer.Option("--restore", metavar="FILE", help="Bring a deleted file or folder back; repeatable."),
    ] = None,
    json: Json = False,
) -> None:
    """Bring a project up to date, and keep every edit.

    The project becomes what its mcp.yaml says.

    Files that you have changed are merged. Where you and the generator changed the same, yours stays, the
    other side is laid beside it as FILE.mcp-new, and the exit status is 1.
    """
    from scaffolder.regenerate import regenerate  # noqa: PLC0415
    from scaffolder.reports import project as project_report  # noqa: PLC0415

    project = project.parent if project.name == "mcp.yaml" and project.is_file() else project
    if watch and (check or diff or restore):
        raise typer.BadParameter("--watch cannot be combined with --check, --diff and --restore")
    if watch:
        from scaffolder.watch import watch as follow  # noqa: PLC0415

        follow(project, project_report.follower(project, as_json=json), project_report.recovered)
        return
    done = regenerate(
        project, write=not (check or diff), restore=restore or (), on_recovery=project_report.recovered
    )
    raise typer.Exit(project_report.regenerated("regenerate", done, strict=check, diff=diff, as_json=json))


for command in (probe, monitor, calibrate):
    app.command()(command)


def fail(message: str, advice: Sequence[str] = ()) -> NoReturn:
    """Say why the command could not work, in the form that was asked for, and exit."""
    command = next((word for word in sys.argv[1:] if not word.startswith("-")), "mcp-scaffold")
    console.failed(command, message, advice, as_json="--json" in sys.argv)
    sys.exit(console.FAILED)


def misused(error: typer.BadParameter) -> NoReturn:
    """Say what is wrong with the arguments, and exit."""
    if "--json" not in sys.argv:
        error.show()
        sys.exit(error.exit_code)
    message = error.format_message().removesuffix(".")
    fail(message[:1].lower() + message[1:], [f"{error.ctx.command_path} --help"] if error.ctx else [])


def main() -> None:
    """Run the program; whatever happens ends in a message and an exit code, never in a traceback."""
    # A run is short and keeps what it makes; the collector would go over it again and again.
    gc.disable()
    try:
        code = app(standalone_mode=False)
        if code == console.INTERRUPTED:
            raise KeyboardInterrupt  # noqa: TRY301 - Typer made a number of it
        sys.exit(code)
    except ArgumentError as error:
        misused(error)
    except (KeyboardInterrupt, typer.Abort):
        console.say("Interrupted.")
        sys.exit(console.INTERRUPTED)
    except UserError as error:
        fail(str(error), error.help)
    except OSError as error:
        fail(str(from_system(error)))
    except Exception as error:  # the last resort: a user never sees a traceback
        if os.environ.get("MCP_SCAFFOLD_DEBUG"):
            raise
        fail(
            f"{type(error).__name__}: {error}",
            ["this is a bug; run again with MCP_SCAFFOLD_DEBUG=1 and report what it prints"],
        )
