"""The commands that look at deployed servers: probe, monitor, calibrate.

Imports stand inside the commands, as in `cli`.
"""

import os
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from scaffolder.options import Folder, Headers, Jobs, Json, MonitorFile, Targets, Timeout, Where, tidy


def probe(
    where: Where = None,
    *,
    target: Targets = None,
    monitor: MonitorFile = None,
    header: Headers = None,
    call: Annotated[
        str | None, typer.Option("--call", metavar="TOOL[=JSON]", help="Call a tool that only reads.")
    ] = None,
    auth: Annotated[
        bool | None,
        typer.Option("--auth/--no-auth", help="Expect that nobody gets in without credentials."),
    ] = None,
    timeout: Timeout = None,
    jobs: Jobs = 8,
    json: Json = False,
    jsonl: Annotated[
        bool, typer.Option("--jsonl", help="Print one JSON object a line for each server.")
    ] = False,
    prometheus: Annotated[bool, typer.Option("--prometheus", help="Print metrics for Prometheus.")] = False,
    allow_slow: Annotated[
        bool, typer.Option("--allow-slow", help="Exit 0 where a server is slow, and nothing else is wrong.")
    ] = False,
) -> None:
    """Look at deployed servers as their clients do.

    Goes through DNS, TCP, TLS, HTTP, JSON-RPC and both eras of the protocol, and compares the tools with
    those that are expected. One verdict for each server: healthy, degraded, auth-walled, drifted or down.
    Any MCP server can be probed by its URL, of which nothing more is expected than to answer. Without any
    argument it is the project in this folder. Credentials come from the environment, as in `--header
    Authorization=MCP_AUTHORIZATION`, where MCP_AUTHORIZATION holds `Bearer <token>`. With `--auth`, or where
    the manifest has `monitor.bearer`, who has none must get HTTP 401 with a challenge.
    """
    from scaffolder.monitoring.probing import probe_all  # noqa: PLC0415
    from scaffolder.monitoring.terms import Terms, choice  # noqa: PLC0415
    from scaffolder.reports import manifest as manifest_report  # noqa: PLC0415
    from scaffolder.reports.probe import Telling, form, unread  # noqa: PLC0415
    from scaffolder.workbench import InvalidProjectError  # noqa: PLC0415

    if monitor and where:
        raise typer.BadParameter("a URL or a project's folder, and --monitor, exclude each other")
    chosen = form(json=json, jsonl=jsonl, prometheus=prometheus)
    terms = Terms(tuple(header or ()), call, timeout, auth, allow_slow)
    try:
        found = choice(where, target or (), monitor, terms)
    except InvalidProjectError as error:
        code = manifest_report.refused("probe", error.invalid, as_json=json)
        unread(as_json=json)
        raise typer.Exit(code) from error
    telling = Telling(found, chosen)
    try:
        probe_all(found.expectations, jobs=jobs, on_done=telling.told)
    except KeyboardInterrupt:
        telling.interrupted()
        raise
    raise typer.Exit(telling.ended())


def monitor(
    where: Where = None,
    *,
    target: Targets = None,
    monitor: MonitorFile = None,
    header: Headers = None,
    timeout: Timeout = None,
    interval: Annotated[
        float | None, typer.Option("--interval", min=1, help="Seconds between two probes of a server.")
    ] = None,
    failures: Annotated[
        int | None, typer.Option("--failures", min=1, help="Failures in a row that make an outage.")
    ] = None,
    recoveries: Annotated[
        int, typer.Option("--recoveries", min=1, help="Answers in a row that end an outage.")
    ] = 2,
    state: Annotated[
        Path | None,
        typer.Option(
            "--state",
            metavar="FILE",
            help="Remember outages in this file.  "
            "[default: one for each project or URL, in ~/.local/state/mcp-scaffold/monitor]",
        ),
    ] = None,
    webhook: Annotated[
        str | None, typer.Option("--webhook", metavar="URL", help="Post every change of state there.")
    ] = None,
    rounds: Annotated[
        int | None, typer.Option("--rounds", min=1, help="Stop after so many probes of each server.")
    ] = None,
    jobs: Jobs = 8,
    json: Annotated[bool, typer.Option("--json", help="Print JSON Lines, also on a terminal.")] = False,
) -> None:
    """Probe deployed servers on a clock, and alarm.

    There is one alarm when a server goes down, and one when it is back. How often it is probed, and how
    many failures make an outage, is what mcp.yaml or monitor.json says; where that changes, the watch
    follows. On a terminal there is a table, in a pipe a line of JSON for each verdict and each alarm. What
    is known is kept in a file: a restart forgets no outage, and alarms of none twice. What a webhook has not
    taken waits there for a week for a run that has one.

    A webhook is signed (standardwebhooks.com) with MCP_SCAFFOLD_WEBHOOK_SECRET; its URL may stand in
    MCP_SCAFFOLD_WEBHOOK_URL instead. SIGTERM ends it with exit status 0.
    """
    from scaffolder.monitoring.duty import Duty, Order, Patience  # noqa: PLC0415
    from scaffolder.monitoring.terms import Terms  # noqa: PLC0415
    from scaffolder.monitoring.webhook import webhook as read_webhook  # noqa: PLC0415
    from scaffolder.reports import manifest as manifest_report  # noqa: PLC0415
    from scaffolder.reports.monitor import monitored  # noqa: PLC0415
    from scaffolder.workbench import InvalidProjectError  # noqa: PLC0415

    if monitor and where:
        raise typer.BadParameter("give a URL or a project's folder, or --monitor")
    to = read_webhook(webhook, os.environ)
    order = Order(where, tuple(target or ()), monitor, Terms(tuple(header or ()), None, timeout))
    try:
        duty = Duty(order, Patience(interval, failures, recoveries))
    except InvalidProjectError as error:
        raise typer.Exit(manifest_report.refused("monitor", error.invalid, as_json=json)) from error
    code = monitored(duty.watches, state, order.subject, to=to, jobs=jobs, rounds=rounds, as_json=json)
    raise typer.Exit(code)


def calibrate(
    project: Folder = Path(),
    *,
    target: Annotated[str, typer.Option("--target", "-t", help="The target to be measured.")],
    samples: Annotated[
        int,
        typer.Option(
            "--samples", "-n", min=1, help="Cold starts to be waited for; fewer than 20 set no threshold."
        ),
    ] = 30,
    cold_every: Annotated[
        float, typer.Option("--cold-every", min=0.001, help="Seconds after which a server is cold.")
    ] = 900.0,
    local: Annotated[
        bool, typer.Option("--local", help="Measure the runtime on this machine, started anew each time.")
    ] = False,
    write: Annotated[
        bool | None,
        typer.Option(
            "--write/--no-write",
            help="Write the result to mcp.yaml and regenerate.  [default: write, unless --local]",
        ),
    ] = None,
    svg: Annotated[Path | None, typer.Option("--svg", metavar="FILE", help="Draw a histogram there.")] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Begin anew, without what earlier runs have measured.")
    ] = False,
    header: Headers = None,
    json: Json = False,
) -> None:
    """Measure cold starts, and set the threshold.

    The threshold of a target is twice the 95th percentile of its cold starts. Waits without a request until
    the server may be cold, measures, and measures again right after: 30 times after 15 minutes, which takes
    seven and a half hours. Only where that tells cold starts from warm answers, and there are 20 of them, is
    it written to mcp.yaml; until then the value of the table stays. A run that is broken off loses nothing:
    what it has measured is kept for a week, and the next one goes on with it. A server that one process
    serves as long as it is up can only be measured with --local.
    """
    from scaffolder.monitoring.observing import demand_cold_starts  # noqa: PLC0415
    from scaffolder.monitoring.sampling import Pace, answer, local_samples  # noqa: PLC0415
    from scaffolder.monitoring.sampling import samples as remote_samples  # noqa: PLC0415
    from scaffolder.monitoring.series import Subject, series  # noqa: PLC0415
    from scaffolder.monitoring.stopping import interruptible  # noqa: PLC0415
    from scaffolder.monitoring.terms import Terms, choose  # noqa: PLC0415
    from scaffolder.reports import manifest as manifest_report  # noqa: PLC0415
    from scaffolder.reports.calibrate import Plan, announced, calibrated, demand_writable  # noqa: PLC0415
    from scaffolder.workbench import InvalidProjectError  # noqa: PLC0415

    if local and fresh:
        raise typer.BadParameter("nothing is kept of a --local run, so each is --fresh")
    if svg:
        demand_writable(svg)
    tidy(project)
    pace = Pace(samples, cold_every)
    plan = Plan(project, target, pace, local, (not local) if write is None else write, svg, json)
    try:
        with interruptible():
            if local:
                announced(plan)
                raise typer.Exit(calibrated(plan, local_samples(project, target, samples)))
            (expected,) = choose(str(project), [target], None, Terms(tuple(header or ())))
            demand_cold_starts(project, target)
            gauge = answer(expected.url, expected.headers, expected.credentials)
            subject = Subject(str(project.resolve()), target, expected.url, cold_every, gauge.server)
            with series(subject, fresh=fresh) as kept:
                pace = replace(pace, answering=gauge.seconds)
                plan = replace(plan, pace=pace, url=expected.url, series=kept)
                announced(plan)
                raise typer.Exit(calibrated(plan, remote_samples(gauge, plan.left)))
    except InvalidProjectError as error:
        raise typer.Exit(manifest_report.refused("calibrate", error.invalid, as_json=json)) from error
