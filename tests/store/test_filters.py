"""Filters in SQL: what is not asked is not said, and what is asked is bound, never written."""

import pytest

from omniroute.store.filters import (
    DETAILS,
    EVERYTHING,
    RequestFilter,
    details_of,
    narrowing_of,
    needs_rollups,
    only_failures,
)


def test_nothing_asked_is_no_condition():
    assert details_of(EVERYTHING) == narrowing_of(EVERYTHING) == ("", ())
    assert not needs_rollups(EVERYTHING)
    assert not only_failures(EVERYTHING)


@pytest.mark.parametrize("text", ["'; DROP TABLE requests; --", "50%", "a_b", "a\\b"])
def test_texts_are_bound_and_their_wildcards_mean_themselves(text):
    sql, values = details_of(RequestFilter(error_text=text))
    assert text not in sql
    (value,) = values
    unescaped = value[1:-1].replace("\\%", "%").replace("\\_", "_").replace("\\\\", "\\")
    assert unescaped == text


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (RequestFilter(failed=True), True),
        (RequestFilter(status=(404, 500)), True),
        (RequestFilter(status=(200, 500)), False),
        (RequestFilter(status_class=(4, 5)), True),
        (RequestFilter(error_text="x"), True),
        (RequestFilter(failed=False), False),
    ],
)
def test_the_index_of_failures_is_used_where_it_holds_all_that_fits(wanted, found):
    assert only_failures(wanted) is found


def test_details_are_all_that_a_slice_does_not_know():
    slices = {"key_id", "provider", "connection", "model", "combo", "cache", "status_class"}
    rest = {"since_ms", "until_ms", "cached"}
    assert slices | rest | set(DETAILS) == set(RequestFilter.__struct_fields__)
