// The gateway itself: its processes, jobs, cache and data.

import { useState } from "preact/hooks";

import { del } from "../../api.js";
import { bytes, count, duration, percent } from "../../format.js";
import { html } from "../../html.js";
import { t } from "../../i18n.js";
import { Confirm } from "../../ui/dialog.js";
import { Badge, Card, Meter, Stat, Time } from "../../ui/parts.js";
import { figure, Table } from "../../ui/table.js";
import { toast } from "../../ui/toast.js";

/** @param {{processes: any[]}} props */
export function Processes({ processes }) {
  /** @type {import("../../ui/table.js").Column[]} */
  const columns = [
    { key: "process", title: t("health.process"), sort: (row) => row.process, render: (row) => row.process },
    { key: "state", title: t("health.state"), render: (row) =>
        row.state ? html`<${Badge} tone=${row.state === "ready" ? "ok" : "bad"}>${row.state}<//>` : html`<${Badge} tone="ok">${t("health.runs")}<//>` },
    figure("inflight", t("health.process.inflight"), count),
    figure("restarts", t("health.process.restarts"), count),
    figure("memory_bytes", t("health.process.memory_bytes"), bytes),
    figure("cpu_s", t("health.process.cpu_s"), duration),
    figure("threads", t("health.process.threads"), count),
    figure("pid", t("health.process.pid"), String),
  ];
  return html`<${Card} title=${t("health.processes")}>
    <${Table} columns=${columns} rows=${processes} rowKey=${(row) => row.process} label=${t("health.processes")} />
  <//>`;
}

/** @param {{jobs: Record<string, any>}} props */
export function Jobs({ jobs }) {
  const rows = Object.entries(jobs).map(([name, job]) => ({ name, ...job }));
  /** @type {import("../../ui/table.js").Column[]} */
  const columns = [
    { key: "name", title: t("health.job"), sort: (row) => row.name, render: (row) => row.name },
    { key: "state", title: t("health.state"), sort: (row) => row.state, render: (row) => html`<${Badge}
        tone=${row.state === "failing" ? "bad" : row.state === "running" ? "info" : "ok"} title=${row.error}>${t(`health.job.${row.state}`)}<//>` },
    figure("every_s", t("health.job.every"), duration),
    figure("last_ms", t("health.job.last"), (ms) => html`<${Time} ms=${ms} />`),
    figure("runs", t("health.job.runs"), count),
    { key: "error", title: t("health.job.error"), render: (row) => row.error || "–" },
  ];
  return html`<${Card} title=${t("health.jobs")}>
    <${Table} columns=${columns} rows=${rows} rowKey=${(row) => row.name} label=${t("health.jobs")} />
  <//>`;
}

/** @param {{cache: any, reload: () => void}} props */
export function Cache({ cache, reload }) {
  const [emptying, setEmptying] = useState(false);
  const empty = async () => {
    const { removed } = await del("cache");
    toast(t("health.cache.emptied", { count: removed }));
    reload();
  };
  const actions = html`<button type="button" onClick=${() => setEmptying(true)} disabled=${!cache.entries}>${t("health.cache.empty")}</button>`;
  return html`<${Card} title=${t("health.cache")} actions=${actions}>
    <p class="row"><${Badge} tone=${cache.enabled ? "ok" : ""}>${cache.enabled ? t("common.enabled") : t("common.disabled")}<//> ${t("health.cache.hint")}</p>
    <dl class="stats plain">
      <${Stat} label=${t("health.cache.share")} value=${cache.hit_share === null ? "–" : percent(cache.hit_share)} hint=${t("health.cache.asked", { hits: count(cache.hits), misses: count(cache.misses) })} />
      <${Stat} label=${t("health.cache.entries")} value=${count(cache.entries)} hint=${t("health.cache.evicted", { count: count(cache.evicted) })} />
      <${Stat} label=${t("health.cache.size")} value=${bytes(cache.bytes)} hint=${t("health.of", { limit: bytes(cache.limit_bytes) })} />
    </dl>
    <${Meter} used=${cache.bytes} limit=${cache.limit_bytes} label=${t("health.cache.size")} />
    ${emptying && html`<${Confirm} text=${t("health.cache.empty.text")} action=${t("health.cache.empty")} onConfirm=${empty} onClose=${() => setEmptying(false)} />`}
  <//>`;
}

/** @param {{system: any}} props */
export function Data({ system }) {
  const { free, ...files } = system.data_bytes ?? {};
  const room = (/** @type {string} */ label, /** @type {number} */ used, /** @type {number} */ limit) => html`<div class="limit-bar">
    <span>${label}</span>
    <${Meter} used=${used} limit=${limit} label=${label} />
    <span class="number">${t("health.of.used", { used: bytes(used), limit: bytes(limit) })}</span>
    <span></span>
  </div>`;
  const rows = Object.entries(files).map(([name, size]) => ({ name, size: Number(size) })).filter((each) => each.size);
  /** @type {import("../../ui/table.js").Column[]} */
  const columns = [
    { key: "name", title: t("health.file"), sort: (row) => row.name, render: (row) => html`<span class="mono">${row.name}</span>` },
    figure("size", t("health.size"), bytes),
  ];
  return html`<${Card} title=${t("health.data")}>
    <div class="stack">
      ${room(t("health.state.map"), system.state.used_bytes, system.state.map_bytes)}
      ${room(t("health.outbox"), system.outbox.bytes, system.outbox.limit_bytes)}
      ${free !== undefined && html`<p class="dim">${t("health.free", { free: bytes(free) })}</p>`}
    </div>
    <details>
      <summary>${t("health.files", { count: rows.length })}</summary>
      <${Table} columns=${columns} rows=${rows} rowKey=${(row) => row.name} label=${t("health.data")} />
    </details>
  <//>`;
}
