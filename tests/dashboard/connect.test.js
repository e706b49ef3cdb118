import assert from "node:assert/strict";
import { test } from "node:test";

import { baseOf, DIALECTS, KEY_PLACEHOLDER, modelNames, TOOLS } from "../../dashboard_static/connect.js";
import { after, done, nameOf, resume, STEPS } from "../../dashboard_static/pages/welcome/steps.js";
import { readChunk } from "../../dashboard_static/ui/connect.js";

const ports = { endpoint: "http://127.0.0.1:20128", dashboard: "http://127.0.0.1:20129" };

test("tools are told the address that this browser has reached", () => {
  const of = (/** @type {string} */ page) => baseOf(ports, new URL(page));
  assert.equal(of("http://127.0.0.1:20128/dashboard/#/endpoint"), "http://127.0.0.1:20128");
  assert.equal(of("http://box.lan:20129/dashboard/"), "http://box.lan:20128");
  assert.equal(of("https://ai.example.org/omni/dashboard/"), "https://ai.example.org/omni");
});

test("the OpenAI dialect has its version in the base, the others have not", () => {
  const urls = Object.fromEntries(DIALECTS.map((each) => [each.id, each.url("http://h:1")]));
  assert.deepEqual(urls, { openai: "http://h:1/v1", anthropic: "http://h:1", gemini: "http://h:1" });
});

test("the settings of every tool name the address, the model and the key", () => {
  const target = { base: "http://box.lan:20128", model: "acme/plain", key: KEY_PLACEHOLDER };
  for (const tool of TOOLS) {
    const code = tool.pieces(target).map((piece) => piece.code).join("\n");
    for (const value of Object.values(target)) assert.ok(code.includes(value), `${tool.id}: ${value}`);
  }
});

test("a model's name cannot break out of a shell's quotes", () => {
  const target = { base: "http://h:1", model: "a'; rm -rf ~; '", key: "k" };
  const [curl] = TOOLS.filter((tool) => tool.id === "curl");
  const quotes = curl.pieces(target)[0].code.replaceAll("'\\''", "").match(/'/g) ?? [];
  assert.equal(quotes.length % 2, 0);
});

test("files in JSON are JSON", () => {
  const [piece] = TOOLS.find((tool) => tool.id === "openclaw").pieces({ base: "http://h:1", model: 'a"b', key: "k" });
  assert.equal(JSON.parse(piece.code).models.providers.omniroute.models[0].id, 'a"b');
});

test("what can be asked for: combos first, models that can answer, aliases without wildcards", () => {
  const model = (/** @type {string} */ name, isActive = true) => ({ name, isActive });
  const catalog = {
    providers: [
      { needs: "", models: [model("acme/plain"), model("acme/off", false)] },
      { needs: "a key", models: [model("other/x")] },
    ],
    combos: ["coding"],
    aliases: { quick: "acme/plain", "claude-*": "acme/plain" },
  };
  assert.deepEqual(modelNames(catalog), ["coding", "acme/plain", "quick"]);
});

test("an answer is read event by event", () => {
  assert.equal(readChunk('{"choices":[{"delta":{"content":"hi"}}]}').text, "hi");
  assert.equal(readChunk('{"choices":[],"usage":{"completion_tokens":7}}').tokens, 7);
  assert.equal(readChunk('{"error":{"message":"no"}}').error, "no");
  assert.deepEqual(readChunk("[DONE]"), { text: "", error: "", tokens: null });
});

const fresh = { needsPassword: true, providers: [{ isUsable: false }], keys: [{ name: "first" }], answered: 0 };

test("a fresh gateway begins at the first step; the printed key does not count as one's own", () => {
  assert.deepEqual(done(fresh), { password: false, provider: false, key: false, tool: false });
  assert.equal(resume(done(fresh)), "password");
});

test("what was left is resumed where it was", () => {
  const known = { ...fresh, needsPassword: false, providers: [{ isUsable: true }] };
  assert.equal(resume(done(known)), "key");
  assert.equal(resume(done({ ...known, keys: [{ name: "laptop" }], answered: 1 })), "tool");
});

test("the steps follow each other to the end", () => {
  assert.deepEqual(STEPS.map(after), ["provider", "key", "tool", undefined]);
});

test("a provider of one's own is called after its address", () => {
  assert.equal(nameOf("https://api.acme.com/v1"), "acme");
  assert.equal(nameOf("http://localhost:1234/v1"), "localhost");
  assert.equal(nameOf("http://127.0.0.1:11434/v1"), "custom");
  assert.equal(nameOf("nonsense"), "");
});
