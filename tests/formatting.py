"""Asks the formatter about whole folders of projects."""

import json
import subprocess
import tempfile
from pathlib import Path

from toolchain import Toolchain

# The style of a generated project's .editorconfig; Markdown and YAML are for people to lay out.
SETTINGS = {
    "formatter": {"indentStyle": "space", "includes": ["**", "!**/*.md", "!**/*.y*ml"]},
    "files": {"maxSize": 100_000_000},
}


def complaints(folder: Path, toolchain: Toolchain) -> str:
    """Return what Biome would change in the sources and configuration below a folder; empty is well."""
    with tempfile.TemporaryDirectory() as settings:
        (Path(settings) / "biome.json").write_text(json.dumps(SETTINGS))
        command = [
            str(toolchain.bin("biome")),
            "format",
            f"--config-path={settings}",
            "--max-diagnostics=10",
            ".",
        ]
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, check=False, env=toolchain.env
        )
    assert "Checked 0 files" not in done.stdout
    return "" if done.returncode == 0 else done.stdout + done.stderr
