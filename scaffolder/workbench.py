"""One target of a project, with the programs that its commands need and a scratch folder to work in."""

import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scaffolder.baseline import MANIFEST
from scaffolder.diagnostics import Diagnostic, Severity, UserError
from scaffolder.manifest import Invalid, load
from scaffolder.processes import Processes, TimedOutError, tail
from scaffolder.providers import Command, Profile, profiles, versions
from scaffolder.regenerate import regenerate
from scaffolder.rules import warnings
from scaffolder.toolchain import QUIET, VERSION, Node, Toolbox, find_node, find_program, install_toolchain

PLACE = re.compile(r"\{([a-z_]+)\}")

COMMAND_SECONDS = 300.0


class ProjectError(UserError):
    """A folder that holds no project to work on, or not the target that was asked for."""


class InvalidProjectError(ProjectError):
    """A project whose manifest is not valid: everything that is wrong with it."""

    def __init__(self, invalid: Invalid) -> None:
        """Take what `check` would print."""
        first = invalid.diagnostics[0]
        super().__init__(first.message, help=[first.help] if first.help else [])
        self.invalid = invalid


class StepError(Exception):
    """A command or a check of a target that failed; `log` is what the programs printed."""

    def __init__(self, message: str, log: str = "") -> None:
        """Keep the log beside the message."""
        super().__init__(message)
        self.log = log


@dataclass(frozen=True, slots=True)
class Project:
    """A generated project: its folder, its manifest as parsed from YAML, and what to think of in it."""

    folder: Path
    manifest: Mapping[str, Any]
    warnings: tuple[Diagnostic, ...] = ()

    @property
    def targets(self) -> tuple[str, ...]:
        """The targets that the manifest declares."""
        return tuple(self.manifest["targets"])


@dataclass(frozen=True, slots=True)
class Workbench:
    """What it takes to run the commands that a provider's profile holds for `verify`."""

    project: Project
    target: str
    profile: Profile
    toolbox: Toolbox
    scratch: Path
    """What is made here is gone at the end."""
    state: Path
    """Where what is served keeps its data."""
    processes: Processes

    @property
    def serves_build(self) -> bool:
        """Whether what is served is what the build has made, and not the sources."""
        return "{scratch}" in self.profile.verify.serve.directory

    def check(self) -> None:
        """Type-check the target."""
        self._run_all("check", self.profile.verify.check)

    def build(self) -> None:
        """Run the vendor's own build, which deploys nothing."""
        self._run_all("build", self.profile.verify.build)

    def version(self) -> str | None:
        """Return the version that the runtime prints."""
        log = self.scratch / "version.log"
        self._run(self.profile.verify.version, log)
        match = VERSION.search(tail(log))
        return match.group() if match else None

    def command(self, words: Command, values: Mapping[str, str]) -> list[str]:
        """Return a command of the profile as one that can be started."""
        program, *rest = words
        return [str(self.toolbox.find(program)), *(self.fill(word, values) for word in rest)]

    def environment(self) -> dict[str, str]:
        """Return the environment of every command: the user's, with nothing that calls home."""
        own = {name: self.fill(text, {}) for name, text in self.profile.verify.environment.items()}
        if "HOME" in own:
            Path(own["HOME"]).mkdir(parents=True, exist_ok=True)
        return {**os.environ, **QUIET, **own, "PATH": self.toolbox.path()}

    def fill(self, text: str, values: Mapping[str, str]) -> str:
        """Put the values of this run into a word of the profile."""
        known = {
            "project": str(self.project.folder),
            "scratch": str(self.scratch),
            "state": str(self.state),
            "toolchain": str(self.toolbox.toolchain or ""),
        }
        # No format string: a word may hold braces of its own, as JSON does.
        return PLACE.sub(lambda match: {**known, **values}[match.group(1)], text)

    def _run_all(self, name: str, commands: Sequence[Command]) -> None:
        for command in commands:
            self._run(command, self.scratch / f"{name}.log")

    def _run(self, words: Command, log: Path) -> None:
        try:
            code = self.processes.run(
                self.command(words, {}),
                directory=self.project.folder,
                environment=self.environment(),
                log=log,
                seconds=COMMAND_SECONDS,
            )
        except TimedOutError as error:
            raise StepError(str(error), tail(log)) from error
        if code != 0:
            raise StepError(f"`{' '.join(words)}` failed with exit status {code}", tail(log))


def open_project(folder: Path) -> Project:
    """Read the manifest of a generated project.

    Raises InvalidProjectError with everything that is wrong with the manifest, and ProjectError where
    there is no project.
    """
    path = folder / MANIFEST
    folder = folder.resolve()
    if not path.is_file():
        raise ProjectError(
            f"{folder} holds no {MANIFEST}, so it is no project", help=[f"mcp-scaffold new {folder}"]
        )
    loaded = load(path)
    if isinstance(loaded, Invalid):
        raise InvalidProjectError(loaded)
    if not (folder / "package.json").is_file():
        raise ProjectError(
            f"{folder} holds a {MANIFEST} and no package.json, so its project is not generated",
            help=[f"mcp-scaffold regenerate {folder}"],
        )
    return Project(folder, loaded.raw, (*warnings(loaded), *_stale(folder)))


def _stale(folder: Path) -> Iterator[Diagnostic]:
    """Warn of a project that is not what its manifest says, whose proof would be that of another."""
    with suppress(UserError):
        plan = regenerate(folder, write=False)
        if not isinstance(plan, Invalid) and plan.differs:
            yield Diagnostic(
                "not-regenerated",
                f"the project is not what its {MANIFEST} says",
                help=f"mcp-scaffold regenerate {folder}",
                severity=Severity.WARNING,
            )


def runtime_title(project: Project, target: str) -> str:
    """Return the title of the runtime that a target is deployed to."""
    profile = profiles()[target]
    options = project.manifest.get("target_options", {}).get(target, {})
    return profile.runtimes[options.get("runtime", profile.default_runtime)].title


def find_project_node() -> Node:
    """Find a Node that is new enough for the generated projects and for the vendors' tools."""
    return find_node(versions()["node"]["minimum"])


def equip(project: Project, target: str, node: Node, processes: Processes) -> Toolbox:
    """Find the tools of a target, and install those that the project and PATH have not."""
    verify = profiles()[target].verify
    # An internal of a tool is only known to be where it is in the version that is pinned.
    pinned = any(
        "{toolchain}" in word for command in (*verify.build, verify.serve.command) for word in command
    )
    wanted = [
        tool
        for tool in verify.tools
        if pinned or not (find_program(tool, project.folder) or find_program(tool, None))
    ]
    toolchain = None
    if wanted:
        pins = versions()["toolchain"]
        packages = {tool: str(pins["packages"][tool]) for tool in wanted}
        toolchain = install_toolchain(packages, pins.get("overrides", {}), node, processes)
    return Toolbox(node, project.folder, toolchain, pinned, runtime=verify.version[0])


@contextmanager
def workbench(
    project: Project, target: str, toolbox: Toolbox, processes: Processes, *, state: Path | None = None
) -> Iterator[Workbench]:
    """Lay out what a target needs on disk, and clear it away: all but `state`, where that is given."""
    profile = profiles()[target]
    with (
        tempfile.TemporaryDirectory(prefix="mcp-scaffold-", ignore_cleanup_errors=True) as scratch,
        _files(project.folder, profile.verify.files),
    ):
        data = (state or Path(scratch, "state")).resolve()
        data.mkdir(parents=True, exist_ok=True)
        yield Workbench(project, target, profile, toolbox, Path(scratch), data, processes)


@contextmanager
def _files(folder: Path, files: Mapping[str, str]) -> Iterator[None]:
    """Add files that the user has not, and take them away again with the folders that had to be made."""
    with ExitStack() as stack:
        for name, text in files.items():
            path = folder / name
            if path.exists():
                continue
            made = next((parent for parent in reversed(path.parents) if not parent.exists()), None)
            if made is None:
                stack.callback(path.unlink, missing_ok=True)
            else:
                # The vendor's tool leaves its own files beside ours.
                stack.callback(shutil.rmtree, made, ignore_errors=True)
                path.parent.mkdir(parents=True)
            path.write_text(text)
        yield
