// What things may cost and do cost: budgets, prices, the report of a month.

import { useState } from "preact/hooks";

import { get } from "../../api.js";
import { usd } from "../../format.js";
import { html, typed } from "../../html.js";
import { t } from "../../i18n.js";
import { Badge, Card, Empty, Loaded, Meter, Time, useRead } from "../../ui/parts.js";
import { csv, save } from "../../ui/saving.js";
import { figure, Table } from "../../ui/table.js";
import { Things } from "../../ui/things.js";
import { toastError } from "../../ui/toast.js";
import { monthOf, priced, report } from "./sums.js";

const RATES = ["input", "output", "cachedInput", "cacheWrite", "reasoning"];

export function Budgets() {
  const list = useRead((abort) => get("usage/budget", {}, abort), [], 15_000);
  /** @type {import("../../ui/table.js").Column[]} */
  const columns = [
    { key: "name", title: t("analytics.budget.of"), render: (row) => html`${row.name} <${Badge}>${t(`analytics.owner.${row.owner}`)}<//>` },
    { key: "period", title: t("analytics.budget.period"), render: (row) => t(`analytics.period.${row.period}`) },
    { key: "bar", title: t("analytics.budget.used"), render: (row) => html`<${Meter} used=${row.usedUsd} reserved=${row.reservedUsd} limit=${row.limitUsd} label=${row.name} />` },
    figure("used_microusd", t("analytics.cost"), usd),
    figure("limit_microusd", t("analytics.budget.limit"), usd),
    { key: "resets", title: t("analytics.budget.resets"), render: (row) => html`<${Time} ms=${row.resetsMs} />` },
  ];
  return html`<${Card} title=${t("analytics.budgets")} actions=${html`<a href="#/limits">${t("analytics.budgets.change")}</a>`}>
    <${Loaded} of=${list} lines=${2}>
      ${({ budgets }) => html`<${Table} columns=${columns} rows=${budgets} label=${t("analytics.budgets")} rowKey=${(row) => `${row.owner}/${row.ownerId}/${row.period}`}
        empty=${html`<${Empty} title=${t("analytics.budgets.none")} />`} />`}
    <//>
  <//>`;
}

/** @returns {import("../../ui/things.js").Kind} */
const ownPrices = () => ({
  path: "pricing/rules",
  member: "rules",
  nameOf: (row) => row.model,
  hasOrder: true,
  fields: [
    { name: "model", label: t("analytics.price.model"), hint: t("analytics.price.model.hint"), required: true },
    ...RATES.map((name) => /** @type {const} */ ({ name, label: t(`analytics.price.${name}`), type: "number", min: 0, step: "any", required: name.endsWith("put") && name !== "cachedInput" })),
  ],
  columns: [{ key: "model", title: t("analytics.price.model"), render: (row) => html`<code>${row.model}</code>` }, ...RATES.map((name) => figure(name, t(`analytics.price.${name}`)))],
});

export function Prices() {
  const inForce = useRead((abort) => get("pricing", {}, abort), []);
  /** @type {import("../../ui/table.js").Column[]} */
  const columns = [
    { key: "id", title: t("analytics.price.model"), sort: (row) => row.id, render: (row) => html`<code>${row.id}</code>` },
    ...RATES.map((name) => figure(name, t(`analytics.price.${name}`))),
    { key: "source", title: t("analytics.price.source"), sort: (row) => row.source, render: (row) => html`<${Badge} tone=${row.source === "unknown" ? "warn" : ""}>${t(`analytics.source.${row.source.replace(" ", "_")}`)}<//>` },
  ];
  return html`
    <${Things} title=${t("analytics.prices.own")} hint=${t("analytics.prices.own.hint")} kind=${ownPrices()} onChange=${inForce.reload} />
    <${Card} title=${t("analytics.prices")}>
      <p class="dim">${t("analytics.prices.hint")}</p>
      <${Loaded} of=${inForce} lines=${4}>${({ pricing }) => html`<${Table} columns=${columns} rows=${priced(pricing)} label=${t("analytics.prices")} />`}<//>
    <//>
  `;
}

/** @param {{nameOf: (id: string) => string}} props */
export function Report({ nameOf }) {
  const [month, setMonth] = useState(new Date().toISOString().slice(0, 7));
  const run = async (/** @type {Event} */ event) => {
    event.preventDefault();
    try {
      const { rows } = await get("usage/analytics", { ...monthOf(month), by: ["provider", "model", "key_id"], bucket: "day" });
      save(`omniroute-${month}.csv`, new Blob([csv(report(rows, nameOf))], { type: "text/csv" }));
    } catch (error) {
      toastError(/** @type {Error} */ (error));
    }
  };
  return html`<${Card} title=${t("analytics.report")}>
    <form class="filters" onSubmit=${run}>
      <label><span>${t("analytics.report.month")}</span>
        <input type="month" required pattern="\\d{4}-\\d{2}" placeholder="2026-01" value=${month} onInput=${typed(setMonth)} /></label>
      <button type="submit">${t("analytics.report.save")}</button>
      <span class="dim grow">${t("analytics.report.hint")}</span>
    </form>
  <//>`;
}
