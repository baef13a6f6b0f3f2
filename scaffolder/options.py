"""What several commands have in common: their options, and what they do first."""

from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object, also on failure.")]
Folder = Annotated[Path, typer.Argument(help="The project's folder.")]
Jobs = Annotated[int, typer.Option("--jobs", "-j", min=1, help="Servers at a time.")]

# Of those that look at a deployed server.
Where = Annotated[
    str | None, typer.Argument(metavar="[URL|DIR]", help="The URL of any MCP server, or a project.")
]
Targets = Annotated[
    list[str] | None, typer.Option("--target", "-t", help="A target of the project; may be repeated.")
]
MonitorFile = Annotated[Path | None, typer.Option("--monitor", help="Expect what this monitor.json says.")]
Headers = Annotated[
    list[str] | None,
    typer.Option(
        "--header",
        metavar="NAME=VARIABLE",
        help="A header, and the variable that holds the whole value, as `Bearer …`; repeatable.",
    ),
]
Timeout = Annotated[
    float | None, typer.Option("--timeout", min=0.001, max=3600, help="Seconds after which a server is down.")
]


def tidy(project: Path) -> None:
    """Finish what an interrupted run has left, before anything of it is read."""
    from scaffolder.fresh import PENDING  # noqa: PLC0415

    if (project / PENDING).exists():
        from scaffolder.journal import locked, recover  # noqa: PLC0415
        from scaffolder.reports.project import recovered  # noqa: PLC0415

        with locked(project):
            if outcome := recover(project):
                recovered(outcome)
