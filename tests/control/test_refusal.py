"""Refusals carry a status and a sentence; several wrong fields are all told."""

from omniroute.control.refusal import Detail, conflict, invalid, invalid_fields, missing, stale


def test_each_kind_has_its_status() -> None:
    statuses = [
        denial.status
        for denial in (missing("combo x"), conflict("taken"), stale(), invalid("a", "b"))
    ]
    assert statuses == [404, 409, 412, 422]


def test_the_sentence_names_the_first_field_and_how_many_more() -> None:
    one, other = Detail("name", "is taken"), Detail("", "give one of the two")
    assert invalid_fields(one).message == "name: is taken"
    assert invalid_fields(other, one).message == "give one of the two (and 1 more)"
    assert invalid_fields(other, one).details == (other, one)
