// Markup as tagged templates: html`<p>${text}</p>` makes Preact elements, without a build step.

import htm from "htm";
import { h } from "preact";

/** The parameters of functions within a template are of any type: the template does not tell theirs.
 *  @typedef {string | number | boolean | null | undefined | object | ((...given: any[]) => any)} Value */

/** @type {(strings: TemplateStringsArray, ...values: Value[]) => any} */
export const html = htm.bind(h);

/** A listener that hands on what was typed or chosen. @param {(value: string) => unknown} act */
export const typed = (act) => (/** @type {any} */ event) => act(event.currentTarget.value);
