"""Lines of requests that wait for a place at a connection whose limits are reached.

One line per connection and worker, fair between keys: whoever stands at the head tries for a place;
behind it the keys take turns, however many requests each has standing. The head is woken when a
request at that connection ends in this worker; places that other workers free have no event, so the
head also looks by itself every `LOOK_S`, and only the head does. Nothing here knows limits: trying
is the caller's business.
"""

from collections import OrderedDict, deque
from typing import Final

import trio

LOOK_S: Final = 0.025


class Place:
    """One request's place in a line. Leave it in the end, whatever happened."""

    __slots__ = ("_line", "_turn", "principal")

    def __init__(self, line: "_Line", principal: str) -> None:
        self._line = line
        self._turn = trio.Event()
        self.principal = principal

    async def turn(self, limit_s: float, look_s: float = LOOK_S) -> bool:
        """Wait to try (again): True at the head when something changed or it is time to look.

        False when `limit_s` passed first. `look_s`: when a place is known to come free.
        """
        at_head = self._line.head is self
        step_s = min(limit_s, max(look_s, 0.001)) if at_head else limit_s
        with trio.move_on_after(step_s) as waiting:
            await self._turn.wait()
        self._turn = trio.Event()
        return self._line.head is self and (not waiting.cancelled_caught or step_s < limit_s)

    def wake(self) -> None:
        self._turn.set()


class _Line:
    """Waiting places by key; the keys in the order of their turns."""

    __slots__ = ("head", "queues")

    def __init__(self) -> None:
        self.head: Place | None = None
        self.queues: OrderedDict[str, deque[Place]] = OrderedDict()

    def advance(self) -> None:
        """The next key's first place becomes the head."""
        self.head = None
        if not self.queues:
            return
        principal, queue = next(iter(self.queues.items()))
        self.head = queue.popleft()
        if queue:
            self.queues.move_to_end(principal)
        else:
            del self.queues[principal]
        self.head.wake()


class Lines:
    """The lines of one worker."""

    __slots__ = ("_lines",)

    def __init__(self) -> None:
        self._lines: dict[str, _Line] = {}

    def __contains__(self, connection: str) -> bool:
        """Does anybody wait there? Whoever comes later stands behind them."""
        return connection in self._lines

    def join(self, connection: str, principal: str) -> Place:
        """Stand in line; the first one is at the head at once."""
        line = self._lines.get(connection)
        if line is None:
            line = self._lines[connection] = _Line()
        place = Place(line, principal)
        if line.head is None:
            line.head = place
            place.wake()
        else:
            line.queues.setdefault(principal, deque()).append(place)
        return place

    def leave(self, connection: str, place: Place) -> None:
        """Served, or tired of waiting."""
        line = self._lines[connection]
        if line.head is place:
            line.advance()
            if line.head is None:
                del self._lines[connection]
            return
        queue = line.queues[place.principal]
        queue.remove(place)
        if not queue:
            del line.queues[place.principal]

    def freed(self, connection: str) -> None:
        """A request at this connection has ended: the head may find a place."""
        line = self._lines.get(connection)
        if line is not None and line.head is not None:
            line.head.wake()

    def standing(self, connection: str) -> int:
        """How many stand in line there."""
        line = self._lines.get(connection)
        if line is None:
            return 0
        return (line.head is not None) + sum(map(len, line.queues.values()))
