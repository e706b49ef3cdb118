// Who may come into the dashboard: the password, sessions, keys for scripts.

import { useState } from "preact/hooks";

import { del, get, post, session } from "../../api.js";
import { html } from "../../html.js";
import { t } from "../../i18n.js";
import { Confirm, Dialog } from "../../ui/dialog.js";
import { Form, Whose } from "../../ui/form.js";
import { Badge, Card, Copy, Loaded, Time, useRead } from "../../ui/parts.js";
import { Table } from "../../ui/table.js";
import { toast, toastError } from "../../ui/toast.js";

const SCOPES = ["read", "write", "keys", "backup", "admin"];
const DAY_MS = 86_400_000;

// Many call themselves Chrome and Safari, too, so the first that fits tells.
const BROWSERS = [/(?<name>Edg|OPR|Firefox)\/(?<version>\d+)/, /(?<name>Chrome)\/(?<version>\d+)/, /Version\/(?<version>\d+).*(?<name>Safari)/];

export function Password() {
  const [turn, setTurn] = useState(0);
  const fields = [
    { name: "current", label: t("settings.password.current"), type: "password", autocomplete: "current-password", required: !session.value?.needs_password },
    { name: "next", label: t("settings.password.new"), hint: t("settings.password.hint"), type: "password", autocomplete: "new-password", required: true },
    { name: "again", label: t("settings.password.again"), type: "password", autocomplete: "new-password", required: true },
  ];
  const submit = async (/** @type {any} */ { current, next, again }) => {
    if (next !== again) throw new Error(t("settings.password.differ"));
    session.value = await post("auth/password", { new: next, current: current || null });
    toast(t("settings.password.done"));
    setTurn(turn + 1); // an empty form
  };
  return html`<${Card} title=${t("settings.password")}>
    <${Form} key=${turn} fields=${fields} submit=${submit} action=${t("settings.password.change")}><${Whose} /><//>
  <//>`;
}

/** A browser in short: "Firefox 128, Linux"; what it says of itself where that is not known. Pure. @param {string} agent */
export function browserOf(agent) {
  const found = BROWSERS.map((each) => agent.match(each)?.groups).find(Boolean);
  const system = agent.match(/Windows|Android|iPhone|iPad|Mac OS X|Linux/)?.[0];
  return found ? [`${found.name} ${found.version}`, system].filter(Boolean).join(", ") : agent;
}

export function Sessions() {
  const list = useRead((abort) => get("auth/sessions", {}, abort), [], 30_000);
  const attempt = (/** @type {Promise<unknown>} */ work) => work.then(list.reload, toastError);
  /** @type {import("../../ui/table.js").Column[]} */
  const columns = [
    { key: "agent", title: t("settings.sessions.agent"), render: (row) => html`<span class="wrap" title=${row.agent}>${browserOf(row.agent)}</span>` },
    { key: "address", title: t("settings.sessions.address") },
    { key: "signed_in_ms", title: t("settings.sessions.since"), render: (row) => html`<${Time} ms=${row.signed_in_ms} />` },
    { key: "seen_ms", title: t("settings.sessions.seen"), render: (row) => html`<${Time} ms=${row.seen_ms} />` },
    {
      key: "end",
      title: t("things.actions"),
      render: (row) =>
        row.is_this
          ? html`<${Badge} tone="ok">${t("settings.sessions.this")}<//>`
          : html`<button type="button" class="small danger" aria-label=${t("settings.sessions.end.of", { agent: browserOf(row.agent) })}
              onClick=${() => attempt(del(`auth/sessions/${row.id}`))}>${t("settings.sessions.end")}</button>`,
    },
  ];
  const others = html`<button type="button" class="danger" onClick=${() => attempt(del("auth/sessions"))}>${t("settings.sessions.end_others")}</button>`;
  return html`<${Card} title=${t("settings.sessions")} actions=${others}>
    <${Loaded} of=${list} lines=${3}>
      ${({ sessions }) => html`<${Table} columns=${columns} rows=${sessions} label=${t("settings.sessions")} />`}
    <//>
  <//>`;
}

/** @param {any} row */
const stateOf = (row) => (row.revoked_ms ? "revoked" : row.in_force ? "active" : "expired");

/** @param {{onClose: () => void, onMade: () => void}} props */
function NewAdminKey({ onClose, onMade }) {
  const [made, setMade] = useState("");
  const fields = [
    { name: "name", label: t("common.name"), required: true },
    { name: "scopes", label: t("settings.admin_keys.scopes"), hint: t("settings.admin_keys.scopes.hint"), type: "choices", options: SCOPES.map((value) => ({ value, title: t(`settings.scope.${value}`) })) },
    { name: "days", label: t("settings.admin_keys.days"), hint: t("settings.admin_keys.days.hint"), type: "number", min: 1, step: 1 },
  ];
  const submit = async (/** @type {any} */ { name, scopes, days }) => {
    const { key } = await post("auth/keys", { name, scopes, expires_ms: days ? Date.now() + days * DAY_MS : null });
    setMade(key);
    onMade();
  };
  return html`<${Dialog} title=${t("settings.admin_keys.new")} onClose=${onClose}>
    ${made
      ? html`<div class="stack">
          <p>${t("settings.admin_keys.made")}</p>
          <div class="row"><code class="grow wrap" dir="ltr">${made}</code><${Copy} text=${made} /></div>
        </div>`
      : html`<${Form} fields=${fields} values=${{ scopes: ["read"] }} submit=${submit} action=${t("common.create")} onCancel=${onClose} />`}
  <//>`;
}

export function AdminKeys() {
  const list = useRead((abort) => get("auth/keys", {}, abort), []);
  const [adding, setAdding] = useState(false);
  const [revoked, setRevoked] = useState(/** @type {any} */ (null));
  /** @type {import("../../ui/table.js").Column[]} */
  const columns = [
    { key: "name", title: t("common.name") },
    { key: "scopes", title: t("settings.admin_keys.scopes"), render: (row) => row.scopes.join(", ") },
    { key: "used", title: t("settings.admin_keys.used"), render: (row) => html`<${Time} ms=${row.last_used_ms} />` },
    { key: "expires", title: t("settings.admin_keys.expires"), render: (row) => html`<${Time} ms=${row.expires_ms} />` },
    {
      key: "state",
      title: t("things.actions"),
      render: (row) =>
        row.in_force
          ? html`<button type="button" class="small danger" aria-label=${t("settings.admin_keys.revoke.of", { name: row.name })}
              onClick=${() => setRevoked(row)}>${t("settings.admin_keys.revoke")}</button>`
          : html`<${Badge}>${t(`settings.admin_keys.${stateOf(row)}`)}<//>`,
    },
  ];
  const revoke = async () => {
    await del(`auth/keys/${encodeURIComponent(revoked.id)}`);
    list.reload();
  };
  const add = html`<button type="button" onClick=${() => setAdding(true)}>${t("settings.admin_keys.new")}</button>`;
  return html`<${Card} title=${t("settings.admin_keys")} actions=${add}>
    <p class="dim">${t("settings.admin_keys.hint")}</p>
    <${Loaded} of=${list} lines=${2}>
      ${({ admin_keys: keys }) => html`<${Table} columns=${columns} rows=${keys} label=${t("settings.admin_keys")} />`}
    <//>
    ${adding && html`<${NewAdminKey} onClose=${() => setAdding(false)} onMade=${list.reload} />`}
    ${revoked &&
    html`<${Confirm} name=${revoked.name} text=${t("settings.admin_keys.revoke.hint")} action=${t("settings.admin_keys.revoke")}
      onConfirm=${revoke} onClose=${() => setRevoked(null)} />`}
  <//>`;
}
