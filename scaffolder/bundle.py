"""Find `copier.yml` and the templates: beside the code in a wheel, above it in a checkout."""

from functools import cache
from pathlib import Path


@cache
def bundle() -> Path:
    """Return the folder that holds `copier.yml` and `templates/`."""
    here = Path(__file__).parent
    packaged = here / "_bundle"
    return packaged if packaged.is_dir() else here.parent
