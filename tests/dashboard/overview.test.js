import assert from "node:assert/strict";
import { test } from "node:test";

import { attention } from "../../dashboard_static/pages/overview/attention.js";
import { added, byProvider, lastMinute, latest, overTime } from "../../dashboard_static/pages/overview/sums.js";

const calm = () => ({
  workers: [{ worker: 1, state: "ready" }],
  problems: [],
  history: { problem: "" },
  limits: [],
  health: { breakers: [], cooldowns: [], lockouts: [], targets: [], quotas: [] },
});
const usable = [{ isUsable: false }, { isUsable: true }];

test("a gateway without trouble needs no attention", () => {
  assert.deepEqual(attention(calm(), usable, false), []);
});

test("the worst comes first, and each item leads to where it is mended", () => {
  const status = {
    ...calm(),
    workers: [{ worker: 2, state: "starting" }],
    health: {
      ...calm().health,
      cooldowns: [
        { state: "cooling", text: "acme/main rests" },
        { state: "counting", text: "may be asked" },
      ],
      quotas: [{ used: 0.85, text: "nearly used up" }, { used: 0.2, text: "plenty" }],
    },
  };
  const items = attention(status, usable, true);
  assert.deepEqual(
    items.map((item) => [item.tone, item.key, item.to]),
    [
      ["bad", "overview.attention.worker", "#/health"],
      ["warn", "overview.attention.told", "#/health"],
      ["warn", "overview.attention.told", "#/limits"],
      ["info", "overview.attention.password", "#/welcome/password"],
    ],
  );
});

test("a limit is told of from four fifths on, with what is reserved; a gap never", () => {
  const limit = { limit: 100, used: 0, reserved: 0, owner: "laptop", measure: "requests", kind: "window" };
  const tones = (/** @type {any} */ change) =>
    attention({ ...calm(), limits: [{ ...limit, ...change }] }, usable, false).map((item) => item.tone);
  assert.deepEqual(tones({ used: 79 }), []);
  assert.deepEqual(tones({ used: 70, reserved: 10 }), ["warn"]);
  assert.deepEqual(tones({ used: 100 }), ["bad"]);
  assert.deepEqual(tones({ used: 100, kind: "gap" }), []);
  assert.deepEqual(tones({ limit: 0, used: 5 }), []);
});

test("without a provider that can answer, that is the first thing to do", () => {
  assert.equal(attention(calm(), [], false)[0].to, "#/welcome/provider");
});

const row = (/** @type {any} */ change) => ({
  from_ms: 0,
  by: { provider: "acme" },
  requests: 1,
  errors: 0,
  input_tokens: 2,
  output_tokens: 3,
  cost_microusd: 4,
  total_us: 10,
  ...change,
});

test("sums add up, and the time is the mean over requests", () => {
  const sum = added([row({ requests: 3, total_us: 90 }), row({ errors: 1 })]);
  assert.deepEqual(sum, { requests: 4, errors: 1, tokens: 10, cost: 8, latency: 25 });
  assert.equal(added([]).latency, 0);
});

test("a line has a point for each bucket, none missing", () => {
  const rows = [row({ from_ms: 1000, requests: 5 }), row({ from_ms: 3000, requests: 7 })];
  assert.deepEqual(overTime(rows, 1500, 4200, 1000), [5, 0, 7, 0]);
});

test("the busiest provider comes first; requests that reached none are nobody's", () => {
  const rows = [row({}), row({ by: { provider: "spare" }, requests: 9 }), row({ by: { provider: "" } })];
  assert.deepEqual([...byProvider(rows).keys()], ["spare", "acme"]);
});

test("the last minute counts by the end of a request", () => {
  const requests = [
    { started_ms: 100_000, total_us: 50_000_000 },
    { started_ms: 100_000, total_us: 1_000 },
  ];
  assert.equal(lastMinute(requests, 200_000), 1);
});

test("what is in the feed and in the log is shown once", () => {
  const ids = latest([{ id: "c" }, { id: "b" }], [{ id: "b" }, { id: "a" }], 3).map((each) => each.id);
  assert.deepEqual(ids, ["c", "b", "a"]);
});
