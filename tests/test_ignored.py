"""What can hold a secret or somebody's session is neither committed nor deployed."""

import os
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest

from scaffolder.providers import profiles
from scaffolder.render import Tree, render
from scaffolder.writing import create

MANIFEST = {
    "name": "notes",
    "targets": list(profiles()),
    "secrets": {"API_TOKEN": "A token."},
    "tools": [{"name": "keep", "inputSchema": {"type": "object"}, "state": "session"}],
}

SECRET = [
    ".env",
    ".env.local",
    ".env.production",
    ".env.production.local",
    ".dev.vars",
    ".dev.vars.production",
    *{profile.secrets_file for profile in profiles().values()},
]
STATE = ["sessions.sqlite", "sessions.sqlite-wal", "sessions.sqlite-shm", ".wrangler/state/v3/kv/x.sqlite"]
LOCAL = [".vercel/project.json", ".vercel/.env.production.local", "node_modules/x/index.js"]

EXAMPLES = [".env.example", ".dev.vars.example"]


@pytest.fixture
def tree() -> Tree:
    """Render a project with all targets and a secret."""
    return render(MANIFEST)


def ignored(folder: Path, paths: Iterable[str]) -> set[str]:
    """Ask Git which of the paths it ignores; none of them has to exist."""
    # The rules of this machine's user are none of the project's.
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    if not (folder / ".git").exists():
        subprocess.run(["git", "init", "--quiet", folder], env=environment, check=True)
    done = subprocess.run(
        ["git", "-C", folder, "check-ignore", "--no-index", "-z", "--stdin"],
        input="\0".join(paths),
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    # One is the status where nothing is ignored.
    assert done.returncode in {0, 1}, done.stderr
    return set(filter(None, done.stdout.split("\0")))


def test_git_ignores_secrets_and_state(tree: Tree, tmp_path: Path) -> None:
    """No secret, no session and nothing that a vendor's tool leaves here is committed by accident."""
    create(tmp_path, tree)
    wanted = [*SECRET, *STATE, *LOCAL]
    assert ignored(tmp_path, wanted) == set(wanted)


def test_git_ignores_nothing_that_is_generated(tree: Tree, tmp_path: Path) -> None:
    """The project is whole in a clone: also the examples, whose names resemble a secret's."""
    create(tmp_path, tree)
    assert set(EXAMPLES) < set(tree)
    assert ignored(tmp_path, tree) == set()


@pytest.mark.parametrize("target", profiles())
def test_git_ignores_the_secrets_of_each_target(target: str, tmp_path: Path) -> None:
    """Also with one target: the file that its tool reads secrets from, and not the example of it."""
    tree = render({**MANIFEST, "targets": [target]})
    create(tmp_path, tree)
    file = profiles()[target].secrets_file
    assert ignored(tmp_path, [file, f"{file}.example", *tree]) == {file}
    assert f"{file}.example" in tree


def test_vercel_deploys_neither_secrets_nor_state(tree: Tree, tmp_path: Path) -> None:
    """`vercel deploy` uploads the folder but for .vercelignore, which has the syntax of .gitignore."""
    (tmp_path / ".gitignore").write_bytes(tree[".vercelignore"])
    wanted = [*SECRET, *STATE]
    assert ignored(tmp_path, wanted) == set(wanted)


def test_vercel_deploys_what_it_builds_from(tree: Tree, tmp_path: Path) -> None:
    """The function and all that it imports, the packages, the configuration."""
    (tmp_path / ".gitignore").write_bytes(tree[".vercelignore"])
    sources = [path for path in tree if path.startswith(("src/generated/", "src/tools/", "api/", "public/"))]
    needed = [*sources, "package.json", "vercel.json", "tsconfig.json"]
    assert set(needed) < set(tree)
    assert ignored(tmp_path, needed) == set()
