"""Lines are fair between keys, wake their head only, and leave nothing behind."""

import pytest
import trio
import trio.testing

from omniroute.gateway.lines import LOOK_S, Lines, Place

HOUR_S = 3600.0


async def stand(lines: Lines, principal: str, served: list[str], places: list[int]) -> None:
    """Wait for one of `places[0]` places, take it, and be done."""
    place = lines.join("acme/main", principal)
    try:
        while await place.turn(HOUR_S, HOUR_S):
            if places[0]:
                places[0] -= 1
                served.append(principal)
                return
    finally:
        lines.leave("acme/main", place)


async def test_keys_take_turns_however_many_requests_each_has_standing(autojump_clock) -> None:
    lines, served, places = Lines(), list[str](), [0]
    async with trio.open_nursery() as nursery:
        for principal in ("a", "a", "a", "a", "b", "b", "c"):
            nursery.start_soon(stand, lines, principal, served, places)
            await trio.testing.wait_all_tasks_blocked()
        for _ in range(7):
            places[0] += 1
            lines.freed("acme/main")
            await trio.testing.wait_all_tasks_blocked()
    assert served[0] == "a"  # it came first
    assert sorted(served[1:4]) == ["a", "b", "c"]
    assert served[4:] == ["b", "a", "a"] or served[4:] == ["a", "b", "a"]
    assert "acme/main" not in lines


async def test_the_head_looks_by_itself_since_other_workers_tell_nothing(autojump_clock) -> None:
    lines = Lines()
    place = lines.join("acme/main", "a")
    assert await place.turn(HOUR_S)
    began = trio.current_time()
    assert await place.turn(HOUR_S)
    assert trio.current_time() - began == pytest.approx(LOOK_S)
    lines.leave("acme/main", place)


async def test_who_is_not_at_the_head_waits_its_limit_and_gives_up(autojump_clock) -> None:
    lines = Lines()
    head, second = lines.join("acme/main", "a"), lines.join("acme/main", "b")
    began = trio.current_time()
    assert not await second.turn(5.0)
    assert trio.current_time() - began == pytest.approx(5.0)
    lines.leave("acme/main", second)
    assert lines.standing("acme/main") == 1
    lines.leave("acme/main", head)
    assert lines.standing("acme/main") == 0


async def test_the_head_that_leaves_makes_the_next_one_try(autojump_clock) -> None:
    lines = Lines()
    head, second = lines.join("acme/main", "a"), lines.join("acme/main", "b")
    tried = list[Place]()

    async def wait() -> None:
        if await second.turn(HOUR_S, HOUR_S):
            tried.append(second)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait)
        await trio.testing.wait_all_tasks_blocked()
        lines.freed("acme/main")
        await trio.testing.wait_all_tasks_blocked()
        assert tried == []
        lines.leave("acme/main", head)
    assert tried == [second]
    lines.leave("acme/main", second)
    assert "acme/main" not in lines
