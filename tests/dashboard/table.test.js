import assert from "node:assert/strict";
import { test } from "node:test";

import { stacked } from "../../dashboard_static/ui/chart.js";
import { valueOf } from "../../dashboard_static/ui/form.js";
import { sorted } from "../../dashboard_static/ui/table.js";

test("sorting is stable, works both ways and leaves the rows as they are", () => {
  const rows = [
    { id: "a", cost: 2 },
    { id: "b", cost: 1 },
    { id: "c", cost: 2 },
  ];
  const ids = (/** @type {boolean} */ down) => sorted(rows, (row) => row.cost, down).map((row) => row.id);
  assert.deepEqual(ids(false), ["b", "a", "c"]);
  assert.deepEqual(ids(true), ["a", "c", "b"]);
  assert.equal(rows[0].id, "a");
});

test("each series stands on those before it", () => {
  assert.deepEqual(
    stacked([
      [1, 2],
      [3, 4],
    ]),
    [
      [1, 2],
      [4, 6],
    ],
  );
  assert.deepEqual(stacked([]), []);
});

test("a field gives the type that the API takes", () => {
  const field = (/** @type {any} */ type) => ({ name: "x", label: "X", type });
  const input = (/** @type {any} */ value) => /** @type {any} */ ({ value, checked: value === true });
  assert.equal(valueOf(field("number"), input("7")), 7);
  assert.equal(valueOf(field("number"), input("")), null);
  assert.equal(valueOf(field("checkbox"), input(true)), true);
  assert.deepEqual(valueOf(field("list"), input("a, b\n\nc")), ["a", "b", "c"]);
  assert.equal(valueOf(field("text"), input("a")), "a");
});
