// How long providers take, over time: p50, p95, p99 of the whole, to the first byte, and of the gateway.

import { get } from "../../api.js";
import { count, latency, percent } from "../../format.js";
import { html, typed } from "../../html.js";
import { t } from "../../i18n.js";
import { beat } from "../../live.js";
import { place, setQuery } from "../../router.js";
import { Chart } from "../../ui/chart.js";
import { Card, Empty, Loaded, Tabs, useRead } from "../../ui/parts.js";
import { figure, Table } from "../../ui/table.js";
import { overTime } from "./told.js";

const HOUR_MS = 3_600_000;

/** @type {Record<string, {ms: number, bucket: string, bucketMs: number}>} */
const SPANS = {
  day: { ms: 24 * HOUR_MS, bucket: "hour", bucketMs: HOUR_MS },
  week: { ms: 7 * 24 * HOUR_MS, bucket: "day", bucketMs: 24 * HOUR_MS },
  month: { ms: 30 * 24 * HOUR_MS, bucket: "day", bucketMs: 24 * HOUR_MS },
};
const PARTS = /** @type {const} */ (["total", "first_byte", "overhead"]);
const SHARES = /** @type {const} */ (["p50", "p95", "p99"]);

/** The one that the address names, else the first. @template {string} T @param {readonly T[]} known @param {string} [wanted] @returns {T} */
const oneOf = (known, wanted) => known.find((each) => each === wanted) ?? known[0];

/** @param {{label: string, name: string, value: string, options: readonly string[]}} props */
const Choice = ({ label, name, value, options }) => html`<label>
  <span>${label}</span>
  <select value=${value} onChange=${typed((value) => setQuery({ [name]: value }))}>
    ${options.map((each) => html`<option value=${each}>${t(`health.${name}.${each}`)}</option>`)}
  </select>
</label>`;

export function Latencies() {
  const { query } = place.value;
  const span = SPANS[query.span] ?? SPANS.day;
  const part = oneOf(PARTS, query.part);
  const share = oneOf(SHARES, query.share ?? "p95");
  const read = useRead(
    async (abort) => {
      const untilMs = Date.now();
      const asked = { since_ms: untilMs - span.ms, by: "provider", percentiles: true };
      const [over, whole] = await Promise.all([
        get("usage/analytics", { ...asked, bucket: span.bucket }, abort),
        get("usage/analytics", asked, abort),
      ]);
      return { rows: over.rows, whole: whole.rows, sinceMs: untilMs - span.ms, untilMs };
    },
    [query.span, beat.value],
    60_000,
  );
  const of = (/** @type {"p50_us" | "p95_us" | "p99_us"} */ key, /** @type {string} */ title) => ({
    key,
    title,
    number: true,
    sort: (/** @type {any} */ row) => row[part][key],
    render: (/** @type {any} */ row) => latency(row[part][key]),
  });
  /** @type {import("../../ui/table.js").Column[]} */
  const columns = [
    { key: "name", title: t("health.provider"), sort: (row) => row.by.provider, render: (row) => row.by.provider },
    figure("requests", t("health.requests"), count),
    { key: "errors", title: t("health.errors"), number: true, sort: (row) => row.errors / row.requests, render: (row) => percent(row.errors / row.requests) },
    of("p50_us", "p50"),
    of("p95_us", "p95"),
    of("p99_us", "p99"),
  ];
  return html`<${Card} title=${t("health.latency")}>
    <div class="filters">
      <${Choice} label=${t("health.span")} name="span" value=${query.span ?? "day"} options=${Object.keys(SPANS)} />
      <${Choice} label=${t("health.part")} name="part" value=${part} options=${PARTS} />
    </div>
    <${Tabs} tabs=${SHARES.map((key) => ({ key, title: key }))} chosen=${share} choose=${(key) => setQuery({ share: key })} label=${t("health.share")} />
    <${Loaded} of=${read} lines=${6}>
      ${(data) => {
        const { times, series } = overTime(data.rows, part, `${share}_us`, { ...data, bucketMs: span.bucketMs });
        if (!series.length) return html`<${Empty} title=${t("health.latency.none")} />`;
        return html`
          <${Chart} times=${times} series=${series} label=${t("health.latency.of", { share })} value=${latency} />
          <${Table} columns=${columns} rows=${data.whole.filter((/** @type {any} */ each) => each.by.provider)}
            rowKey=${(row) => row.by.provider} label=${t("health.latency")} />
        `;
      }}
    <//>
  <//>`;
}
