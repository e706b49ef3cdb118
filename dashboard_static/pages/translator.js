// A body in each other format, and what is lost by it. Nothing is sent to anybody.

import { useState } from "preact/hooks";

import { post } from "../api.js";
import { html } from "../html.js";
import { t } from "../i18n.js";
import { place, setQuery } from "../router.js";
import { Badge, Card, Copy, Empty, ErrorNote, PageHead, Tabs } from "../ui/parts.js";
import { EXAMPLES, FORMATS, parsed, targets } from "./translator/bodies.js";

/** @typedef {{detected: any, source: string, to: Record<string, {done?: any, error?: Error}>}} Result */

/** @param {string} text @param {string} sourceFormat "" to detect it @param {string} model @returns {Promise<Result>} */
async function translated(text, sourceFormat, model) {
  let body;
  try {
    body = parsed(text);
  } catch (error) {
    throw new Error(t("translator.no_json", { message: /** @type {Error} */ (error).message }), { cause: error });
  }
  const detected = await post("translator/detect", { body });
  const source = sourceFormat || detected.format;
  const wish = { body, sourceFormat: source, kind: detected.kind, model };
  const all = targets(source, detected.kind).map(async (targetFormat) => {
    const one = await post("translator/translate", { ...wish, targetFormat }).then(
      (done) => ({ done }),
      (error) => ({ error }),
    );
    return /** @type {const} */ ([targetFormat, one]);
  });
  return { detected, source, to: Object.fromEntries(await Promise.all(all)) };
}

/** @param {{result: Result}} props */
function Detected({ result: { detected, source } }) {
  const kind = t(`translator.kind.${detected.kind}`);
  return html`<p class="row" role="status">
    <${Badge} tone=${detected.is_certain || source !== detected.format ? "ok" : "warn"}>${t(`translator.format.${source}`)}<//>
    <span>${kind}</span>
    <span class="dim">
      ${source !== detected.format
        ? t("translator.chosen")
        : t(detected.is_certain ? "translator.certain" : "translator.uncertain", { signs: detected.signs.join(", ") })}
    </span>
  </p>`;
}

/** @param {{result: Result}} props */
function Translations({ result }) {
  const formats = Object.keys(result.to);
  const chosen = formats.includes(place.value.query.to) ? place.value.query.to : formats[0];
  const { done, error } = result.to[chosen];
  const text = done ? (done.text ?? JSON.stringify(done.body, null, 2)) : "";
  const lossesOf = (/** @type {string} */ format) => result.to[format].done?.losses.length ?? 0;
  const title = (/** @type {string} */ format) => `${t(`translator.format.${format}`)}${lossesOf(format) ? ` (−${lossesOf(format)})` : ""}`;
  return html`
    <${Tabs} tabs=${formats.map((key) => ({ key, title: title(key) }))} chosen=${chosen} label=${t("translator.into")}
      choose=${(to) => setQuery({ to })} />
    ${error && html`<${ErrorNote} error=${error} />`}
    ${done &&
    html`<div class="stack tight">
      <div class="row">
        ${done.losses.length
          ? html`<span>${t("translator.lost")}</span>${done.losses.map((/** @type {string} */ each) => html`<${Badge} tone="warn" key=${each}><code>${each}</code><//>`)}`
          : html`<${Badge} tone="ok">${t("translator.lossless")}<//>`}
        <span class="grow"></span>
        <${Copy} text=${text} />
      </div>
      <pre tabindex="0" dir="ltr" aria-label=${t(`translator.format.${chosen}`)}>${text}</pre>
    </div>`}
  `;
}

export default function Translator() {
  const [text, setText] = useState("");
  const [source, setSource] = useState("");
  const [model, setModel] = useState("");
  const [result, setResult] = useState(/** @type {Result | null} */ (null));
  const [error, setError] = useState(/** @type {Error | null} */ (null));
  const [busy, setBusy] = useState(false);
  const run = async (/** @type {Event} */ event) => {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      setResult(await translated(text, source, model));
    } catch (caught) {
      setResult(null);
      setError(/** @type {Error} */ (caught));
    } finally {
      setBusy(false);
    }
  };
  const of = (/** @type {(value: string) => void} */ set) => (/** @type {any} */ event) => set(event.currentTarget.value);
  return html`
    <${PageHead} title=${t("nav.translator")} hint=${t("translator.hint")} />
    <div class="grid pairs">
      <${Card} title=${t("translator.body")}>
        <form class="form" onSubmit=${run}>
          <div class="field">
            <label for="translator-body">${t("translator.paste")}</label>
            <textarea id="translator-body" class="mono" rows="18" spellcheck=${false} dir="ltr" required value=${text} onInput=${of(setText)}></textarea>
          </div>
          <div class="filters">
            <label><span>${t("translator.example")}</span>
              <select value="" onChange=${(event) => setText(JSON.stringify(EXAMPLES[event.currentTarget.value], null, 2) ?? "")}>
                <option value="">${t("common.none")}</option>
                ${Object.keys(EXAMPLES).map((each) => html`<option value=${each}>${t(`translator.format.${each}`)}</option>`)}
              </select>
            </label>
            <label><span>${t("translator.from")}</span>
              <select value=${source} onChange=${of(setSource)}>
                <option value="">${t("translator.detect")}</option>
                ${FORMATS.map((each) => html`<option value=${each}>${t(`translator.format.${each}`)}</option>`)}
              </select>
            </label>
            <label><span>${t("translator.model")}</span><input value=${model} onInput=${of(setModel)} /></label>
          </div>
          <div class="actions"><button type="submit" class="primary" disabled=${busy} aria-busy=${busy}>${t("translator.run")}</button></div>
          ${error && html`<${ErrorNote} error=${error} />`}
        </form>
      <//>
      <${Card} title=${t("translator.result")}>
        ${result ? html`<div class="stack"><${Detected} result=${result} /><div><${Translations} result=${result} /></div></div>` : html`<${Empty} title=${t("translator.empty")} />`}
      <//>
    </div>
  `;
}
