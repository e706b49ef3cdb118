import assert from "node:assert/strict";
import { test } from "node:test";

import { format, parse } from "../../dashboard_static/router.js";

test("an address without a page is the overview", () => {
  assert.deepEqual(parse(""), { page: "overview", rest: [], query: {} });
  assert.deepEqual(parse("#/"), { page: "overview", rest: [], query: {} });
});

test("what is written into the address is read out of it again", () => {
  const places = [
    { page: "logs", rest: [], query: {} },
    { page: "logs", rest: ["requests", "a/b c"], query: { status: "failed", text: "50% & more?" } },
    { page: "combos", rest: ["coding"], query: { model: "acme/plain:free" } },
  ];
  for (const place of places) assert.deepEqual(parse(format(place)), place);
});

test("empty filters leave the address", () => {
  assert.equal(format({ page: "logs", query: { status: "", key: "k1" } }), "#/logs?key=k1");
});
