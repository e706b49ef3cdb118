// Names that stand for others, and the proxies of all levels.

import { useState } from "preact/hooks";

import { del, get, post, put } from "../../api.js";
import { html } from "../../html.js";
import { t } from "../../i18n.js";
import { Dialog } from "../../ui/dialog.js";
import { Form } from "../../ui/form.js";
import { Badge, Card, Loaded, useRead } from "../../ui/parts.js";
import { Table } from "../../ui/table.js";
import { Things } from "../../ui/things.js";
import { toast, toastError } from "../../ui/toast.js";

const LEVELS = ["global", "provider", "combo", "connection"];

/** @param {string} path @param {string} member @returns {import("../../ui/things.js").Kind} */
const pairs = (path, member) => ({
  path,
  member,
  nameOf: (row) => row.pattern,
  hasOrder: true,
  fields: [
    { name: "pattern", label: t("settings.names.pattern"), hint: t("settings.names.pattern.hint"), required: true },
    { name: "target", label: t("settings.names.target"), hint: t("settings.names.target.hint"), required: true },
  ],
  columns: [
    { key: "pattern", title: t("settings.names.pattern"), render: (row) => html`<code>${row.pattern}</code>` },
    { key: "target", title: t("settings.names.target"), render: (row) => html`<code>${row.target}</code>` },
  ],
});

/** @returns {import("../../ui/things.js").Kind} */
const chains = () => ({
  path: "fallback/chains",
  member: "chains",
  nameOf: (row) => row.name,
  hasOrder: true,
  initial: { isActive: true },
  fields: [
    { name: "name", label: t("common.name"), required: true },
    { name: "models", label: t("settings.chains.models"), hint: t("settings.chains.models.hint"), type: "list", required: true },
    { name: "appliesTo", label: t("settings.chains.applies"), hint: t("settings.chains.applies.hint"), type: "list" },
    { name: "isActive", label: t("common.enabled"), type: "checkbox" },
  ],
  columns: [
    { key: "name", title: t("common.name") },
    { key: "models", title: t("settings.chains.models"), render: (row) => row.models.join(" → ") },
    { key: "appliesTo", title: t("settings.chains.applies"), render: (row) => row.appliesTo.join(", ") || t("common.all") },
    { key: "isActive", title: t("settings.state"), render: (row) => html`<${Badge} tone=${row.isActive ? "ok" : ""}>${t(row.isActive ? "common.enabled" : "common.disabled")}<//>` },
  ],
});

export const Names = () => html`
  <${Things} title=${t("settings.aliases")} hint=${t("settings.aliases.hint")} kind=${pairs("aliases", "aliases")} />
  <${Things} title=${t("settings.routes")} hint=${t("settings.routes.hint")} kind=${pairs("model-combo-mappings", "mappings")} />
  <${Things} title=${t("settings.chains")} hint=${t("settings.chains.hint")} kind=${chains()} />
`;

/** What is set, nearest last, as rows. Pure. @param {any} proxies of GET settings/proxy */
export function rowsOf(proxies) {
  const several = (/** @type {string} */ level, /** @type {Record<string, string>} */ of) =>
    Object.entries(of).map(([id, proxy]) => ({ level, id, proxy }));
  return [
    ...several("environment", proxies.environment),
    ...(proxies.global ? [{ level: "global", id: "", proxy: proxies.global }] : []),
    ...several("provider", proxies.providers),
    ...several("combo", proxies.combos),
    ...several("connection", proxies.connections),
  ];
}

/** @param {{onClose: () => void, onChange: () => void}} props */
function SetProxy({ onClose, onChange }) {
  const fields = [
    { name: "level", label: t("settings.proxies.level"), type: "select", options: LEVELS.map((value) => ({ value, title: t(`settings.proxies.level.${value}`) })) },
    { name: "id", label: t("settings.proxies.id"), hint: t("settings.proxies.id.hint"), required: true, when: (/** @type {any} */ values) => values.level !== "global" },
    { name: "proxy", label: t("settings.proxies.proxy"), hint: t("settings.proxies.proxy.hint"), required: true },
    { name: "target", label: t("settings.proxies.target"), hint: t("settings.proxies.target.hint") },
  ];
  const submit = async (/** @type {any} */ { level, id = "", proxy }) => {
    await put("settings/proxy", { level, id: level === "global" ? "" : id, proxy });
    onChange();
    onClose();
  };
  const test = async (/** @type {any} */ { proxy = "", target = "" }) => tell(await post("settings/proxy/test", { proxy, target }));
  return html`<${Dialog} title=${t("settings.proxies.set")} onClose=${onClose}>
    <${Form} fields=${fields} values=${{ level: "global" }} submit=${submit} onCancel=${onClose} also=${{ title: t("common.test"), run: test }} />
  <//>`;
}

/** @param {{ok: boolean, message: string, latencyMs: number}} outcome */
const tell = (outcome) =>
  toast(outcome.ok ? t("settings.proxies.works", { message: outcome.message, ms: outcome.latencyMs }) : outcome.message, { tone: outcome.ok ? "ok" : "bad" });

export function Proxies() {
  const list = useRead((abort) => get("settings/proxy", {}, abort), []);
  const [adding, setAdding] = useState(false);
  const test = ({ level = "", id = "" }) => post("settings/proxy/test", { level, id }).then(tell, toastError);
  const remove = ({ level = "", id = "" }) => del("settings/proxy", { level, id }).then(list.reload, toastError);
  /** @type {import("../../ui/table.js").Column[]} */
  const columns = [
    { key: "level", title: t("settings.proxies.level"), render: (row) => t(`settings.proxies.level.${row.level}`) },
    { key: "id", title: t("settings.proxies.id") },
    { key: "proxy", title: t("settings.proxies.proxy"), render: (row) => html`<code dir="ltr">${row.proxy}</code>` },
    {
      key: "acts",
      title: t("things.actions"),
      render: (row) =>
        row.level !== "environment" &&
        html`<span class="row">
          <button type="button" class="small" aria-label=${t("settings.proxies.test.of", { name: row.proxy })} onClick=${() => test(row)}>${t("common.test")}</button>
          <button type="button" class="small danger" aria-label=${t("things.delete", { name: row.proxy })} onClick=${() => remove(row)}>${t("common.delete")}</button>
        </span>`,
    },
  ];
  const add = html`<button type="button" onClick=${() => setAdding(true)}>${t("settings.proxies.set")}</button>`;
  return html`<${Card} title=${t("settings.proxies")} actions=${add}>
    <p class="dim">${t("settings.proxies.hint")}</p>
    <${Loaded} of=${list} lines=${2}>
      ${(data) => html`<${Table} columns=${columns} rows=${rowsOf(data)} label=${t("settings.proxies")}
        rowKey=${(row) => `${row.level}/${row.id}`} />`}
    <//>
    ${adding && html`<${SetProxy} onClose=${() => setAdding(false)} onChange=${list.reload} />`}
  <//>`;
}
