// Sums of the history made into what the overview shows. Pure.

/** @typedef {{requests: number, errors: number, tokens: number, cost: number, latency: number}} Sum */

/** Rows of one sum each, added up; `latency` is the mean in microseconds.
 *  @param {any[]} rows of GET /api/usage/analytics @returns {Sum} */
export function added(rows) {
  const total = { requests: 0, errors: 0, tokens: 0, cost: 0, latency: 0 };
  for (const row of rows) {
    total.requests += row.requests;
    total.errors += row.errors;
    total.tokens += row.input_tokens + row.output_tokens;
    total.cost += row.cost_microusd;
    total.latency += row.total_us;
  }
  if (total.requests) total.latency = Math.round(total.latency / total.requests);
  return total;
}

/** Requests in each bucket from a time to another, none where no row is.
 *  @param {any[]} rows @param {number} sinceMs @param {number} untilMs @param {number} bucketMs */
export function overTime(rows, sinceMs, untilMs, bucketMs) {
  const first = Math.floor(sinceMs / bucketMs);
  const values = Array.from({ length: Math.floor(untilMs / bucketMs) - first + 1 }, () => 0);
  for (const row of rows) {
    const at = Math.floor(row.from_ms / bucketMs) - first;
    if (at >= 0 && at < values.length) values[at] += row.requests;
  }
  return values;
}

/** @param {any[]} rows with `by.provider` @returns {Map<string, any[]>} the busiest first */
export function byProvider(rows) {
  /** @type {Map<string, any[]>} */
  const found = new Map();
  for (const row of rows) {
    const name = row.by.provider;
    if (name) found.set(name, [...(found.get(name) ?? []), row]);
  }
  const requests = (/** @type {any[]} */ of) => of.reduce((sum, row) => sum + row.requests, 0);
  return new Map([...found].sort(([, one], [, other]) => requests(other) - requests(one)));
}

/** How many of the requests that finished did so in the last minute.
 *  @param {any[]} requests of the feed @param {number} nowMs */
export const lastMinute = (requests, nowMs) =>
  requests.filter((each) => each.started_ms + each.total_us / 1000 > nowMs - 60_000).length;

/** The newest of the feed and of the log, each once.
 *  @param {any[]} live newest first @param {any[]} logged newest first @param {number} most */
export function latest(live, logged, most) {
  const known = new Set(live.map((each) => each.id));
  return [...live, ...logged.filter((each) => !known.has(each.id))].slice(0, most);
}
