// What the address says about the request log: as the API is asked, and for what comes live. Pure.

const HOUR_MS = 3_600_000;

/** How long ago a view begins. @type {Record<string, number>} */
export const SPANS = { hour: HOUR_MS, day: 24 * HOUR_MS, week: 168 * HOUR_MS, month: 720 * HOUR_MS };

/** What is compared as it stands. */
export const EQUALS = ["key_id", "provider", "connection", "model", "combo", "cache", "outcome", "status_class"];

/** The filters of the log as the API takes them. @param {Record<string, string>} query @param {number} nowMs */
export function asked(query, nowMs) {
  const span = SPANS[query.span ?? ""];
  return {
    ...Object.fromEntries(EQUALS.map((name) => [name, query[name]])),
    error_text: query.error_text,
    min_total_us: query.slow ? Math.round(Number(query.slow) * 1e6) || undefined : undefined,
    min_cost_microusd: query.dear ? Math.round(Number(query.dear) * 1e6) || undefined : undefined,
    since_ms: span && nowMs - span,
  };
}

/** Is a finished request of the feed among those that are asked for?
 *  @param {any} row @param {Record<string, string>} query */
export function fits(row, query) {
  const own = { ...row, status_class: Math.floor(row.status / 100) };
  if (EQUALS.some((name) => query[name] && String(own[name]) !== query[name])) return false;
  if (query.error_text && !row.error.toLowerCase().includes(query.error_text.toLowerCase())) return false;
  return row.total_us >= (Number(query.slow) || 0) * 1e6 && row.cost_microusd >= (Number(query.dear) || 0) * 1e6;
}

/** @typedef {{kind: "queue" | "failed" | "connect" | "wait" | "stream", attempt: number, from: number, to: number}} Bar */

/**
 * A request's time as bars, each from and to as a share of the whole: what it waited, the attempts
 * that came to nothing, then the one that it ended with, by its parts.
 * @param {any} request @param {any[]} attempts
 * @returns {Bar[]}
 */
export function waterfall(request, attempts) {
  const whole = Math.max(request.total_us, 1);
  /** @type {Bar[]} */
  const bars = [];
  let at = 0;
  const add = (/** @type {Bar["kind"]} */ kind, /** @type {number} */ attempt, /** @type {number} */ untilUs) => {
    const until = Math.min(whole, Math.max(at, untilUs));
    if (until > at) bars.push({ kind, attempt, from: at / whole, to: until / whole });
    at = until;
  };
  add("queue", 0, request.queue_us);
  for (const each of attempts) {
    const end = at + each.took_us;
    if (each.is_last && each.status < 400 && !each.error) {
      add("connect", each.number, at + request.connect_us);
      add("wait", each.number, Math.min(end, request.first_byte_us));
      add("stream", each.number, each.is_last ? whole : end);
    } else add("failed", each.number, end);
  }
  return bars;
}

/** A body as people read it: JSON indented, all else as it is. @param {string} text */
export function readable(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text; // a stream, or a body of which only the begin and the end were kept
  }
}
