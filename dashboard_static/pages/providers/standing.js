// How providers and their accounts stand, read out of what the API tells. Pure.

export const TIERS = ["subscription", "apikey", "cheap", "free", "local"];
/** Formats that a provider of one's own may speak. */
export const FORMATS = ["openai", "openai-responses", "claude", "gemini"];

/** @typedef {"ok" | "warn" | "bad" | ""} Tone */

/** By state of an account, as the API names it. @type {Record<string, Tone>} */
export const TONES = {
  usable: "ok",
  off: "",
  "left out": "bad",
  incomplete: "warn",
  blocked: "warn",
  cooling: "warn",
  "provider down": "bad",
};

/** Is it one that somebody set up, or one of the many that could be? @param {any} provider */
export const isSetUp = (provider) =>
  provider.connections > 0 || !provider.builtIn || provider.isUsable || !provider.isActive;

/** The accounts of a provider in the order in which they are used. One that needs no key has an
 *  account that nobody wrote down. @param {any} provider @param {any[]} connections */
export function accountsOf(provider, connections) {
  const own = connections.filter((each) => each.id.startsWith(`${provider.id}/`));
  if (!own.length && provider.isUsable) {
    return [{ id: `${provider.id}/default`, name: "default", source: "implied", state: "usable", isActive: true, conditions: [] }];
  }
  return own.map((each, at) => ({ each, at })).sort((one, other) => one.each.priority - other.each.priority || one.at - other.at).map(({ each }) => each);
}

/** What is said of a provider as a whole: a key of a text and its tone.
 *  @param {any} provider @param {any[]} accounts @param {any} [breaker] @returns {{key: string, tone: Tone}} */
export function standing(provider, accounts, breaker) {
  if (!provider.isActive) return { key: "off", tone: "" };
  if (provider.isBlocked) return { key: "blocked", tone: "warn" };
  if (provider.needs) return { key: "incomplete", tone: "warn" };
  if (breaker?.state === "open") return { key: "down", tone: "bad" };
  if (breaker?.state === "half_open") return { key: "trying", tone: "warn" };
  if (!accounts.length) return { key: "none", tone: "" };
  const usable = accounts.filter((each) => each.state === "usable").length;
  if (usable === accounts.length) return { key: "usable", tone: "ok" };
  if (usable) return { key: "some", tone: "ok" };
  if (accounts.every((each) => each.state === "off")) return { key: "all_off", tone: "" };
  return { key: accounts.some((each) => each.state === "cooling") ? "cooling" : "failing", tone: "warn" };
}

/** Is a host among those that NO_PROXY names? @param {string} host @param {string} [list] */
function isExcepted(host, list = "") {
  return list
    .split(",")
    .map((each) => each.trim().replace(/^\*?\./, ""))
    .some((each) => each && (each === "*" || host === each || host.endsWith(`.${each}`)));
}

/**
 * The proxy by which requests go: the nearest that is set. That of a combo depends on the request and
 * is not looked at here. Null: they go directly.
 * @param {any} proxies of GET /api/settings/proxy
 * @param {{id: string, baseUrl: string}} provider
 * @param {string} [connection] its id
 * @returns {null | {level: "connection" | "provider" | "global" | "environment", address: string}}
 */
export function proxyInForce(proxies, provider, connection = "") {
  const set = [
    /** @type {const} */ (["connection", proxies.connections[connection]]),
    /** @type {const} */ (["provider", proxies.providers[provider.id]]),
    /** @type {const} */ (["global", proxies.global]),
  ].find(([, address]) => address);
  if (set) return { level: set[0], address: set[1] };
  const { HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY } = proxies.environment;
  const url = URL.canParse(provider.baseUrl) ? new URL(provider.baseUrl) : null;
  if (!url || isExcepted(url.hostname, NO_PROXY)) return null;
  const address = (url.protocol === "https:" ? HTTPS_PROXY : HTTP_PROXY) ?? ALL_PROXY;
  return address ? { level: "environment", address } : null;
}

/**
 * Priorities that bring accounts into an order, lower first: id to its new number, only those that
 * change. Null where an account of the configuration file, whose number stays, stands in the way.
 * @param {{id: string, priority: number, source: string}[]} order
 * @returns {Record<string, number> | null}
 */
export function priorities(order) {
  /** @type {Record<string, number>} */
  const changes = {};
  let last = 0;
  for (const { id, priority, source } of order) {
    if (source === "file") {
      if (priority <= last) return null;
      last = priority;
    } else {
      last += 1;
      if (priority !== last) changes[id] = last;
    }
  }
  return changes;
}

/** Does a provider fit what was typed: its id, name or a prefix? @param {any} provider @param {string} text */
export function fits(provider, text) {
  const wanted = text.trim().toLowerCase();
  return [provider.id, provider.name, ...provider.prefixes].some((each) => each.toLowerCase().includes(wanted));
}

/** By tier, those without any left out. @param {any[]} providers @returns {[string, any[]][]} */
export const byTier = (providers) =>
  TIERS.map((tier) => /** @type {[string, any[]]} */ ([tier, providers.filter((each) => each.tier === tier)])).filter(
    ([, found]) => found.length,
  );

/** Values of a form as the API takes them: what is empty becomes null, its default.
 *  @param {Record<string, any>} values */
export const cleared = (values) =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [name, value === "" || (Array.isArray(value) && !value.length) ? null : value]));

/** Lines "name: value" as an object, and back. @param {string[]} lines @returns {Record<string, string>} */
export const headersOf = (lines) =>
  Object.fromEntries(lines.map((line) => line.split(/:(.*)/s).slice(0, 2).map((part) => part.trim())).filter(([name, value]) => name && value !== undefined));
/** @param {Record<string, string>} headers */
export const linesOf = (headers) => Object.entries(headers ?? {}).map(([name, value]) => `${name}: ${value}`);
