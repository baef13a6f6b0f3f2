"""Run as `python -m scaffolder`, and as `mcp-scaffold`."""

import sys

from scaffolder.fresh import is_fresh

SHORTCUT = {"--check", "--diff", "--json"}


def main() -> None:
    """Run the program; `regenerate` of an unchanged project is answered before the rest of it is imported."""
    if sys.argv[1:2] == ["regenerate"]:
        options = {word for word in sys.argv[2:] if word.startswith("-")}
        project = next((word for word in sys.argv[2:] if word not in options), ".")
        if options <= SHORTCUT and len(sys.argv) - 2 - len(options) <= 1 and is_fresh(project):
            from scaffolder.console import unchanged  # noqa: PLC0415

            code = unchanged("regenerate", project, diff="--diff" in options, as_json="--json" in options)
            sys.exit(code)
    from scaffolder.cli import main as run  # noqa: PLC0415

    run()


if __name__ == "__main__":
    main()
