// What is pasted into the translator.

import assert from "node:assert/strict";
import { test } from "node:test";

import { EXAMPLES, parsed, REQUESTS, targets } from "../../dashboard_static/pages/translator/bodies.js";

test("an object is JSON, all else the text of a stream", () => {
  assert.deepEqual(parsed(' {"a": 1}'), { a: 1 });
  assert.equal(parsed("event: x\ndata: {}\n\n"), "event: x\ndata: {}\n\n");
  assert.throws(() => parsed("{broken"), SyntaxError);
});

test("a body goes into every format but its own; no provider is asked for a completion", () => {
  assert.deepEqual(targets("claude", "request"), ["openai", "openai-responses", "gemini"]);
  assert.ok(targets("claude", "stream").includes("openai-completions"));
});

test("there is an example of each format that can be asked", () => {
  assert.deepEqual(Object.keys(EXAMPLES).sort(), [...REQUESTS].sort());
});
