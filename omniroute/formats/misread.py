"""Which member of a document a message of msgspec is about: the `param` of a refusal."""


def member_of(text: str) -> str | None:
    """`stream` of "… - at `$.stream`", `model` of "… required field `model`"; None: it is about all
    of the document."""
    _, found, rest = text.rpartition("`$.")
    if found:
        return rest.rstrip("`") or None
    if "required field" in text:
        return text.rpartition("field `")[2].rstrip("`")
    return None
