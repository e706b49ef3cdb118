// A client key between its form and the API.

import assert from "node:assert/strict";
import { test } from "node:test";

import { limitOf, stateOf, toBody, toValues } from "../../dashboard_static/pages/keys/fields.js";

const KEY = {
  name: "laptop",
  isActive: true,
  allowedModels: ["acme/*"],
  allowedConnections: [],
  ipAllowlist: [],
  budget: { usd: 50, period: "monthly", reset: "08:00", timezone: "Europe/Berlin" },
  rpm: 600,
  tpm: null,
  maxConcurrent: null,
  accessSchedule: { days: ["mon"], start: "08:00", end: "18:00", timezone: "UTC" },
  expires: "",
  cache: false,
  systemPrompt: { prefix: "Be short.", suffix: "" },
  thinking: { mode: "custom", budgetTokens: 4096 },
  injectionGuard: "warn",
  capture: null,
  limits: [],
  problem: "",
};

test("a key that is opened and saved stays what it was", () => {
  const body = toBody(toValues(KEY), KEY);
  for (const [name, value] of Object.entries(body)) {
    if (name === "budget") assert.deepEqual(value, [KEY.budget]);
    else if (name === "systemPrompt") assert.deepEqual(value, { prefix: "Be short." });
    else assert.deepEqual(value, KEY[name], name);
  }
});

test("a form that says nothing asks for no limit", () => {
  const body = toBody({ name: "new" });
  assert.deepEqual(body.budget, []);
  for (const name of ["rpm", "tpm", "maxConcurrent", "accessSchedule", "cache", "capture", "thinking", "systemPrompt"]) {
    assert.equal(body[name], null, name);
  }
  assert.equal(body.isActive, true);
});

test("a budget of zero is one, an empty field is none", () => {
  assert.deepEqual(toBody({ name: "x", daily: 0, weekly: null }).budget, [{ period: "daily", usd: 0 }]);
});

test("a time zone alone is no schedule", () => {
  assert.equal(toBody({ name: "x", timezone: "UTC", days: [] }).accessSchedule, null);
});

test("a limit's key tells its period", () => {
  assert.equal(limitOf({ key: "key/a/usd/daily", measure: "usd" }).period, "daily");
  assert.equal(limitOf({ key: "key/a/rpm", measure: "requests" }).window_ms, 60_000);
});

test("the worst that is true of a key is its state", () => {
  const state = (more) => stateOf({ ...KEY, ...more }, Date.UTC(2026, 0, 1)).name;
  assert.equal(state({}), "active");
  assert.equal(state({ expires: "2025-12-31" }), "expired");
  assert.equal(state({ expires: "2026-12-31" }), "active");
  assert.equal(state({ isActive: false, expires: "2025-12-31" }), "off");
  assert.equal(state({ limits: [{ used: 3, reserved: 2, limit: 5 }] }), "limited");
  assert.equal(state({ revokedMs: 1, isActive: false }), "revoked");
});
