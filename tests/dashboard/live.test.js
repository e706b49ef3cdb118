import assert from "node:assert/strict";
import { test } from "node:test";

import { merged } from "../../dashboard_static/live.js";

test("what comes stands before what was there, newest first", () => {
  assert.deepEqual(merged([3, 4], [2, 1]), [4, 3, 2, 1]);
});

test("no more than a bounded number is kept, the newest", () => {
  const many = Array.from({ length: 2000 }, (_, at) => at);
  const kept = merged(many, [-1]);
  assert.equal(kept.length, 500);
  assert.equal(kept[0], 1999);
  assert.equal(kept.at(-1), 1500);
});
