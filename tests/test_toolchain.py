"""Finding programs, and installing those that are missing, without touching the network."""

import json
import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from scaffolder import toolchain as tools
from scaffolder.processes import Processes
from scaffolder.toolchain import MissingError, Node, Toolbox

# Stands in for npm: says how it was called, and installs what package.json names.
NPM = """#!/bin/sh
echo "$@ in $PWD; audit=$npm_config_audit fund=$npm_config_fund" >> "$NPM_CALLS"
sleep "${NPM_SLEEP:-0}"
[ -z "$NPM_FAILS" ] || { echo "npm error 404 no such package"; exit 1; }
mkdir -p node_modules/a-tool
echo '{"name": "a-tool", "version": "1.0.0"}' > node_modules/a-tool/package.json
"""


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give each test an empty cache, and none of the developer's settings."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv(tools.OVERRIDE, raising=False)
    tools._version.cache_clear()  # noqa: SLF001 -- versions are asked for once a run
    return tmp_path / "cache" / "mcp-scaffold"


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Node:
    """Put a Node with an npm next to it on an otherwise empty PATH."""
    folder = tmp_path / "node"
    program(folder / "node", "echo v24.1.0")
    program(folder / "npm", NPM.removeprefix("#!/bin/sh\n"))
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}/usr/bin{os.pathsep}/bin")
    monkeypatch.setenv("NPM_CALLS", str(tmp_path / "calls"))
    return Node(folder / "node", "24.1.0")


@pytest.fixture
def processes() -> Iterator[Processes]:
    """Leave no process behind."""
    with Processes() as running:
        yield running


def program(path: Path, body: str) -> Path:
    """Write a shell script that can be run."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def package(folder: Path, name: str, **manifest: object) -> Path:
    """Write an installed npm package."""
    path = folder / "node_modules" / name
    path.mkdir(parents=True, exist_ok=True)
    (path / "package.json").write_text(json.dumps({"name": name, "version": "1.0.0", **manifest}))
    return path


def project(folder: Path, **manifest: object) -> Path:
    """Write a project's package.json."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "package.json").write_text(json.dumps(manifest))
    return folder


def calls(tmp_path: Path) -> list[str]:
    """Return how npm was called."""
    path = tmp_path / "calls"
    return path.read_text().splitlines() if path.exists() else []


def test_node_of_path_is_taken_when_it_is_new_enough(node: Node) -> None:
    """The user's own Node comes first."""
    assert tools.find_node("22.12.0") == node


def test_a_node_that_is_too_old_gives_way_to_the_extra(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """Versions compare as numbers: 9 is older than 22."""
    program(node.program, "echo v9.20.0")
    newer = program(node.program.with_name("newer"), "echo v24.19.0")
    monkeypatch.setattr(tools, "_wheel", lambda *_: str(newer))
    assert tools.find_node("22.12.0") == Node(newer, "24.19.0")


@pytest.mark.parametrize("script", ["echo v20.20.2", "exit 1", ""])
def test_a_missing_node_is_explained(script: str, node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was found, what is needed, and what to type."""
    monkeypatch.setattr(tools, "_wheel", lambda *_: None)
    if script:
        program(node.program, script)
    else:
        monkeypatch.setenv("PATH", "")
    with pytest.raises(MissingError, match=r"^Node 22\.12\.0 or newer is missing: .") as caught:
        tools.find_node("22.12.0")
    assert "pip install 'mcp-scaffold[runtimes]'" in caught.value.help
    if "20" in script:
        assert f"{node.program} is 20.20.2" in str(caught.value)


def test_npm_is_the_one_next_to_node(node: Node) -> None:
    """Node and npm are of one installation, whichever npm comes first on PATH."""
    script = node.program.parent.parent / "lib/node_modules/npm/bin/npm-cli.js"
    assert tools.find_npm(node) == (str(node.program.with_name("npm")),)
    program(script, "")
    assert tools.find_npm(node) == (str(node.program), str(script))


def test_redis_is_found_in_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing has to be installed beside the extra, and without it the message names it."""
    monkeypatch.setenv("PATH", "")
    assert tools.find_redis().name == "redis-server"
    monkeypatch.setattr(tools, "_wheel", lambda *_: None)
    with pytest.raises(MissingError, match="redis-server is missing") as caught:
        tools.find_redis()
    assert caught.value.help == ("pip install 'mcp-scaffold[runtimes]'",)


def test_a_program_is_looked_for_in_the_project_then_on_path_then_in_the_toolchain(
    tmp_path: Path, node: Node
) -> None:
    """What the user has chosen comes first, unless the tool is pinned."""
    places = [tmp_path / "project", node.program.parent, tmp_path / "tools"]
    found = [
        program(places[0] / "node_modules/.bin/tool", ""),
        program(places[1] / "tool", ""),
        program(places[2] / "node_modules/.bin/tool", ""),
    ]
    box = Toolbox(node, places[0], places[2], pinned=False, runtime="")
    pinned = Toolbox(node, places[0], places[2], pinned=True, runtime="")
    assert pinned.find("tool") == found[2]
    for expected in found:
        assert box.find("tool") == expected
        expected.unlink()
    with pytest.raises(MissingError, match=r"`tool` is neither in .*project/node_modules nor on PATH"):
        box.find("tool")
    assert box.find("node") == node.program


def test_a_runtime_is_started_without_its_launcher(tmp_path: Path, node: Node) -> None:
    """Its package for this platform has the binary, whether or not install scripts ran."""
    launcher = program(
        package(tmp_path, "tool", optionalDependencies={"@a/other": "1", "@a/mine": "1"}) / "cli", ""
    )
    (tmp_path / "node_modules/.bin").mkdir()
    (tmp_path / "node_modules/.bin/tool").symlink_to(launcher)
    binary = program(package(tmp_path, "@a/mine") / "bin/tool", "")
    assert Toolbox(node, tmp_path, None, pinned=False, runtime="tool").find("tool") == binary
    assert Toolbox(node, tmp_path, None, pinned=False, runtime="x").find("tool").resolve() == launcher
    binary.rename(binary.parent.parent / "tool")
    assert Toolbox(node, tmp_path, None, pinned=False, runtime="tool").find("tool") == tmp_path / (
        "node_modules/@a/mine/tool"
    )


def test_packages_are_installed_once(tmp_path: Path, node: Node, processes: Processes) -> None:
    """A second run finds them there; a changed package.json installs them again."""
    folder = project(tmp_path / "project")
    tools.install(folder, node, processes)
    tools.install(folder, node, processes)
    assert calls(tmp_path) == [f"install in {folder}; audit=false fund=false"]
    newer = (folder / "node_modules").stat().st_mtime + 10
    project(folder, dependencies={"b-tool": "2.0.0"})
    os.utime(folder / "package.json", (newer, newer))
    tools.install(folder, node, processes)
    assert len(calls(tmp_path)) == 2


def test_packages_that_are_there_already_are_not_installed_again(tmp_path: Path) -> None:
    """Regenerating package.json costs no installation when it names the same versions."""
    folder = project(tmp_path / "project", devDependencies={"a-tool": "1.0.0"})
    package(folder, "a-tool")
    os.utime(folder / "node_modules", (0, 0))
    assert not tools.needs_install(folder)
    project(folder, devDependencies={"a-tool": "^1.0.0"})
    os.utime(folder / "node_modules", (0, 0))
    assert tools.needs_install(folder)


def test_an_installation_that_fails_shows_what_npm_said(
    tmp_path: Path, node: Node, processes: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log is npm's own."""
    monkeypatch.setenv("NPM_FAILS", "1")
    with pytest.raises(MissingError, match=r"`npm install` in .* failed with exit status 1") as caught:
        tools.install(project(tmp_path / "project"), node, processes)
    assert "no such package" in caught.value.log


def test_the_toolchain_is_shared_by_its_pins(
    tmp_path: Path, node: Node, processes: Processes, cache: Path
) -> None:
    """The same versions are one folder, others another one; nothing half installed is ever there."""
    first = tools.install_toolchain({"a-tool": "1.0.0"}, {}, node, processes)
    again = tools.install_toolchain({"a-tool": "1.0.0"}, {}, node, processes)
    other = tools.install_toolchain({"a-tool": "1.0.1"}, {"x": "1"}, node, processes)
    assert first == again != other
    assert first.parent == cache / "toolchain"
    assert json.loads((other / "package.json").read_text()) == {
        "private": True,
        "dependencies": {"a-tool": "1.0.1"},
        "overrides": {"x": "1"},
    }
    assert len(calls(tmp_path)) == 2
    assert all("--ignore-scripts" in call for call in calls(tmp_path))


def test_a_toolchain_that_failed_leaves_nothing(
    node: Node, processes: Processes, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next run starts from the beginning."""
    monkeypatch.setenv("NPM_FAILS", "1")
    with pytest.raises(MissingError):
        tools.install_toolchain({"a-tool": "1.0.0"}, {}, node, processes)
    assert [path for path in (cache / "toolchain").iterdir() if path.is_dir()] == []
    monkeypatch.delenv("NPM_FAILS")
    assert tools.install_toolchain({"a-tool": "1.0.0"}, {}, node, processes).is_dir()


def test_two_at_once_install_once(
    tmp_path: Path, node: Node, processes: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second waits for the first, and takes what it made."""
    monkeypatch.setenv("NPM_SLEEP", "0.3")
    folders = []
    threads = [
        threading.Thread(
            target=lambda: folders.append(tools.install_toolchain({"a-tool": "1.0.0"}, {}, node, processes))
        )
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(folders) == 3
    assert len(set(folders)) == 1
    assert len(calls(tmp_path)) == 1


def test_a_ready_folder_is_taken_as_it_is(
    tmp_path: Path, node: Node, processes: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And named, with what it lacks, when it is not ready."""
    monkeypatch.setenv(tools.OVERRIDE, str(tmp_path / "ready"))
    package(tmp_path / "ready", "a-tool")
    assert tools.install_toolchain({"a-tool": "9"}, {}, node, processes) == tmp_path / "ready"
    with pytest.raises(MissingError, match=r"MCP_SCAFFOLD_TOOLCHAIN is .* has no b-tool and no c-tool"):
        tools.install_toolchain({"b-tool": "1", "c-tool": "2"}, {}, node, processes)
    assert calls(tmp_path) == []
