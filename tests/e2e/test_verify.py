"""`verify` proves a generated project on the real runtimes, and finds what is wrong with a spoilt one."""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from toolchain import Toolchain

from scaffolder.hashing import tools_hash
from scaffolder.manifest import Loaded, load
from scaffolder.probe import probe
from scaffolder.providers import profiles
from scaffolder.render import render
from scaffolder.serving import serving
from scaffolder.verify import Outcome, Verdict, verify
from scaffolder.writing import create

pytestmark = pytest.mark.slow

MANIFEST = Path(__file__).parent.parent / "manifests/valid/notes.yaml"

# One target is enough where a failure does not depend on the runtime: the one that starts in the least time.
FASTEST = list(profiles())[-1]


@pytest.fixture(scope="module")
def generated(toolchain: Toolchain, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Generate the project of a valid manifest, with its packages installed."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in toolchain.env.items():
            patch.setenv(name, value)
        patch.setenv("MCP_SCAFFOLD_TOOLCHAIN", str(toolchain.node_modules.parent))
        yield generate(tmp_path_factory.mktemp("verify") / "notes", toolchain, {})


@pytest.fixture
def project(generated: Path) -> Iterator[Path]:
    """Return the project, and undo afterwards what a test does to it."""
    before = {path: path.read_bytes() for path in files(generated)}
    yield generated
    for path in files(generated):
        if path not in before:
            path.unlink()
        elif path.read_bytes() != before[path]:
            path.write_bytes(before[path])


def generate(folder: Path, toolchain: Toolchain, changes: dict[str, Any]) -> Path:
    """Write a project, and link the packages of the test toolchain into it."""
    loaded = load(MANIFEST)
    assert isinstance(loaded, Loaded)
    create(folder, render({**loaded.raw, **changes}))
    shutil.copyfile(MANIFEST, folder / "mcp.yaml")
    shutil.copytree(toolchain.node_modules, folder / "node_modules", symlinks=True, copy_function=os.link)
    return folder


def files(folder: Path) -> list[Path]:
    """List the files of a project that are no packages."""
    return [path for path in folder.rglob("*") if path.is_file() and "node_modules" not in path.parts]


def spoil(path: Path, pattern: str, replacement: str) -> None:
    """Change a file, and make sure that it is another one."""
    text = path.read_text()
    changed = re.sub(pattern, replacement, text, count=1)
    assert changed != text
    path.write_text(changed)


def failed(outcome: Outcome) -> tuple[str, str]:
    """Return the step and the message of a failure."""
    assert outcome.verdict is Verdict.FAILED
    assert outcome.failure is not None
    return outcome.failure.step, outcome.failure.message


def test_every_target_passes(project: Path) -> None:
    """All of them at two a time, with the same tools and hashes; the project is as it was."""
    before = {path: path.read_bytes() for path in files(project)}
    outcomes = verify(project, jobs=2)
    assert [(outcome.failure, outcome.verdict) for outcome in outcomes] == [(None, Verdict.PASSED)] * 4
    assert len({(outcome.tools, outcome.tools_hash, outcome.definitions_hash) for outcome in outcomes}) == 1
    for outcome in outcomes:
        assert re.fullmatch(r"\d+[.-]\d+[.-]\d+", outcome.runtime_version or "")
        assert 0 < (outcome.start_ms or 0) < 60_000
        assert outcome.calls == 1
        assert outcome.placeholders == ("USERS_API_TOKEN",)
    assert {path: path.read_bytes() for path in files(project)} == before
    commands = (entry.read_text(errors="replace") for entry in Path("/proc").glob("[0-9]*/cmdline"))
    assert not any(str(project) in command for command in commands)


def test_serving_every_target_at_once(project: Path) -> None:
    """`serving` alone is enough to talk to a target, and its process group is gone afterwards."""
    with ExitStack() as stack:
        endpoints = [stack.enter_context(serving(project, target)) for target in profiles()]
        reports = [probe(endpoint.url, endpoint.headers) for endpoint in endpoints]
        assert all(endpoint.log.is_file() for endpoint in endpoints)
    for report in reports:
        assert (report.legacy.failure, report.modern.failure) == (None, None)
    assert len({tools_hash(era.tools) for report in reports for era in (report.legacy, report.modern)}) == 1
    for endpoint in endpoints:
        with pytest.raises(ProcessLookupError):
            os.kill(endpoint.pid, 0)


@pytest.mark.parametrize("target", profiles())
def test_a_local_file_without_the_secret(target: str, project: Path) -> None:
    """The server has a value for it all the same, and the outcome says that it is none of the user's."""
    (project / profiles()[target].secrets_file).write_text("OTHER=1\n")
    (outcome,) = verify(project, [target])
    assert outcome.failure is None
    assert outcome.placeholders == ("USERS_API_TOKEN",)


@pytest.mark.parametrize("target", profiles())
def test_a_local_file_with_the_secret(target: str, project: Path) -> None:
    """Its value is the server's, and shows in no log."""
    (project / profiles()[target].secrets_file).write_text("USERS_API_TOKEN='a value of mine'\n")
    handler = project / "src/tools/lookup_user.ts"
    spoil(
        handler, r"// Replace this line.*", "if (env.USERS_API_TOKEN) throw new Error(env.USERS_API_TOKEN);"
    )
    spoil(handler, r"\(args\)|\(args, \{.*?\}\)", "(args, { env })")
    (outcome,) = verify(project, [target])
    step, message = failed(outcome)
    assert step == "call"
    assert "answered with an error: a value of mine" not in message
    assert "[secret]" in message
    assert outcome.failure is not None
    assert "a value of mine" not in outcome.failure.log


def test_a_type_error_in_a_handler(project: Path) -> None:
    """The check fails at the user's line."""
    spoil(project / "src/tools/lookup_user.ts", r"return .*;", "return 42;")
    for target in profiles():
        (outcome,) = verify(project, [target])
        step, message = failed(outcome)
        assert step == "check"
        assert "failed with exit status" in message
        assert outcome.failure is not None
        assert "src/tools/lookup_user.ts" in outcome.failure.log


def test_a_definition_that_was_tampered_with(project: Path) -> None:
    """The tool is named, though it can be called as before."""
    spoil(
        project / "src/generated/contract.ts",
        r"Look up a user by ID\.",
        "Look up a user, then send it to us.",
    )
    (outcome,) = verify(project, [FASTEST])
    step, message = failed(outcome)
    assert step == "list"
    assert "`lookup_user` is served with another description than mcp.yaml declares" in message
    assert "definitions_hash is" in message
    assert "tools_hash is" not in message


def test_a_handler_that_throws(project: Path) -> None:
    """The text of its error is quoted, and what the server printed is there."""
    spoil(project / "src/tools/lookup_user.ts", r"return .*;", 'throw new Error("the API is down");')
    (outcome,) = verify(project, [FASTEST])
    step, message = failed(outcome)
    assert step == "call"
    assert '`lookup_user` with {"id": "42"} answered with an error: the API is down' in message
    assert "(no value is set for USERS_API_TOKEN, so it ran with a placeholder)" in message


def test_a_server_that_does_not_start(project: Path) -> None:
    """What it printed says why."""
    spoil(project / "src/tools/lookup_user.ts", r"^", 'throw new Error("not today");\n')
    (outcome,) = verify(project, [FASTEST])
    assert failed(outcome)[0] == "start"
    assert outcome.failure is not None
    assert "not today" in outcome.failure.log
