// What the gateway tells of its health, made into rows and series. Pure.

/** The kinds as `POST /api/resilience/reset` names them, by the part of the document they stand in. */
const KINDS = { breakers: "breaker", cooldowns: "cooldown", lockouts: "lockout", targets: "target" };

/** @param {{state: string}} condition */
export const isDown = ({ state }) => state === "open" || state === "half_open" || state === "cooling";

/**
 * All that is held against providers, accounts and models: what keeps somebody from being asked first,
 * of these what lasts longest.
 * @param {any} health of GET /api/monitoring/health
 * @returns {any[]} each with `kind` and `id` beside what is told
 */
export function held(health) {
  const rows = Object.entries(KINDS).flatMap(([part, kind]) =>
    (health[part] ?? []).map((/** @type {any} */ each) => ({ ...each, kind, id: `${kind} ${each.subject} ${each.detail}` })),
  );
  return rows.sort(
    (one, other) => Number(isDown(other)) - Number(isDown(one)) || (other.until_ms ?? 0) - (one.until_ms ?? 0) || (one.id < other.id ? -1 : 1),
  );
}

/** What is known of a condition's state, as a colour. @param {{state: string}} condition */
export const tone = ({ state }) => (state === "open" ? "bad" : isDown({ state }) ? "warn" : "");

/** Sums over all processes. @param {any[]} processes */
export function totals(processes) {
  const workers = processes.filter((each) => each.worker !== undefined);
  return {
    workers: workers.length,
    ready: workers.filter((each) => each.state === "ready").length,
    inflight: workers.reduce((sum, each) => sum + (each.inflight ?? 0), 0),
    restarts: workers.reduce((sum, each) => sum + (each.restarts ?? 0), 0),
    memory: processes.reduce((sum, each) => sum + (each.memory_bytes ?? 0), 0),
  };
}

/**
 * One series for each provider over the whole span, null where it was not asked.
 * @param {any[]} rows of GET /api/usage/analytics by provider, with percentiles
 * @param {"total" | "first_byte" | "overhead"} part
 * @param {"p50_us" | "p95_us" | "p99_us"} share
 * @param {{sinceMs: number, untilMs: number, bucketMs: number}} span
 * @returns {{times: number[], series: {title: string, values: (number | null)[]}[]}}
 */
export function overTime(rows, part, share, { sinceMs, untilMs, bucketMs }) {
  const first = Math.floor(sinceMs / bucketMs);
  const times = Array.from({ length: Math.floor(untilMs / bucketMs) - first + 1 }, (_, at) => (first + at) * bucketMs);
  /** @type {Map<string, (number | null)[]>} */
  const found = new Map();
  for (const row of rows) {
    const at = Math.floor(row.from_ms / bucketMs) - first;
    // What no provider was asked for has none: refused, or answered from the cache.
    if (!row.by.provider || at < 0 || at >= times.length) continue;
    const values = found.get(row.by.provider) ?? times.map(() => null);
    values[at] = row[part][share];
    found.set(row.by.provider, values);
  }
  return { times, series: [...found].sort().map(([title, values]) => ({ title, values })) };
}
