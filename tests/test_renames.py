"""Which tools count as renamed."""

from typing import Any

from scaffolder.renames import renamed_tools

BY_ID = {"type": "object", "properties": {"id": {"type": "string"}}}
NOTHING = {"type": "object"}


def tool(name: str, description: str = "", schema: dict[str, Any] = NOTHING, **more: Any) -> dict[str, Any]:
    """Declare a tool."""
    return {"name": name, "description": description, "inputSchema": schema, **more}


def test_a_tool_that_says_so_is_renamed() -> None:
    """However different it has become."""
    assert renamed_tools([tool("a", "Old.")], [tool("b", "New.", BY_ID, renamed_from="a")]) == {"a": "b"}


def test_a_tool_that_gets_its_old_name_back_is_renamed() -> None:
    """Taking a rename back leads back."""
    assert renamed_tools([tool("b", "New.", BY_ID, renamed_from="a")], [tool("a", "Old.")]) == {"b": "a"}


def test_the_same_words_are_the_same_tool() -> None:
    """Its arguments may have changed with its name."""
    assert renamed_tools([tool("a", "Look up.")], [tool("b", "Look up. ", BY_ID)]) == {"a": "b"}


def test_the_same_arguments_are_the_same_tool() -> None:
    """Its description may have changed with its name."""
    assert renamed_tools([tool("a", "One.", BY_ID)], [tool("b", "Other.", BY_ID)]) == {"a": "b"}


def test_having_no_arguments_is_no_likeness() -> None:
    """Too many tools have none, and too many have no description."""
    assert not renamed_tools([tool("a", "One.")], [tool("b", "Other.")])
    assert not renamed_tools([tool("a")], [tool("b")])


def test_what_could_be_either_is_neither() -> None:
    """A handler under the wrong name would be worse than one that stays where it was."""
    assert not renamed_tools([tool("a", "X.")], [tool("b", "X."), tool("c", "X.")])
    assert not renamed_tools([tool("a", "X."), tool("b", "X.")], [tool("c", "X.")])


def test_who_says_so_settles_it_for_the_others() -> None:
    """What is left may then be plain."""
    before = [tool("a", "X."), tool("b", "X.")]
    after = [tool("c", "X.", renamed_from="a"), tool("d", "X.")]
    assert renamed_tools(before, after) == {"a": "c", "b": "d"}


def test_no_two_tools_become_one() -> None:
    """Only one handler can have a name."""
    before = [tool("a", "X.", renamed_from="c"), tool("b", "Y.", renamed_from="c")]
    assert len(renamed_tools(before, [tool("c", "Z.")])) == 1


def test_a_tool_that_is_still_there_was_not_renamed() -> None:
    """A copy of a tool is a new tool, and so is one whose old name was dealt with long ago."""
    assert not renamed_tools([tool("a", "X.")], [tool("a", "X."), tool("b", "X.")])
    assert not renamed_tools([tool("a", "X.")], [tool("a", "X."), tool("b", "Y.", renamed_from="a")])
    assert not renamed_tools([tool("b", "X.")], [tool("b", "X.", renamed_from="a")])
