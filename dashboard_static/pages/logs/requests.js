// The request log: filtered, live, ten thousand rows long.

import { useEffect, useMemo, useState } from "preact/hooks";

import { get, url } from "../../api.js";
import { count, latency, usd } from "../../format.js";
import { html } from "../../html.js";
import { t } from "../../i18n.js";
import { connected, follow, paused, requests } from "../../live.js";
import { place, setQuery } from "../../router.js";
import { Filters } from "../../ui/filters.js";
import { useKeyNames } from "../../ui/names.js";
import { usePages } from "../../ui/paging.js";
import { Badge, Empty, ErrorNote, Skeleton, Time, useRead } from "../../ui/parts.js";
import { LongTable } from "../../ui/table.js";
import { asked, EQUALS, fits, SPANS } from "./asking.js";
import { RequestDialog } from "./request.js";

const PAGE = 200;

/** @param {(id: string) => string} nameOf @returns {import("../../ui/table.js").Column[]} */
function columns(nameOf) {
  return [
    { key: "when", title: t("logs.when"), width: "7.4rem", render: (row) => html`<${Time} ms=${row.started_ms} />` },
    {
      key: "status",
      title: t("logs.status"),
      width: "3.8rem",
      render: (row) => html`<${Badge} tone=${row.outcome === "ok" ? "ok" : "bad"} title=${row.error || row.outcome}>${row.status}<//>`,
    },
    { key: "requested_model", title: t("logs.model"), width: "minmax(9rem, 2fr)" },
    {
      key: "target",
      title: t("logs.target"),
      width: "minmax(11rem, 2.4fr)",
      render: (row) => (row.cache === "hit" ? t("logs.from_cache") : `${row.connection || row.provider || "–"}${row.model ? ` · ${row.model}` : ""}`),
    },
    { key: "key", title: t("logs.key"), width: "minmax(6rem, 1fr)", render: (row) => nameOf(row.key_id) },
    { key: "attempts", title: t("logs.tries"), number: true, width: "2.8rem" },
    { key: "tokens", title: t("logs.tokens"), number: true, width: "6.5rem", render: (row) => `${count(row.input_tokens)} + ${count(row.output_tokens)}` },
    { key: "cost", title: t("logs.cost"), number: true, width: "5rem", render: (row) => usd(row.cost_microusd) },
    { key: "first", title: t("logs.first"), number: true, width: "5rem", render: (row) => latency(row.first_byte_us) },
    { key: "took", title: t("logs.took"), number: true, width: "5rem", render: (row) => latency(row.total_us) },
  ];
}

/** @param {any} values of GET usage/filters @param {(id: string) => string} nameOf */
function filtersOf(values, nameOf) {
  const title = (/** @type {string} */ name, /** @type {any} */ value) =>
    name === "key_id" ? nameOf(value) : name === "status_class" ? `${value}xx` : String(value);
  const outcomes = ["ok", "failed", "cancelled", "worker_lost"].map((value) => ({ value, title: t(`logs.outcome.${value}`) }));
  const options = (/** @type {string} */ name) =>
    (values[name] ?? []).filter((/** @type {any} */ each) => each !== "").map((/** @type {any} */ value) => ({ value: String(value), title: title(name, value) }));
  return [
    { name: "span", label: t("logs.filter.span"), options: Object.keys(SPANS).map((value) => ({ value, title: t(`logs.span.${value}`) })) },
    ...EQUALS.map((name) => ({ name, label: t(`logs.filter.${name}`), options: name === "outcome" ? outcomes : options(name) })),
    { name: "error_text", label: t("logs.filter.error") },
    { name: "slow", label: t("logs.filter.slow") },
    { name: "dear", label: t("logs.filter.dear") },
  ];
}

/** Whether what finishes is shown as it does, and a way to stop that. */
export const LiveSwitch = () => html`<span class="row">
  <${Badge} tone=${paused.value ? "warn" : connected.value ? "ok" : ""}>
    ${t(paused.value ? "logs.paused" : connected.value ? "logs.live" : "logs.connecting")}
  <//>
  <button type="button" aria-pressed=${paused.value ? "true" : "false"} onClick=${() => (paused.value = !paused.value)}>
    ${t(paused.value ? "logs.resume" : "logs.pause")}
  </button>
</span>`;

const BY = { id: (/** @type {any} */ row) => row.id, at: (/** @type {any} */ row) => row.started_ms };

export function Requests() {
  const { query } = place.value;
  const nameOf = useKeyNames();
  const values = useRead((abort) => get("usage/filters", {}, abort), [], 60_000);
  const kept = JSON.stringify(asked(query, 0));
  const wanted = useMemo(() => asked(query, Date.now()), [kept]);
  const [isAtTop, setAtTop] = useState(true);
  const read = async (/** @type {string | undefined} */ cursor, /** @type {AbortSignal} */ abort) => {
    const page = await get("usage/call-logs", { ...wanted, limit: PAGE, cursor }, abort);
    return { rows: page.requests, next: page.next };
  };
  const pages = usePages(read, [kept], BY);
  useEffect(follow, []);
  // What finishes is added while the first row is in sight: nothing moves under who reads further down.
  useEffect(() => {
    if (isAtTop && pages.isRead) pages.add(requests.value.filter((row) => fits(row, query)));
  }, [requests.value, isAtTop, pages.isRead, kept]);
  return html`
    <${Filters} filters=${filtersOf(values.data ?? {}, nameOf)}>
      <${LiveSwitch} />
    <//>
    ${pages.error && html`<${ErrorNote} error=${pages.error} retry=${pages.reload} />`}
    ${!pages.isRead && !pages.error && html`<${Skeleton} lines=${12} />`}
    ${pages.isRead &&
    (pages.rows.length
      ? html`<${LongTable}
            columns=${columns(nameOf)}
            rows=${pages.rows}
            label=${t("logs.requests")}
            rowKey=${BY.id}
            onRow=${(row) => setQuery({ request: row.id })}
            onEnd=${pages.more}
            onTop=${setAtTop}
            rowClass=${(row) => (row.outcome === "ok" ? "" : "bad")}
          />
          <p class="row">
            <span class="dim grow">${t(pages.isWhole ? "logs.shown" : "logs.shown_more", { count: count(pages.rows.length) })}</span>
            <a href=${url("logs/export", wanted).href} download>${t("logs.csv")}</a>
          </p>`
      : html`<${Empty} title=${t("logs.none")} />`)}
    ${query.request && html`<${RequestDialog} key=${query.request} id=${query.request} nameOf=${nameOf} onClose=${() => setQuery({ request: "" })} />`}
  `;
}
