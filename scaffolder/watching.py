"""The commands that look at deployed servers.

Imports stand inside the commands, as in `cli`.
"""

from typing import Annotated

import typer

from scaffolder.options import Headers, Jobs, Json, MonitorFile, Targets, Timeout, Where


def probe(
    where: Where = None,
    *,
    target: Targets = None,
    monitor: MonitorFile = None,
    header: Headers = None,
    call: Annotated[
        str | None, typer.Option("--call", metavar="TOOL[=JSON]", help="Call a tool that only reads.")
    ] = None,
    timeout: Timeout = None,
    jobs: Jobs = 8,
    json: Json = False,
    jsonl: Annotated[
        bool, typer.Option("--jsonl", help="Print one JSON object a line for each server.")
    ] = False,
    prometheus: Annotated[bool, typer.Option("--prometheus", help="Print metrics for Prometheus.")] = False,
) -> None:
    """Look at deployed servers as their clients do.

    Goes through DNS, TCP, TLS, HTTP, JSON-RPC and both eras of the protocol, and compares the tools with
    those that are expected. One verdict for each server: healthy, degraded, auth-walled, drifted or down.
    Any MCP server can be probed by its URL, of which nothing more is expected than to answer. Credentials
    come from the environment, as in `--header Authorization=MCP_AUTHORIZATION`.
    """
    from scaffolder.monitoring.expectation import Terms, choose  # noqa: PLC0415
    from scaffolder.monitoring.probing import probe_all  # noqa: PLC0415
    from scaffolder.reports import manifest as manifest_report  # noqa: PLC0415
    from scaffolder.reports.probe import form, probed, told  # noqa: PLC0415
    from scaffolder.workbench import InvalidProjectError  # noqa: PLC0415

    if (monitor and where) or not (monitor or where or target):
        raise typer.BadParameter("give a URL or a project's folder, or --target, or --monitor")
    chosen = form(json=json, jsonl=jsonl, prometheus=prometheus)
    terms = Terms(tuple(header or ()), call, timeout)
    try:
        expectations = choose(where, target or (), monitor, terms)
    except InvalidProjectError as error:
        raise typer.Exit(manifest_report.refused("probe", error.invalid, as_json=json)) from error
    probes = probe_all(expectations, jobs=jobs, on_done=lambda one: told(one, chosen))
    raise typer.Exit(probed(probes, chosen))
