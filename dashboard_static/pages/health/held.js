// What is held against providers, accounts and models, and lifting it.

import { useState } from "preact/hooks";

import { del, post } from "../../api.js";
import { count } from "../../format.js";
import { html } from "../../html.js";
import { t } from "../../i18n.js";
import { Confirm } from "../../ui/dialog.js";
import { countdown } from "../../ui/limit.js";
import { Badge, Card, Empty, Small } from "../../ui/parts.js";
import { figure, Table } from "../../ui/table.js";
import { toast } from "../../ui/toast.js";
import { held, tone } from "./told.js";

/** @param {{health: any, reload: () => void}} props */
export function Held({ health, reload }) {
  const [lifting, setLifting] = useState(/** @type {any} */ (null));
  const rows = held(health);
  const lift = async () => {
    const { kind, subject, detail } = lifting;
    const { removed } = kind === "all" ? await del("monitoring/health") : await post("resilience/reset", { kind, subject, detail });
    toast(t("health.lifted", { count: removed }));
    reload();
  };
  /** @type {import("../../ui/table.js").Column[]} */
  const columns = [
    { key: "kind", title: t("health.kind"), sort: (row) => row.kind, render: (row) => t(`health.kind.${row.kind}`) },
    { key: "subject", title: t("health.subject"), sort: (row) => row.subject, render: (row) => html`<span class="mono">${row.subject}${row.detail && ` ${row.detail}`}</span>` },
    { key: "state", title: t("health.state"), sort: (row) => row.state, render: (row) => html`<${Badge} tone=${tone(row)}>${t(`health.state.${row.state}`)}<//>` },
    figure("until_ms", t("health.ends"), countdown),
    figure("failures", t("health.failures"), count),
    { key: "reason", title: t("health.reason"), render: (row) => html`<span class="reason" title=${row.text}>${row.reason}</span>` },
    { key: "reset", title: t("health.reset"), render: (row) => html`<${Small} text=${t("health.reset")}
      of=${t("health.reset.name", { name: row.subject })}
      act=${() => setLifting(row)} />` },
  ];
  const all = rows.length > 0 && html`<button type="button" onClick=${() => setLifting({ kind: "all" })}>${t("health.reset.all")}</button>`;
  return html`<${Card} title=${t("health.held")} actions=${all}>
    <${Table} columns=${columns} rows=${rows} label=${t("health.held")} empty=${html`<${Empty} title=${t("health.held.none")} />`} />
    ${lifting &&
    html`<${Confirm}
      text=${lifting.kind === "all" ? t("health.reset.all.text") : t("health.reset.text", { kind: t(`health.kind.${lifting.kind}`), name: `${lifting.subject} ${lifting.detail}`.trim() })}
      action=${t("health.reset")}
      onConfirm=${lift}
      onClose=${() => setLifting(null)}
    />`}
  <//>`;
}
