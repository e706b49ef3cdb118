// What the page Analytics makes of the gateway's sums. Pure.

const DAY_MS = 86_400_000;

/** @typedef {{days: number, bucket: import("../../series.js").Bucket}} Span */

/** @type {Record<string, Span>} */
export const SPANS = {
  day: { days: 1, bucket: "hour" },
  week: { days: 7, bucket: "day" },
  month: { days: 30, bucket: "day" },
  quarter: { days: 90, bucket: "day" },
  year: { days: 365, bucket: "week" },
};

/** What can be drawn of a row. @type {Record<string, (row: any) => number>} */
export const MEASURES = {
  requests: (row) => row.requests,
  tokens: (row) => row.input_tokens + row.output_tokens,
  cost: (row) => row.cost_microusd,
  errors: (row) => row.errors,
};

export const GROUPS = ["provider", "model", "key_id", "connection", "combo"];

/** When a span begins, at the begin of a bucket. @param {Span} span @param {number} nowMs */
export const begin = ({ days, bucket }, nowMs) =>
  bucket === "hour" ? Math.floor(nowMs / 3_600_000 - 23) * 3_600_000 : (Math.floor(nowMs / DAY_MS) - days + 1) * DAY_MS;

/** The begin and the end of a month in UTC. @param {string} month "2026-11" */
export function monthOf(month) {
  const [year, number] = month.split("-").map(Number);
  return { since_ms: Date.UTC(year, number - 1), until_ms: Date.UTC(year, number) };
}

const FIGURES = ["requests", "errors", "cancelled", "input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens"];

/** A month as a table: each day, provider, model and key. @param {any[]} rows @param {(id: string) => string} nameOf */
export function report(rows, nameOf) {
  const head = ["day", "provider", "model", "key", ...FIGURES, "cost_usd"];
  const lines = rows.map((row) => [
    new Date(row.from_ms).toISOString().slice(0, 10),
    row.by.provider,
    row.by.model,
    nameOf(row.by.key_id),
    ...FIGURES.map((name) => row[name]),
    (row.cost_microusd / 1e6).toFixed(6),
  ]);
  return [head, ...lines];
}

/** Prices in force as rows. @param {Record<string, Record<string, any>>} pricing of GET pricing */
export const priced = (pricing) =>
  Object.entries(pricing).flatMap(([provider, models]) =>
    Object.entries(models).map(([model, price]) => ({ id: `${provider}/${model}`, source: "unknown", ...price })),
  );
