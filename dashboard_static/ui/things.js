// Lists of things that people add, change, order and delete: aliases, chains, prices, budgets.

import { useState } from "preact/hooks";

import { call, del, get, post } from "../api.js";
import { html } from "../html.js";
import { t } from "../i18n.js";
import { Dialog } from "./dialog.js";
import { Form } from "./form.js";
import { Badge, Card, Empty, Loaded, useRead } from "./parts.js";
import { moved } from "./sortable.js";
import { Table } from "./table.js";
import { toast, toastError } from "./toast.js";

/**
 * @typedef {object} Kind
 * @property {string} path of the API
 * @property {string} member of the list's answer
 * @property {(row: any) => string} nameOf
 * @property {import("./form.js").Field[]} fields
 * @property {import("./table.js").Column[]} columns
 * @property {any} [initial] values of a new one
 * @property {boolean} [hasOrder] the first that fits holds, so people choose the order
 */

/** What the fields of a form are about. @param {import("./form.js").Field[]} fields @param {any} values */
const ofFields = (fields, values) => Object.fromEntries(fields.map(({ name }) => [name, values[name] === "" ? null : values[name]]));

/** @param {{of: any, kind: Kind, rows: any[], reload: () => void, edit: (row: any) => void}} props */
function Actions({ of, kind, rows, reload, edit }) {
  if (of.source === "file") return html`<${Badge} tone="info" title=${t("common.from_file.hint")}>${t("things.file")}<//>`;
  const name = kind.nameOf(of);
  const stored = rows.filter((row) => row.source === "stored");
  const at = stored.indexOf(of);
  const attempt = (/** @type {Promise<unknown>} */ work) => work.then(reload, toastError);
  const move = (/** @type {number} */ by) =>
    attempt(post(`${kind.path}/reorder`, { ids: moved(stored, at, at + by).map((row) => row.id) }));
  const remove = async () => {
    await del(`${kind.path}/${encodeURIComponent(of.id)}`);
    const undo = () => attempt(post(kind.path, ofFields(kind.fields, of)));
    toast(t("things.deleted", { name }), { undo });
  };
  return html`<span class="row">
    ${kind.hasOrder &&
    [-1, 1].map(
      (by) => html`<button type="button" key=${by} class="small" disabled=${at + by < 0 || at + by >= stored.length}
        aria-label=${t(by < 0 ? "common.move.up" : "common.move.down", { name })} onClick=${() => move(by)}>${by < 0 ? "↑" : "↓"}</button>`,
    )}
    <button type="button" class="small" aria-label=${t("things.edit", { name })} onClick=${() => edit(of)}>${t("common.edit")}</button>
    <button type="button" class="small danger" aria-label=${t("things.delete", { name })} onClick=${() => attempt(remove())}>${t("common.delete")}</button>
  </span>`;
}

/** @param {{title: string, hint?: string, kind: Kind, onChange?: () => void}} props */
export function Things({ title, hint, kind, onChange }) {
  const list = useRead((abort) => get(kind.path, {}, abort), [kind.path]);
  const [edited, setEdited] = useState(/** @type {any} */ (null));
  const reload = () => {
    list.reload();
    onChange?.();
  };
  const close = () => setEdited(null);
  const submit = async (/** @type {any} */ values) => {
    const body = ofFields(kind.fields, values);
    if (edited.id) await call("PATCH", `${kind.path}/${encodeURIComponent(edited.id)}`, { body, etag: String(edited.version) });
    else await post(kind.path, body);
    reload();
    close();
  };
  const add = html`<button type="button" aria-label=${t("things.add", { title })} onClick=${() => setEdited(kind.initial ?? {})}>${t("common.add")}</button>`;
  const columns = (/** @type {any[]} */ rows) => [
    ...kind.columns,
    {
      key: "actions",
      title: t("things.actions"),
      render: (/** @type {any} */ row) => html`<${Actions} of=${row} kind=${kind} rows=${rows} reload=${reload} edit=${setEdited} />`,
    },
  ];
  return html`<${Card} title=${title} actions=${add}>
    ${hint && html`<p class="dim">${hint}</p>`}
    <${Loaded} of=${list} lines=${3}>
      ${(data) => html`<${Table} columns=${columns(data[kind.member])} rows=${data[kind.member]} label=${title}
        empty=${html`<${Empty} title=${t("table.empty")} />`} />`}
    <//>
    ${edited &&
    html`<${Dialog} title=${title} onClose=${close}>
      <${Form} fields=${kind.fields} values=${edited} submit=${submit} onCancel=${close} />
    <//>`}
  <//>`;
}
