// Sums by time as series of a chart.

import assert from "node:assert/strict";
import { test } from "node:test";

import { along, beginnings, grouped } from "../../dashboard_static/series.js";
import { stacked } from "../../dashboard_static/ui/chart.js";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

test("buckets begin where the gateway cuts time, from the one that holds the begin to the last", () => {
  assert.deepEqual(beginnings("hour", 2.5 * HOUR, 4 * HOUR), [2 * HOUR, 3 * HOUR, 4 * HOUR]);
  assert.deepEqual(beginnings("day", DAY, DAY + 1), [DAY]);
  const weeks = beginnings("week", Date.UTC(2026, 10, 25), Date.UTC(2026, 11, 1));
  assert.deepEqual(weeks, [Date.UTC(2026, 10, 23), Date.UTC(2026, 10, 30)]);
});

test("a time without a row is zero, several rows of one time are added", () => {
  const rows = [
    { from_ms: 10, requests: 1 },
    { from_ms: 30, requests: 2 },
    { from_ms: 30, requests: 5 },
  ];
  assert.deepEqual(along([10, 20, 30], rows, (row) => row.requests), [1, 0, 7]);
});

test("the largest groups stand alone, the others together; nothing is lost", () => {
  const rows = [
    { from_ms: 1, by: "a", n: 1 },
    { from_ms: 1, by: "b", n: 9 },
    { from_ms: 2, by: "c", n: 3 },
    { from_ms: 2, by: "", n: 2 },
  ];
  const series = grouped([1, 2], rows, (row) => row.by, (row) => row.n, { most: 2, others: "others", none: "none" });
  assert.deepEqual(series, [
    { title: "b", values: [9, 0] },
    { title: "c", values: [0, 3] },
    { title: "others", values: [1, 2] },
  ]);
  const total = series.flatMap((each) => each.values).reduce((sum, value) => sum + value, 0);
  assert.equal(total, 15);
});

test("what is stacked ends at the sum", () => {
  assert.deepEqual(stacked([[1, 2], [3, 4], [0, 1]]), [[1, 2], [4, 6], [4, 7]]);
});
