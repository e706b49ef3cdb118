// What was used and what it cost: over time, by provider, model, key; budgets, prices, reports.

import { get } from "../api.js";
import { count, latency, percent, usd } from "../format.js";
import { html, typed } from "../html.js";
import { t } from "../i18n.js";
import { place, setQuery } from "../router.js";
import { beginnings, grouped } from "../series.js";
import { Chart } from "../ui/chart.js";
import { useKeyNames } from "../ui/names.js";
import { Card, Empty, Loaded, PageHead, Stat, Tabs, useRead } from "../ui/parts.js";
import { figure, Table } from "../ui/table.js";
import { Budgets, Prices, Report } from "./analytics/money.js";
import { begin, GROUPS, MEASURES, SPANS } from "./analytics/sums.js";

const SERIES = 7; // beside the one of all others; there are eight colours

/** @param {import("./analytics/sums.js").Span} span @param {string} by @param {AbortSignal} abort */
async function read(span, by, abort) {
  const untilMs = Date.now();
  const since_ms = begin(span, untilMs);
  const ask = (/** @type {any} */ query) => get("usage/analytics", { since_ms, ...query }, abort);
  const [whole, split, over, cached] = await Promise.all([
    ask({ percentiles: true }),
    ask({ by, percentiles: true }),
    ask({ by, bucket: span.bucket }),
    ask({ cached: true }),
  ]);
  const times = beginnings(span.bucket, since_ms, untilMs);
  return { whole: whole.rows[0], split: split.rows, over: over.rows, cached: cached.rows[0]?.requests ?? 0, times };
}

/** @param {{whole: any, cached: number}} props */
const Stats = ({ whole, cached }) => html`<dl class="stats">
  <${Stat} label=${t("analytics.requests")} value=${count(whole.requests)} hint=${t("analytics.cached", { share: percent(cached / whole.requests) })} />
  <${Stat} label=${t("analytics.success")} value=${percent(1 - whole.errors / whole.requests)}
    hint=${t("analytics.failed", { count: count(whole.errors), cancelled: count(whole.cancelled) })} tone=${whole.errors > whole.requests / 20 ? "bad" : ""} />
  <${Stat} label=${t("analytics.tokens")} value=${count(whole.input_tokens + whole.output_tokens)}
    hint=${t("analytics.in_out", { in: count(whole.input_tokens), out: count(whole.output_tokens) })} />
  <${Stat} label=${t("analytics.cost")} value=${usd(whole.cost_microusd)} hint=${t("analytics.dearest", { cost: usd(whole.cost_max_microusd) })} />
  <${Stat} label=${t("analytics.latency")} value=${latency(whole.total.p50_us)} hint=${t("analytics.p95", { took: latency(whole.total.p95_us) })} />
</dl>`;

/** @param {{rows: any[], by: string, nameOf: (row: any) => string}} props */
function Split({ rows, by, nameOf }) {
  const time = (/** @type {string} */ key, /** @type {string} */ of, /** @type {string} */ title) => ({
    key,
    title,
    number: true,
    sort: (/** @type {any} */ row) => row[of][key],
    render: (/** @type {any} */ row) => latency(row[of][key]),
  });
  /** @type {import("../ui/table.js").Column[]} */
  const figures = [
    { key: "name", title: t(`analytics.by.${by}`), sort: nameOf, render: (row) => html`<a href=${`#/logs?${by}=${encodeURIComponent(row.by[by])}`}>${nameOf(row) || t("analytics.none")}</a>` },
    figure("requests", t("analytics.requests"), count),
    { key: "success", title: t("analytics.success"), number: true, sort: (row) => 1 - row.errors / row.requests, render: (row) => percent(1 - row.errors / row.requests) },
    figure("input_tokens", t("analytics.tokens.in"), count),
    figure("output_tokens", t("analytics.tokens.out"), count),
    figure("cost_microusd", t("analytics.cost"), usd),
    time("p50_us", "first_byte", t("analytics.first")),
    time("p50_us", "total", "p50"),
    time("p95_us", "total", "p95"),
    time("p99_us", "total", "p99"),
  ];
  const columns = figures.map((column, at) => ({ ...column, key: `${column.key}-${at}` }));
  return html`<${Table} columns=${columns} rows=${rows} label=${t("analytics.table")} rowKey=${(row) => String(row.by[by])} />`;
}

/** @param {{name: string, chosen: string, values: string[], label: string, title: (value: string) => string}} props */
const Choice = ({ name, chosen, values, label, title }) => html`<label><span>${label}</span>
  <select value=${chosen} onChange=${typed((value) => setQuery({ [name]: value }))}>
    ${values.map((each) => html`<option key=${each} value=${each}>${title(each)}</option>`)}
  </select>
</label>`;

export default function Analytics() {
  const { query } = place.value;
  const chosen = (/** @type {string} */ name, /** @type {string[]} */ values, fallback = values[0]) => (values.includes(query[name]) ? query[name] : fallback);
  const span = chosen("span", Object.keys(SPANS), "week");
  const by = chosen("by", GROUPS);
  const measure = chosen("measure", Object.keys(MEASURES));
  const keyName = useKeyNames();
  const state = useRead((abort) => read(SPANS[span], by, abort), [span, by], 60_000);
  const nameOf = (/** @type {any} */ row) => (by === "key_id" ? keyName(row.by.key_id) : String(row.by[by] ?? ""));
  const names = { most: SERIES, others: t("analytics.others"), none: t("analytics.none") };
  const tabs = Object.keys(SPANS).map((key) => ({ key, title: t(`analytics.span.${key}`) }));
  return html`
    <${PageHead} title=${t("nav.analytics")} hint=${t("analytics.hint")} />
    <${Tabs} tabs=${tabs} chosen=${span} choose=${(key) => setQuery({ span: key })} label=${t("analytics.span")} />
    <div class="stack">
      <${Loaded} of=${state} lines=${10}>
        ${({ whole, split, over, cached, times }) =>
          whole
            ? html`<div><${Stats} whole=${whole} cached=${cached} />
                <${Card} title=${t("analytics.over_time")} actions=${html`<div class="filters">
                  <${Choice} name="measure" chosen=${measure} values=${Object.keys(MEASURES)} label=${t("analytics.measure")} title=${(each) => t(`analytics.${each}`)} />
                  <${Choice} name="by" chosen=${by} values=${GROUPS} label=${t("analytics.by")} title=${(each) => t(`analytics.by.${each}`)} />
                </div>`}>
                  <${Chart} times=${times} series=${grouped(times, over, nameOf, MEASURES[measure], names)} label=${t("analytics.over_time")} stack value=${measure === "cost" ? usd : count} />
                  <${Split} rows=${split} by=${by} nameOf=${nameOf} />
                <//></div>`
            : html`<${Empty} title=${t("analytics.quiet")}><a class="button" href="#/endpoint">${t("analytics.first_request")}</a><//>`}
      <//>
      <${Report} nameOf=${keyName} />
      <${Budgets} />
      <${Prices} />
    </div>
  `;
}
