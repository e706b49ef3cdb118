// What would happen now to a request, target by target, and each of the targets asked in earnest.

import { useState } from "preact/hooks";

import { get, post } from "../../api.js";
import { html, typed } from "../../html.js";
import { t } from "../../i18n.js";
import { Dialog } from "../../ui/dialog.js";
import { Countdown } from "../../ui/limit.js";
import { Badge, Empty, ErrorNote, Loaded, useRead } from "../../ui/parts.js";

/** @param {number} microusd for a million tokens */
const price = (microusd) => `$${microusd / 1e6}`;

/** @param {{target: any, place: number, first: boolean, children?: any}} props */
const Target = ({ target, place, first, children }) => html`<li class="target">
  <p class="row">
    <span class="dim number">${place + 1}.</span>
    <span class="mono">${target.model}</span>
    <span class="dim">${t("combos.at", { account: target.connection || "–" })}</span>
    <${Badge}>${target.tier}<//>
    <span class="grow"></span>
    ${target.reason
      ? html`<${Badge} tone="warn">${t("combos.passed_over")} <${Countdown} ms=${target.until_ms} /><//>`
      : html`<${Badge} tone=${first ? "ok" : ""}>${t(first ? "combos.first" : "combos.next")}<//>`}
  </p>
  ${(target.reason || target.why) && html`<p class="dim">${[target.why, target.reason].filter(Boolean).join("; ")}</p>`}
  ${children}
</li>`;

/** "What would happen now". @param {{model: string, suggestions: string[], onClose: () => void}} props */
export function DryRunDialog({ model: asked, suggestions, onClose }) {
  const [model, setModel] = useState(asked);
  const [key, setKey] = useState("");
  const keys = useRead((abort) => get("keys", {}, abort), []);
  const plan = useRead(() => (model ? post("routing/dry-run", { model, keyId: key }) : Promise.resolve({ targets: [] })), [model, key], 5000);
  return html`<${Dialog} wide title=${t("combos.dry.title")} onClose=${onClose}>
    <p class="dim">${t("combos.dry.hint")}</p>
    <div class="filters">
      <label>
        <span>${t("combos.dry.model")}</span>
        <input list="dry-models" value=${model} onChange=${typed((value) => setModel(value.trim()))} />
        <datalist id="dry-models">${suggestions.map((each) => html`<option value=${each} />`)}</datalist>
      </label>
      <label>
        <span>${t("combos.dry.key")}</span>
        <select value=${key} onChange=${typed(setKey)}>
          <option value="">${t("combos.dry.any")}</option>
          ${(keys.data?.keys ?? []).map((/** @type {any} */ each) => html`<option value=${each.id}>${each.name}</option>`)}
        </select>
      </label>
    </div>
    ${plan.error
      ? html`<${ErrorNote} error=${plan.error} />`
      : html`<${Loaded} of=${plan}>
          ${({ targets, first }) =>
            targets.length
              ? html`<p role="status">
                    ${first === null ? t("combos.dry.nobody") : t("combos.dry.first", { model: targets[first].model, account: targets[first].connection })}
                  </p>
                  <ol class="plain">
                    ${targets.map(
                      (/** @type {any} */ each, /** @type {number} */ at) => html`<${Target} key=${at} target=${each} place=${at} first=${at === first}>
                        <p class="dim">
                          ${each.input_price_microusd === null
                            ? t("combos.price.unknown")
                            : t("combos.price", { input: price(each.input_price_microusd), output: price(each.output_price_microusd) })}
                        </p>
                      <//>`,
                    )}
                  </ol>`
              : html`<${Empty} title=${t("combos.dry.none")} />`}
        <//>`}
  <//>`;
}

/** Each target of a combo asked for a word, one after the other. @param {{name: string, onClose: () => void}} props */
export function TestDialog({ name, onClose }) {
  const [results, setResults] = useState(/** @type {any[]} */ ([]));
  const plan = useRead(async (abort) => {
    const { targets } = await post("routing/dry-run", { model: name });
    // Those that stand in for the combo's own are not a part of it.
    const own = targets.filter((/** @type {any} */ each) => !each.why && each.connection);
    setResults([]);
    ask(own, abort);
    return own;
  }, [name]);
  const ask = async (/** @type {any[]} */ targets, /** @type {AbortSignal} */ abort) => {
    for (const target of targets) {
      if (abort.aborted) return;
      const model = target.model.split("/").slice(1).join("/");
      const outcome = await post(`providers/${encodeURIComponent(target.connection)}/test`, { model }).catch((error) => ({
        ok: false,
        fault: "",
        message: error.message,
        help: "",
      }));
      if (!abort.aborted) setResults((old) => [...old, outcome]);
    }
  };
  const working = results.filter((each) => each.ok).length;
  return html`<${Dialog} wide title=${t("combos.test.title", { name })} onClose=${onClose}>
    <p class="dim">${t("combos.test.hint")}</p>
    <${Loaded} of=${plan}>
      ${(/** @type {any[]} */ targets) => html`
        <p class="row" role="status">
          <progress max=${targets.length} value=${results.length} aria-label=${t("combos.test.title", { name })}></progress>
          ${t("combos.test.done", { done: results.length, of: targets.length, working })}
        </p>
        <ol class="plain">
          ${targets.map((/** @type {any} */ each, /** @type {number} */ at) => {
            const outcome = results[at];
            return html`<${Target} key=${at} target=${each} place=${at} first=${false}>
              ${outcome
                ? html`<p class="row outcome">
                    <${Badge} tone=${outcome.ok ? "ok" : "bad"}>
                      ${outcome.ok ? t("combos.works", { ms: outcome.latencyMs }) : outcome.fault || t("combos.fails")}
                    <//>
                    <span>${outcome.message} ${outcome.help}</span>
                  </p>`
                : html`<p class="dim">${t(at === results.length ? "combos.asking" : "combos.waiting")}</p>`}
            <//>`;
          })}
        </ol>
        <div class="actions"><button type="button" onClick=${plan.reload} disabled=${results.length < targets.length}>${t("common.retry")}</button></div>
      `}
    <//>
  <//>`;
}
