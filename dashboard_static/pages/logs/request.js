// One request: its figures, its time as a waterfall, and what client and upstream saw.

import { useState } from "preact/hooks";

import { get } from "../../api.js";
import { bytes, count, latency, usd } from "../../format.js";
import { html } from "../../html.js";
import { t } from "../../i18n.js";
import { Dialog } from "../../ui/dialog.js";
import { Badge, Copy, Loaded, Stat, Tabs, Time, useRead } from "../../ui/parts.js";
import { readable, waterfall } from "./asking.js";

/** @param {string} id @param {AbortSignal} abort */
async function read(id, abort) {
  const path = `usage/call-logs/${encodeURIComponent(id)}`;
  const detail = await get(path, {}, abort);
  const { bodies } = detail.has_bodies ? await get(`${path}/bodies`, {}, abort) : { bodies: [] };
  return { ...detail, bodies };
}

/** @param {{request: any, attempts: any[]}} props */
function Waterfall({ request, attempts }) {
  const bars = waterfall(request, attempts);
  const lines = [
    { number: 0, title: t("logs.queued"), took_us: request.queue_us, error: "" },
    ...attempts.map((each) => ({ ...each, title: `${each.number}. ${each.connection || each.provider} · ${each.model}` })),
  ].filter((line) => line.number > 0 || line.took_us > 0);
  if (!lines.length) return null;
  return html`<ol class="waterfall" aria-label=${t("logs.waterfall")}>
    ${lines.map(
      (line) => html`<li key=${line.number}>
        <span class="row">
          <span class="grow wrap">${line.title}</span>
          ${line.error && html`<${Badge} tone="bad">${line.status || t("logs.no_answer")}<//>`}
          <span class="number">${latency(line.took_us)}</span>
        </span>
        <span class="lane">
          ${bars
            .filter((bar) => bar.attempt === line.number)
            .map(
              (bar) => html`<span
                key=${bar.kind}
                class=${`bar-${bar.kind}`}
                title=${`${t(`logs.bar.${bar.kind}`)}: ${latency((bar.to - bar.from) * request.total_us)}`}
                style=${{ insetInlineStart: `${bar.from * 100}%`, inlineSize: `${Math.max(0.4, (bar.to - bar.from) * 100)}%` }}
              ></span>`,
            )}
        </span>
        ${line.error && html`<span class="dim wrap">${line.error}</span>`}
      </li>`,
    )}
  </ol>
  <p class="row dim legend">
    ${[...new Set(bars.map((bar) => bar.kind))].map((kind) => html`<span key=${kind}><span class=${`swatch bar-${kind}`}></span> ${t(`logs.bar.${kind}`)}</span>`)}
  </p>`;
}

/** @param {{body: any, title: string}} props */
const Body = ({ body, title }) => html`<div class="stack tight">
  <div class="card-head"><h3>${title}</h3>${body && html`<span class="dim">${bytes(body.size)}</span><${Copy} text=${body.text} />`}</div>
  <pre tabindex="0" aria-label=${title} dir="ltr">${body ? readable(body.text) : "–"}</pre>
</div>`;

/** Both sides of a translation, the request above the answer. @param {{bodies: any[]}} props */
function Bodies({ bodies }) {
  const attempts = [...new Set(bodies.filter((each) => each.side === "upstream").map((each) => each.attempt))];
  const [chosen, setChosen] = useState(attempts[attempts.length - 1] ?? 0);
  const of = (/** @type {string} */ side, /** @type {string} */ direction) =>
    bodies.find((each) => each.side === side && each.direction === direction && (side === "client" || each.attempt === chosen));
  return html`
    ${attempts.length > 1 &&
    html`<${Tabs} tabs=${attempts.map((each) => ({ key: String(each), title: t("logs.attempt", { number: each }) }))} chosen=${String(chosen)}
      choose=${(key) => setChosen(Number(key))} label=${t("logs.attempts")} />`}
    <div class="grid pairs">
      <${Body} title=${t("logs.body.client.request")} body=${of("client", "request")} />
      <${Body} title=${t("logs.body.upstream.request")} body=${of("upstream", "request")} />
      <${Body} title=${t("logs.body.upstream.response")} body=${of("upstream", "response")} />
      <${Body} title=${t("logs.body.client.response")} body=${of("client", "response")} />
    </div>
  `;
}

/** @param {{id: string, nameOf: (id: string) => string, onClose: () => void}} props */
export function RequestDialog({ id, nameOf, onClose }) {
  const detail = useRead((abort) => read(id, abort), [id]);
  const cached = (/** @type {any} */ request) => t("logs.tokens.cached", { count: count(request.cache_read_tokens) });
  return html`<${Dialog} title=${t("logs.request", { id })} onClose=${onClose} wide>
    <${Loaded} of=${detail} lines=${10}>
      ${({ request, attempts, bodies, has_bodies }) => html`<div class="stack">
        <p class="row">
          <${Badge} tone=${request.outcome === "ok" ? "ok" : "bad"}>${request.status} ${t(`logs.outcome.${request.outcome}`)}<//>
          <strong>${request.requested_model}</strong>
          <span class="dim">${request.endpoint} · ${nameOf(request.key_id)} · <${Time} ms=${request.started_ms} /></span>
          ${request.cache && html`<${Badge} tone="info">${t("logs.cache", { what: request.cache })}<//>`}
          ${request.guard && html`<${Badge} tone="warn">${request.guard}<//>`}
          ${request.combo && html`<${Badge}>${t("logs.combo", { name: request.combo })}<//>`}
        </p>
        ${request.error && html`<p class="error-note wrap">${request.error}</p>`}
        <dl class="stats">
          <${Stat} label=${t("logs.took")} value=${latency(request.total_us)} hint=${t("logs.overhead", { took: latency(request.overhead_us) })} />
          <${Stat} label=${t("logs.first")} value=${latency(request.first_byte_us)} hint=${t(request.stream ? "logs.streamed" : "logs.whole")} />
          <${Stat} label=${t("logs.tokens.in")} value=${count(request.input_tokens)} hint=${cached(request)} />
          <${Stat} label=${t("logs.tokens.out")} value=${count(request.output_tokens)} hint=${t("logs.tokens.reasoning", { count: count(request.reasoning_tokens) })} />
          <${Stat} label=${t("logs.cost")} value=${usd(request.cost_microusd)} hint=${t("logs.usage_by", { source: request.usage_source || "–" })} />
        </dl>
        <${Waterfall} request=${request} attempts=${attempts} />
        ${has_bodies ? html`<${Bodies} bodies=${bodies} />` : html`<p class="dim">${t("logs.no_bodies")}</p>`}
      </div>`}
    <//>
  <//>`;
}
