"""The pages that are no rule's: of the errors, a paragraph each, and of what no manifest can show."""

ERRORS = {
    "ambiguous-number": (
        "JSON writes `1e5` and means a number; YAML 1.1 asks for a point and a sign, and reads anything "
        "else as text. Quote what is text, and write a number as `1.0e+5`."
    ),
    "duplicate-item": "A list whose items have to be different holds one of them twice. Delete one.",
    "duplicate-key": (
        "A mapping holds the same key twice. YAML would keep the last and say nothing, so that what "
        "stands first has no effect. Delete one of the two."
    ),
    "duplicate-tool": (
        "Two tools have one name. Each name becomes a file, and some file systems do not tell upper "
        "from lower case, so names that differ in nothing else count as one. Rename one of the two."
    ),
    "duplicate-variable": (
        "A name stands under both `secrets` and `vars`. Both become variables of one environment, so "
        "one would hide the other. Rename or delete one."
    ),
    "empty-list": "A list that needs at least one item has none: a server without targets runs nowhere.",
    "empty-manifest": "The file holds nothing. A manifest needs at least `name`, `targets` and `tools`.",
    "invalid-value": "The value is not of the form that its key asks for; the help says what the key is for.",
    "key-not-text": (
        "YAML reads a plain `on`, `yes`, `no`, `null` or number as something else than text, also where it "
        "is a key. Put the key in quotes."
    ),
    "missing-key": "A key that has no default is not there. The help says what it is for, with an example.",
    "nested-too-deep": (
        "Lists and mappings nest deeper than any client follows, which is mostly an alias or a script "
        "gone wrong. Flatten the value."
    ),
    "no-manifest": "The file is not there. `mcp-scaffold new` makes a project with one.",
    "not-regenerated": (
        "A file of the project is not what would be generated. `mcp-scaffold regenerate --diff` shows how."
    ),
    "not-a-mapping": "A manifest is a mapping of keys to values, not a list or a single value.",
    "not-json": (
        "Schemas and annotations are sent to clients as JSON, which has no dates, no infinite numbers and "
        "no tags of YAML's. Quote a date; write anything else as text or as a number."
    ),
    "not-utf-8": "A manifest is UTF-8. Save it as that in your editor.",
    "out-of-range": "A number is smaller or larger than what the key allows; the message names both ends.",
    "recursive-alias": (
        "An alias leads to a value that holds the alias, or aliases of aliases multiply without measure. "
        "JSON has neither. Write the value out where it is needed."
    ),
    "reserved-name": (
        "The name is taken: by the platform, by the generated server, or by every object of JavaScript. "
        "What was declared under it would be lost or would replace something else. Choose another."
    ),
    "too-long": "A text is longer than what its key allows; the message says by how much.",
    "undeclared-secret": (
        "A tool uses a secret that is not declared under the top-level `secrets`. Only what is declared "
        "there is asked for when the server is deployed, and is in the type of the handler's `env`. "
        "Declare it, with what it is for; never with its value."
    ),
    "unknown-key": (
        "The manifest has no such key, or not here. Misspelt keys would otherwise be ignored without a "
        "word. The help lists the keys that are allowed."
    ),
    "unknown-value": "The value is not among those that the key allows; the message lists them.",
    "unreadable-manifest": "The operating system does not let the file be read; the message says why.",
    "unsafe-integer": (
        "JavaScript rounds integers beyond 2^53 - 1, so that clients would read another number than the "
        "one written. Use a smaller one, or text."
    ),
    "unsupported-key": (
        "The key is one of MCP's own, as it stands in a list of tools that was pasted, but the generated "
        "server does not send it. Delete it."
    ),
    "weak-store": (
        "A target is asked for sessions that are strongly consistent, and is given a store that never is: "
        "there a call may read what an earlier call has replaced. Name a store that is strong, or leave "
        "`store` out to get the provider's own; or ask for `eventual`, if a late read does no harm."
    ),
    "wrong-form": (
        "A name, a URL, a path or the like has characters or a form that some target or client would "
        "refuse. The message says what form it has to have."
    ),
    "wrong-type": (
        "The value is text where a number is wanted, a single value where a list is, or the like. YAML "
        "decides by how it is written: quotes make text, brackets a list."
    ),
    "yaml-syntax": (
        "The file is not valid YAML, so nothing else can be judged. The place is where the parser gave "
        "up; the mistake is there or just above."
    ),
}

TOPICS = {
    "edge-constraints": """What every edge runtime takes away, and what stands for it.

- No persistent process. Memory does not outlive a request for certain, so nothing may be kept
  in it. A tool with `state: session` keeps its state in a store, under a handle that the client
  passes on; all other tools are stateless. Stores are strongly consistent unless the manifest
  asks for less, which check tells of: `session-on-eventual-store` for the state of tools,
  `protocol-session-on-eventual-store` for the sessions of 2025's clients.
- No file system. There is the bundle, and no configuration file, certificate or database beside
  it. Use `vars` and `secrets`. Check says `local-file`.
- No native Node.js modules. A dependency that is compiled for a machine, starts a process or
  opens a socket of its own fails when it is loaded or called. No manifest shows it: `mcp-scaffold
  verify` builds and starts every target on its real runtime, which does.
- A limit on processor time. What runs long is ended. Declare `max_seconds`; check compares it
  with the plan's limit (`over-time-limit`) and with what suits an edge (`long-call`). For long
  work, one tool starts it and another fetches its result.
- No long-lived connections. The generated server speaks Streamable HTTP and answers each request
  by itself. Event streams for every answer are `stream-on-edge`; a WebSocket is not offered.""",
    "edge-or-server": """When to deploy at the edge, and when on a server where a process stays.

The edge is right when:

- tools are pure functions of their arguments, or keep little state in a store;
- a call takes less than 30 s;
- answers have to be near their users everywhere, within 50 ms;
- load comes in bursts, and nobody is to scale anything;
- nobody is to look after a machine.

A server is right when:

- tools share much state from call to call, or state that is no session's: a session in a store
  costs each call a read and a write over the network (`session-on-eventual-store` where it
  would also be read late);
- a call takes more than 60 s, such as for video or large models (`long-call`, and
  `over-time-limit` where a plan ends it);
- tools need a private network: internal databases, a VPC (`private-address`);
- a request needs more than 256 MB of memory, or native code for models: no manifest shows it,
  so compare what you measure with the memory below;
- connections live long, such as WebSockets to other systems (`stream-on-edge` for the answers).

One manifest can do both: list all targets, and point clients that need the slow or private tools
at the server's URL.""",
}
