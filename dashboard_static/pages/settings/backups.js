// Backups, exports and imports of everything that is stored.

import { useState } from "preact/hooks";

import { call, del, file, get, post, put, url } from "../../api.js";
import { bytes, count } from "../../format.js";
import { html } from "../../html.js";
import { t } from "../../i18n.js";
import { Confirm, Dialog } from "../../ui/dialog.js";
import { Form } from "../../ui/form.js";
import { Card, Loaded, Time, useRead } from "../../ui/parts.js";
import { save } from "../../ui/saving.js";
import { Table } from "../../ui/table.js";
import { toast, toastError } from "../../ui/toast.js";

/** What is there after a restore or an import. @param {any} done */
const told = (done) =>
  done.problem
    ? toast(t("settings.copies.problem", { problem: done.problem }), { tone: "bad" })
    : toast(t("settings.copies.restored", { requests: count(done.requests), keys: count(done.keys), entities: count(done.entities) }));

/** @param {{onClose: () => void}} props */
function Export({ onClose }) {
  const fields = [
    { name: "passphrase", label: t("settings.copies.passphrase"), hint: t("settings.copies.passphrase.hint"), type: "password", autocomplete: "new-password", required: true },
  ];
  const submit = async (/** @type {any} */ { passphrase }) => {
    save("omniroute.tar.gz", await file("POST", "db-backups/exportAll", { body: { passphrase } }));
    onClose();
  };
  return html`<${Dialog} title=${t("settings.copies.export")} onClose=${onClose}>
    <div class="stack">
      <p>${t("settings.copies.export.hint")}</p>
      <p class="actions">
        <a class="button" href=${url("db-backups/exportAll").href} download>${t("settings.copies.export.archive")}</a>
        <a class="button" href=${url("db-backups/export").href} download>${t("settings.copies.export.database")}</a>
      </p>
      <h3>${t("settings.copies.export.sealed")}</h3>
      <${Form} fields=${fields} submit=${submit} action=${t("settings.copies.export.sealed.do")} />
    </div>
  <//>`;
}

/** @param {{onClose: () => void, onDone: () => void}} props */
function Import({ onClose, onDone }) {
  const fields = [
    { name: "file", label: t("settings.copies.file"), hint: t("settings.copies.file.hint"), type: "file", required: true },
    { name: "passphrase", label: t("settings.copies.passphrase"), hint: t("settings.copies.import.passphrase.hint"), type: "password", autocomplete: "off" },
  ];
  const submit = async (/** @type {any} */ values) => {
    /** @type {Record<string, string>} */
    const headers = values.passphrase ? { "x-passphrase": values.passphrase } : {};
    const { data } = await call("POST", "db-backups/import", { body: values.file, headers });
    told(data);
    if (data.otherSigningKey) toast(t("settings.copies.rotate_keys"), { tone: "warn" });
    onDone();
    onClose();
  };
  return html`<${Dialog} title=${t("settings.copies.import")} onClose=${onClose}>
    <p>${t("settings.copies.import.hint")}</p>
    <${Form} fields=${fields} submit=${submit} action=${t("settings.copies.import.do")} onCancel=${onClose} />
  <//>`;
}

/** @param {{onClose: () => void, onDone: () => void}} props */
function Prune({ onClose, onDone }) {
  const fields = [
    { name: "keepLatest", label: t("settings.copies.keep"), type: "number", min: 1, step: 1 },
    { name: "retentionDays", label: t("settings.copies.days"), type: "number", min: 1, step: 1 },
  ];
  const submit = async (/** @type {any} */ values) => {
    const { deleted } = await del("db-backups", values);
    toast(t("settings.copies.pruned", { count: deleted }));
    onDone();
    onClose();
  };
  return html`<${Dialog} title=${t("settings.copies.prune")} onClose=${onClose}>
    <p>${t("settings.copies.prune.hint")}</p>
    <${Form} fields=${fields} values=${{ keepLatest: 10 }} submit=${submit} action=${t("settings.copies.prune")} onCancel=${onClose} />
  <//>`;
}

export function Backups() {
  const list = useRead((abort) => get("db-backups", {}, abort), []);
  const [open, setOpen] = useState(/** @type {{what: string, id: string}} */ ({ what: "", id: "" }));
  const [busy, setBusy] = useState(false);
  const close = () => setOpen({ what: "", id: "" });
  const take = async () => {
    setBusy(true);
    await put("db-backups", undefined).then(list.reload, toastError);
    setBusy(false);
  };
  const restore = async () => {
    told(await post("db-backups", { backupId: open.id }));
    list.reload();
  };
  const remove = async () => {
    await del(`db-backups/${encodeURIComponent(open.id)}`);
    list.reload();
  };
  /** @type {import("../../ui/table.js").Column[]} */
  const columns = [
    { key: "id", title: t("common.name"), render: (row) => html`<span class="mono">${row.id}</span>` },
    { key: "created", title: t("settings.copies.when"), sort: (row) => row.createdMs, render: (row) => html`<${Time} ms=${row.createdMs} />` },
    { key: "reason", title: t("settings.copies.reason") },
    { key: "size", title: t("settings.copies.size"), number: true, sort: (row) => row.sizeBytes, render: (row) => bytes(row.sizeBytes) },
    {
      key: "acts",
      title: t("things.actions"),
      render: (row) => html`<span class="row">
        ${["restore", "delete"].map(
          (what) => html`<button type="button" key=${what} class="small danger" aria-label=${t("settings.copies.act", { act: t(`settings.copies.${what}`), name: row.id })}
            onClick=${() => setOpen({ what, id: row.id })}>${t(`settings.copies.${what}`)}</button>`,
        )}
      </span>`,
    },
  ];
  const actions = html`
    ${["prune", "import", "export"].map(
      (what) => html`<button type="button" key=${what} onClick=${() => setOpen({ what, id: "" })}>${t(`settings.copies.${what}`)}</button>`,
    )}
    <button type="button" class="primary" disabled=${busy} aria-busy=${busy} onClick=${take}>${t("settings.copies.take")}</button>
  `;
  return html`<${Card} title=${t("settings.copies")} actions=${actions}>
    <${Loaded} of=${list} lines=${3}>
      ${({ backups }) => html`<${Table} columns=${columns} rows=${backups} label=${t("settings.copies")} />`}
    <//>
    ${open.what === "export" && html`<${Export} onClose=${close} />`}
    ${open.what === "import" && html`<${Import} onClose=${close} onDone=${list.reload} />`}
    ${open.what === "prune" && html`<${Prune} onClose=${close} onDone=${list.reload} />`}
    ${open.what === "restore" &&
    html`<${Confirm} name=${open.id} text=${t("settings.copies.restore.hint")} action=${t("settings.copies.restore")} onConfirm=${restore} onClose=${close} />`}
    ${open.what === "delete" &&
    html`<${Confirm} name=${open.id} text=${t("settings.copies.delete.hint")} onConfirm=${remove} onClose=${close} />`}
  <//>`;
}
