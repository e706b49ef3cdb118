// Rows of sums by time made into the series of a chart. Pure.

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
// The first Monday after the epoch, which was a Thursday: weeks begin there.
const MONDAY_MS = 4 * DAY_MS;

/** @typedef {"hour" | "day" | "week"} Bucket */

/** @type {Record<Bucket, {ms: number, from: number}>} */
const BUCKETS = {
  hour: { ms: HOUR_MS, from: 0 },
  day: { ms: DAY_MS, from: 0 },
  week: { ms: 7 * DAY_MS, from: MONDAY_MS },
};

/** When each bucket of a span begins, as the gateway cuts time: in UTC.
 *  @param {Bucket} bucket @param {number} sinceMs @param {number} untilMs */
export function beginnings(bucket, sinceMs, untilMs) {
  const { ms, from } = BUCKETS[bucket];
  const first = Math.floor((sinceMs - from) / ms) * ms + from;
  return Array.from({ length: Math.floor((untilMs - first) / ms) + 1 }, (_, at) => first + at * ms);
}

/** One value for each time, 0 where no row is.
 *  @param {number[]} times @param {any[]} rows with `from_ms` @param {(row: any) => number} value */
export function along(times, rows, value) {
  const found = new Map();
  for (const row of rows) found.set(row.from_ms, (found.get(row.from_ms) ?? 0) + value(row));
  return times.map((time) => found.get(time) ?? 0);
}

/**
 * A series for each of the largest groups and one for all others together.
 * @param {number[]} times @param {any[]} rows @param {(row: any) => string} group
 * @param {(row: any) => number} value @param {{most: number, others: string, none: string}} names
 * @returns {{title: string, values: number[]}[]} the largest first
 */
export function grouped(times, rows, group, value, { most, others, none }) {
  /** @type {Map<string, {rows: any[], sum: number}>} */
  const groups = new Map();
  for (const row of rows) {
    const name = group(row) || none;
    const known = groups.get(name) ?? { rows: [], sum: 0 };
    known.rows.push(row);
    known.sum += value(row);
    groups.set(name, known);
  }
  const ordered = [...groups].sort(([, one], [, other]) => other.sum - one.sum);
  const shown = ordered.slice(0, most).map(([title, of]) => ({ title, values: along(times, of.rows, value) }));
  const rest = ordered.slice(most).flatMap(([, of]) => of.rows);
  return rest.length ? [...shown, { title: others, values: along(times, rest, value) }] : shown;
}
