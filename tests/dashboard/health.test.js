import assert from "node:assert/strict";
import { test } from "node:test";

import { held, overTime, tone, totals } from "../../dashboard_static/pages/health/told.js";

test("what keeps somebody from being asked comes before what only counts", () => {
  const rows = held({
    breakers: [{ subject: "acme", detail: "", state: "closed", until_ms: null }],
    cooldowns: [{ subject: "acme/a", detail: "", state: "cooling", until_ms: 5 }, { subject: "acme/b", detail: "", state: "counting", until_ms: null }],
    lockouts: [{ subject: "acme/a", detail: "m", state: "cooling", until_ms: 9 }],
    targets: [],
    quotas: [{ subject: "acme/a", detail: "5h", state: "reported" }],
  });
  assert.deepEqual(rows.map((each) => each.id), ["lockout acme/a m", "cooldown acme/a ", "breaker acme ", "cooldown acme/b "]);
});

test("colours say how bad it is", () => {
  assert.deepEqual(["open", "half_open", "cooling", "counting", "closed"].map((state) => tone({ state })), ["bad", "warn", "warn", "", ""]);
});

test("sums are of workers where only they count, of all processes else", () => {
  const found = totals([
    { process: "control", memory_bytes: 10 },
    { process: "worker-1", worker: 1, state: "ready", inflight: 2, restarts: 1, memory_bytes: 5 },
    { process: "worker-2", worker: 2, state: "starting", inflight: 0, restarts: 0, memory_bytes: null },
  ]);
  assert.deepEqual(found, { workers: 2, ready: 1, inflight: 2, restarts: 1, memory: 15 });
});

test("each provider has a line over the whole span, with holes where it was not asked", () => {
  const row = (from_ms, provider, p95_us) => ({ from_ms, by: { provider }, total: { p95_us } });
  const rows = [row(20, "b", 3), row(30, "a", 1), row(20, "a", 2), row(20, "", 9), row(900, "a", 9)];
  assert.deepEqual(overTime(rows, "total", "p95_us", { sinceMs: 15, untilMs: 35, bucketMs: 10 }), {
    times: [10, 20, 30],
    series: [
      { title: "a", values: [null, 2, 1] },
      { title: "b", values: [null, 3, null] },
    ],
  });
});
