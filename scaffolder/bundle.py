"""Find `copier.yml` and the templates: beside the code in a wheel, above it in a checkout."""

from __future__ import annotations

import os

# Only for annotations: pathlib takes longer to import than it takes to find out that a project is unchanged.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

_HERE = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120 - see above
_PACKAGED = f"{_HERE}/_bundle"

LOCATION = _PACKAGED if os.path.isdir(_PACKAGED) else os.path.dirname(_HERE)  # noqa: PTH112, PTH120 - likewise
"""The folder that holds `copier.yml` and `templates/`."""


def bundle() -> Path:
    """Return that folder as a path."""
    from pathlib import Path  # noqa: PLC0415 - see above

    return Path(LOCATION)
