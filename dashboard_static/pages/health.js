// How everything is: what is wrong first, then providers, speed, and the gateway itself.

import { useEffect } from "preact/hooks";

import { get } from "../api.js";
import { bytes, count, duration } from "../format.js";
import { html } from "../html.js";
import { t } from "../i18n.js";
import { beat, conditions, connected, follow } from "../live.js";
import { Badge, Card, Loaded, PageHead, Stat, useRead } from "../ui/parts.js";
import { Held } from "./health/held.js";
import { Latencies } from "./health/latencies.js";
import { Cache, Data, Jobs, Processes } from "./health/system.js";
import { totals } from "./health/told.js";

/** @param {AbortSignal} abort */
async function readAll(abort) {
  const [told, cache] = await Promise.all([get("monitoring/health", {}, abort), get("cache/stats", {}, abort)]);
  return { ...told, cache };
}

/** @param {{processes: any[], system: any}} props */
function Sums({ processes, system }) {
  const { workers, ready, inflight, restarts, memory } = totals(processes);
  return html`<dl class="stats">
    <${Stat} label=${t("health.workers")} value=${`${ready} / ${workers}`} hint=${t("health.restarts", { count: restarts })} tone=${ready < workers ? "bad" : ""} />
    <${Stat} label=${t("health.inflight")} value=${count(inflight)} hint=${t("health.inflight.hint")} />
    <${Stat} label=${t("health.memory")} value=${bytes(memory)} hint=${t("health.memory.hint")} />
    <${Stat} label=${t("health.uptime")} value=${duration(system.uptime_s)} hint=${t("health.version", system)} />
    <${Stat} label=${t("health.backlog")} value=${count(system.outbox.records)} hint=${t("health.backlog.hint")} />
  </dl>`;
}

export default function Page() {
  useEffect(follow, []);
  const read = useRead(readAll, [conditions.value, beat.value], 5000);
  return html`
    <${PageHead} title=${t("nav.health")} hint=${t("health.hint")}>
      <${Badge} tone=${connected.value ? "ok" : ""}>${connected.value ? t("health.live") : t("health.connecting")}<//>
    <//>
    <${Loaded} of=${read} lines=${10}>
      ${({ status, processes, system, cache }) => html`
        <${Sums} processes=${processes} system=${system} />
        <${Card} title=${t("health.problems")}>
          ${system.problems?.length
            ? html`<ul class="plain">
                ${system.problems.map((/** @type {string} */ each) => html`<li class="row" key=${each}><${Badge} tone="warn">${t("health.look")}<//> <span class="grow">${each}</span></li>`)}
              </ul>`
            : html`<p class="row"><${Badge} tone=${status === "healthy" ? "ok" : "warn"}>${t(`health.status.${status}`)}<//> ${t("health.problems.none")}</p>`}
        <//>
        <${Held} health=${system.health} reload=${read.reload} />
        <${Latencies} />
        <${Processes} processes=${processes} />
        <div class="grid">
          <${Cache} cache=${cache} reload=${read.reload} />
          <${Data} system=${system} />
        </div>
        <${Jobs} jobs=${system.jobs} />
      `}
    <//>
  `;
}
