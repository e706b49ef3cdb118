// Lets node load the dashboard's modules: bare names by the import map of index.html, and the few
// things of a browser that modules touch while they load. `node --import ./in_node.mjs --test`

import { readFileSync } from "node:fs";
import { register } from "node:module";

const index = new URL("../../dashboard_static/index.html", import.meta.url);
const map = JSON.parse(readFileSync(index, "utf8").match(/type="importmap">([^<]+)</)[1]);
const imports = Object.fromEntries(
  Object.entries(map.imports).map(([name, path]) => [name, new URL(path, index).href]),
);

const hooks = `
const imports = ${JSON.stringify(imports)};
export const resolve = (name, context, next) => next(imports[name] ?? name, context);
export const load = (url, context, next) =>
  next(url, url.includes("/dashboard_static/") ? { ...context, format: "module" } : context);
`;
register(`data:text/javascript,${encodeURIComponent(hooks)}`);

const kept = new Map();
const stand = {
  location: { hash: "" },
  navigator: { language: "en" },
  addEventListener: () => undefined,
  matchMedia: () => ({ matches: false, addEventListener: () => undefined }),
  localStorage: { getItem: (name) => kept.get(name) ?? null, setItem: (name, value) => kept.set(name, value) },
  document: { baseURI: "http://127.0.0.1/dashboard/", documentElement: { dataset: {} }, visibilityState: "visible" },
};
for (const [name, value] of Object.entries(stand)) {
  if (!(name in globalThis)) Object.defineProperty(globalThis, name, { value, configurable: true });
}

// A clock that ticks for ever must not keep a test from ending.
const every = globalThis.setInterval;
globalThis.setInterval = (...given) => every(...given).unref();
