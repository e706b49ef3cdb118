// One section of settings: each with its value, its default, where it comes from, what it does.

import { useState } from "preact/hooks";

import { ApiError, call } from "../../api.js";
import { html } from "../../html.js";
import { t } from "../../i18n.js";
import { Input } from "../../ui/form.js";
import { Badge, Card, ErrorNote } from "../../ui/parts.js";
import { toast } from "../../ui/toast.js";
import { changed, fieldOf, pathOf, shown } from "./fields.js";

/** @type {Record<string, string>} */
const TONES = { stored: "ok", file: "info", environment: "info", "command line": "info" };

/** Where a value comes from and what it would be without. @param {{name: string, setting: any, reset: () => void, busy: boolean}} props */
function Origin({ name, setting, reset, busy }) {
  const fixed = !setting.isEditable;
  const key = setting.source.replace(" ", "_");
  return html`<p class="row origin">
    <${Badge} tone=${TONES[setting.source] ?? ""} title=${t(`settings.source.${key}.hint`)}>${t(`settings.source.${key}`)}<//>
    <span class="dim">${t("settings.default", { value: shown(name, setting.default) })}</span>
    ${fixed && setting.source === "default" && html`<span class="dim">${t("settings.at_start")}</span>`}
    ${setting.source === "stored" &&
    html`<button type="button" class="small" disabled=${busy} aria-label=${t("settings.reset.of", { name: t("settings.reset"), value: name })} onClick=${reset}>${t("settings.reset")}</button>`}
    ${setting.problem && html`<span class="field-error">${setting.problem}</span>`}
  </p>`;
}

/** @param {{section: any, onChange: () => void, children?: any}} props */
export function Section({ section, onChange, children }) {
  const [edits, setEdits] = useState(/** @type {Record<string, any>} */ ({}));
  const [error, setError] = useState(/** @type {Error | null} */ (null));
  const [busy, setBusy] = useState(false);
  const { name, settings } = section;
  const changes = changed(edits, settings);
  const isDirty = Object.keys(changes).length > 0;
  const details = error instanceof ApiError ? error.details : [];
  const send = async (/** @type {Record<string, any>} */ body) => {
    setBusy(true);
    setError(null);
    try {
      await call("PATCH", `settings/${pathOf(name)}`, { body, etag: String(section.version) });
      setEdits({});
      toast(t("settings.saved"));
      onChange();
    } catch (caught) {
      setError(/** @type {Error} */ (caught));
    } finally {
      setBusy(false);
    }
  };
  const save = (/** @type {Event} */ event) => {
    event.preventDefault();
    send(changes);
  };
  return html`<${Card} title=${t(`settings.section.${name}`)}>
    <form class="stack" onSubmit=${save}>
      <div class="settings">
        ${Object.entries(settings).map(
          ([key, setting]) => html`<div key=${key} class="setting">
            <${Input}
              field=${fieldOf(name, key, setting)}
              value=${key in edits ? edits[key] : setting.value}
              error=${details.find((each) => each.field === key)?.message}
              onChange=${(value) => setEdits((old) => ({ ...old, [key]: value }))}
            />
            <${Origin} name=${key} setting=${setting} busy=${busy} reset=${() => send({ [key]: null })} />
          </div>`,
        )}
      </div>
      ${error && html`<${ErrorNote} error=${error} />`}
      ${isDirty &&
      html`<div class="actions">
        <button type="submit" class="primary" disabled=${busy} aria-busy=${busy}>${t("settings.save", { count: Object.keys(changes).length })}</button>
        <button type="button" onClick=${() => setEdits({})}>${t("settings.discard")}</button>
      </div>`}
    </form>
    ${children}
  <//>`;
}
