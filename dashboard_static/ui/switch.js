// On or off: a button that says which, to screen readers too.

import { useState } from "preact/hooks";

import { html } from "../html.js";
import { t } from "../i18n.js";
import { toastError } from "./toast.js";

/** `change` may take its time: until it has ended the switch cannot be used.
 *  @param {{on: boolean, label: string, change: (on: boolean) => unknown, disabled?: boolean, hint?: string}} props */
export function Switch({ on, label, change, disabled = false, hint }) {
  const [busy, setBusy] = useState(false);
  const flip = async () => {
    setBusy(true);
    try {
      await change(!on);
    } catch (error) {
      toastError(/** @type {Error} */ (error));
    } finally {
      setBusy(false);
    }
  };
  return html`<button
    type="button"
    class="switch"
    role="switch"
    aria-checked=${on ? "true" : "false"}
    aria-label=${label}
    title=${hint ?? (on ? t("common.enabled") : t("common.disabled"))}
    disabled=${disabled || busy}
    onClick=${flip}
  ></button>`;
}
