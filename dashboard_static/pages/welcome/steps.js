// The steps of the beginning, and which of them are done: known from the gateway, so that they can
// be left and resumed on any day and in any browser. Pure.

export const STEPS = ["password", "provider", "key", "tool"];

/** The key that is printed at the first start. */
const FIRST = "first";

/**
 * Which steps are done. `answered` is how many requests there were.
 * @param {{needsPassword: boolean, providers: {isUsable: boolean}[], keys: {name: string}[], answered: number}} known
 * @returns {Record<string, boolean>}
 */
export function done({ needsPassword, providers, keys, answered }) {
  return {
    password: !needsPassword,
    provider: providers.some((each) => each.isUsable),
    key: keys.some((key) => key.name !== FIRST),
    tool: answered > 0,
  };
}

/** Where to go on: the first step that is not done, the last one when all are.
 *  @param {Record<string, boolean>} isDone */
export const resume = (isDone) => STEPS.find((step) => !isDone[step]) ?? STEPS[STEPS.length - 1];

/** @param {string} step */
export const after = (step) => STEPS[STEPS.indexOf(step) + 1];

/** An id for a provider out of its address: "api.acme.com" → "acme".
 *  @param {string} address */
export function nameOf(address) {
  let host;
  try {
    host = new URL(address).hostname;
  } catch {
    return "";
  }
  if (/^[\d.:[\]]+$/.test(host)) return "custom";
  const parts = host.split(".");
  return parts[Math.max(0, parts.length - 2)].toLowerCase().replaceAll(/[^a-z0-9-]/g, "-");
}
