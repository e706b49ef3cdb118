// The cache of answers: how well it does, what is in it, and emptying it.

import { useState } from "preact/hooks";

import { del, get } from "../../api.js";
import { bytes, count, percent } from "../../format.js";
import { html } from "../../html.js";
import { t } from "../../i18n.js";
import { Confirm } from "../../ui/dialog.js";
import { Loaded, Stat, Time, useRead } from "../../ui/parts.js";
import { Table } from "../../ui/table.js";
import { toast, toastError } from "../../ui/toast.js";

/** @param {{stats: any}} props */
const Stats = ({ stats }) => html`<dl class="stats">
  <${Stat} label=${t("settings.cached.entries")} value=${count(stats.entries)} hint=${t("settings.cached.evicted", { count: count(stats.evicted) })} />
  <${Stat} label=${t("settings.cached.size")} value=${bytes(stats.bytes)} hint=${t("settings.cached.of", { limit: bytes(stats.limit_bytes) })} />
  <${Stat} label=${t("settings.cached.hits")} value=${count(stats.hits)} hint=${t("settings.cached.misses", { count: count(stats.misses) })} />
  <${Stat} label=${t("settings.cached.share")} value=${stats.hit_share === null ? "–" : percent(stats.hit_share)} />
</dl>`;

export function Cache() {
  const state = useRead((abort) => get("cache", {}, abort), [], 15_000);
  const [clearing, setClearing] = useState(false);
  const tell = ({ removed = 0 }) => {
    toast(t("settings.cached.removed", { count: count(removed) }));
    state.reload();
  };
  const forget = (/** @type {string} */ signature) => del("cache/entries", { signature }).then(tell, toastError);
  /** @type {import("../../ui/table.js").Column[]} */
  const columns = [
    { key: "model", title: t("settings.cached.model") },
    { key: "hits", title: t("settings.cached.hits"), number: true, sort: (row) => row.hits, render: (row) => count(row.hits) },
    { key: "size", title: t("settings.cached.size"), number: true, sort: (row) => row.size, render: (row) => bytes(row.size) },
    { key: "used", title: t("settings.cached.used"), render: (row) => html`<${Time} ms=${row.used_ms} />` },
    { key: "expires", title: t("settings.cached.expires"), render: (row) => html`<${Time} ms=${row.expires_ms} />` },
    {
      key: "acts",
      title: t("things.actions"),
      render: (row) => html`<button type="button" class="small danger" aria-label=${t("things.delete", { name: row.signature.slice(0, 8) })}
        onClick=${() => forget(row.signature)}>${t("common.delete")}</button>`,
    },
  ];
  return html`<div class="stack">
    <div class="card-head">
      <h3>${t("settings.cached")}</h3>
      <button type="button" class="danger" onClick=${() => setClearing(true)}>${t("settings.cached.clear")}</button>
    </div>
    <${Loaded} of=${state} lines=${4}>
      ${({ stats, entries }) => html`<div>
        <${Stats} stats=${stats} />
        ${entries.length > 0 && html`<${Table} columns=${columns} rows=${entries} rowKey=${(row) => row.signature} label=${t("settings.cached")} />`}
      </div>`}
    <//>
    ${clearing &&
    html`<${Confirm} text=${t("settings.cached.clear.hint")} action=${t("settings.cached.clear")} onClose=${() => setClearing(false)}
      onConfirm=${async () => tell(await del("cache"))} />`}
  </div>`;
}
