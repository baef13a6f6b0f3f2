"""Writing a project: whole or not at all."""

from pathlib import Path

import pytest

from scaffolder.writing import create

TREE = {"a.txt": b"a", "b/c.txt": b"c", "d.txt": b"d"}


@pytest.mark.parametrize("successes", range(3))
def test_a_rename_that_fails_undoes_those_before_it(
    successes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder that was there is as it was, and the reason is passed on."""
    (tmp_path / ".git").mkdir()
    rename = Path.rename
    renamed: list[Path] = []

    def fail(self: Path, target: Path) -> Path:
        if target.parent == tmp_path:
            if len(renamed) == successes:
                raise OSError(28, "No space left on device")
            renamed.append(target)
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(OSError, match="No space left"):
        create(tmp_path, TREE)
    assert len(renamed) == successes
    assert [path.name for path in tmp_path.iterdir()] == [".git"]


def test_what_is_to_be_kept_stays(tmp_path: Path) -> None:
    """The files land beside it, and nothing else does."""
    (tmp_path / "a.txt").write_text("mine")
    assert create(tmp_path, TREE, keep=["a.txt"]) is None
    assert (tmp_path / "a.txt").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.txt", "b", "d.txt"]
