"""What both twins of each speedup share: their errors and their result types.

A twin that raised an error class of its own would force callers to know which twin runs, so the
classes live here, in Python, and the compiled modules import them. Nothing here depends on
anything else of the project.
"""

from typing import Final, NamedTuple, TypeAlias

MAX_DEPTH: Final = 1024
"""Deepest nesting `find_members` follows, the outermost object counted as one.

CPython stops its own JSON decoder near 1000 levels; requests seen in the wild stay below 50."""

MAX_SKIPPED_DEPTH: Final = 16
"""Deepest nesting of a member that the readers of deltas skip, its own value counted as one."""

MAX_NUMBER: Final = 32
"""Longest number that the readers of deltas skip, in characters."""

# What a delta is a piece of.
TEXT: Final = 1
REASONING: Final = 2
ARGUMENTS: Final = 3  # of a tool call
SUMMARY: Final = 4  # of reasoning, where a format tells it apart

Delta: TypeAlias = tuple[int, int, int, str]
"""Kind, index, index within, and the piece itself; what the indexes count, each reader says."""


class SseTooLong(ValueError):
    """One event outgrew the reader's bound.

    `events` are the complete events that stood before it in the same chunk: they are good and
    must not be lost, whatever the caller does about the long one.
    """

    def __init__(self, max_event_bytes: int, events: list[bytes]) -> None:
        super().__init__(f"an event is longer than {max_event_bytes} bytes")
        self.max_event_bytes = max_event_bytes
        self.events = events


class JsonScanError(ValueError):
    """The body is not a JSON object, or is broken where the scanner has to look.

    `offset` is the byte at which it stopped; `reason` is the sentence without it.
    """

    def __init__(self, reason: str, offset: int) -> None:
        super().__init__(f"{reason} (byte {offset})")
        self.reason = reason
        self.offset = offset


class DuplicateMember(JsonScanError):
    """A wanted member appears twice, in whatever spelling. `offset` is its second name."""

    def __init__(self, name: bytes, offset: int) -> None:
        super().__init__(f'the member "{name.decode("utf-8", "replace")}" appears twice', offset)
        self.name = name


class Member(NamedTuple):
    """Where one member of an object stands; all five are byte offsets, ends exclusive.

    `body[value_start:value_end]` is the value without surrounding whitespace.
    `body[member_start:member_end]` is what to cut so that the object stays well-formed: the
    comma before the member goes with it; the first member takes the comma after it instead,
    and whitespace up to the next name; an only member takes none. Cuts of neighbours may
    therefore share a comma: after removing one member, scan again.
    """

    member_start: int
    key_start: int
    value_start: int
    value_end: int
    member_end: int
