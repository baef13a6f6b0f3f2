"""What lies at a path, and what must not be written over."""

import os
from pathlib import Path

import pytest

from scaffolder.disk import Blocked, Disk, File


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Make a folder with a project in it, and something beside it."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/file").write_text("not ours")
    folder = tmp_path / "project"
    (folder / "src").mkdir(parents=True)
    (folder / "src/file").write_text("ours")
    (folder / "src/file").chmod(0o755)
    return folder


def reason(project: Path, path: str) -> str:
    """Return why a path is blocked, which it has to be."""
    found = Disk(project).look(path)
    assert isinstance(found, Blocked)
    return found.reason


def test_a_file_has_its_content_and_its_mode(project: Path) -> None:
    """So that its executable bit can be kept."""
    assert Disk(project).look("src/file") == File(b"ours", 0o755, "src/file")


def test_nothing_is_nothing(project: Path) -> None:
    """Also where the folder is missing."""
    assert Disk(project).look("src/none") is None
    assert Disk(project).look("none/of/it") is None


def test_a_link_inside_the_project_leads_to_its_file(project: Path) -> None:
    """The file that it names is the one that is written."""
    (project / "link").symlink_to("src/file")
    found = Disk(project).look("link")
    assert isinstance(found, File)
    assert (found.location, found.is_link("link")) == ("src/file", True)


def test_a_project_may_be_reached_through_a_link(project: Path) -> None:
    """The folder that is named is the project, wherever it is."""
    link = project.parent / "link"
    link.symlink_to(project)
    assert isinstance(Disk(link).look("src/file"), File)


def test_no_link_leads_out_of_the_project(project: Path) -> None:
    """Neither a file's nor a folder's; nor may one come from a place where nothing is."""
    (project / "out").symlink_to("../outside/file")
    (project / "folder").symlink_to("../outside")
    (project / "nowhere").symlink_to("none")
    (project / "loop").symlink_to("loop")
    assert reason(project, "out") == "is a symbolic link that leads out of the project"
    assert reason(project, "folder/new") == "is in `folder`, which leads out of the project"
    assert reason(project, "nowhere") == "is a symbolic link that leads nowhere"
    assert (
        reason(project, "nowhere/new") == "is to be in `nowhere`, which is a symbolic link that leads nowhere"
    )
    assert reason(project, "loop") == "is a symbolic link that leads nowhere"


def test_what_is_no_file_is_left_alone(project: Path) -> None:
    """A folder, a pipe, and a file where a folder has to be."""
    os.mkfifo(project / "pipe")
    assert reason(project, "src") == "is a folder"
    assert reason(project, "pipe") == "is no regular file"
    assert reason(project, "src/file/new") == "is to be in `src/file`, which is no folder"
