// Trying accounts: one, or many with progress; what came out, in plain words.

import { signal } from "@preact/signals";

import { post } from "../../api.js";
import { html } from "../../html.js";
import { t } from "../../i18n.js";
import { Badge, Small } from "../../ui/parts.js";

const AT_ONCE = 4;

/** By id of the account: what came out, or "asking". @type {import("@preact/signals").Signal<Record<string, any>>} */
export const outcomes = signal({});
/** Of a test of many. @type {import("@preact/signals").Signal<null | {done: number, of: number, failing: number}>} */
export const progress = signal(null);

/** @param {string} id @param {any} outcome */
const tell = (id, outcome) => (outcomes.value = { ...outcomes.value, [id]: outcome });

/** @param {string} id */
export async function test(id) {
  tell(id, "asking");
  try {
    tell(id, await post(`providers/${encodeURIComponent(id)}/test`, {}));
  } catch (error) {
    const { message } = /** @type {Error} */ (error);
    tell(id, { ok: false, fault: "", message, help: "", said: "" });
  }
  return Boolean(outcomes.value[id].ok);
}

/** A few at a time. @param {string[]} ids */
export async function testAll(ids) {
  const left = [...ids];
  progress.value = { done: 0, of: ids.length, failing: 0 };
  const one = async () => {
    for (let id = left.shift(); id; id = left.shift()) {
      const works = await test(id);
      const { done, of, failing } = progress.value ?? { done: 0, of: 0, failing: 0 };
      progress.value = { done: done + 1, of, failing: failing + (works ? 0 : 1) };
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, one));
}

export function Progress() {
  if (!progress.value) return null;
  const { done, of, failing } = progress.value;
  const text = t("providers.tested", { done, of, failing });
  return html`<div class="card row" role="status">
    <progress max=${of} value=${done} aria-label=${text}></progress>
    <span class="grow">${text}</span>
    ${done === of && html`<${Small} text=${t("common.close")} act=${() => (progress.value = null)} />`}
  </div>`;
}

/** What a test found and what would help. @param {{outcome: any}} props */
export function Outcome({ outcome }) {
  if (!outcome) return null;
  if (outcome === "asking") return html`<p class="dim" role="status">${t("providers.asking")}</p>`;
  return html`<p class="row outcome" role="status">
    <${Badge} tone=${outcome.ok ? "ok" : "bad"}>
      ${outcome.ok ? t("providers.works", { ms: outcome.latencyMs }) : outcome.fault || t("providers.fails")}
    <//>
    <span>${outcome.message} ${outcome.help}${outcome.said && html` <span class="dim">${t("providers.said", outcome)}</span>`}</span>
  </p>`;
}
