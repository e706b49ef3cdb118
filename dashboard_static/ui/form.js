// Forms from a list of fields. Each field has a label, a hint and, where the gateway refused it, the
// rule that it broke.

import { useEffect, useRef, useState } from "preact/hooks";

import { ApiError } from "../api.js";
import { html } from "../html.js";
import { t } from "../i18n.js";
import { ErrorNote } from "./parts.js";

/**
 * @typedef {object} Field
 * @property {string} name
 * @property {string} label
 * @property {"text" | "password" | "number" | "checkbox" | "select" | "textarea" | "list" | "choices" | "heading" | "file" | "date" | "time" | "url"} [type]
 *   "choices" are any number of the options, "heading" begins a group and has no value
 * @property {string} [hint]
 * @property {boolean} [required]
 * @property {string} [placeholder]
 * @property {string} [autocomplete]
 * @property {number} [min]
 * @property {number} [max]
 * @property {number | "any"} [step]
 * @property {{value: string, title: string}[]} [options] of a select or of choices
 * @property {string[]} [suggestions] offered while typing
 * @property {boolean} [disabled]
 * @property {(values: any) => boolean} [when] shown only then
 */

/** The value of an input as its type has it; an empty number is null. Pure.
 *  @param {Field} field @param {HTMLInputElement} input */
export function valueOf(field, input) {
  switch (field.type) {
    case "checkbox":
      return input.checked;
    case "number":
      return input.value === "" ? null : Number(input.value);
    case "file":
      return input.files?.[0] ?? null;
    case "list":
      return input.value.split(/[\n,]/).map((each) => each.trim()).filter(Boolean);
    default:
      return input.value;
  }
}

/** Any number of the options. @param {{field: Field, value: any, error?: string, onChange: (value: any) => void}} props */
function Choices({ field, value, error, onChange }) {
  const chosen = new Set(value ?? []);
  const toggle = (/** @type {string} */ one) => {
    if (!chosen.delete(one)) chosen.add(one);
    onChange(field.options?.map((each) => each.value).filter((each) => chosen.has(each)));
  };
  return html`<fieldset class="field choices" disabled=${field.disabled}>
    <legend>${field.label}</legend>
    <div class="row">
      ${field.options?.map(
        (each) => html`<label key=${each.value}>
          <input type="checkbox" checked=${chosen.has(each.value)} onChange=${() => toggle(each.value)} /> ${each.title}
        </label>`,
      )}
    </div>
    ${field.hint && html`<p class="dim">${field.hint}</p>`}
    ${error && html`<p class="field-error">${error}</p>`}
  </fieldset>`;
}

/** @param {{field: Field, value: any, error?: string, onChange: (value: any) => void}} props */
export function Input({ field, value, error, onChange }) {
  const id = `f-${field.name}`;
  const about = [field.hint && `${id}-hint`, error && `${id}-error`].filter(Boolean).join(" ");
  const shared = {
    id,
    name: field.name,
    required: field.required,
    disabled: field.disabled,
    placeholder: field.placeholder,
    "aria-describedby": about || undefined,
    "aria-invalid": error ? "true" : undefined,
    onInput: (/** @type {Event} */ event) =>
      onChange(valueOf(field, /** @type {HTMLInputElement} */ (event.currentTarget))),
  };
  const type = field.type ?? "text";
  if (type === "heading") return html`<h3>${field.label}</h3>`;
  if (type === "choices") return html`<${Choices} field=${field} value=${value} error=${error} onChange=${onChange} />`;
  let input;
  if (type === "select") {
    input = html`<select ...${shared} value=${value ?? ""}>
      ${field.options?.map((each) => html`<option value=${each.value}>${each.title}</option>`)}
    </select>`;
  } else if (type === "textarea") {
    input = html`<textarea ...${shared} rows="4" value=${value ?? ""}></textarea>`;
  } else if (type === "list") {
    input = html`<textarea ...${shared} rows="3" value=${(value ?? []).join("\n")}></textarea>`;
  } else if (type === "file") {
    input = html`<input ...${shared} type="file" />`;
  } else if (type === "checkbox") {
    input = html`<input ...${shared} type="checkbox" checked=${Boolean(value)} />`;
  } else {
    input = html`<input
      ...${shared}
      type=${type}
      value=${value ?? ""}
      autocomplete=${field.autocomplete ?? "off"}
      min=${field.min}
      max=${field.max}
      step=${field.step}
      list=${field.suggestions ? `${id}-list` : undefined}
    />`;
  }
  return html`<div class=${`field ${type}`}>
    <label for=${id}>${field.label}</label>
    ${input}
    ${field.suggestions &&
    html`<datalist id=${`${id}-list`}>${field.suggestions.map((each) => html`<option value=${each} />`)}</datalist>`}
    ${field.hint && html`<p class="dim" id=${`${id}-hint`}>${field.hint}</p>`}
    ${error && html`<p class="field-error" id=${`${id}-error`}>${error}</p>`}
  </div>`;
}

/** For the password manager of the browser: whose password it is. There is one account. */
export const Whose = () => html`<input type="text" name="username" autocomplete="username" value="admin" readonly hidden />`;

/**
 * @param {{fields: Field[], values?: Record<string, any>, submit: (values: any) => Promise<unknown>,
 *   action?: string, onCancel?: () => void, children?: any,
 *   also?: {title: string, run: (values: any) => Promise<unknown>}, watch?: (values: any) => void}} props
 *   `also` is a second button, which does something with the values as they stand; `watch` is told of
 *   every change
 */
export function Form({ fields, values: initial = {}, submit, action, onCancel, children, also, watch }) {
  const [values, setValues] = useState(initial);
  const [error, setError] = useState(/** @type {Error | null} */ (null));
  const [busy, setBusy] = useState(false);
  const element = useRef(/** @type {HTMLFormElement | null} */ (null));
  // What has to be mended is brought into sight: the field, else the sentence that says what is wrong.
  useEffect(() => {
    /** @type {HTMLElement | null | undefined} */
    const wrong = error && element.current?.querySelector('[aria-invalid="true"], .error-note');
    wrong?.scrollIntoView({ block: "center" });
    wrong?.focus();
  }, [error]);
  const details = error instanceof ApiError ? error.details : [];
  const errorOf = (/** @type {string} */ name) =>
    details.find((each) => each.field === name || each.field?.endsWith(`.${name}`))?.message;
  const change = (/** @type {any} */ changed) => {
    setValues(changed);
    watch?.(changed);
  };
  const attempt = async (/** @type {(values: any) => Promise<unknown>} */ work) => {
    setBusy(true);
    setError(null);
    try {
      await work(values);
    } catch (caught) {
      setError(/** @type {Error} */ (caught));
    } finally {
      setBusy(false);
    }
  };
  const run = (/** @type {Event} */ event) => {
    event.preventDefault();
    attempt(submit);
  };
  return html`<form onSubmit=${run} class="form" ref=${element}>
    ${fields
      .filter((field) => !field.when || field.when(values))
      .map(
        (field) => html`<${Input}
          key=${field.name}
          field=${field}
          value=${values[field.name]}
          error=${errorOf(field.name)}
          onChange=${(value) => change({ ...values, [field.name]: value })}
        />`,
      )}
    ${children}
    ${error && html`<${ErrorNote} error=${error} />`}
    <div class="actions">
      <button type="submit" class="primary" disabled=${busy} aria-busy=${busy}>${action ?? t("common.save")}</button>
      ${also && html`<button type="button" disabled=${busy} onClick=${() => attempt(also.run)}>${also.title}</button>`}
      ${onCancel && html`<button type="button" onClick=${onCancel}>${t("common.cancel")}</button>`}
    </div>
  </form>`;
}
