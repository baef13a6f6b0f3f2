"""The commands that edit a manifest and regenerate its project: add, remove, rename.

Imports stand inside the commands, as in `cli`.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from scaffolder.options import Json

Project = Annotated[Path, typer.Option("--project", "-p", help="The project's folder.", show_default=True)]

adding = typer.Typer(help="Add a tool or a target to the manifest, and regenerate.", no_args_is_help=True)
removing = typer.Typer(
    help="Remove a tool or a target from the manifest, and regenerate.", no_args_is_help=True
)
renaming = typer.Typer(help="Rename a tool in the manifest, and regenerate.", no_args_is_help=True)


@adding.command("tool")
def add_tool(
    name: Annotated[str, typer.Argument(help="The name that clients call it by.")],
    *,
    description: Annotated[
        str | None, typer.Option(help="What it does, for the model that calls it.")
    ] = None,
    session: Annotated[bool, typer.Option("--session", help="It keeps state between calls.")] = False,
    secret: Annotated[
        list[str] | None, typer.Option(help="A declared secret that it reads; may be repeated.")
    ] = None,
    max_seconds: Annotated[float | None, typer.Option(help="How long a call may take.")] = None,
    project: Project = Path(),
    json: Json = False,
) -> None:
    """Add a tool without arguments, and its handler."""
    from scaffolder import amend  # noqa: PLC0415

    tool = amend.new_tool(
        name, description=description, session=session, secrets=secret or (), max_seconds=max_seconds
    )
    amended("add", project, lambda text: amend.add_tool(text, tool), as_json=json)


@adding.command("target")
def add_target(
    name: Annotated[str, typer.Argument(help="The runtime.")],
    *,
    project: Project = Path(),
    json: Json = False,
) -> None:
    """Add a target, and its files."""
    from scaffolder import amend  # noqa: PLC0415

    amended("add", project, lambda text: amend.add_target(text, name), as_json=json)


@removing.command("tool")
def remove_tool(
    name: Annotated[str, typer.Argument(help="The tool.")], *, project: Project = Path(), json: Json = False
) -> None:
    """Remove a tool, and its handler unless you have changed that."""
    from scaffolder import amend  # noqa: PLC0415

    amended("remove", project, lambda text: amend.remove_tool(text, name), as_json=json)


@removing.command("target")
def remove_target(
    name: Annotated[str, typer.Argument(help="The target.")], *, project: Project = Path(), json: Json = False
) -> None:
    """Remove a target with its options, and those of its files that you have not changed."""
    from scaffolder import amend  # noqa: PLC0415

    amended("remove", project, lambda text: amend.remove_target(text, name), as_json=json)


@renaming.command("tool")
def rename_tool(
    old: Annotated[str, typer.Argument(help="The tool.")],
    new: Annotated[str, typer.Argument(help="The name that it gets.")],
    *,
    project: Project = Path(),
    json: Json = False,
) -> None:
    """Rename a tool, and take its handler along."""
    from scaffolder import amend  # noqa: PLC0415

    amended("rename", project, lambda text: amend.rename_tool(text, old, new), as_json=json)


def amended(command: str, project: Path, edit: Callable[[str], str], *, as_json: bool) -> NoReturn:
    """Edit a project's manifest, regenerate, and exit."""
    from scaffolder.regenerate import regenerate  # noqa: PLC0415
    from scaffolder.reports import project as project_report  # noqa: PLC0415

    done = regenerate(project, amend=edit, on_recovery=project_report.recovered)
    raise typer.Exit(project_report.regenerated(command, done, as_json=as_json))
