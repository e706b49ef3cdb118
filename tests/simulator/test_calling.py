"""Which tool the simulator calls, and with what."""

import pytest

from omniroute.simulator.calling import Tool, arguments_for, in_order_of_harm, sample

ASKING = "Read the file /home/me/note.txt and tell me what it says."
WRITE = Tool("write_file", {"type": "object", "properties": {"file_path": {"type": "string"}}})


def tool(name: str, parameter: str, kind: object = "string") -> Tool:
    properties = {"limit": {"type": "integer"}, parameter: {"type": kind}}
    return Tool(name, {"type": "object", "properties": properties, "required": [parameter]})


READ = tool("Read", "file_path")
SHELL = tool("exec_command", "cmd")


def called(*tools: Tool, question: str = ASKING) -> tuple[str, object]:
    first = in_order_of_harm(tools, question)[0]
    return first.name, arguments_for(first, question)


@pytest.mark.parametrize(
    ("name", "parameter"),
    [
        ("Read", "file_path"),
        ("read_file", "path"),
        ("ReadFile", "absolutePath"),
        ("view", "path"),
        ("fs_read", "filename"),
    ],
)
def test_a_reading_tool_comes_before_all_others(name: str, parameter: str) -> None:
    assert called(WRITE, SHELL, tool(name, parameter)) == (name, {parameter: "/home/me/note.txt"})


@pytest.mark.parametrize("name", ["shell", "exec_command", "Bash", "run_shell_command"])
def test_a_shell_reads_where_no_tool_does(name: str) -> None:
    assert called(WRITE, tool(name, "command")) == (name, {"command": "cat /home/me/note.txt"})


def test_a_command_is_a_line_or_a_list_of_words() -> None:
    question = "What is in /home/me/a+b.txt?"
    assert called(SHELL, question=question)[1] == {"cmd": "cat /home/me/a+b.txt"}
    listing = tool("container.exec", "cmd", "array")
    assert called(listing, question=question)[1] == {"cmd": ["cat", "/home/me/a+b.txt"]}


def test_without_a_file_in_the_question_no_shell_is_preferred() -> None:
    assert called(WRITE, SHELL, question="Hi")[0] == "write_file"
    assert called(WRITE, READ, question="Hi") == ("Read", {"file_path": "simulated"})


@pytest.mark.parametrize(
    "other", [tool("view_image", "path"), tool("read_background_output", "pid"), Tool("read", {})]
)
def test_a_tool_that_only_sounds_like_reading_is_not_preferred(other: Tool) -> None:
    assert called(WRITE, other)[0] == "write_file"


def test_tools_that_are_alike_keep_their_order() -> None:
    tools = [WRITE, tool("clock", "zone"), READ, tool("read_file", "path")]
    names = [one.name for one in in_order_of_harm(tools, ASKING)]
    assert names == ["Read", "read_file", "write_file", "clock"]


@pytest.mark.parametrize(
    ("question", "path"),
    [
        ("<context>\n- /home/me\n</context>Read /home/me/note.txt.", "/home/me/note.txt"),
        ("First /etc/hosts, then `/home/me/x.md`", "/home/me/x.md"),
        ("See https://example.org/a/b.html, and/or ./a/b, ~/c/d, x/y/z </a></b>", "simulated"),
    ],
)
def test_the_last_absolute_path_is_the_file(question: str, path: str) -> None:
    assert arguments_for(READ, question) == {"file_path": path}


def test_schemas_that_shout_are_understood() -> None:
    schema = {
        "type": "OBJECT",
        "properties": {"cmd": {"type": "ARRAY"}, "ok": {"type": "BOOLEAN"}},
        "required": ["cmd", "ok"],
    }
    arguments = arguments_for(Tool("shell", schema), ASKING)
    assert arguments == {"cmd": ["cat", "/home/me/note.txt"], "ok": True}


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"const": 7}, 7),
        ({"enum": ["b", "a"]}, "b"),
        ({"anyOf": [{"type": "null"}, {"type": "string"}]}, None),
        ({"type": ["string", "null"]}, "simulated"),
        ({"type": "number", "minimum": 3}, 3),
        ({"type": "array", "items": {"type": "integer"}, "minItems": 1}, [1]),
        ({"type": "array"}, []),
        ({"properties": {"a": {"type": "integer"}, "b": {}}}, {"a": 1}),
        ({"type": "object", "required": ["gone"]}, {}),
        ({"type": "object", "properties": {}, "required": ["gone"]}, {"gone": "simulated"}),
        ({"$ref": "#/defs/x"}, {}),
        ({"type": []}, {}),
        ({"properties": 3}, {}),
        ("junk", {}),
    ],
)
def test_a_sample_fits_its_schema(schema: object, value: object) -> None:
    assert sample(schema) == value


def test_a_schema_that_nests_without_end_still_ends() -> None:
    schema: dict[str, object] = {"type": "object", "properties": {}, "required": ["self"]}
    schema["properties"] = {"self": schema}
    assert str(sample(schema)).count("self") == 6
