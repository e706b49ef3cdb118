// What needs attention, the worst first: read out of the gateway's status. Pure.

/**
 * @typedef {object} Item
 * @property {"bad" | "warn" | "info"} tone
 * @property {string} key of a text
 * @property {Record<string, unknown>} values of the text
 * @property {string} to where it can be seen and mended
 */

const RANK = { bad: 0, warn: 1, info: 2 };
/** From this share on a limit or quota is worth a word. */
const NEARLY = 0.8;

/**
 * @param {any} status of GET /api/status
 * @param {{isUsable: boolean}[]} providers
 * @param {boolean} needsPassword the password is still the printed one
 * @returns {Item[]}
 */
export function attention(status, providers, needsPassword) {
  /** @type {Item[]} */
  const items = [];
  const add = (
    /** @type {Item["tone"]} */ tone,
    /** @type {string} */ key,
    /** @type {Record<string, unknown>} */ values,
    /** @type {string} */ to,
  ) => items.push({ tone, key: `overview.attention.${key}`, values, to });

  for (const worker of status.workers) {
    if (worker.state !== "ready") add("bad", "worker", worker, "#/health");
  }
  for (const text of status.problems) add("warn", "told", { text }, "#/health");
  if (status.history.problem) add("bad", "told", { text: status.history.problem }, "#/health");

  const { breakers, cooldowns, lockouts, targets, quotas } = status.health;
  for (const { text } of breakers.filter(isDown)) add("bad", "told", { text }, "#/health");
  for (const { text } of [...cooldowns, ...lockouts, ...targets].filter(isDown)) {
    add("warn", "told", { text }, "#/health");
  }
  for (const { text, used } of quotas) {
    if (used >= NEARLY) add(used >= 1 ? "bad" : "warn", "told", { text }, "#/limits");
  }
  for (const limit of status.limits) {
    const share = limit.limit > 0 ? (limit.used + limit.reserved) / limit.limit : 0;
    if (share < NEARLY || limit.kind === "gap") continue;
    const values = { owner: limit.owner, measure: limit.measure, share: Math.round(share * 100) };
    add(share >= 1 ? "bad" : "warn", "limit", values, "#/limits");
  }
  if (!providers.some((each) => each.isUsable)) add("bad", "provider", {}, "#/welcome/provider");
  if (needsPassword) add("info", "password", {}, "#/welcome/password");
  return items.sort((one, other) => RANK[one.tone] - RANK[other.tone]);
}

/** @param {{state: string}} condition */
const isDown = ({ state }) => state === "open" || state === "half_open" || state === "cooling";
