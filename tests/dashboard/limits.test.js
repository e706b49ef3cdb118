import assert from "node:assert/strict";
import { test } from "node:test";

import { budgets, chosen, fullness, throttled } from "../../dashboard_static/pages/limits/rows.js";

const keys = [{ id: "stored/1", name: "laptop", source: "stored", budget: [{ usd: 10, period: "monthly", reset: "06:00", timezone: "Europe/Berlin" }] }];
const limit = (more = {}) => ({
  key: "key/stored/1/rpm",
  owner_kind: "key",
  owner: "stored/1",
  measure: "requests",
  kind: "rolling",
  limit: 20,
  used: 10,
  reserved: 5,
  resets_ms: 100,
  is_throttled: false,
  ...more,
});

test("what is reserved counts as much as what is used", () => {
  assert.equal(fullness(limit()), 0.75);
  assert.equal(fullness(limit({ kind: "gap", used: 3, limit: 500, is_throttled: true })), 1);
  assert.equal(fullness(limit({ limit: 0, used: 0, reserved: 0 })), 1);
});

test("limits are chosen by their kind of owner and by the name that people know", () => {
  const other = limit({ key: "connection/acme/a/rpm", owner_kind: "connection", owner: "acme/a" });
  const found = (kind, text) => chosen([limit(), other], keys, kind, text).map((each) => each.owner);
  assert.deepEqual(found("", ""), ["stored/1", "acme/a"]);
  assert.deepEqual(found("connection", ""), ["acme/a"]);
  assert.deepEqual(found("", " LAP"), ["stored/1"]);
});

test("who has to wait is told, the first to go on first", () => {
  const accounts = [{ connection: "acme/a", used_up_until_ms: 50 }, { connection: "acme/b", used_up_until_ms: null }];
  const limits = [limit(), limit({ key: "k2", is_throttled: true }), limit({ key: "k3", is_throttled: true, resets_ms: null })];
  assert.deepEqual(throttled(limits, accounts, keys).map((each) => [each.who, each.until]), [["acme/a", 50], ["laptop", 100], ["laptop", null]]);
});

test("a budget knows how it is changed: of a key by the key, a shared one by its id", () => {
  const states = [
    { owner: "key", ownerId: "stored/1", period: "monthly" },
    { owner: "tier", ownerId: "cheap", period: "daily" },
    { owner: "provider", ownerId: "acme", period: "weekly" },
  ];
  const shared = [{ id: "tier/cheap/daily", tier: "cheap", provider: null, period: "daily", source: "stored", version: 4, reset: "00:00", timezone: "UTC" }];
  const [ofKey, ofTier, ofFile] = budgets(states, shared, keys);
  assert.deepEqual([ofKey.source, ofKey.reset, ofKey.timezone, ofKey.sharedId], ["stored", "06:00", "Europe/Berlin", ""]);
  assert.deepEqual([ofTier.source, ofTier.sharedId, ofTier.version], ["stored", "tier/cheap/daily", 4]);
  assert.equal(ofFile.source, "file");
});
