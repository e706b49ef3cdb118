// What the logs ask for, how what comes live joins what was read, and how time is drawn.

import assert from "node:assert/strict";
import { test } from "node:test";

import { asked, fits, readable, waterfall } from "../../dashboard_static/pages/logs/asking.js";
import { isAsked } from "../../dashboard_static/pages/logs/tables.js";
import { joined } from "../../dashboard_static/ui/paging.js";
import { leastWidth } from "../../dashboard_static/ui/table.js";

const BY = { id: (row) => row.id, at: (row) => row.at };
const ROW = { status: 503, error: "Upstream timed out", total_us: 2_000_000, cost_microusd: 500, provider: "acme", outcome: "failed" };

test("filters of the address become those of the API, in its units", () => {
  const found = asked({ provider: "acme", slow: "1.5", dear: "0.01", span: "hour" }, 10_000_000);
  assert.equal(found.provider, "acme");
  assert.equal(found.min_total_us, 1_500_000);
  assert.equal(found.min_cost_microusd, 10_000);
  assert.equal(found.since_ms, 6_400_000);
  assert.equal(asked({ slow: "soon" }, 0).min_total_us, undefined);
});

test("what comes live is held to the same filters", () => {
  assert.ok(fits(ROW, {}));
  assert.ok(fits(ROW, { provider: "acme", status_class: "5", error_text: "TIMED", slow: "1.5" }));
  for (const query of [{ provider: "spare" }, { status_class: "2" }, { error_text: "refused" }, { slow: "3" }, { dear: "1" }, { outcome: "ok" }]) {
    assert.ok(!fits(ROW, query), JSON.stringify(query));
  }
});

test("each row stands once, the latest first", () => {
  const rows = [{ id: "b", at: 20 }, { id: "a", at: 10 }];
  const came = [{ id: "c", at: 30 }, { id: "b", at: 20 }, { id: "between", at: 15 }];
  const ids = joined(came, rows, { ...BY, isWhole: false }).map((row) => row.id);
  assert.deepEqual(ids, ["c", "b", "between", "a"]);
});

test("what is older than the pages that were read waits for its page", () => {
  const rows = [{ id: "b", at: 20 }];
  const old = [{ id: "a", at: 10 }];
  assert.equal(joined(old, rows, { ...BY, isWhole: false }), rows);
  assert.equal(joined(old, rows, { ...BY, isWhole: true }).length, 2);
  assert.equal(joined(old, [], { ...BY, isWhole: true }).length, 1);
});

test("a waterfall fills the whole time without gaps", () => {
  const request = { total_us: 1000, queue_us: 100, connect_us: 50, first_byte_us: 800 };
  const attempts = [
    { number: 1, took_us: 300, status: 500, error: "broken", is_last: false },
    { number: 2, took_us: 600, status: 200, error: "", is_last: true },
  ];
  const bars = waterfall(request, attempts);
  assert.deepEqual(bars.map((bar) => bar.kind), ["queue", "failed", "connect", "wait", "stream"]);
  assert.equal(bars[0].from, 0);
  assert.equal(bars.at(-1).to, 1);
  for (const [at, bar] of bars.slice(1).entries()) assert.equal(bar.from, bars[at].to);
});

test("an attempt that failed last is no answer", () => {
  const bars = waterfall({ total_us: 10, queue_us: 0, connect_us: 1, first_byte_us: 5 }, [
    { number: 1, took_us: 10, status: 503, error: "down", is_last: true },
  ]);
  assert.deepEqual(bars.map((bar) => bar.kind), ["failed"]);
  assert.deepEqual(waterfall({ total_us: 0, queue_us: 0 }, []), []);
});

test("JSON is indented, a stream stays as it is", () => {
  assert.equal(readable('{"a":1}'), '{\n  "a": 1\n}');
  assert.equal(readable("data: {}\n\n"), "data: {}\n\n");
});

test("lines are asked for by their least level, process and text", () => {
  const line = { level: "warn", process: "control", message: "Something is odd" };
  assert.ok(isAsked(line, { level: "warning" }));
  assert.ok(isAsked(line, { level: "info", process: "control", text: "ODD" }));
  assert.ok(!isAsked(line, { level: "error" }));
  assert.ok(!isAsked(line, { process: "worker-1" }));
});

test("a long table is as wide as the least of its columns", () => {
  assert.equal(leastWidth([{ width: "8rem" }, { width: "minmax(9.5rem, 2fr)" }, {}]), 8 + 9.5 + 6 + 0.6 * 4);
});
