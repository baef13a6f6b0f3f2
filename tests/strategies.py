"""Manifests and strings that nobody would write by hand, for hypothesis and for loops."""

from fnmatch import fnmatchcase
from typing import Any

from hypothesis import strategies as st

from scaffolder.providers import facts, profiles

TRAPS = [
    "",
    " ",
    "*/ alert(1) /*",
    "`${process.env.SECRET}`",
    "${{ secrets.TOKEN }}",
    "{{ 7 * 7 }}",
    "{% raw %}{% endraw %}",
    "}}",
    "{# comment #}",
    "'\"\\",
    "\\",
    "\\u0000",
    "</script><!--",
    "line\nbreak",
    "carriage\rreturn",
    "tab\there",
    "\u2028 and \u2029",
    "\u0085next line",
    "\ufeffbyte order mark",
    "\u202eright to left",
    "👩‍👩‍👧‍👦 café ﷽",
    "yes",
    "null",
    "012",
    "1e3",
    "~",
    ": colon",
    "# hash",
    "- dash",
    "@at",
    "%percent %i",
    "$HOME $(id) `id`",
    "; rm -rf /",
    "a=b",
    "[section]",
    'key = "value"',
    "| pipe | table |",
    "<b>bold</b> **stars** _under_ [link](x)",
    "import x from 'y'",
    "__proto__",
    "constructor",
    "x" * 300,
    "\x00\x01\x1f\x7f",
    "\x1b[31mred",
]

texts = st.one_of(
    st.sampled_from(TRAPS),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
    st.lists(st.sampled_from(TRAPS), min_size=2, max_size=3).map("".join),
)

tool_names = st.one_of(
    st.from_regex(r"\A[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}\Z"),
    st.sampled_from(
        ["delete", "a.b", "a-b", "a_b", "con", "NUL.x", "1st", "__proto__", "handlers", "default", "x" * 128]
    ),
)

RESERVED = [name for profile in profiles().values() for name in profile.reserved]

environment_names = st.from_regex(r"\A[A-Z][A-Z0-9_]{0,12}\Z").filter(
    lambda name: not any(fnmatchcase(name, pattern) for pattern in RESERVED)
)

# Of the arguments of a tool: not what every object of JavaScript has, nor what a session adds.
property_names = texts.filter(
    lambda name: name not in {"__proto__", "constructor", "toString", "valueOf", "session_id"}
)

numbers = st.one_of(
    st.integers(-(2**53) + 1, 2**53 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([1.0, 1e-7, 1e21, -0.0, 0.1, 5e-324, 1.7976931348623157e308, 123456789012345680000.0]),
)

json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, texts),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(texts, inner, max_size=4)),
    max_leaves=8,
)

leaves = st.one_of(
    st.just({}),
    st.fixed_dictionaries({"type": st.just("string")}, optional={"description": texts, "default": texts}),
    st.fixed_dictionaries({"type": st.just("number")}, optional={"minimum": numbers, "default": numbers}),
    st.fixed_dictionaries({"type": st.sampled_from(["boolean", "integer", "null"])}),
    st.fixed_dictionaries({"enum": st.lists(texts, min_size=1, max_size=3, unique=True)}),
    st.fixed_dictionaries({"const": json_values}),
)

schemas = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.fixed_dictionaries({"type": st.just("array"), "items": inner}),
        st.fixed_dictionaries({"anyOf": st.lists(inner, min_size=1, max_size=3)}),
        st.fixed_dictionaries(
            {"type": st.just("object"), "properties": st.dictionaries(texts, inner, max_size=3)}
        ),
    ),
    max_leaves=5,
)


@st.composite
def object_schemas(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a schema such as MCP wants for a tool: an object at the root."""
    properties = draw(st.dictionaries(property_names, schemas, max_size=4))
    schema: dict[str, Any] = {"type": "object", "properties": properties}
    if draw(st.booleans()) and properties:
        schema["required"] = draw(st.lists(st.sampled_from(sorted(properties)), unique=True))
    if draw(st.booleans()):
        schema["additionalProperties"] = draw(st.booleans())
    if draw(st.booleans()):
        schema["description"] = draw(texts)
    return schema


def tools(name: str, secrets: list[str]) -> st.SearchStrategy[dict[str, Any]]:
    """Draw one entry of `tools`, which may use the secrets."""
    return st.fixed_dictionaries(
        {"name": st.just(name), "inputSchema": object_schemas()},
        optional={
            "title": texts,
            "description": texts,
            "outputSchema": object_schemas(),
            "annotations": st.fixed_dictionaries(
                {}, optional={"title": texts, "readOnlyHint": st.booleans()}
            ),
            "secrets": st.lists(st.sampled_from(secrets), unique=True) if secrets else st.just([]),
            "state": st.sampled_from(["none", "session"]),
            "max_seconds": st.one_of(st.integers(1, 86400), st.floats(0.5, 100)),
        },
    )


OUTPUTS = ["github-actions", "gatus", "prometheus", "openstatus", "checkly"]

consistencies = st.sampled_from(["strong", "eventual"])


def session_options(provider: str) -> st.SearchStrategy[dict[str, str]]:
    """Draw where a target keeps sessions; a store that is never strong is not asked to be."""
    stores, known = profiles()[provider].stores.ids, facts().stores
    strong = [store for store in stores if known[store].consistency.value == "strong"]
    return st.one_of(
        st.fixed_dictionaries(
            {}, optional={"consistency": st.just("eventual"), "store": st.sampled_from(stores)}
        ),
        st.fixed_dictionaries(
            {"consistency": st.just("strong")}, optional={"store": st.sampled_from(strong)}
        ),
    )


@st.composite
def manifests(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a valid manifest whose every free text is hostile."""
    names = draw(st.lists(tool_names, max_size=4, unique_by=str.lower))
    targets = draw(
        st.lists(
            st.sampled_from(["cloudflare", "deno", "vercel", "bun"]), min_size=1, max_size=4, unique=True
        )
    )
    variables = draw(st.dictionaries(environment_names, texts, max_size=4))
    secrets = {key: text for index, (key, text) in enumerate(variables.items()) if index % 2}
    manifest: dict[str, Any] = {
        "name": draw(st.from_regex(r"\A[a-z][a-z0-9-]{0,20}\Z")),
        "targets": targets,
        "secrets": secrets,
        "vars": {key: text for key, text in variables.items() if key not in secrets},
        "tools": [draw(tools(name, list(secrets))) for name in names],
    }
    optional = draw(
        st.fixed_dictionaries(
            {},
            optional={
                "version": st.sampled_from(["0.1.0", "2.0.0-rc.1"]),
                "title": texts,
                "description": texts,
                "instructions": texts,
                "target_options": st.fixed_dictionaries(
                    {},
                    optional={
                        "cloudflare": st.fixed_dictionaries(
                            {"url": st.just("https://notes.example.com/mcp"), "plan": st.just("paid")},
                            optional={"session": session_options("cloudflare")},
                        ),
                        "deno": st.fixed_dictionaries({"session": session_options("deno")}),
                        "vercel": st.sampled_from(
                            [{"runtime": "edge"}, {"runtime": "nodejs", "plan": "pro"}]
                        ),
                        "bun": st.fixed_dictionaries(
                            {"url": st.just("https://bun.example.com:8443/mcp")},
                            optional={"session": session_options("bun")},
                        ),
                    },
                ),
                "transport": st.fixed_dictionaries(
                    {},
                    optional={
                        "path": st.sampled_from(["/mcp", "/v1/mcp.json", "/~me"]),
                        "response": st.sampled_from(["auto", "json", "sse"]),
                        "legacy": st.sampled_from(["stateless", "sessions", "reject"]),
                        "allowed_origins": st.just(["app.example.com", "*.example.org"]),
                        "max_body_bytes": st.integers(1024, 104857600),
                    },
                ),
                "session": st.fixed_dictionaries(
                    {}, optional={"ttl_seconds": st.integers(60, 31536000), "consistency": consistencies}
                ),
                "monitor": st.fixed_dictionaries(
                    {},
                    optional={
                        "interval_seconds": st.integers(10, 86400),
                        "failures": st.integers(1, 100),
                        "outputs": st.lists(st.sampled_from(OUTPUTS), unique=True),
                        "bearer": st.just("MONITOR_TOKEN"),
                        "observed": st.just({"deno": {"p95_ms": 131.5, "samples": 40, "date": "2026-11-01"}}),
                    },
                ),
                "registry": st.fixed_dictionaries({}, optional={"name": st.just("com.example/notes")}),
            },
        )
    )
    return {**manifest, **optional}
