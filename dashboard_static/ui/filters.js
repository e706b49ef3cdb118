// A bar of filters whose values stand in the address.

import { html } from "../html.js";
import { t } from "../i18n.js";
import { place, setQuery } from "../router.js";

/**
 * @typedef {object} Filter
 * @property {string} name in the address
 * @property {string} label
 * @property {{value: string, title: string}[]} [options] a choice among these; a text without them
 * @property {string} [placeholder]
 */

/** @param {{filters: Filter[], children?: any}} props */
export function Filters({ filters, children }) {
  const { query } = place.value;
  const isSet = filters.some((each) => query[each.name]);
  const clear = () => setQuery(Object.fromEntries(filters.map((each) => [each.name, ""])));
  const change = (/** @type {string} */ name) => (/** @type {any} */ event) => setQuery({ [name]: event.currentTarget.value });
  return html`<div class="filters" role="search" aria-label=${t("filters.label")}>
    ${filters.map(
      (each) => html`<label key=${each.name}>
        <span>${each.label}</span>
        ${each.options
          ? html`<select value=${query[each.name] ?? ""} onChange=${change(each.name)}>
              <option value="">${t("common.all")}</option>
              ${withChosen(each.options, query[each.name]).map((one) => html`<option key=${one.value} value=${one.value}>${one.title}</option>`)}
            </select>`
          : html`<input type="search" value=${query[each.name] ?? ""} placeholder=${each.placeholder} onChange=${change(each.name)} />`}
      </label>`,
    )}
    ${isSet && html`<button type="button" onClick=${clear}>${t("filters.clear")}</button>`}
    ${children}
  </div>`;
}

/** The options, and what is chosen also when it is none of them. @param {{value: string, title: string}[]} options @param {string} [chosen] */
const withChosen = (options, chosen) =>
  !chosen || options.some((each) => each.value === chosen) ? options : [...options, { value: chosen, title: chosen }];
