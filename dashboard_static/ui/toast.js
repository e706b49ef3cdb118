// Short messages at the edge of the page; some offer to undo what was done.

import { signal } from "@preact/signals";

import { html } from "../html.js";
import { t } from "../i18n.js";

const SHOWN_MS = 6000;

/** @typedef {{id: number, text: string, tone: string, undo?: () => unknown}} Toast */

/** @type {import("@preact/signals").Signal<Toast[]>} */
const toasts = signal([]);
let count = 0;

/** @param {number} id */
const dismiss = (id) => (toasts.value = toasts.value.filter((each) => each.id !== id));

/** @param {string} text @param {{tone?: string, undo?: () => unknown}} [options] */
export function toast(text, { tone = "ok", undo } = {}) {
  count += 1;
  const id = count;
  toasts.value = [...toasts.value, { id, text, tone, undo }];
  setTimeout(() => dismiss(id), SHOWN_MS);
}

/** Tell of an error in the same place. @param {Error} error */
export const toastError = (error) => toast(t("common.error", { message: error.message }), { tone: "bad" });

export const Toasts = () => html`<div class="toasts" role="status" aria-live="polite">
  ${toasts.value.map(
    (each) => html`<div key=${each.id} class=${`toast ${each.tone}`}>
      <span>${each.text}</span>
      ${each.undo &&
      html`<button
        type="button"
        class="small"
        onClick=${() => {
          each.undo?.();
          dismiss(each.id);
        }}
      >
        ${t("common.undo")}
      </button>`}
    </div>`,
  )}
</div>`;
