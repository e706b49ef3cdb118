"""Why a request to the management plane is not done: one exception, from which the answer is made.

Whoever refuses says it in a sentence for the person who asked; it never repeats a secret, and where
somebody tries to get in, it does not say which part was wrong.
"""

from typing import NamedTuple


class Detail(NamedTuple):
    """One thing that is wrong with what was sent: `limits.rpm`, and the rule that it breaks."""

    field: str
    message: str


class Denied(Exception):
    """A request that may not pass: HTTP status, sentence, and when waiting helps, for how long."""

    def __init__(
        self, status: int, message: str, wait_s: float = 0.0, *, details: tuple[Detail, ...] = ()
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.wait_s = wait_s
        self.details = details


def missing(what: str) -> Denied:
    """404 for `combo fast`, which does not exist."""
    return Denied(404, f"there is no {what}")


def conflict(message: str) -> Denied:
    """409: what is asked does not fit what is there (a name taken, declared in the file)."""
    return Denied(409, message)


def stale() -> Denied:
    """412: somebody else changed it since the client read it (RFC 9110, 13.1.1)."""
    return Denied(412, "it was changed since you read it; read it again and repeat the change")


def invalid(field: str, message: str) -> Denied:
    """422 for one field."""
    return invalid_fields(Detail(field, message))


def invalid_fields(*details: Detail) -> Denied:
    """422 naming each field and the rule it breaks. At least one."""
    first = details[0]
    told = f"{first.field}: {first.message}" if first.field else first.message
    more = f" (and {len(details) - 1} more)" if len(details) > 1 else ""
    return Denied(422, told + more, details=details)
