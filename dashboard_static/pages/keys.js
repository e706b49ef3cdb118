// Client keys: what each may do and used; made, changed, rotated, revoked.

import { get } from "../api.js";
import { count, usd } from "../format.js";
import { html } from "../html.js";
import { t } from "../i18n.js";
import { place, setQuery } from "../router.js";
import { Badge, Card, Empty, Loaded, Meter, now, PageHead, useRead } from "../ui/parts.js";
import { limitName } from "../ui/limit.js";
import { Table } from "../ui/table.js";
import { EditKey, KeyUsage, NewKey, RevokeKey, RotateKey } from "./keys/dialogs.js";
import { limitOf, stateOf } from "./keys/fields.js";

/** What can be opened about a key; it stands in the address beside the key. @type {Record<string, any>} */
const DIALOGS = { usage: KeyUsage, edit: EditKey, rotate: RotateKey, revoke: RevokeKey };

/** @param {string} show @param {string} id */
const open = (show, id) => setQuery({ show, key: id });

/** The limit that is used most. @param {any[]} limits */
const tightest = (limits) => [...limits].sort((a, b) => b.used / b.limit - a.used / a.limit)[0];

/** @param {{of: any}} props */
function State({ of }) {
  const { tone, name } = stateOf(of, now.value);
  return html`<span class="row">
    <${Badge} tone=${tone} title=${of.problem}>${t(`keys.state.${name}`)}<//>
    ${of.source === "file" && html`<${Badge} tone="info" title=${t("common.from_file.hint")}>${t("keys.file")}<//>`}
  </span>`;
}

/** @param {{of: any}} props */
function Actions({ of }) {
  if (of.revokedMs) return null;
  const acts = of.source === "file" ? ["usage"] : ["usage", "edit", "rotate", "revoke"];
  return html`<span class="row">
    ${acts.map(
      (act) => html`<button
        type="button"
        key=${act}
        class=${`small ${act === "revoke" ? "danger" : ""}`}
        aria-label=${t("keys.act", { act: t(`keys.act.${act}`), name: of.name })}
        onClick=${() => open(act, of.id)}
      >
        ${t(`keys.act.${act}`)}
      </button>`,
    )}
  </span>`;
}

/** @returns {import("../ui/table.js").Column[]} */
function columns() {
  return [
    { key: "name", title: t("common.name"), sort: (row) => row.name ?? "", render: (row) => html`<strong>${row.name}</strong>` },
    { key: "state", title: t("keys.state"), render: (row) => html`<${State} of=${row} />` },
    {
      key: "requests",
      title: t("keys.requests30"),
      number: true,
      sort: (row) => row.usage30Days.requests,
      render: (row) => count(row.usage30Days.requests),
    },
    {
      key: "cost",
      title: t("keys.cost30"),
      number: true,
      sort: (row) => row.usage30Days.cost_microusd,
      render: (row) => usd(row.usage30Days.cost_microusd),
    },
    {
      key: "limit",
      title: t("keys.tightest"),
      render: (row) => {
        const limit = tightest(row.limits);
        if (!limit) return html`<span class="dim">${t("keys.unlimited")}</span>`;
        return html`<span class="dim">${limitName(limitOf(limit))}</span><${Meter} ...${limit} label=${limitName(limitOf(limit))} />`;
      },
    },
    { key: "expires", title: t("keys.expires"), render: (row) => row.expires || html`<span class="dim">${t("common.never")}</span>` },
    { key: "actions", title: t("keys.actions"), render: (row) => html`<${Actions} of=${row} />` },
  ];
}

export default function Keys() {
  const { revoked = "", show = "", key = "" } = place.value.query;
  const list = useRead((abort) => get("keys", { revoked: revoked || undefined }, abort), [revoked], 15_000);
  const close = () => setQuery({ show: "", key: "" });
  const chosen = list.data?.keys.find((/** @type {any} */ each) => each.id === key);
  const Shown = DIALOGS[show];
  const empty = html`<${Empty} title=${t("keys.none")}>
    <button type="button" class="primary" onClick=${() => setQuery({ show: "new" })}>${t("keys.new")}</button>
  <//>`;
  return html`
    <${PageHead} title=${t("nav.keys")} hint=${t("keys.hint")}>
      <label class="row"><input type="checkbox" checked=${Boolean(revoked)}
        onChange=${() => setQuery({ revoked: revoked ? "" : "true" })} /> ${t("keys.with_revoked")}</label>
      <button type="button" class="primary" onClick=${() => setQuery({ show: "new" })}>${t("keys.new")}</button>
    <//>
    <${Card}>
      <${Loaded} of=${list} lines=${6}>
        ${({ keys }) => html`<${Table} columns=${columns()} rows=${keys} label=${t("nav.keys")} empty=${empty} />`}
      <//>
    <//>
    ${show === "new" && html`<${NewKey} onClose=${close} onChange=${list.reload} />`}
    ${chosen && Shown && html`<${Shown} key=${`${show}/${key}`} of=${chosen} onClose=${close} onChange=${list.reload} />`}
  `;
}
