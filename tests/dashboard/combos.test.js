import assert from "node:assert/strict";
import { test } from "node:test";

import { health, memberOf, names, shares, written } from "../../dashboard_static/pages/combos/members.js";

const account = (name, state = "usable", conditions = []) => ({ id: `acme/${name}`, state, conditions });
const world = (more = {}) => ({
  providers: [{ id: "acme", prefixes: ["acme", "ac"], isActive: true, isBlocked: false, isUsable: true }],
  connections: [account("a"), account("b")],
  told: { breakers: [], lockouts: [], targets: [] },
  health: [],
  ...more,
});
const told = (more) => world({ told: { ...world().told, ...more } });

test("a member is its name alone unless its weight says more", () => {
  assert.deepEqual(memberOf("acme/m"), { model: "acme/m", weight: 1 });
  assert.equal(written(memberOf("acme/m")), "acme/m");
  assert.deepEqual(written({ model: "acme/m", weight: 3 }), { model: "acme/m", weight: 3 });
});

test("shares are by weight, alike where nobody has one", () => {
  assert.deepEqual(shares([{ model: "a", weight: 3 }, { model: "b", weight: 1 }]), [0.75, 0.25]);
  assert.deepEqual(shares([{ model: "a", weight: 0 }, { model: "b", weight: 0 }]), [0.5, 0.5]);
});

test("a member is as well as the accounts that may serve it", () => {
  assert.deepEqual(health("ac/some/model", world()), { tone: "ok", key: "all", usable: 2, count: 2, until: null });
  const half = world({ connections: [account("a"), account("b", "off")] });
  assert.equal(health("acme/m", half).key, "some");
  const none = world({ connections: [account("a", "cooling", [{ state: "cooling", until_ms: 9 }, { state: "counting", until_ms: null }])] });
  assert.deepEqual(health("acme/m", none), { tone: "bad", key: "none", usable: 0, count: 1, until: 9 });
});

test("a lockout holds for its model only", () => {
  const locked = told({ lockouts: [{ state: "cooling", subject: "acme/a", detail: "m", until_ms: 5 }] });
  assert.equal(health("acme/m", locked).usable, 1);
  assert.equal(health("acme/other", locked).usable, 2);
});

test("what fails says until when", () => {
  const down = told({ breakers: [{ state: "open", subject: "acme", until_ms: 7 }] });
  assert.deepEqual([health("acme/m", down).key, health("acme/m", down).until], ["down", 7]);
  const resting = told({ targets: [{ state: "cooling", subject: "acme", detail: "m", until_ms: 8 }] });
  assert.deepEqual([health("acme/m", resting).key, health("acme/m", resting).until], ["resting", 8]);
});

test("a combo within a combo is told by its own targets", () => {
  const nested = world({ health: [{ combo: "inner", usable: 1, total: 4 }] });
  assert.deepEqual([health("inner", nested).usable, health("inner", nested).count], [1, 4]);
});

test("a name that nobody serves is seen", () => {
  assert.equal(health("nobody/m", world()).key, "unknown");
  const bare = world({ providers: [{ ...world().providers[0], isUsable: false }] });
  assert.equal(health("acme/m", bare).key, "no_account");
  const off = world({ providers: [{ ...world().providers[0], isActive: false }] });
  assert.equal(health("acme/m", off).key, "off");
});

test("a combo is not offered to itself, nor is a hidden model", () => {
  const models = [{ name: "acme/m", isActive: true }, { name: "acme/hidden", isActive: false }];
  assert.deepEqual(names({ combos: ["one", "two"], providers: [{ models }] }, "one"), ["two", "acme/m"]);
});
