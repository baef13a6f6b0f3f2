"""Regeneration: what happens to each kind of file, and what does not."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from projects import again, change, files, make, notes, verbs, write_manifest

from scaffolder import regenerate as module
from scaffolder.baseline import BASELINE, SNAPSHOT
from scaffolder.diagnostics import UserError
from scaffolder.fresh import is_fresh
from scaffolder.journal import commit
from scaffolder.manifest import Invalid
from scaffolder.providers import versions
from scaffolder.regenerate import regenerate
from scaffolder.render import render
from scaffolder.writing import write


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Make the golden project."""
    return make(tmp_path / "notes", notes())


def edit(project: Path, path: str, old: str, new: str) -> None:
    """Edit a file by hand."""
    text = (project / path).read_bytes().decode()
    assert old in text
    (project / path).write_bytes(text.replace(old, new, 1).encode())


def without(manifest: dict[str, Any], target: str) -> dict[str, Any]:
    """Drop a target from a manifest."""
    return {**manifest, "targets": [other for other in manifest["targets"] if other != target]}


def test_a_new_project_has_nothing_to_do(project: Path) -> None:
    """Nothing is written, not even the time of a file changes."""
    before = {path: (project / path).stat().st_mtime_ns for path in files(project)}
    assert not again(project).changes
    assert {path: (project / path).stat().st_mtime_ns for path in files(project)} == before


def test_an_unchanged_project_is_recognised_without_rendering(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new one, one that was regenerated, and one in which a person has edited files."""
    assert is_fresh(project)
    edit(project, "src/generated/config.ts", "export", "// Mine.\nexport")
    assert is_fresh(project)
    change(project, {**notes(), "title": "Other"})
    assert is_fresh(project)
    monkeypatch.setattr(module, "outline", lambda _: pytest.fail("it was rendered"))
    assert is_fresh(project)


@pytest.mark.parametrize("path", ["mcp.yaml", BASELINE])
def test_a_project_that_may_differ_is_not_taken_for_unchanged(path: str, project: Path) -> None:
    """Its manifest and its baseline have a say in it."""
    edit(project, path, "notes", "notes2")
    assert not is_fresh(project)


def test_untouched_files_follow_the_manifest(project: Path) -> None:
    """They are what a new project would have; handlers and README stay what they were."""
    manifest = {**notes(), "session": {"ttl_seconds": 60}, "title": "Other"}
    done = change(project, manifest)
    expected = render(yaml.safe_load((project / "mcp.yaml").read_bytes()))
    mine = {"README.md", "mcp.yaml"}
    found = files(project)
    assert {path: found[path] for path in expected if path not in mine} == {
        path: content for path, content in expected.items() if path not in mine
    }
    assert set(verbs(done).values()) == {"updated"}


def test_an_edited_file_is_merged(project: Path) -> None:
    """The user's lines stay, and the generated ones change around them."""
    edit(project, "src/generated/config.ts", "export const", "// Mine.\nexport const")
    done = change(project, {**notes(), "session": {"ttl_seconds": 60}})
    text = (project / "src/generated/config.ts").read_text()
    assert verbs(done)["src/generated/config.ts"] == "merged"
    assert "// Mine.\n" in text
    assert "60" in text


def test_a_conflict_keeps_the_users_side(project: Path) -> None:
    """The generated one lies beside it, both are told, and it stays a conflict until that file is gone."""
    edit(project, "package.json", '"check": "tsc', '"check": "mine && tsc')
    edit(project, "package.json", '"dev:deno": "deno task dev"', '"dev:deno": "deno task dev --mine"')
    done = change(project, without(notes(), "deno"))
    conflict = next(one for one in done.changes if one.path == "package.json")
    assert done.in_trouble
    assert (conflict.verb, conflict.beside) == ("conflict", "package.json.mcp-new")
    assert [(one.place, "mine" in str(one.mine)) for one in conflict.conflicts] == [("scripts.check", True)]
    mine, theirs = (
        json.loads((project / name).read_text())["scripts"]
        for name in ("package.json", "package.json.mcp-new")
    )
    assert mine["check"].startswith("mine && tsc && ")
    assert "deno" not in theirs["check"]
    assert mine["dev:deno"] == theirs["dev:deno"] == "deno task dev --mine"
    assert "check:deno" not in mine
    assert not is_fresh(project)
    assert verbs(again(project)) == {"package.json": "unresolved"} | verbs(again(project))
    assert again(project).in_trouble
    (project / "package.json.mcp-new").unlink()
    assert not again(project).in_trouble
    assert is_fresh(project)


def test_a_conflict_in_a_text_changes_neither_side(project: Path) -> None:
    """The file is the user's to the byte, and the one beside it the generator's."""
    edit(project, "src/generated/config.ts", "1800", "1801")
    before = (project / "src/generated/config.ts").read_bytes()
    manifest = {**notes(), "session": {"ttl_seconds": 60}}
    assert change(project, manifest).in_trouble
    assert (project / "src/generated/config.ts").read_bytes() == before
    beside = (project / "src/generated/config.ts.mcp-new").read_bytes()
    assert beside == render(manifest)["src/generated/config.ts"]


def test_taking_a_change_back_resolves_its_conflict(project: Path) -> None:
    """Everything is as it was, and nothing lies beside it."""
    edit(project, "src/generated/config.ts", "1800", "1801")
    before = files(project)
    change(project, {**notes(), "session": {"ttl_seconds": 60}})
    assert not change(project, notes()).in_trouble
    after = files(project)
    assert {path: after[path] for path in before if path != BASELINE} == {
        path: before[path] for path in before if path != BASELINE
    }
    assert "src/generated/config.ts.mcp-new" not in after


def test_an_edited_conflict_file_is_not_written_over(project: Path) -> None:
    """It has become a person's work; the next one gets another name."""
    edit(project, "src/generated/config.ts", "1800", "1801")
    change(project, {**notes(), "session": {"ttl_seconds": 60}})
    beside = project / "src/generated/config.ts.mcp-new"
    beside.write_text("half way through\n")
    change(project, {**notes(), "session": {"ttl_seconds": 61}})
    assert beside.read_text() == "half way through\n"


def test_a_json_file_that_cannot_be_read_is_left_alone(project: Path) -> None:
    """Where it is wrong is said, and when that is mended the change is merged."""
    before = (project / "package.json").read_bytes()
    (project / "package.json").write_text('{\n  "name": "notes",\n  oops\n}\n')
    done = change(project, without(notes(), "deno"))
    conflict = next(one for one in done.changes if one.path == "package.json")
    assert "line 3" in conflict.note or ":3:" in conflict.note
    assert (project / "package.json").read_text() == '{\n  "name": "notes",\n  oops\n}\n'
    (project / "package.json").write_bytes(before.replace(b'"private"', b'"mine": 1,\n  "private"'))
    assert not again(project).in_trouble
    package = json.loads((project / "package.json").read_text())
    assert package["mine"] == 1
    assert "check:deno" not in package["scripts"]


def test_a_file_without_its_header_is_the_users(project: Path) -> None:
    """It is left alone and reported; with its header it is merged again, from where it was."""
    path = "src/generated/config.ts"
    header, rest = (project / path).read_text().split("\n", 1)
    (project / path).write_text(f"// Mine.\n{rest}")
    done = change(project, {**notes(), "session": {"ttl_seconds": 60}})
    assert verbs(done)[path] == "kept"
    assert (project / path).read_text() == f"// Mine.\n{rest}"
    (project / path).write_text(f"{header}\n// Mine.\n{rest}")
    assert not is_fresh(project)
    again(project)
    text = (project / path).read_text()
    assert "// Mine.\n" in text
    assert "1800" not in text


def test_a_deleted_file_stays_deleted(project: Path) -> None:
    """Also when what it would say changes, and until it is asked for."""
    (project / "src/generated/config.ts").unlink()
    (project / "README.md").unlink()
    change(project, {**notes(), "session": {"ttl_seconds": 60}})
    assert not (project / "src/generated/config.ts").exists()
    assert not (project / "README.md").exists()
    done = again(project, restore=["src/generated/config.ts"])
    assert verbs(done) == {"src/generated/config.ts": "created", "README.md": "absent"}
    assert "60" in (project / "src/generated/config.ts").read_text()


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("package.json", "nothing of `package.json` is missing"),
        ("src", "nothing of `src` is missing"),
        ("nothing.ts", "`nothing.ts` is not generated"),
    ],
)
def test_only_a_deleted_file_can_be_brought_back(path: str, message: str, project: Path) -> None:
    """Anything else is a mistake, which is told."""
    with pytest.raises(UserError, match=message):
        regenerate(project, restore=[path])


def test_a_removed_target_takes_its_files_along(project: Path) -> None:
    """Those that were edited stay, are reported, and are merged again when the target comes back."""
    edit(project, "deno.json", '"unstable"', '"mine": 1,\n  "unstable"')
    before = files(project)
    done = change(project, without(notes(), "deno"))
    assert verbs(done)["deno.json"] == "kept"
    assert verbs(done)["src/targets/deno.ts"] == "deleted"
    assert not (project / "src/targets/deno.ts").exists()
    change(project, notes())
    after = files(project)
    assert {path: after[path] for path in before} == before


def test_a_removed_tool_takes_its_handler_along(project: Path) -> None:
    """Unless it was edited; then it stays, and is there when the tool comes back."""
    edit(project, "src/tools/lookup_user.ts", "/**", "// Mine.\n/**")
    mine = (project / "src/tools/lookup_user.ts").read_bytes()
    done = change(project, {**notes(), "tools": []})
    assert verbs(done)["src/tools/lookup_user.ts"] == "kept"
    assert verbs(done)["src/tools/add_to_draft.ts"] == "deleted"
    change(project, notes())
    assert (project / "src/tools/lookup_user.ts").read_bytes() == mine
    assert (project / "src/tools/add_to_draft.ts").exists()


@pytest.mark.parametrize("said", [True, False])
def test_a_renamed_tool_takes_its_handler_along(said: bool, project: Path) -> None:  # noqa: FBT001
    """Its type follows the name, everything else is as the user wrote it."""
    edit(project, "src/tools/lookup_user.ts", "/** Look", "// Mine.\n/** Look")
    (project / "src/tools/lookup_user.ts").chmod(0o755)
    mine = (project / "src/tools/lookup_user.ts").read_text()
    manifest = notes()
    manifest["tools"][0]["name"] = "find_user"
    if said:
        manifest["tools"][0] |= {
            "renamed_from": "lookup_user",
            "description": "Other.",
            "inputSchema": {"type": "object"},
        }
    done = change(project, manifest)
    renamed = next(one for one in done.changes if one.verb == "renamed")
    assert (renamed.source, renamed.path) == ("src/tools/lookup_user.ts", "src/tools/find_user.ts")
    assert not (project / "src/tools/lookup_user.ts").exists()
    assert (project / "src/tools/find_user.ts").read_text() == mine.replace(
        'Tool<"lookup_user">', 'Tool<"find_user">'
    )
    assert (project / "src/tools/find_user.ts").stat().st_mode & 0o777 == 0o755
    change(project, notes())
    assert (project / "src/tools/lookup_user.ts").read_text() == mine


def test_an_edited_file_follows_the_name_of_the_server(project: Path) -> None:
    """The systemd unit is named after it."""
    edit(project, "deploy/bun/notes.service", "[Install]", "[Install]\n# Mine.")
    done = change(project, {**notes(), "name": "other"})
    assert not done.in_trouble
    assert "# Mine.\n" in (project / "deploy/bun/other.service").read_text()
    assert not (project / "deploy/bun/notes.service").exists()


def test_a_file_in_the_way_is_the_users(project: Path) -> None:
    """A new tool's handler that is there is taken as it is; another file is a conflict."""
    manifest = without(notes(), "deno")
    change(project, manifest)
    (project / "deno.json").write_text('{ "tasks": { "dev": "mine" } }\n')
    (project / "src/targets/deno.ts").write_text("mine\n")
    (project / "src/tools/extra.ts").write_text("mine\n")
    extra = {"name": "extra", "inputSchema": {"type": "object"}}
    done = change(project, {**notes(), "tools": [*notes()["tools"], extra]})
    assert (project / "src/tools/extra.ts").read_text() == "mine\n"
    assert (project / "src/targets/deno.ts").read_text() == "mine\n"
    assert (project / "src/targets/deno.ts.mcp-new").exists()
    merged = json.loads((project / "deno.json").read_text())
    assert merged["tasks"]["dev"] == "mine"
    assert merged["unstable"] == ["kv"]
    assert {path for path, verb in verbs(done).items() if verb == "conflict"} == {
        "deno.json",
        "src/targets/deno.ts",
    }


def test_lines_that_both_add_to_a_list_are_no_conflict(project: Path) -> None:
    """`.gitignore` and the example files are sets of lines."""
    change(project, without(notes(), "bun"))
    for path in (".gitignore", ".env.example"):
        with (project / path).open("a") as file:
            file.write("mine/\n")
    manifest = {**notes(), "secrets": {**notes()["secrets"], "OTHER": "Another."}}
    done = change(project, manifest)
    assert not done.in_trouble
    assert {"mine/", "sessions.sqlite*"} <= set((project / ".gitignore").read_text().split("\n"))
    assert {"mine/", "OTHER="} <= set((project / ".env.example").read_text().split("\n"))


def test_windows_line_ends_are_no_edit(project: Path) -> None:
    """A file that version control checked out with them is replaced, and keeps them."""
    path = project / "src/generated/config.ts"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    handler = project / "src/tools/lookup_user.ts"
    handler.write_bytes(handler.read_bytes().replace(b"\n", b"\r\n"))
    manifest = {**notes(), "session": {"ttl_seconds": 60}, "tools": []}
    done = change(project, manifest)
    assert verbs(done)["src/generated/config.ts"] == "updated"
    assert path.read_bytes() == render(manifest)["src/generated/config.ts"].replace(b"\n", b"\r\n")
    assert not handler.exists()


def test_bytes_that_are_no_text_are_kept(project: Path) -> None:
    """A merge of lines does not have to read them."""
    path = project / "src/generated/config.ts"
    path.write_bytes(path.read_bytes() + b"// caf\xe9\n")
    assert not change(project, {**notes(), "session": {"ttl_seconds": 60}}).in_trouble
    assert path.read_bytes().endswith(b"// caf\xe9\n")
    assert b"60" in path.read_bytes()


def test_permissions_are_kept(project: Path) -> None:
    """A file that may be executed, and one that may only be read."""
    (project / "src/generated/config.ts").chmod(0o755)
    (project / "monitor/monitor.json").chmod(0o444)
    change(project, {**notes(), "session": {"ttl_seconds": 60}, "monitor": {"failures": 9}})
    assert (project / "src/generated/config.ts").stat().st_mode & 0o777 == 0o755
    assert (project / "monitor/monitor.json").stat().st_mode & 0o777 == 0o444
    assert "9" in (project / "monitor/monitor.json").read_text()


def test_links_are_followed_inside_the_project_alone(project: Path, tmp_path: Path) -> None:
    """Outside of it nothing is written, and that is told."""
    (tmp_path / "outside").mkdir()
    config = project / "src/generated/config.ts"
    shutil.move(config, project / "config.ts")
    config.symlink_to("../../config.ts")
    shutil.move(project / "monitor/monitor.json", tmp_path / "outside/monitor.json")
    (project / "monitor/monitor.json").symlink_to(tmp_path / "outside/monitor.json")
    before = (tmp_path / "outside/monitor.json").read_bytes()
    done = change(project, {**notes(), "session": {"ttl_seconds": 60}, "monitor": {"failures": 9}})
    assert config.is_symlink()
    assert "60" in (project / "config.ts").read_text()
    assert (tmp_path / "outside/monitor.json").read_bytes() == before
    conflict = next(one for one in done.changes if one.verb == "conflict")
    assert (conflict.path, conflict.note) == (
        "monitor/monitor.json",
        "is a symbolic link that leads out of the project",
    )


def test_a_plan_writes_nothing(project: Path) -> None:
    """It says what a run would do, and the run does that."""
    edit(project, "mcp.yaml", "1800", "60")
    before = files(project)
    planned = again(project, write=False)
    assert files(project) == before
    assert planned.changes == again(project).changes


def test_an_invalid_manifest_changes_nothing(project: Path) -> None:
    """Everything that is wrong with it is the result."""
    edit(project, "mcp.yaml", "1800", "never")
    before = files(project)
    assert isinstance(regenerate(project), Invalid)
    assert files(project) == before


def test_a_folder_with_a_manifest_alone_becomes_a_project(tmp_path: Path) -> None:
    """All of it is created."""
    (tmp_path / "mcp.yaml").write_bytes((make(tmp_path / "notes", notes()) / "mcp.yaml").read_bytes())
    shutil.rmtree(tmp_path / "notes")
    done = again(tmp_path)
    assert set(verbs(done).values()) == {"created"}
    assert files(tmp_path).keys() == {*render(notes()), BASELINE}


def test_a_project_of_plain_copier_is_taken_over(tmp_path: Path) -> None:
    """What it was made from tells an edit from what was generated."""
    write(tmp_path, render(notes()))
    edit(tmp_path, "src/generated/config.ts", "export const", "// Mine.\nexport const")
    (tmp_path / "public/robots.txt").unlink()
    done = change(tmp_path, {**without(notes(), "deno"), "session": {"ttl_seconds": 60}})
    assert done.adopted
    assert not done.in_trouble
    assert verbs(done)["src/generated/config.ts"] == "merged"
    assert verbs(done)["src/targets/deno.ts"] == "deleted"
    assert not (tmp_path / "public/robots.txt").exists()


def test_a_project_without_any_note_keeps_all_that_differs(tmp_path: Path) -> None:
    """Nothing is known of it, so that each difference is a person's to decide."""
    write(tmp_path, render(notes()))
    (tmp_path / SNAPSHOT).unlink()
    edit(tmp_path, "src/generated/config.ts", "export const", "// Mine.\nexport const")
    done = again(tmp_path)
    assert {path for path, verb in verbs(done).items() if verb == "conflict"} == {"src/generated/config.ts"}


def test_another_version_without_a_baseline_is_named(tmp_path: Path) -> None:
    """What the templates changed cannot be told from what a person did."""
    write(tmp_path, render(notes()))
    edit(tmp_path, SNAPSHOT, versions()["generator"], "0.0.7")
    done = again(tmp_path)
    assert done.stranger == "0.0.7"


def test_a_newer_project_is_not_touched(project: Path) -> None:
    """The version that made it is named."""
    edit(project, BASELINE, f'"generator": "{versions()["generator"]}"', '"generator": "10.2.0"')
    before = files(project)
    with pytest.raises(UserError, match=r"made by mcp-scaffold 10\.2\.0"):
        regenerate(project)
    assert files(project) == before


def test_an_edit_of_the_manifest_is_part_of_the_run(project: Path) -> None:
    """It is written with the rest, or not at all."""
    done = again(project, amend=lambda text: text.replace("1800", "60"))
    assert verbs(done)["mcp.yaml"] == "updated"
    assert "60" in (project / "mcp.yaml").read_text()
    before = files(project)
    refused = regenerate(project, amend=lambda text: text.replace("60", "never"))
    assert isinstance(refused, Invalid)
    assert files(project) == before


def test_a_folder_of_deleted_files_comes_back(project: Path) -> None:
    """All that was generated in it; until then they are told of once."""
    before = files(project)
    shutil.rmtree(project / "src/generated")
    assert not is_fresh(project)
    assert set(verbs(again(project)).values()) == {"absent"}
    assert is_fresh(project)
    again(project, restore=["./src/generated/"])
    assert files(project) == before


def test_markers_of_a_merge_stop_the_run(project: Path) -> None:
    """The commands that settle them are given, and then all is as the manifest says."""
    before = {path: (project / path).read_bytes() for path in (BASELINE, "src/generated/config.ts")}
    for path, content in before.items():
        lines = content.splitlines(keepends=True)
        sides = [b"<<<<<<< HEAD\n", lines[5], b"=======\n", lines[5], b">>>>>>> other\n"]
        (project / path).write_bytes(b"".join([*lines[:5], *sides, *lines[6:]]))
    write_manifest(project, {**notes(), "session": {"ttl_seconds": 60}})
    with pytest.raises(UserError, match="a merge has left conflicts in") as caught:
        regenerate(project)
    assert f"git checkout --ours {BASELINE} src/generated/config.ts" in caught.value.help
    for path, content in before.items():
        (project / path).write_bytes(content)
    assert not again(project).in_trouble


@pytest.mark.parametrize("name", ["100x", "2fa_lookup", "con", "a.d", "find-user"])
def test_a_handler_follows_any_name(name: str, project: Path) -> None:
    """Also one that starts with a digit, and one that no file may have."""
    edit(project, "src/tools/lookup_user.ts", "/** Look", "// Mine.\n/** Look")
    edit(project, "src/tools/lookup_user.ts", 'Tool<"lookup_user">', "Tool<\n  'lookup_user'\n>")
    manifest = notes()
    manifest["tools"][0]["name"] = name
    renamed = next(one for one in change(project, manifest).changes if one.verb == "renamed")
    assert f"Tool<\n  '{name}'\n>" in (project / renamed.path).read_text()
    change(project, notes())
    assert "'lookup_user'" in (project / "src/tools/lookup_user.ts").read_text()


def test_tools_may_swap_their_names(project: Path) -> None:
    """Each handler goes with its tool, the edited one and the untouched one."""
    edit(project, "src/tools/lookup_user.ts", "/** Look", "// Mine.\n/** Look")
    manifest = notes()
    one, other = manifest["tools"][0], manifest["tools"][1]
    one |= {"name": "add_to_draft", "renamed_from": "lookup_user"}
    other |= {"name": "lookup_user", "renamed_from": "add_to_draft"}
    change(project, manifest)
    text = (project / "src/tools/add_to_draft.ts").read_text()
    assert "// Mine." in text
    assert 'Tool<"add_to_draft">' in text
    assert 'Tool<"lookup_user">' in (project / "src/tools/lookup_user.ts").read_text()
    assert "// Mine." not in (project / "src/tools/lookup_user.ts").read_text()
    assert not again(project).changes


def test_a_rename_may_be_said_late(project: Path) -> None:
    """As long as nobody has written the new handler."""
    edit(project, "src/tools/lookup_user.ts", "/** Look", "// Mine.\n/** Look")
    manifest = notes()
    manifest["tools"][0] |= {"name": "find", "description": "Other.", "inputSchema": {"type": "object"}}
    done = change(project, manifest)
    assert verbs(done)["src/tools/lookup_user.ts"] == "kept"
    assert verbs(done)["src/tools/find.ts"] == "created"
    manifest["tools"][0]["renamed_from"] = "lookup_user"
    change(project, manifest)
    assert "// Mine." in (project / "src/tools/find.ts").read_text()
    assert not (project / "src/tools/lookup_user.ts").exists()


def test_a_handler_that_was_there_first_follows_its_tool(project: Path) -> None:
    """A person wrote it before the tool was declared."""
    handler = '// Mine.\nexport default (() => "") satisfies Tool<"ping">;\n'
    (project / "src/tools/ping.ts").write_text(handler)
    ping = {"name": "ping", "description": "Ping.", "inputSchema": {"type": "object"}}
    change(project, {**notes(), "tools": [*notes()["tools"], ping]})
    change(project, {**notes(), "tools": [*notes()["tools"], {**ping, "name": "pong"}]})
    assert 'Tool<"pong">' in (project / "src/tools/pong.ts").read_text()
    assert not (project / "src/tools/ping.ts").exists()


def test_the_generated_side_of_a_conflict_stays_up_to_date(project: Path) -> None:
    """Whoever takes it over takes over what is generated now, and not what was then."""
    edit(project, "package.json", '"check": "tsc', '"check": "mine && tsc')
    change(project, without(notes(), "deno"))
    change(project, {**without(notes(), "deno"), "name": "other"})
    assert json.loads((project / "package.json").read_text())["name"] == "other"
    assert json.loads((project / "package.json.mcp-new").read_text())["name"] == "other"


def test_a_manifest_that_changes_during_the_run_is_not_taken_for_done(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was rendered is what was read."""
    write_manifest(project, {**notes(), "session": {"ttl_seconds": 60}})

    def save_meanwhile(folder: Path, operations: Any) -> Any:
        write_manifest(project, {**notes(), "session": {"ttl_seconds": 77}})
        return commit(folder, operations)

    monkeypatch.setattr(module, "commit", save_meanwhile)
    again(project)
    monkeypatch.undo()
    assert not is_fresh(project)
    again(project)
    assert "77" in (project / "src/generated/config.ts").read_text()


def test_a_file_that_changes_during_the_run_is_merged_by_the_next(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is forgotten: neither the edit nor what was generated."""
    write_manifest(project, {**notes(), "session": {"ttl_seconds": 60}})

    def edit_meanwhile(folder: Path, operations: Any) -> Any:
        edit(project, "src/generated/config.ts", "export const", "// Mine.\nexport const")
        return commit(folder, operations)

    monkeypatch.setattr(module, "commit", edit_meanwhile)
    done = again(project)
    assert done.overtaken == ("src/generated/config.ts",)
    assert done.in_trouble
    monkeypatch.undo()
    assert not is_fresh(project)
    assert verbs(again(project)) == {"src/generated/config.ts": "merged"}
    text = (project / "src/generated/config.ts").read_text()
    assert "// Mine." in text
    assert "1800" not in text


def test_a_manifest_that_is_a_link_out_of_the_project_is_not_edited(project: Path, tmp_path: Path) -> None:
    """The file that it stands for may belong to others; regenerating from it is fine."""
    shutil.move(project / "mcp.yaml", tmp_path / "shared.yaml")
    (project / "mcp.yaml").symlink_to(tmp_path / "shared.yaml")
    assert not again(project).differs
    with pytest.raises(UserError, match="leads out of the project"):
        regenerate(project, amend=lambda text: text + "\n")
    assert (project / "mcp.yaml").is_symlink()


def test_a_pipe_is_no_manifest_of_a_project(tmp_path: Path) -> None:
    """Nobody waits for somebody to write to it."""
    os.mkfifo(tmp_path / "mcp.yaml")
    with pytest.raises(UserError, match="is no regular file"):
        regenerate(tmp_path)


def test_a_handler_that_cannot_move_keeps_the_others_from_its_place(project: Path) -> None:
    """What a person has written is never written over, whoever else was to come there."""
    for name in ("lookup_user", "add_to_draft"):
        edit(project, f"src/tools/{name}.ts", "export default", f"// Mine: {name}.\nexport default")
    (project / "src/tools/third.ts").write_text("// Mine: third.\n")
    manifest = notes()
    manifest["tools"][0] |= {"name": "add_to_draft", "renamed_from": "lookup_user"}
    manifest["tools"][1] |= {"name": "third", "renamed_from": "add_to_draft"}
    change(project, manifest)
    text = "".join(path.read_text() for path in (project / "src/tools").iterdir())
    assert all(f"// Mine: {name}." in text for name in ("lookup_user", "add_to_draft", "third"))
    assert "// Mine: add_to_draft." in (project / "src/tools/add_to_draft.ts").read_text()
    assert "// Mine: third." in (project / "src/tools/third.ts").read_text()


def test_two_handlers_never_become_one(project: Path) -> None:
    """A tool that says where it comes from is not taken for another one besides."""
    for name in ("lookup_user", "add_to_draft"):
        edit(project, f"src/tools/{name}.ts", "export default", f"// Mine: {name}.\nexport default")
    manifest = notes()
    draft = manifest["tools"].pop(1)
    lookup = manifest["tools"].pop(0)
    change(project, {**notes(), "tools": [*manifest["tools"], draft]})
    change(
        project,
        {**notes(), "tools": [*manifest["tools"], {**draft, "name": "x", "renamed_from": lookup["name"]}]},
    )
    text = "".join(path.read_text() for path in (project / "src/tools").iterdir())
    assert "// Mine: lookup_user." in text
    assert "// Mine: add_to_draft." in text
