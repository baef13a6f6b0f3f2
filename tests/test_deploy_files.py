"""What is deployed by hand, a systemd unit and a Caddyfile, is right to the programs that read it."""

import subprocess
from pathlib import Path

import pytest
from debian import program
from strategies import TRAPS

from scaffolder.render import render
from scaffolder.writing import write

GOLDEN = Path(__file__).parent / "golden/notes/deploy/bun"

pytestmark = pytest.mark.slow


def run(*words: str | Path) -> str:
    """Run a program that has to succeed, and return all that it prints."""
    done = subprocess.run([*map(str, words)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def with_program(text: str) -> str:
    """Name a program that this machine has; Bun is where the user puts it."""
    return text.replace("/usr/local/bin/bun", "/bin/true")


def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    """No directive is unknown or malformed."""
    (tmp_path / "notes.service").write_text(with_program((GOLDEN / "notes.service").read_text()))
    assert run(program("systemd-analyze"), "verify", "--man=no", tmp_path / "notes.service") == ""


def test_the_unit_is_hardened(tmp_path: Path) -> None:
    """Systemd's own measure of exposure (10 is a service without any protection) is below 2."""
    (tmp_path / "notes.service").write_text((GOLDEN / "notes.service").read_text())
    analyze = program("systemd-analyze")
    run(analyze, "security", "--offline=true", "--threshold=20", tmp_path / "notes.service")


def test_systemd_accepts_the_unit_of_any_title(tmp_path: Path) -> None:
    """No title ends its line, is expanded, or becomes a directive."""
    units = []
    for index, text in enumerate(TRAPS):
        manifest = {"name": f"trap{index}", "title": text, "targets": ["bun"], "tools": []}
        unit = render(manifest)[f"deploy/bun/trap{index}.service"].decode()
        (tmp_path / f"trap{index}.service").write_text(with_program(unit))
        units.append(tmp_path / f"trap{index}.service")
    assert run(program("systemd-analyze"), "verify", "--man=no", *units) == ""


@pytest.mark.parametrize("url", [None, "https://notes.example.com/mcp", "https://notes.example.com:8443/mcp"])
def test_caddy_adapts_the_caddyfile(url: str | None, tmp_path: Path) -> None:
    """It is valid and laid out as Caddy's formatter does it, with a host and without."""
    options = {"bun": {"url": url}} if url else {}
    manifest = {"name": "notes", "targets": ["bun"], "target_options": options, "tools": []}
    write(tmp_path, render(manifest))
    caddy, file = program("caddy"), tmp_path / "deploy/bun/Caddyfile"
    adapted = run(caddy, "adapt", "--config", file, "--adapter", "caddyfile")
    assert '"dial":"127.0.0.1:3000"' in adapted
    assert ('"notes.example.com"' in adapted) == (url is not None)
    assert run(caddy, "fmt", file) == file.read_text()
