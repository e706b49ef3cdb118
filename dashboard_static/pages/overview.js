// What happens now, what it costs, and what needs attention first.

import { useEffect } from "preact/hooks";

import { get, session } from "../api.js";
import { count, latency, percent, usd } from "../format.js";
import { html } from "../html.js";
import { t } from "../i18n.js";
import { beat, conditions, connected, follow, requests } from "../live.js";
import { place, setQuery } from "../router.js";
import { Badge, Card, Empty, Loaded, now, PageHead, Sparkline, Stat, Tabs, Time, useRead } from "../ui/parts.js";
import { Table } from "../ui/table.js";
import { attention } from "./overview/attention.js";
import { added, byProvider, lastMinute, latest, overTime } from "./overview/sums.js";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const SHOWN = 12; // of the latest requests

/** @type {Record<string, {ms: number, bucket: string, bucketMs: number}>} */
const SPANS = {
  day: { ms: DAY_MS, bucket: "hour", bucketMs: HOUR_MS },
  week: { ms: 7 * DAY_MS, bucket: "day", bucketMs: DAY_MS },
  month: { ms: 30 * DAY_MS, bucket: "day", bucketMs: DAY_MS },
};

/** @param {{ms: number, bucket: string}} span @param {AbortSignal} abort */
async function readSums({ ms, bucket }, abort) {
  const untilMs = Date.now();
  const since_ms = untilMs - ms;
  const [rows, cached] = await Promise.all([
    get("usage/analytics", { since_ms, by: "provider", bucket }, abort),
    get("usage/analytics", { since_ms, cached: true }, abort),
  ]);
  return { rows: rows.rows, cached: added(cached.rows).requests, sinceMs: since_ms, untilMs };
}

/** @param {AbortSignal} abort */
async function readState(abort) {
  const [status, catalog] = await Promise.all([
    get("status", {}, abort),
    get("providers/catalog", {}, abort),
  ]);
  return { status, providers: catalog.providers };
}

/** @param {{status: any, providers: any[]}} props */
function Attention({ status, providers }) {
  const items = attention(status, providers, Boolean(session.value?.needs_password));
  if (!items.length) {
    return html`<p class="row"><${Badge} tone="ok">${t("overview.well")}<//> ${t("overview.well.hint")}</p>`;
  }
  return html`<ul class="plain">
    ${items.map(
      (item) => html`<li class="row">
        <${Badge} tone=${item.tone}>${t(`overview.tone.${item.tone}`)}<//>
        <span class="grow">${t(item.key, item.values)}</span>
        <a href=${item.to}>${t("overview.look")}</a>
      </li>`,
    )}
  </ul>`;
}

/** @param {{rows: any[], cached: number}} props */
function Stats({ rows, cached }) {
  const sum = added(rows);
  const share = (/** @type {number} */ part) => (sum.requests ? part / sum.requests : 0);
  const rate = lastMinute(requests.value, now.value);
  return html`<dl class="stats">
    <${Stat} label=${t("overview.requests")} value=${count(sum.requests)} hint=${t("overview.rate", { count: rate })} />
    <${Stat} label=${t("overview.tokens")} value=${count(sum.tokens)} hint=${t("overview.tokens.hint")} />
    <${Stat} label=${t("overview.cost")} value=${usd(sum.cost)} hint=${t("overview.cost.hint")} />
    <${Stat}
      label=${t("overview.errors")}
      value=${percent(share(sum.errors))}
      hint=${t("overview.errors.hint", { count: count(sum.errors) })}
      tone=${share(sum.errors) > 0.05 ? "bad" : ""}
    />
    <${Stat}
      label=${t("overview.cached")}
      value=${percent(share(cached))}
      hint=${t("overview.cached.hint", { count: count(cached) })}
    />
  </dl>`;
}

/** @param {{rows: any[], sinceMs: number, untilMs: number, bucketMs: number}} props */
function Providers({ rows, sinceMs, untilMs, bucketMs }) {
  const shown = [...byProvider(rows)].map(([name, own]) => ({ name, own, sum: added(own) }));
  /** @type {import("../ui/table.js").Column[]} */
  const columns = [
    { key: "name", title: t("overview.provider"), render: (row) => html`<a href="#/providers">${row.name}</a>` },
    {
      key: "line",
      title: t("overview.over_time"),
      render: (row) => html`<${Sparkline}
        values=${overTime(row.own, sinceMs, untilMs, bucketMs)}
        label=${t("overview.sparkline", { name: row.name })}
      />`,
    },
    { key: "requests", title: t("overview.requests"), number: true, render: (row) => count(row.sum.requests) },
    { key: "errors", title: t("overview.errors"), number: true, render: (row) => percent(row.sum.errors / row.sum.requests) },
    { key: "latency", title: t("overview.latency"), number: true, render: (row) => latency(row.sum.latency) },
    { key: "cost", title: t("overview.cost"), number: true, render: (row) => usd(row.sum.cost) },
  ];
  const empty = html`<${Empty} title=${t("overview.quiet")}><a class="button" href="#/endpoint">${t("overview.first")}</a><//>`;
  return html`<${Table} columns=${columns} rows=${shown} rowKey=${(row) => row.name}
    label=${t("overview.providers")} empty=${empty} />`;
}

function Latest() {
  const before = useRead((abort) => get("usage/request-logs", { limit: SHOWN }, abort), []);
  const rows = latest(requests.value, before.data?.requests ?? [], SHOWN);
  /** @type {import("../ui/table.js").Column[]} */
  const columns = [
    { key: "when", title: t("overview.when"), render: (row) => html`<${Time} ms=${row.started_ms} />` },
    { key: "requested_model", title: t("overview.model"), render: (row) => row.requested_model },
    { key: "provider", title: t("overview.provider"), render: (row) => row.provider || "–" },
    {
      key: "status",
      title: t("overview.status"),
      render: (row) => html`<${Badge} tone=${row.outcome === "ok" ? "ok" : "bad"} title=${row.error}>${row.status}<//>`,
    },
    { key: "tokens", title: t("overview.tokens"), number: true, render: (row) => count(row.input_tokens + row.output_tokens) },
    { key: "took", title: t("overview.took"), number: true, render: (row) => latency(row.total_us) },
  ];
  return html`<${Table} columns=${columns} rows=${rows} label=${t("overview.latest")}
    empty=${html`<${Empty} title=${t("overview.latest.none")} />`} />`;
}

export default function Overview() {
  const chosen = place.value.query.span ?? "day";
  const span = SPANS[chosen] ?? SPANS.day;
  useEffect(follow, []);
  const sums = useRead((abort) => readSums(span, abort), [chosen, beat.value], 60_000);
  const state = useRead(readState, [conditions.value], 10_000);
  const tabs = Object.keys(SPANS).map((key) => ({ key, title: t(`overview.span.${key}`) }));
  return html`
    <${PageHead} title=${t("nav.overview")} hint=${t("overview.hint")}>
      <${Badge} tone=${connected.value ? "ok" : ""}>${t(connected.value ? "overview.live" : "overview.connecting")}<//>
    <//>
    <${Card} title=${t("overview.attention")}>
      <${Loaded} of=${state} lines=${2}>${(data) => html`<${Attention} ...${data} />`}<//>
    <//>
    <${Tabs} tabs=${tabs} chosen=${chosen} choose=${(key) => setQuery({ span: key })} label=${t("overview.span")} />
    <${Loaded} of=${sums} lines=${4}>
      ${(data) => html`
        <${Stats} ...${data} />
        <${Card} title=${t("overview.providers")}><${Providers} ...${data} bucketMs=${span.bucketMs} /><//>
      `}
    <//>
    <${Card} title=${t("overview.latest")} actions=${html`<a href="#/logs">${t("overview.all")}</a>`}>
      <${Latest} />
    <//>
  `;
}
