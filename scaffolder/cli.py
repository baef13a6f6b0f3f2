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
from scaffolder.diagnostics import UserError

FAILED, INTERRUPTED = 2, 130

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

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object, also on failure.")]
ManifestPath = Annotated[Path, typer.Argument(help="The manifest.", show_default=True)]


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

    if manifest and defaults:
        raise typer.BadParameter("--manifest and --defaults exclude each other")
    asked = manifest is None and not defaults
    made = project.ask(destination) if asked else project.generate(destination, manifest)
    raise typer.Exit(console.made(made, as_json=json))


@app.command()
def check(path: ManifestPath = Path("mcp.yaml"), *, json: Json = False) -> None:
    """Report what is wrong with a manifest, all at once."""
    from scaffolder.manifest import Loaded, load  # noqa: PLC0415
    from scaffolder.rules import warnings  # noqa: PLC0415

    outcome = load(path)
    found = warnings(outcome) if isinstance(outcome, Loaded) else ()
    raise typer.Exit(console.judged(path, outcome, found, as_json=json))


@app.command()
def schema() -> None:
    """Print the JSON Schema of mcp.yaml."""
    from scaffolder.bundle import bundle  # noqa: PLC0415

    console.result((bundle() / "templates/_data/manifest.schema.json").read_text().rstrip())


@app.command()
def verify(
    project: Annotated[Path, typer.Argument(help="The project's folder.")] = Path(),
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
    from scaffolder.verify import verify_project  # noqa: PLC0415
    from scaffolder.workbench import InvalidProjectError, open_project  # noqa: PLC0415

    try:
        opened = open_project(project)
    except InvalidProjectError as error:
        raise typer.Exit(console.refused("verify", error.invalid, as_json=json)) from error
    with console.progress(quiet=json) as listener:
        outcomes = verify_project(opened, target, jobs=jobs, on_event=listener)
    raise typer.Exit(console.proven(outcomes, opened.warnings, as_json=json))


def fail(message: str, advice: Sequence[str] = ()) -> NoReturn:
    """Say why the command could not work, in the form that was asked for, and exit."""
    command = next((word for word in sys.argv[1:] if not word.startswith("-")), "mcp-scaffold")
    console.failed(command, message, advice, as_json="--json" in sys.argv)
    sys.exit(FAILED)


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
        if code == INTERRUPTED:
            raise KeyboardInterrupt  # noqa: TRY301 - Typer made a number of it
        sys.exit(code)
    except ArgumentError as error:
        misused(error)
    except (KeyboardInterrupt, typer.Abort):
        console.say("Interrupted.")
        sys.exit(INTERRUPTED)
    except UserError as error:
        fail(str(error), error.help)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        fail(f"{place}{(error.strerror or str(error)).lower()}")
    except Exception as error:  # the last resort: a user never sees a traceback
        if os.environ.get("MCP_SCAFFOLD_DEBUG"):
            raise
        fail(
            f"{type(error).__name__}: {error}",
            ["this is a bug; run again with MCP_SCAFFOLD_DEBUG=1 and report what it prints"],
        )
