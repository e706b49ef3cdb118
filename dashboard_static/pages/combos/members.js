// Members of combos: their shares, and how those who would serve them are right now. Pure.

export const STRATEGIES = [
  "priority",
  "weighted",
  "round-robin",
  "cost-optimized",
  "lowest-latency",
  "least-used",
  "p2c",
  "random",
  "fill-first",
];

/** @typedef {{model: string, weight: number}} Member */

/** A member may be written as its name alone. @param {string | {model: string, weight?: number}} member @returns {Member} */
export const memberOf = (member) =>
  typeof member === "string" ? { model: member, weight: 1 } : { model: member.model, weight: member.weight ?? 1 };

/** As the API takes it: the name alone where its weight is the usual one. @param {Member} member */
export const written = ({ model, weight }) => (weight === 1 ? model : { model, weight });

/** The share of requests that each member gets by its weight, 0 to 1. @param {Member[]} members */
export function shares(members) {
  const sum = members.reduce((total, each) => total + each.weight, 0);
  return members.map((each) => (sum ? each.weight / sum : 1 / members.length));
}

/**
 * @typedef {object} World what the API tells of those who serve
 * @property {any[]} providers of GET /api/providers/catalog
 * @property {any[]} connections of GET /api/providers
 * @property {{breakers: any[], lockouts: any[], targets: any[]}} told of GET /api/resilience/conditions
 * @property {any[]} health of GET /api/usage/combo-health
 */

/** @typedef {{tone: "ok" | "warn" | "bad" | "", key: string, usable: number, count: number, until: number | null}} Health */

/** How a member is: of how many accounts those are usable now.
 *  @param {string} model `provider/model`, or the name of a combo @param {World} world @returns {Health} */
export function health(model, { providers, connections, told, health: combos }) {
  const combo = combos.find((each) => each.combo === model);
  if (combo) return counted(combo.usable, combo.total, null);
  const [prefix, ...rest] = model.split("/");
  const name = rest.join("/");
  const provider = providers.find((each) => each.id === prefix || each.prefixes.includes(prefix));
  const down = (/** @type {string} */ key, /** @type {Health["tone"]} */ tone) => ({ tone, key, usable: 0, count: 0, until: null });
  if (!provider) return down("unknown", "bad");
  if (!provider.isActive || provider.isBlocked) return down("off", "");
  if (!provider.isUsable) return down("no_account", "bad");
  const breaker = told.breakers.find((each) => each.subject === provider.id && each.state === "open");
  if (breaker) return { ...down("down", "bad"), until: breaker.until_ms };
  const resting = (/** @type {any[]} */ list, /** @type {string} */ subject) =>
    list.find((/** @type {any} */ each) => each.state === "cooling" && each.subject === subject && each.detail === name);
  const target = resting(told.targets, provider.id);
  if (target) return { ...down("resting", "warn"), until: target.until_ms };
  const own = connections.filter((each) => each.id.startsWith(`${provider.id}/`));
  if (!own.length) return counted(1, 1, null);
  const usable = own.filter((each) => each.state === "usable" && !resting(told.lockouts, each.id));
  const until = own.flatMap((each) => each.conditions).filter((each) => each.state === "cooling").map((each) => each.until_ms);
  return counted(usable.length, own.length, usable.length || !until.length ? null : Math.min(...until));
}

/** @param {number} usable @param {number} count @param {number | null} until @returns {Health} */
function counted(usable, count, until) {
  if (usable === count && count) return { tone: "ok", key: "all", usable, count, until };
  return { tone: usable ? "ok" : "bad", key: usable ? "some" : "none", usable, count, until };
}

/** Every name that can be a member. @param {any} catalog of GET /api/models/catalog @param {string} [own] the combo itself */
export const names = (catalog, own = "") => [
  ...catalog.combos.filter((/** @type {string} */ each) => each !== own),
  ...catalog.providers.flatMap((/** @type {any} */ provider) =>
    provider.models.filter((/** @type {any} */ each) => each.isActive).map((/** @type {any} */ each) => each.name),
  ),
];
