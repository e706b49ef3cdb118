import assert from "node:assert/strict";
import { test } from "node:test";

import { parseEvent, url } from "../../dashboard_static/api.js";

test("paths stand beside the page, whatever prefix is before it", () => {
  assert.equal(url("usage/history").href, "http://127.0.0.1/api/usage/history");
});

test("a query repeats lists and leaves out what is not set", () => {
  const target = url("live", { kind: ["request", "log"], model: "", key_id: undefined, failed: false });
  assert.equal(target.search, "?kind=request&kind=log&failed=false");
});

test("an event has its name and its lines of data", () => {
  assert.deepEqual(parseEvent('event: request\ndata: {"a":\ndata: 1}\nid: 7'), {
    name: "request",
    data: '{"a":\n1}',
  });
  assert.deepEqual(parseEvent("data:[DONE]"), { name: "message", data: "[DONE]" });
  assert.equal(parseEvent(": keepalive"), null);
});
