import assert from "node:assert/strict";
import { test } from "node:test";

import {
  accountsOf,
  byTier,
  cleared,
  fits,
  headersOf,
  linesOf,
  priorities,
  proxyInForce,
  standing,
} from "../../dashboard_static/pages/providers/standing.js";
import { moved } from "../../dashboard_static/ui/sortable.js";

const provider = (more = {}) => ({
  id: "acme",
  name: "Acme AI",
  prefixes: ["acme", "ac"],
  tier: "apikey",
  baseUrl: "https://api.acme.example/v1",
  isActive: true,
  isBlocked: false,
  isUsable: true,
  needs: "",
  ...more,
});
const account = (name, state = "usable", priority = 1) => ({ id: `acme/${name}`, name, state, priority, source: "stored", conditions: [] });
const unset = { global: null, providers: {}, combos: {}, connections: {}, environment: {} };

test("accounts stand in the order in which they are used", () => {
  const listed = [account("c", "usable", 3), account("a", "usable", 1), { ...account("x"), id: "other/x" }, account("b", "usable", 1)];
  assert.deepEqual(accountsOf(provider(), listed).map((each) => each.name), ["a", "b", "c"]);
});

test("a provider that needs no key has an account that nobody wrote down", () => {
  assert.deepEqual(accountsOf(provider(), []).map((each) => each.id), ["acme/default"]);
  assert.deepEqual(accountsOf(provider({ isUsable: false }), []), []);
});

test("a provider is told by the worst that keeps all of it from answering", () => {
  const of = (more, states, breaker) => standing(provider(more), states.map((state, at) => account(`a${at}`, state)), breaker).key;
  assert.equal(of({}, ["usable", "usable"]), "usable");
  assert.equal(of({}, ["usable", "cooling"]), "some");
  assert.equal(of({}, ["off", "cooling"]), "cooling");
  assert.equal(of({}, ["left out", "off"]), "failing");
  assert.equal(of({}, ["off"]), "all_off");
  assert.equal(of({}, []), "none");
  assert.equal(of({}, ["usable"], { state: "open" }), "down");
  assert.equal(of({ isActive: false }, ["usable"], { state: "open" }), "off");
  assert.equal(of({ needs: "base_url" }, ["usable"]), "incomplete");
});

test("the nearest proxy holds", () => {
  const set = { ...unset, global: "http://g:1", providers: { acme: "http://p:1" }, connections: { "acme/a": "http://c:1" } };
  const level = (proxies, connection) => proxyInForce(proxies, provider(), connection)?.level;
  assert.equal(level(set, "acme/a"), "connection");
  assert.equal(level(set, "acme/b"), "provider");
  assert.equal(level({ ...set, providers: {} }), "global");
  assert.equal(level(unset, "acme/a"), undefined);
});

test("the proxies of the environment go by the scheme and leave out what they are told to", () => {
  const environment = { HTTPS_PROXY: "http://s:1", HTTP_PROXY: "http://h:1", NO_PROXY: "localhost, .acme.example" };
  const of = (baseUrl, more = {}) => proxyInForce({ ...unset, environment: { ...environment, ...more } }, provider({ baseUrl }))?.address;
  assert.equal(of("https://elsewhere.example"), "http://s:1");
  assert.equal(of("http://elsewhere.example"), "http://h:1");
  assert.equal(of("https://api.acme.example/v1"), undefined);
  assert.equal(of("https://api.acme.example/v1", { NO_PROXY: "" }), "http://s:1");
  assert.equal(of("https://elsewhere.example", { NO_PROXY: "*" }), undefined);
});

test("a new order gives numbers from one, and only to those that change", () => {
  const order = [account("b", "usable", 1), account("a", "usable", 1), account("c", "usable", 3)];
  assert.deepEqual(priorities(order), { "acme/a": 2 });
});

test("the number of an account of the file stays, and may stand in the way", () => {
  const fixed = { ...account("f", "usable", 5), source: "file" };
  assert.deepEqual(priorities([account("a", "usable", 7), fixed, account("b", "usable", 1)]), { "acme/a": 1, "acme/b": 6 });
  assert.equal(priorities([account("a"), { ...fixed, priority: 1 }]), null);
});

test("providers are found by id, name and prefix, and grouped by tier", () => {
  assert.ok(fits(provider(), " ACME ai"));
  assert.ok(fits(provider(), "ac"));
  assert.ok(!fits(provider(), "zzz"));
  const tiers = byTier([provider({ tier: "local" }), provider({ tier: "subscription" })]).map(([tier]) => tier);
  assert.deepEqual(tiers, ["subscription", "local"]);
});

test("what is left empty in a form has its default", () => {
  assert.deepEqual(cleared({ a: "", b: 0, c: [], d: false, e: "x" }), { a: null, b: 0, c: null, d: false, e: "x" });
});

test("headers are read from lines, and written as them", () => {
  const headers = { "x-one": "a: b", "x-two": "" };
  assert.deepEqual(headersOf(linesOf(headers)), headers);
  assert.deepEqual(headersOf(["no colon", ": no name"]), {});
});

test("an item that moves leaves the order of the others alone", () => {
  assert.deepEqual(moved(["a", "b", "c", "d"], 0, 2), ["b", "c", "a", "d"]);
  assert.deepEqual(moved(["a", "b", "c", "d"], 3, 0), ["d", "a", "b", "c"]);
});
