// Sums, months and prices as the page Analytics has them.

import assert from "node:assert/strict";
import { test } from "node:test";

import { begin, monthOf, priced, report, SPANS } from "../../dashboard_static/pages/analytics/sums.js";
import { csv, csvCell } from "../../dashboard_static/ui/saving.js";

const NOW = Date.UTC(2026, 10, 28, 22, 30);

test("a span begins with a whole bucket and holds as many as it says", () => {
  assert.equal(begin(SPANS.day, NOW), Date.UTC(2026, 10, 27, 23));
  assert.equal(begin(SPANS.week, NOW), Date.UTC(2026, 10, 22));
});

test("a month ends where the next one begins, also in December", () => {
  assert.deepEqual(monthOf("2026-12"), { since_ms: Date.UTC(2026, 11, 1), until_ms: Date.UTC(2027, 0, 1) });
});

test("a report has a line for each row, names instead of ids, costs in dollars", () => {
  const row = {
    from_ms: NOW, by: { provider: "acme", model: "large", key_id: "k1" }, requests: 3, errors: 1, cancelled: 0,
    input_tokens: 10, cache_read_tokens: 0, cache_write_tokens: 0, output_tokens: 5, reasoning_tokens: 0, cost_microusd: 1_500_000,
  };
  const [head, line] = report([row], () => "laptop");
  assert.equal(head.length, line.length);
  assert.deepEqual(line.slice(0, 6), ["2026-11-28", "acme", "large", "laptop", 3, 1]);
  assert.equal(line.at(-1), "1.500000");
});

test("CSV keeps commas and quotes, and no text becomes a formula", () => {
  assert.equal(csvCell('a "b", c'), '"a ""b"", c"');
  assert.equal(csvCell("=HYPERLINK()"), "'=HYPERLINK()");
  assert.equal(csvCell(-1), "-1");
  assert.equal(csv([["a", 1], ["b", null]]), "a,1\r\nb,\r\n");
});

test("a model without a price is shown as such", () => {
  assert.deepEqual(priced({ acme: { a: { input: 1, source: "own" }, b: null } }), [
    { id: "acme/a", source: "own", input: 1 },
    { id: "acme/b", source: "unknown" },
  ]);
});
