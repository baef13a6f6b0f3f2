"""A new handler compiles against its contract, and what it returns keeps to it."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from formatting import complaints
from test_real_servers import SERVERS, tools
from toolchain import Toolchain

from scaffolder.render import render
from scaffolder.writing import create

Schemas = dict[str, dict[str, Any]]

RECURSIVE: Schemas = {
    "mutual": {
        "properties": {"a": {"$ref": "#/$defs/A"}},
        "$defs": {
            "A": {"type": "object", "properties": {"b": {"$ref": "#/$defs/B"}}},
            "B": {"type": "object", "properties": {"a": {"$ref": "#/$defs/A"}}},
        },
    },
    "itself": {
        "properties": {"a": {"$ref": "#"}, "definitions": {"type": "string"}},
        "required": ["definitions"],
    },
    "lost": {"properties": {"a": {"$ref": "#/$defs/nowhere"}, "b": {"$ref": "https://example.com/schema"}}},
}

SIMPLE: Schemas = {
    "scalars": {
        "properties": {
            "text": {"type": "string", "minLength": 3},
            "day": {"type": "string", "format": "date"},
            "count": {"type": "integer", "minimum": 2.5},
            "below": {"type": "number", "exclusiveMaximum": -1},
            "flag": {"type": "boolean"},
            "nothing": {"type": "null"},
            "either": {"type": ["string", "null"]},
            "one": {"enum": ["a", "b"]},
            "fixed": {"const": {"k": [1, None]}},
        },
    },
    "nested": {
        "properties": {
            "list": {"type": "array", "items": {"type": "integer", "minimum": 1}, "minItems": 2},
            "pair": {"type": "array", "prefixItems": [{"type": "string"}, {"type": "null"}], "minItems": 2},
            "inner": {"type": "object", "properties": {"x": {"$ref": "#/$defs/X"}}, "required": ["x"]},
            "any": {"anyOf": [{"type": "null"}, {"type": "string"}]},
        },
        "$defs": {"X": {"type": "object", "additionalProperties": False}},
    },
}

# What a sample could get wrong, or what is no sensible schema at all.
BEYOND: Schemas = {
    "pattern": {"properties": {"a": {"type": "string", "pattern": "^x+$"}}, "required": ["a"]},
    "all_of": {"allOf": [{"properties": {"a": {"type": "string"}}, "required": ["a"]}]},
    "undeclared": {"required": ["a"]},
    "draft_3": {"properties": {"a": {"type": "object", "required": True}}, "required": ["a"]},
    "huge": {"properties": {"a": {"type": "array", "minItems": 10_000_000}}, "required": ["a"]},
    "float": {"properties": {"a": {"type": "array", "minItems": 1.0}}, "required": ["a"]},
    "mapping": {"properties": {"a": {"enum": {"b": 1}}}, "required": ["a"]},
    "number_ref": {"properties": {"a": {"$ref": 5}}, "required": ["a"]},
    "method_ref": {"properties": {"a": {"$ref": "#/$defs/items"}}, "required": ["a"]},
    "endless": {"properties": {"a": {"$ref": "#"}}, "required": ["a"]},
    "odd_types": {"properties": {"a": {"type": {"b": 1}}}, "required": ["a"]},
    "odd_format": {"properties": {"a": {"type": "string", "format": ["date"]}}, "required": ["a"]},
    "odd_any_of": {"properties": {"a": {"anyOf": 5}}, "required": ["a"]},
    "odd_tuple": {
        "properties": {"a": {"type": "array", "prefixItems": 5, "minItems": 1, "items": 7}},
        "required": ["a"],
    },
    "empty_range": {"properties": {"a": {"type": "integer", "minimum": 5, "maximum": 4}}, "required": ["a"]},
}

ORDER: dict[str, Any] = {"type": "object", "properties": {"order": {"type": "string"}}}

# What a handler destructures, and the schema that does not declare it.
UNDECLARED: dict[str, tuple[str, dict[str, Any]]] = {
    "root": ("{ order_no }", ORDER),
    "nested": ("{ of: { order_no } }", {"properties": {"of": ORDER}, "required": ["of"]}),
    "referred": (
        "{ of: { order_no } }",
        {"properties": {"of": {"$ref": "#/$defs/Order"}}, "required": ["of"], "$defs": {"Order": ORDER}},
    ),
    "combined": (
        "{ order_no, place }",
        {**ORDER, "allOf": [{"type": "object", "properties": {"place": {"type": "string"}}}]},
    ),
    "named_as_keywords": (
        "{ order_no, type, properties }",
        {"properties": {**ORDER["properties"], "type": {"type": "string"}, "properties": {"type": "string"}}},
    ),
}

OPEN: Schemas = {
    "no_properties": {},
    "additional": {**ORDER, "additionalProperties": True},
    "additional_numbers": {**ORDER, "additionalProperties": {"type": "number"}},
    "patterns": {**ORDER, "patternProperties": {"^order_": {"type": "string"}}},
    "conditional": {**ORDER, "if": {}, "then": {"properties": {"order_no": {"type": "string"}}}},
}


def made(schemas: Schemas, key: str, folder: Path) -> Path:
    """Make a project with a tool for each schema."""
    declared = [
        {"name": name, "inputSchema": {"type": "object"}, key: {"type": "object", **schema}}
        for name, schema in schemas.items()
    ]
    create(folder / "project", render({"name": "handlers", "targets": ["deno"], "tools": declared}))
    return folder / "project"


def compile_errors(project: Path, toolchain: Toolchain) -> str:
    """Return what the type checker says."""
    if not (project / "node_modules").exists():
        (project / "node_modules").symlink_to(toolchain.node_modules)
    command = [str(toolchain.bin("tsc")), "-p", str(project)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=toolchain.env).stdout


def read(project: Path, name: str, parameter: str) -> None:
    """Write a handler that takes its arguments apart."""
    (project / f"src/tools/{name}.ts").write_text(
        'import type { Tool } from "../generated/contract.ts";\n'
        f'const tool: Tool<"{name}"> = async ({parameter}) => "";\n'
        "export default tool;\n"
    )


def returned(project: Path, toolchain: Toolchain) -> dict[str, Any]:
    """Return what each handler gives back, by tool."""
    command = [str(toolchain.node), str(Path(__file__).parent / "run_handlers.mjs"), str(project)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=toolchain.env)
    assert done.returncode == 0, done.stderr
    results: dict[str, Any] = json.loads(done.stdout)
    return results


@pytest.mark.slow
def test_a_recursive_input_schema_compiles(tmp_path: Path, toolchain: Toolchain) -> None:
    """A reference to what encloses it, or to nothing, ends in a type that accepts anything."""
    project = made(RECURSIVE, "inputSchema", tmp_path)
    assert compile_errors(project, toolchain) == ""


@pytest.mark.slow
def test_a_handler_reads_only_what_is_declared(tmp_path: Path, toolchain: Toolchain) -> None:
    """A name that the schema does not have, or no longer has, is one type error; the one it has compiles."""
    project = made({name: schema for name, (_, schema) in UNDECLARED.items()}, "inputSchema", tmp_path)
    for name, (parameter, _) in UNDECLARED.items():
        read(project, name, parameter)
    errors = re.findall(r"(\w+)\.ts\S* error (TS\d+): (.*?) on type", compile_errors(project, toolchain))
    missing = ("TS2339", "Property 'order_no' does not exist")
    assert sorted(errors) == sorted((name, *missing) for name in UNDECLARED)
    for name, (parameter, _) in UNDECLARED.items():
        read(project, name, parameter.replace("order_no", "order"))
    assert compile_errors(project, toolchain) == ""


@pytest.mark.slow
def test_a_handler_reads_anything_of_an_open_object(tmp_path: Path, toolchain: Toolchain) -> None:
    """Where the schema lets other properties through on purpose, a handler may ask for them."""
    project = made(OPEN, "inputSchema", tmp_path)
    for name in OPEN:
        read(project, name, "{ order_no }")
    assert compile_errors(project, toolchain) == ""


@pytest.mark.slow
def test_a_new_handler_returns_what_its_output_schema_asks_for(tmp_path: Path, toolchain: Toolchain) -> None:
    """The sample is typed, and valid to a validator of another make."""
    required = {name: {**schema, "required": list(schema["properties"])} for name, schema in SIMPLE.items()}
    project = made(required, "outputSchema", tmp_path)
    assert compile_errors(project, toolchain) == ""
    assert complaints(project / "src", toolchain) == ""
    for name, result in returned(project, toolchain).items():
        schema = {"type": "object", **required[name]}
        validator = jsonschema.Draft202012Validator(
            schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
        )
        validator.validate(result["structuredContent"])


@pytest.mark.slow
def test_a_new_handler_says_so_when_only_its_owner_can_tell(tmp_path: Path, toolchain: Toolchain) -> None:
    """Where a sample might be wrong the handler is a typed failure, never an error of the generator."""
    project = made(BEYOND, "outputSchema", tmp_path)
    assert compile_errors(project, toolchain) == ""
    assert complaints(project / "src", toolchain) == ""
    assert all(result["isError"] for result in returned(project, toolchain).values())


@pytest.mark.slow
@pytest.mark.parametrize(
    "path",
    [path for path in SERVERS if any("outputSchema" in tool for tool in tools(path))],
    ids=lambda path: path.stem,
)
def test_samples_of_real_servers_are_valid(path: Path, tmp_path: Path, toolchain: Toolchain) -> None:
    """What a new handler returns for the output schema of a real tool is what it asks for."""
    declared = [tool for tool in tools(path) if "outputSchema" in tool]
    create(tmp_path / "project", render({"name": "handlers", "targets": ["deno"], "tools": declared}))
    results = returned(tmp_path / "project", toolchain)
    for tool in declared:
        result = results[tool["name"]]
        if not result.get("isError"):
            jsonschema.validate(result["structuredContent"], tool["outputSchema"])
