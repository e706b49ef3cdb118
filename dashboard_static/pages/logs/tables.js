// The other logs: connects through proxies, the record of changes, the lines of all processes.

import { useEffect, useState } from "preact/hooks";

import { del, get } from "../../api.js";
import { latency } from "../../format.js";
import { html } from "../../html.js";
import { t } from "../../i18n.js";
import { follow, lines } from "../../live.js";
import { place } from "../../router.js";
import { Confirm, Dialog } from "../../ui/dialog.js";
import { Filters } from "../../ui/filters.js";
import { usePages } from "../../ui/paging.js";
import { Badge, Empty, ErrorNote, Skeleton, Time } from "../../ui/parts.js";
import { LongTable } from "../../ui/table.js";
import { toast } from "../../ui/toast.js";
import { LiveSwitch } from "./requests.js";

const PAGE = 200;
const LEVELS = ["debug", "info", "warning", "error"];
/** @type {Record<string, string>} */
const TONES = { error: "bad", warn: "warn", warning: "warn" };

/** @param {{pages: any, columns: any[], label: string, empty: string, rowKey: (row: any) => string,
 *   onTop?: (isTop: boolean) => void, rowClass?: (row: any) => string, detail: (row: any) => any}} props */
function Log({ pages, columns, label, empty, rowKey, onTop, rowClass, detail }) {
  const [opened, setOpened] = useState(/** @type {any} */ (null));
  if (pages.error) return html`<${ErrorNote} error=${pages.error} retry=${pages.reload} />`;
  if (!pages.isRead) return html`<${Skeleton} lines=${12} />`;
  if (!pages.rows.length) return html`<${Empty} title=${empty} />`;
  return html`
    <${LongTable} columns=${columns} rows=${pages.rows} label=${label} rowKey=${rowKey} onRow=${setOpened} onEnd=${pages.more}
      onTop=${onTop} rowClass=${rowClass} />
    ${opened && html`<${Dialog} title=${label} onClose=${() => setOpened(null)} wide>${detail(opened)}<//>`}
  `;
}

/** @param {{title: string, value: any}} props */
const Json = ({ title, value }) => html`<div class="stack tight">
  <h3>${title}</h3>
  <pre tabindex="0" aria-label=${title} dir="ltr">${value === null ? "–" : JSON.stringify(value, null, 2)}</pre>
</div>`;

const BY_ID = { id: (/** @type {any} */ row) => String(row.id), at: (/** @type {any} */ row) => row.at_ms };

export function ProxyLog() {
  const { proxy, provider, outcome } = place.value.query;
  const [clearing, setClearing] = useState(false);
  const read = async (/** @type {any} */ before, /** @type {AbortSignal} */ abort) => {
    const page = await get("usage/proxy-logs", { proxy, provider, outcome, before, limit: PAGE }, abort);
    return { rows: page.connects, next: page.next };
  };
  const pages = usePages(read, [proxy, provider, outcome], BY_ID);
  /** @type {import("../../ui/table.js").Column[]} */
  const columns = [
    { key: "when", title: t("logs.when"), width: "7.4rem", render: (row) => html`<${Time} ms=${row.at_ms} />` },
    { key: "outcome", title: t("logs.outcome"), width: "6rem", render: (row) => html`<${Badge} tone=${row.outcome === "ok" ? "ok" : "bad"}>${row.outcome}<//>` },
    { key: "proxy", title: t("logs.proxy"), width: "minmax(10rem, 2fr)" },
    { key: "level", title: t("logs.level"), width: "7rem" },
    { key: "target", title: t("logs.target"), width: "minmax(10rem, 2fr)" },
    { key: "connection", title: t("logs.connection"), width: "minmax(7rem, 1fr)" },
    { key: "error", title: t("logs.error"), width: "minmax(8rem, 2fr)" },
    { key: "took", title: t("logs.took"), number: true, width: "5rem", render: (row) => latency(row.took_us) },
  ];
  const clear = async () => {
    const { removed } = await del("usage/proxy-logs");
    toast(t("logs.proxy.cleared", { count: removed }));
    pages.reload();
  };
  return html`
    <${Filters} filters=${["proxy", "provider", "outcome"].map((name) => ({ name, label: t(`logs.filter.${name}`) }))}>
      <button type="button" class="danger" onClick=${() => setClearing(true)}>${t("logs.proxy.clear")}</button>
    <//>
    <${Log} pages=${pages} columns=${columns} label=${t("logs.tab.proxy")} empty=${t("logs.proxy.none")} rowKey=${BY_ID.id}
      detail=${(row) => html`<${Json} title=${row.target} value=${row} />`} />
    ${clearing && html`<${Confirm} text=${t("logs.proxy.clear.hint")} action=${t("logs.proxy.clear")} onConfirm=${clear} onClose=${() => setClearing(false)} />`}
  `;
}

export function AuditLog() {
  const { actor, action, entity, address } = place.value.query;
  const read = async (/** @type {any} */ before, /** @type {AbortSignal} */ abort) => {
    const page = await get("compliance/audit-log", { actor, action, entity, address, before, limit: PAGE }, abort);
    return { rows: page.entries, next: page.next };
  };
  const pages = usePages(read, [actor, action, entity, address], BY_ID);
  /** @type {import("../../ui/table.js").Column[]} */
  const columns = [
    { key: "when", title: t("logs.when"), width: "7.4rem", render: (row) => html`<${Time} ms=${row.at_ms} />` },
    { key: "actor", title: t("logs.actor"), width: "minmax(7rem, 1fr)" },
    { key: "action", title: t("logs.action"), width: "minmax(9rem, 1fr)" },
    { key: "entity", title: t("logs.entity"), width: "minmax(10rem, 2fr)" },
    { key: "address", title: t("logs.address"), width: "8rem" },
    { key: "route", title: t("logs.route"), width: "minmax(12rem, 2fr)" },
  ];
  const detail = (/** @type {any} */ row) => html`
    <p class="row dim">${row.actor} · ${row.route} · ${row.address} · <${Time} ms=${row.at_ms} /></p>
    <div class="grid pairs"><${Json} title=${t("logs.before")} value=${row.before} /><${Json} title=${t("logs.after")} value=${row.after} /></div>
  `;
  return html`
    <${Filters} filters=${["actor", "action", "entity", "address"].map((name) => ({ name, label: t(`logs.filter.${name}`) }))} />
    <${Log} pages=${pages} columns=${columns} label=${t("logs.tab.audit")} empty=${t("logs.audit.none")} rowKey=${BY_ID.id} detail=${detail} />
  `;
}

const BY_LINE = {
  id: (/** @type {any} */ row) => `${row.time} ${row.process} ${row.logger} ${row.message}`,
  at: (/** @type {any} */ row) => Date.parse(row.time),
};

/** Is a line of the feed among those that are asked for? Pure. @param {any} line @param {Record<string, string>} query */
export function isAsked(line, { level = "", process = "", text = "" }) {
  const rank = (/** @type {string} */ name) => LEVELS.indexOf(name === "warn" ? "warning" : name);
  if (level && rank(line.level) < rank(level)) return false;
  if (process && line.process !== process) return false;
  return line.message.toLowerCase().includes(text.toLowerCase());
}

export function Console() {
  const { level, process, text } = place.value.query;
  const [isAtTop, setAtTop] = useState(true);
  const read = async (/** @type {any} */ before_ms, /** @type {AbortSignal} */ abort) => {
    const page = await get("logs/console", { level, process, text, before_ms, limit: PAGE }, abort);
    const last = page.lines[page.lines.length - 1];
    return { rows: page.lines, next: page.is_whole || !last ? null : Date.parse(last.time) };
  };
  const pages = usePages(read, [level, process, text], BY_LINE);
  useEffect(follow, []);
  useEffect(() => {
    if (isAtTop && pages.isRead) pages.add(lines.value.filter((line) => isAsked(line, { level, process, text })));
  }, [lines.value, isAtTop, pages.isRead]);
  /** @type {import("../../ui/table.js").Column[]} */
  const columns = [
    { key: "time", title: t("logs.when"), width: "7.4rem", render: (row) => html`<${Time} ms=${Date.parse(row.time)} />` },
    { key: "level", title: t("logs.severity"), width: "5rem", render: (row) => html`<${Badge} tone=${TONES[row.level] ?? ""}>${row.level}<//>` },
    { key: "message", title: t("logs.message"), width: "minmax(24rem, 6fr)" },
    { key: "process", title: t("logs.process"), width: "6.5rem" },
  ];
  const levels = LEVELS.map((value) => ({ value, title: value }));
  return html`
    <${Filters} filters=${[
      { name: "level", label: t("logs.filter.level"), options: levels },
      { name: "process", label: t("logs.filter.process"), placeholder: "worker-1" },
      { name: "text", label: t("common.search") },
    ]}><${LiveSwitch} /><//>
    <${Log} pages=${pages} columns=${columns} label=${t("logs.tab.console")} empty=${t("logs.console.none")} rowKey=${BY_LINE.id} onTop=${setAtTop}
      detail=${(row) => html`<${Json} title=${row.logger} value=${row} />`} />
  `;
}
