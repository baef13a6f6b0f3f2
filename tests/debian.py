"""Finds the programs that only the system's packages bring."""

import os
import shutil

import pytest


def program(name: str) -> str:
    """Return the path of a program; CI has to have it, elsewhere its test is left out."""
    path = shutil.which(name)
    if path is None and os.environ.get("CI"):
        pytest.fail(f"{name} is not installed, and CI has to check what only it can read")
    return path or pytest.skip(f"{name} is not installed")
