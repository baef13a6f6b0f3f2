"""The command line: what goes to stdout and stderr, and how it exits."""

import contextlib
import json
import os
import pty
import signal
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

import pytest

from scaffolder.baseline import BASELINE
from scaffolder.baseline import load as load_baseline
from scaffolder.diagnostics import Diagnostic, Severity
from scaffolder.render import render
from scaffolder.reports import verify as verify_report
from scaffolder.verify import Outcome

VALID = "name: notes\ntargets: [deno]\ntools: []\ndescription: Notes.\n"
DEPRECATED = (
    "name: notes\ntargets: [vercel]\ntarget_options:\n  vercel: { runtime: edge }\ntools: []\n"
    "description: Notes.\n"
)
COMMANDS = ("new", "check", "schema", "verify")


def run(
    *words: str | Path, cwd: Path, given: str | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run the program as a user does, with a text in its standard input or nothing."""
    return subprocess.run(
        [sys.executable, "-m", "scaffolder", *map(str, words)],
        cwd=cwd,
        env={**os.environ, **environment},
        input=given or "",
        capture_output=True,
        text=True,
        check=False,
    )


def files(folder: Path) -> dict[str, bytes]:
    """Read a folder."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def generated(project: Path) -> dict[str, bytes]:
    """Read the files that the templates make, which is all but the note of what they made."""
    found = files(project)
    baseline = load_baseline(found.pop(BASELINE))
    assert baseline.files == {path: content for path, content in found.items() if path in baseline.files}
    assert {*baseline.files, *baseline.written_once, "mcp.yaml"} == found.keys()
    return found


def test_new_makes_a_project_from_a_manifest(tmp_path: Path) -> None:
    """The manifest becomes the project's, comments and all; the rest is rendered from it."""
    (tmp_path / "mine.yaml").write_text(f"# mine\n{VALID}")
    done = run("new", "notes", "--manifest", "mine.yaml", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    expected = render({"name": "notes", "targets": ["deno"], "tools": [], "description": "Notes."})
    expected["mcp.yaml"] = f"# mine\n{VALID}".encode()
    assert generated(tmp_path / "notes") == expected
    assert done.stdout == f"Made notes: {len(expected) + 1} files for deno.\n"
    assert "cd notes" in done.stderr
    assert "mcp-scaffold verify" in done.stderr


def test_new_reads_the_manifest_once(tmp_path: Path) -> None:
    """A pipe gives what it holds once, and the project's mcp.yaml is that, to the line break."""
    text = f"# caf\u00e9\n{VALID}".replace("\n", "\r\n")
    done = run("new", "notes", "--manifest", "/dev/stdin", cwd=tmp_path, given=text)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "notes/mcp.yaml").read_bytes() == text.encode()


def test_new_with_defaults_asks_nothing(tmp_path: Path) -> None:
    """The defaults are those of the questions."""
    assert run("new", "server", "--defaults", cwd=tmp_path).returncode == 0
    assert generated(tmp_path / "server") == render({})


def test_new_works_where_the_manifest_is(tmp_path: Path) -> None:
    """A folder that holds the manifest, and perhaps a repository, is as good as empty."""
    (tmp_path / "mcp.yaml").write_text(VALID)
    (tmp_path / ".git").mkdir()
    done = run("new", ".", "--manifest", "mcp.yaml", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "src/generated/server.ts").is_file()
    assert (tmp_path / "mcp.yaml").read_text() == VALID


def test_new_refuses_a_folder_that_is_not_empty(tmp_path: Path) -> None:
    """It names what is there, and touches nothing."""
    (tmp_path / "thesis.tex").write_text("years of work")
    done = run("new", ".", "--defaults", cwd=tmp_path)
    assert done.returncode == 2
    assert "thesis.tex" in done.stderr
    assert files(tmp_path) == {"thesis.tex": b"years of work"}


def test_new_refuses_an_invalid_manifest(tmp_path: Path) -> None:
    """It reports what `check` would, and writes nothing."""
    (tmp_path / "mcp.yaml").write_text("name: Notes\n")
    done = run("new", "notes", "--manifest", "mcp.yaml", cwd=tmp_path)
    assert done.returncode == 1
    assert "mcp.yaml:1:7" in done.stderr
    assert not (tmp_path / "notes").exists()


def test_new_does_not_ask_without_a_terminal(tmp_path: Path) -> None:
    """In a pipe it says what to do instead of waiting for an answer."""
    done = run("new", "notes", cwd=tmp_path)
    assert done.returncode == 2
    assert "--manifest" in done.stderr
    assert not (tmp_path / "notes").exists()


def new_on_a_terminal(folder: Path) -> tuple[subprocess.Popen[bytes], int]:
    """Start the dialogue of `new`, and return it with the other end of its terminal."""
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "scaffolder", "new", "server"],
        cwd=folder,
        stdin=follower,
        stdout=follower,
        stderr=subprocess.PIPE,
        env={**os.environ, "TERM": "xterm"},
        start_new_session=True,
    )
    os.close(follower)
    return process, leader


@pytest.mark.slow
def test_ctrl_c_at_a_question_ends_in_a_word(tmp_path: Path) -> None:
    """The dialogue can be left without a trace on the disk or a page of internals on the screen."""
    process, leader = new_on_a_terminal(tmp_path)
    while b"server" not in os.read(leader, 4096):
        pass
    os.write(leader, b"\x03")
    _, story = process.communicate(timeout=60)
    os.close(leader)
    assert process.returncode == 130, story
    assert story.decode().strip().endswith("Interrupted.")
    assert len(story) < 200
    assert not (tmp_path / "server").exists()


@pytest.mark.slow
def test_new_asks_copiers_questions(tmp_path: Path) -> None:
    """On a terminal, Return to each question gives the project of the defaults."""
    process, leader = new_on_a_terminal(tmp_path)
    printed = b""
    while True:
        try:
            chunk = os.read(leader, 4096)
        except OSError:
            break
        if not chunk:
            break
        printed += chunk
        if b"\x1b[6n" in chunk:
            # The dialogue asks the terminal where its cursor is.
            os.write(leader, b"\x1b[1;1R")
        if chunk.rstrip().endswith((b"server", b"Server", b"\x1b[?25h", b"\x1b[0m")) or b"?2004h" in chunk:
            os.write(leader, b"\r")
    os.close(leader)
    assert process.wait(60) == 0, printed.decode(errors="replace")
    assert generated(tmp_path / "server") == render({})


def test_check_accepts_a_valid_manifest(tmp_path: Path) -> None:
    """`mcp.yaml` of the current folder is what is checked."""
    (tmp_path / "mcp.yaml").write_text(VALID)
    done = run("check", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "mcp.yaml is valid: 0 tools for deno.\n")


def test_a_warning_does_not_stop_a_command(tmp_path: Path) -> None:
    """A deprecated runtime is told of at its place, and a project is made of it all the same."""
    (tmp_path / "mcp.yaml").write_text(DEPRECATED)
    done = run("check", cwd=tmp_path)
    assert done.returncode == 0
    assert "warning[deprecated-runtime]: the runtime `edge`" in done.stdout
    assert "mcp.yaml:4:22" in done.stdout
    assert done.stdout.endswith("mcp.yaml is valid: 0 tools for vercel.\n")
    made = run("new", "a", "--manifest", "mcp.yaml", cwd=tmp_path)
    assert made.returncode == 0
    assert "warning[deprecated-runtime]" in made.stderr
    assert made.stdout.startswith("Made a: ")
    for words in (["check"], ["new", "b", "--manifest", "mcp.yaml"]):
        document = json.loads(run(*words, "--json", cwd=tmp_path).stdout)
        assert document["ok"]
        assert [found["code"] for found in document["diagnostics"]] == ["deprecated-runtime"]
        assert document["diagnostics"][0]["severity"] == "warning"
        assert "warnings" not in document


def test_verify_reports_an_invalid_manifest_as_check_does(tmp_path: Path) -> None:
    """The same words, the same place and the same exit status, also in JSON."""
    assert run("new", ".", "--defaults", cwd=tmp_path).returncode == 0
    (tmp_path / "mcp.yaml").write_text("name: notes\nversion: 2026-13-45\ntargets: [deno]\ntools: []\n")
    checked, verified = run("check", cwd=tmp_path), run("verify", cwd=tmp_path)
    assert (verified.returncode, verified.stdout) == (1, "")
    assert verified.stderr == checked.stdout
    assert "mcp.yaml:2:10" in verified.stderr
    (checked, verified) = (run(command, "--json", cwd=tmp_path) for command in ("check", "verify"))
    assert verified.returncode == 1
    assert json.loads(verified.stdout)["diagnostics"] == json.loads(checked.stdout)["diagnostics"]


def test_verify_points_at_the_guides(capsys: pytest.CaptureFixture[str]) -> None:
    """What comes next is a page to read for each target, not a command to run blindly."""
    warning = Diagnostic("some-rule", "a message", severity=Severity.WARNING)
    outcomes = [Outcome("deno", "Deno"), Outcome("bun", "Bun")]
    assert verify_report.proven(outcomes, [warning], as_json=False) == 0
    printed = capsys.readouterr().err
    assert "warning[some-rule]: a message" in printed
    assert printed.endswith("\nDeploy: see deploy/deno.md, deploy/bun.md\n")
    tree = render({"name": "notes", "targets": ["deno", "bun"], "tools": []})
    assert {"deploy/deno.md", "deploy/bun.md"} <= tree.keys()
    assert verify_report.proven(outcomes, [warning], as_json=True) == 0
    assert json.loads(capsys.readouterr().out)["diagnostics"] == [warning.as_json()]


def test_check_without_a_manifest_could_not_work(tmp_path: Path) -> None:
    """A missing file is not an invalid one."""
    done = run("check", cwd=tmp_path)
    assert done.returncode == 2
    assert "mcp.yaml does not exist" in done.stdout


def test_json_is_one_tagged_object_also_on_failure(tmp_path: Path) -> None:
    """A program can read every outcome of every command."""
    (tmp_path / "good.yaml").write_text(VALID)
    (tmp_path / "bad.yaml").write_text("name: Notes\n")

    def result(*words: str) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(run(*words, "--json", cwd=tmp_path).stdout)
        return document

    assert result("check", "good.yaml") == {"schema": "mcp-scaffold/check@1", "ok": True, "diagnostics": []}
    bad = result("check", "bad.yaml")
    assert bad["ok"] is False
    places = [found["location"] for found in bad["diagnostics"]]
    assert {"file": "bad.yaml", "line": 1, "column": 7} in places
    assert result("new", "a", "--manifest", "bad.yaml")["diagnostics"] == bad["diagnostics"]
    made = result("new", "a", "--manifest", "good.yaml")
    assert (made["schema"], made["ok"], made["targets"]) == ("mcp-scaffold/new@1", True, ["deno"])
    refused = result("new", "a", "--defaults")
    assert (refused["ok"], "not empty" in refused["error"]) == (False, True)
    lost = result("verify", "nowhere")
    assert (lost["schema"], lost["ok"]) == ("mcp-scaffold/verify@1", False)


def test_schema_prints_the_schema(tmp_path: Path) -> None:
    """It is the one that generated projects carry."""
    done = run("schema", cwd=tmp_path)
    assert json.loads(done.stdout) == json.loads(render({})[".mcp-scaffold/manifest.schema.json"])


@pytest.mark.parametrize("words", [["--help"], *([command, "--help"] for command in COMMANDS)], ids=" ".join)
def test_help_says_how_it_exits_and_what_it_takes(words: list[str], tmp_path: Path) -> None:
    """Every command explains itself."""
    done = run(*words, cwd=tmp_path)
    assert done.returncode == 0
    assert "Usage: mcp-scaffold" in done.stdout or "Usage: python -m scaffolder" in done.stdout


def test_a_manifest_and_the_defaults_exclude_each_other(tmp_path: Path) -> None:
    """Neither is taken in silence over the other."""
    (tmp_path / "mcp.yaml").write_text(VALID)
    done = run("new", "notes", "--defaults", "--manifest", "mcp.yaml", cwd=tmp_path)
    assert done.returncode == 2
    assert not (tmp_path / "notes").exists()


@pytest.mark.parametrize("words", [["chekc"], ["check", "--nope"], ["verify", "--jobs", "0"]], ids=" ".join)
def test_wrong_usage_exits_with_two(words: list[str], tmp_path: Path) -> None:
    """A refused argument is no finding."""
    assert run(*words, cwd=tmp_path).returncode == 2


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["new", "--json"], "missing argument"),
        (["check", "--json", "--nope"], "no such option: --nope"),
        (["verify", "--json", "--jobs", "0"], "invalid value for '--jobs' / '-j'"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_wrong_usage_is_an_object_too(words: list[str], error: str, tmp_path: Path) -> None:
    """A program that asked for JSON gets it, and the exit status of what could not work."""
    done = run(*words, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (2, "")
    document = json.loads(done.stdout)
    assert (document["schema"], document["ok"]) == (f"mcp-scaffold/{words[0]}@1", False)
    assert document["error"].startswith(error)
    assert document["help"][0].endswith(f"{words[0]} --help")


def test_an_interruption_has_its_own_exit_status(tmp_path: Path) -> None:
    """130, and a word instead of a traceback."""
    os.mkfifo(tmp_path / "mcp.yaml")
    process = subprocess.Popen(
        [sys.executable, "-m", "scaffolder", "check"], cwd=tmp_path, stderr=subprocess.PIPE, text=True
    )
    # The program waits for what the pipe holds from when it can be written to.
    with (tmp_path / "mcp.yaml").open("w"):
        process.send_signal(signal.SIGINT)
        _, printed = process.communicate(timeout=60)
    assert (process.returncode, printed) == (130, "Interrupted.\n")


def test_a_full_disk_is_said_in_a_sentence(tmp_path: Path) -> None:
    """No traceback reaches a user."""
    (tmp_path / "file").write_text("")
    done = run("new", "file/notes", "--defaults", cwd=tmp_path)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("error: ")


@pytest.mark.slow
def test_the_wheel_is_enough(tmp_path: Path) -> None:
    """Installed from a wheel, in an empty folder with no checkout, `new` makes the same project."""
    root = Path(__file__).parent.parent
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    wheel = [*pip, "wheel", "--quiet", "--no-deps", "--wheel-dir", str(tmp_path), str(root)]
    subprocess.run(wheel, check=True, capture_output=True)
    venv.create(tmp_path / "venv", with_pip=True)
    python = str(tmp_path / "venv/bin/python")
    built = next(tmp_path.glob("*.whl"))
    install = [python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", str(built)]
    subprocess.run(install, check=True, capture_output=True)
    folder = tmp_path / "empty"
    folder.mkdir()
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    program = str(tmp_path / "venv/bin/mcp-scaffold")
    for words in (["new", "server", "--defaults"], ["check", "server/mcp.yaml"]):
        done = subprocess.run(
            [program, *words], cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
    assert generated(folder / "server") == render({})


@pytest.mark.parametrize("plain", [{}, {"NO_COLOR": "1"}, {"CI": "true"}], ids=str)
def test_a_diff_has_colours_on_a_terminal(plain: dict[str, str], tmp_path: Path) -> None:
    """What goes is red and what comes is green, unless the environment asks for none."""
    assert run("new", "server", "--defaults", cwd=tmp_path).returncode == 0
    manifest = tmp_path / "server/mcp.yaml"
    manifest.write_text(f"{manifest.read_text()}session: {{ ttl_seconds: 60 }}\n")
    assert "\x1b" not in run("regenerate", "server", "--diff", cwd=tmp_path).stdout
    leader, follower = pty.openpty()
    environment = {key: value for key, value in os.environ.items() if key not in {"NO_COLOR", "CI"}}
    command = [sys.executable, "-m", "scaffolder", "regenerate", "server", "--diff"]
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment | plain, stdout=follower, stderr=subprocess.DEVNULL
    ) as process:
        os.close(follower)
        shown = b""
        # The terminal is gone with the process, which Linux reports as an error.
        with contextlib.suppress(OSError):
            while part := os.read(leader, 65536):
                shown += part
    os.close(leader)
    assert process.returncode == 0
    coloured = b"\x1b[31m-export const sessionTtlSeconds = 1800;\x1b[0m" in shown
    assert coloured == (not plain)
    assert (b"\x1b[32m+export const sessionTtlSeconds = 60;\x1b[0m" in shown) == coloured
