// Budgets of keys, tiers and providers: how they stand, and changing them.

import { useState } from "preact/hooks";

import { del, patch, post } from "../../api.js";
import { usd } from "../../format.js";
import { html } from "../../html.js";
import { t } from "../../i18n.js";
import { Confirm, Dialog } from "../../ui/dialog.js";
import { Form } from "../../ui/form.js";
import { countdown } from "../../ui/limit.js";
import { Badge, Card, Empty, Meter, Small } from "../../ui/parts.js";
import { figure, Table } from "../../ui/table.js";
import { toast } from "../../ui/toast.js";
import { PERIODS } from "./rows.js";

const TIERS = ["subscription", "apikey", "cheap", "free", "local"];

/** @param {any} budget @param {number | null} limit null ends it */
const limitKey = ({ ownerId, period, resetTime, timezone }, limit) =>
  post("usage/budget", { keyId: ownerId, period, limit, ...(limit === null ? {} : { resetTime, timezone }) });

/** @param {{budget: any, data: any, onClose: () => void, onDone: () => void}} props */
function BudgetDialog({ budget, data, onClose, onDone }) {
  const isNew = !budget;
  const options = (/** @type {string[]} */ values, /** @type {string} */ key) => values.map((value) => ({ value, title: t(`${key}.${value}`) }));
  const keys = data.keys.filter((/** @type {any} */ each) => each.source !== "file");
  const providers = data.providers.filter((/** @type {any} */ each) => each.isUsable || each.connections);
  const of = (/** @type {string} */ owner) => (/** @type {any} */ values) => isNew && values.owner === owner;
  /** @type {import("../../ui/form.js").Field[]} */
  const fields = [
    { name: "owner", label: t("limits.budget.of"), type: "select", options: options(["key", "tier", "provider"], "limits.kind"), when: () => isNew },
    { name: "key", label: t("limits.kind.key"), type: "select", options: keys.map((/** @type {any} */ each) => ({ value: each.id, title: each.name })), when: of("key") },
    { name: "tier", label: t("limits.kind.tier"), type: "select", options: options(TIERS, "limits.tier"), when: of("tier") },
    {
      name: "provider",
      label: t("limits.kind.provider"),
      type: "select",
      options: providers.map((/** @type {any} */ each) => ({ value: each.id, title: each.name })),
      when: of("provider"),
    },
    { name: "period", label: t("limits.period"), type: "select", options: options(PERIODS, "limits.period"), when: () => isNew },
    { name: "usd", label: t("limits.budget.usd"), type: "number", min: 0, step: "any", required: true },
    { name: "resetTime", label: t("limits.budget.reset"), type: "time", hint: t("limits.budget.reset.hint") },
    { name: "timezone", label: t("limits.budget.timezone"), suggestions: Intl.supportedValuesOf("timeZone") },
  ];
  const values = isNew
    ? { owner: "key", key: keys[0]?.id ?? "", tier: "apikey", provider: providers[0]?.id ?? "", period: "monthly", resetTime: "00:00", timezone: "UTC" }
    : { usd: budget.limitUsd, resetTime: budget.reset, timezone: budget.timezone };
  const submit = async (/** @type {any} */ given) => {
    const { usd: limit, resetTime, timezone } = given;
    const owner = isNew ? given.owner : budget.owner;
    const period = isNew ? given.period : budget.period;
    const amounts = { usd: limit, reset: resetTime, timezone };
    if (owner === "key") await limitKey({ ownerId: isNew ? given.key : budget.ownerId, period, resetTime, timezone }, limit);
    else if (isNew) await post("budgets", { [owner]: given[owner], period, ...amounts });
    else await patch(`budgets/${encodeURIComponent(budget.sharedId)}`, amounts, String(budget.version));
    toast(t("limits.budget.saved"));
    onDone();
    onClose();
  };
  return html`<${Dialog} title=${isNew ? t("limits.budget.add") : t("limits.budget.edit", { name: budget.name })} onClose=${onClose}>
    <${Form} fields=${fields} values=${values} submit=${submit} onCancel=${onClose} />
  <//>`;
}

/** @param {{rows: any[], data: any, reload: () => void}} props */
export function Budgets({ rows, data, reload }) {
  const [editing, setEditing] = useState(/** @type {any} */ (undefined));
  const [ending, setEnding] = useState(/** @type {any} */ (null));
  const end = async () => {
    if (ending.owner === "key") await limitKey(ending, null);
    else await del(`budgets/${encodeURIComponent(ending.sharedId)}`);
    toast(t("limits.budget.ended", { name: ending.name }));
    reload();
  };
  const nameOf = (/** @type {any} */ row) => (row.owner === "tier" ? t(`limits.tier.${row.ownerId}`) : row.name);
  /** A key may have one of each period. @param {any} row */
  const whole = (row) => `${nameOf(row)}, ${t(`limits.period.${row.period}`)}`;
  /** @type {import("../../ui/table.js").Column[]} */
  const columns = [
    { key: "name", title: t("limits.owner"), sort: nameOf, render: (row) => html`${nameOf(row)} <${Badge}>${t(`limits.kind.${row.owner}`)}<//>` },
    { key: "period", title: t("limits.period"), render: (row) => t(`limits.period.${row.period}`) },
    { key: "bar", title: t("limits.used"), render: (row) => html`<${Meter}
        used=${row.used_microusd} reserved=${row.reserved_microusd} limit=${row.limit_microusd} label=${t("limits.budget.bar", { name: whole(row) })} />` },
    figure("used_microusd", t("limits.used"), usd),
    figure("reserved_microusd", t("limits.reserved"), usd),
    figure("leftUsd", t("limits.left"), (left) => usd(left * 1e6)),
    figure("limit_microusd", t("limits.limit"), usd),
    figure("resetsMs", t("limits.anew"), countdown),
    { key: "actions", title: t("common.edit"), render: (row) =>
        row.source === "file"
          ? html`<${Badge} title=${t("common.from_file.hint")}>${t("common.from_file")}<//>`
          : html`<div class="actions">
              <${Small} text=${t("common.edit")} of=${t("limits.budget.edit", { name: whole(row) })}
                act=${() => setEditing(row)} />
              <${Small} text=${t("common.delete")} danger of=${t("limits.budget.end", { name: whole(row) })}
                act=${() => setEnding(row)} />
            </div>` },
  ];
  const add = html`<button type="button" onClick=${() => setEditing(null)}>${t("limits.budget.add")}</button>`;
  return html`<${Card} title=${t("limits.budgets")} actions=${add}>
    <p class="dim">${t("limits.budgets.hint")}</p>
    <${Table} columns=${columns} rows=${rows} label=${t("limits.budgets")} empty=${html`<${Empty} title=${t("limits.budgets.none")} />`} />
    ${editing !== undefined && html`<${BudgetDialog} budget=${editing} data=${data} onClose=${() => setEditing(undefined)} onDone=${reload} />`}
    ${ending && html`<${Confirm} name=${ending.name} text=${t("limits.budget.end.text", { name: nameOf(ending) })} onConfirm=${end} onClose=${() => setEnding(null)} />`}
  <//>`;
}
