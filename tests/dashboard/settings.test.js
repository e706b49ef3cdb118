// Settings between the API and their inputs.

import assert from "node:assert/strict";
import { test } from "node:test";

import { changed, fieldOf, pathOf, shown, unitOf } from "../../dashboard_static/pages/settings/fields.js";
import { rowsOf } from "../../dashboard_static/pages/settings/names.js";
import { browserOf } from "../../dashboard_static/pages/settings/security.js";

test("the end of a name tells the unit, and only that", () => {
  assert.equal(unitOf("ttlS"), "s");
  assert.equal(unitOf("retryBaseMs"), "ms");
  assert.equal(unitOf("maxEntryBytes"), "bytes");
  assert.equal(unitOf("retries"), "");
});

test("an input fits the value; where there is none by default it is known by name", () => {
  const type = (section, name, value) => fieldOf(section, name, { value, default: value, isEditable: true }).type;
  assert.equal(type("cache", "enabled", true), "checkbox");
  assert.equal(type("cache", "ttlS", 3600), "number");
  assert.equal(type("server", "corsOrigins", []), "list");
  assert.equal(type("server", "proxy", null), "text");
  assert.equal(type("addressLimit", "rpm", null), "number");
  assert.equal(type("routing", "strategy", "fill-first"), "select");
  assert.equal(type("systemPrompt", "prefix", ""), "textarea");
});

test("what the file says cannot be edited", () => {
  assert.ok(fieldOf("server", "port", { value: 1, default: 2, isEditable: false }).disabled);
});

test("a section's path has dashes", () => {
  assert.equal(pathOf("ipFilter"), "ip-filter");
  assert.equal(pathOf("cache"), "cache");
});

test("only what differs is sent, lists by what they hold", () => {
  const settings = { ttlS: { value: 5 }, allowedHosts: { value: ["a"] }, shared: { value: false } };
  assert.deepEqual(changed({ ttlS: 5, allowedHosts: ["a"], shared: true }, settings), { shared: true });
  assert.deepEqual(changed({ ttlS: null }, settings), { ttlS: null });
});

test("a default is shown with its unit", () => {
  assert.equal(shown("ttlS", 30), "30 s");
  assert.equal(shown("bodyBytes", 1024), "1.0 KiB");
  assert.equal(shown("shared", false), "Off");
  assert.equal(shown("allowedHosts", []), "none");
});

test("proxies of all levels are rows", () => {
  const rows = rowsOf({ global: null, providers: { acme: "http://a" }, combos: {}, connections: {}, environment: { HTTP_PROXY: "http://e" } });
  assert.deepEqual(rows.map((row) => row.level), ["environment", "provider"]);
});

test("a session is known by its browser, a script by what it says", () => {
  assert.equal(browserOf("Mozilla/5.0 (Macintosh; Intel Mac OS X) Version/17.4 Safari/605.1"), "Safari 17, Mac OS X");
  assert.equal(browserOf("Mozilla/5.0 (X11; Linux x86_64) Chrome/126.0.0 Safari/537 Edg/125.1"), "Edg 125, Linux");
  assert.equal(browserOf("Mozilla/5.0 (Windows NT 10.0; rv:128.0) Gecko/20100101 Firefox/128.0"), "Firefox 128, Windows");
  assert.equal(browserOf("curl/8.5"), "curl/8.5");
});
