// Making, changing, rotating and revoking a client key; what it used.

import { useState } from "preact/hooks";

import { call, del, get, post } from "../../api.js";
import { count, usd } from "../../format.js";
import { html } from "../../html.js";
import { t } from "../../i18n.js";
import { along, beginnings } from "../../series.js";
import { freshKey } from "../../state.js";
import { Chart } from "../../ui/chart.js";
import { Confirm, Dialog } from "../../ui/dialog.js";
import { Form } from "../../ui/form.js";
import { LimitBar } from "../../ui/limit.js";
import { Copy, Loaded, Stat, Time, useRead } from "../../ui/parts.js";
import { keyFields, limitOf, toBody, toValues } from "./fields.js";

const DAY_MS = 86_400_000;
const HOUR_S = 3600;

/** The text of a key, this once. @param {{made: {name: string, key: string}, onClose: () => void}} props */
const Shown = ({ made, onClose }) => html`<${Dialog} title=${t("keys.made", { name: made.name })} onClose=${onClose}>
  <div class="stack">
    <p>${t("keys.made.hint")}</p>
    <div class="row"><code class="grow wrap" dir="ltr">${made.key}</code><${Copy} text=${made.key} /></div>
    <div class="actions">
      <a class="button" href="#/endpoint">${t("keys.connect")}</a>
      <button type="button" class="primary" onClick=${onClose}>${t("keys.kept")}</button>
    </div>
  </div>
<//>`;

/** @param {{onClose: () => void, onChange: () => void}} props */
export function NewKey({ onClose, onChange }) {
  const [made, setMade] = useState(/** @type {null | {name: string, key: string}} */ (null));
  const submit = async (/** @type {any} */ values) => {
    const { name, key } = await post("keys", toBody(values));
    freshKey.value = { name, key };
    setMade({ name, key });
    onChange();
  };
  if (made) return html`<${Shown} key="shown" made=${made} onClose=${onClose} />`;
  return html`<${Dialog} key="form" title=${t("keys.new")} onClose=${onClose} wide>
    <${Form} fields=${keyFields()} values=${{ isActive: true }} submit=${submit} action=${t("common.create")} onCancel=${onClose} />
  <//>`;
}

/** @param {{of: any, onClose: () => void, onChange: () => void}} props */
export function EditKey({ of, onClose, onChange }) {
  const submit = async (/** @type {any} */ values) => {
    await call("PATCH", `keys/${encodeURIComponent(of.id)}`, { body: toBody(values, of), etag: String(of.version) });
    onChange();
    onClose();
  };
  return html`<${Dialog} title=${t("keys.edit", { name: of.name })} onClose=${onClose} wide>
    <${Form} fields=${keyFields()} values=${toValues(of)} submit=${submit} onCancel=${onClose} />
  <//>`;
}

/** @param {{of: any, onClose: () => void, onChange: () => void}} props */
export function RotateKey({ of, onClose, onChange }) {
  const [made, setMade] = useState(/** @type {null | {name: string, key: string}} */ (null));
  const fields = [
    { name: "hours", label: t("keys.overlap"), hint: t("keys.overlap.hint"), type: "number", min: 0, step: "any", required: true },
  ];
  const submit = async (/** @type {any} */ { hours }) => {
    const { name, key } = await post(`keys/${encodeURIComponent(of.id)}/rotate`, { overlapS: hours * HOUR_S });
    freshKey.value = { name, key };
    setMade({ name, key });
    onChange();
  };
  if (made) return html`<${Shown} key="shown" made=${made} onClose=${onClose} />`;
  return html`<${Dialog} key="form" title=${t("keys.rotate.title", { name: of.name })} onClose=${onClose}>
    <p>${t("keys.rotate.hint")}</p>
    <${Form} fields=${fields} values=${{ hours: 24 }} submit=${submit} action=${t("keys.rotate")} onCancel=${onClose} />
  <//>`;
}

/** @param {{of: any, onClose: () => void, onChange: () => void}} props */
export const RevokeKey = ({ of, onClose, onChange }) => html`<${Confirm}
  name=${of.name}
  text=${t("keys.revoke.hint", { name: of.name })}
  action=${t("keys.revoke")}
  onClose=${onClose}
  onConfirm=${async () => {
    await del(`keys/${encodeURIComponent(of.id)}`);
    onChange();
  }}
/>`;

/** @param {any[]} rows of GET usage/analytics by day @param {number} sinceMs */
function byDay(rows, sinceMs) {
  const times = beginnings("day", sinceMs, Date.now());
  return {
    times,
    series: [
      { title: t("keys.requests"), values: along(times, rows, (row) => row.requests) },
      { title: t("keys.errors"), values: along(times, rows, (row) => row.errors) },
    ],
  };
}

/** What a key used and what is left of its limits. @param {{of: any, onClose: () => void}} props */
export function KeyUsage({ of, onClose }) {
  const since_ms = Math.floor(Date.now() / DAY_MS - 29) * DAY_MS;
  const days = useRead((abort) => get("usage/analytics", { key_id: of.id, bucket: "day", since_ms }, abort), [of.id]);
  const tokens = (/** @type {any} */ use) => count(use.inputTokens + use.outputTokens);
  return html`<${Dialog} title=${t("keys.usage", { name: of.name })} onClose=${onClose} wide>
    <dl class="stats">
      <${Stat} label=${t("keys.today")} value=${count(of.usageToday.requests)} hint=${t("keys.requests")} />
      <${Stat} label=${t("keys.today")} value=${usd(of.usageToday.cost_microusd)} hint=${t("keys.of.tokens", { count: tokens(of.usageToday) })} />
      <${Stat} label=${t("keys.month")} value=${count(of.usage30Days.requests)} hint=${t("keys.requests")} />
      <${Stat} label=${t("keys.month")} value=${usd(of.usage30Days.cost_microusd)} hint=${t("keys.of.tokens", { count: tokens(of.usage30Days) })} />
    </dl>
    ${of.limits.map((/** @type {any} */ limit) => html`<${LimitBar} key=${limit.key} limit=${limitOf(limit)} />`)}
    <${Loaded} of=${days} lines=${4}>
      ${({ rows }) => rows.length > 0 && html`<${Chart} ...${byDay(rows, since_ms)} label=${t("keys.chart")} value=${count} />`}
    <//>
    <p class="row dim">
      ${of.createdMs && html`<span>${t("keys.created")} <${Time} ms=${of.createdMs} /></span>`}
      ${of.previousUntilMs > Date.now() && html`<span>${t("keys.previous")} <${Time} ms=${of.previousUntilMs} /></span>`}
      <a href=${`#/logs?key_id=${encodeURIComponent(of.id)}`}>${t("keys.logs")}</a>
    </p>
  <//>`;
}
