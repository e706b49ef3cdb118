// Connecting tools: the text for each tool, a key to put into it, and a request to see it work.

import { useRef, useState } from "preact/hooks";

import { post, stream } from "../api.js";
import { KEY_PLACEHOLDER, TOOLS } from "../connect.js";
import { count, latency } from "../format.js";
import { html } from "../html.js";
import { t } from "../i18n.js";
import { freshKey } from "../state.js";
import { Input } from "./form.js";
import { Copy, ErrorNote, Tabs } from "./parts.js";

/** The settings of the chosen tool.
 *  @param {{base: string, model: string, tool: string, choose: (tool: string) => void}} props */
export function Snippets({ base, model, tool, choose }) {
  const shown = TOOLS.find((each) => each.id === tool) ?? TOOLS[0];
  const key = freshKey.value?.key ?? KEY_PLACEHOLDER;
  return html`<div>
    <${Tabs} tabs=${TOOLS.map((each) => ({ key: each.id, title: each.title }))} chosen=${shown.id} choose=${choose}
      label=${t("connect.tools")} />
    <div class="stack">
      <p>${t(shown.note)}</p>
      ${shown.pieces({ base, model, key }).map(
        (piece) => html`<div class="stack tight">
          <div class="row"><span class="dim grow mono">${piece.path}</span><${Copy} text=${piece.code} /></div>
          <pre tabindex="0" aria-label=${shown.title} dir="ltr"><code>${piece.code}</code></pre>
        </div>`,
      )}
    </div>
  </div>`;
}

/** Makes a key and keeps its text for the snippets of this tab. @param {{suggested: string}} props */
export function NewKey({ suggested }) {
  const [name, setName] = useState(suggested);
  const [error, setError] = useState(/** @type {Error | null} */ (null));
  const [busy, setBusy] = useState(false);
  const run = async (/** @type {Event} */ event) => {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      const made = await post("keys", { name });
      freshKey.value = { name, key: made.key };
    } catch (caught) {
      setError(/** @type {Error} */ (caught));
    } finally {
      setBusy(false);
    }
  };
  if (freshKey.value) {
    const { name: made, key } = freshKey.value;
    return html`<div class="stack tight" role="status">
      <p>${t("connect.key.made", { name: made })}</p>
      <div class="row"><code class="grow wrap" dir="ltr">${key}</code><${Copy} text=${key} /></div>
    </div>`;
  }
  return html`<form class="form" onSubmit=${run}>
    <${Input} field=${{ name: "key-name", label: t("connect.key.name"), hint: t("connect.key.hint"), required: true }}
      value=${name} onChange=${setName} />
    ${error && html`<${ErrorNote} error=${error} />`}
    <div class="actions"><button type="submit" class="primary" disabled=${busy}>${t("connect.key.make")}</button></div>
  </form>`;
}

/** What one event of the answer adds to it. Pure.
 *  @param {string} data @returns {{text: string, error: string, tokens: number | null}} */
export function readChunk(data) {
  if (data === "[DONE]") return { text: "", error: "", tokens: null };
  const chunk = JSON.parse(data);
  return {
    text: chunk.choices?.[0]?.delta?.content ?? "",
    error: chunk.error?.message ?? "",
    tokens: chunk.usage?.completion_tokens ?? null,
  };
}

/** Sends one request through the gateway and shows the answer as it comes.
 *  @param {{model: string, onAnswer?: () => void}} props */
export function Trial({ model, onAnswer }) {
  const [question, setQuestion] = useState(t("connect.try.question"));
  const [answer, setAnswer] = useState("");
  const [about, setAbout] = useState(/** @type {null | {provider: string, model: string, firstUs: number, totalUs: number, tokens: number | null}} */ (null));
  const [error, setError] = useState(/** @type {Error | null} */ (null));
  const running = useRef(/** @type {AbortController | null} */ (null));
  const [busy, setBusy] = useState(false);
  const run = async (/** @type {Event} */ event) => {
    event.preventDefault();
    const abort = new AbortController();
    running.current = abort;
    setBusy(true);
    setAnswer("");
    setAbout(null);
    setError(null);
    const started = performance.now();
    const spent = () => (performance.now() - started) * 1000;
    let firstUs = 0;
    let tokens = /** @type {number | null} */ (null);
    try {
      const messages = [{ role: "user", content: question }];
      const body = { model, messages, stream: true, stream_options: { include_usage: true } };
      const headers = await stream(
        "playground/chat",
        { body },
        ({ data }) => {
          const read = readChunk(data);
          if (read.error) throw new Error(read.error);
          if (read.text) firstUs ||= spent();
          tokens = read.tokens ?? tokens;
          setAnswer((old) => old + read.text);
        },
        abort.signal,
      );
      const by = (/** @type {string} */ name) => headers.get(`x-omniroute-${name}`) ?? "";
      setAbout({ provider: by("provider"), model: by("model"), firstUs, totalUs: spent(), tokens });
      onAnswer?.();
    } catch (caught) {
      if (!abort.signal.aborted) setError(/** @type {Error} */ (caught));
    } finally {
      setBusy(false);
    }
  };
  return html`<form class="form" onSubmit=${run}>
    <${Input} field=${{ name: "question", label: t("connect.try.label"), required: true }} value=${question} onChange=${setQuestion} />
    <div class="actions">
      <button type="submit" class="primary" disabled=${busy || !model} aria-busy=${busy}>${t("connect.try.send")}</button>
      ${busy && html`<button type="button" onClick=${() => running.current?.abort()}>${t("connect.try.stop")}</button>`}
    </div>
    ${(busy || answer) &&
    html`<pre class="answer" aria-live="polite" aria-busy=${busy} aria-label=${t("connect.try.answer")} tabindex="0">${answer || "…"}</pre>`}
    ${about &&
    html`<p class="dim" role="status">
      ${t("connect.try.about", { provider: about.provider || "–", model: about.model || model, first: latency(about.firstUs), total: latency(about.totalUs) })}
      ${about.tokens !== null ? ` · ${t("connect.try.tokens", { count: count(about.tokens) })}` : ""}
    </p>`}
    ${error && html`<${ErrorNote} error=${error} />`}
  </form>`;
}
