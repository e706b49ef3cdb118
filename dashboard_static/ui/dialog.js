// Dialogs: the browser's own <dialog>, which keeps the focus inside and closes with Escape.

import { useEffect, useRef, useState } from "preact/hooks";

import { html } from "../html.js";
import { t } from "../i18n.js";
import { ErrorNote } from "./parts.js";
import { Toasts } from "./toast.js";

/** @param {{title: string, onClose: () => void, children?: any, wide?: boolean}} props */
export function Dialog({ title, onClose, children, wide = false }) {
  const element = useRef(/** @type {HTMLDialogElement | null} */ (null));
  useEffect(() => {
    element.current?.showModal();
  }, []);
  return html`<dialog
    ref=${element}
    class=${wide ? "wide" : ""}
    aria-labelledby="dialog-title"
    onClose=${onClose}
    onClick=${(event) => event.target === element.current && element.current?.close()}
  >
    <div class="dialog-body">
      <div class="card-head">
        <h2 id="dialog-title">${title}</h2>
        <button type="button" class="small" onClick=${() => element.current?.close()}>${t("common.close")}</button>
      </div>
      ${children}
    </div>
    ${
      /* What lies outside of an open dialog can neither be clicked nor heard. */
      html`<${Toasts} />`
    }
  </dialog>`;
}

/**
 * Asks before something that cannot be undone: its name has to be typed. Without a name, which is for
 * what does no lasting harm, a click is enough.
 * @param {{name?: string, text: string, action?: string, onConfirm: () => Promise<unknown>, onClose: () => void}} props
 */
export function Confirm({ name = "", text, action, onConfirm, onClose }) {
  const [typed, setTyped] = useState("");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState(/** @type {Error | null} */ (null));
  const run = async (/** @type {Event} */ event) => {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      await onConfirm();
      onClose();
    } catch (caught) {
      setError(/** @type {Error} */ (caught));
      setBusy(false);
    }
  };
  return html`<${Dialog} title=${t("common.confirm.title")} onClose=${onClose}>
    <form class="form" onSubmit=${run}>
      <p>${text}</p>
      ${name &&
      html`<div class="field">
        <label for="confirm-name">${t("common.confirm.type", { name })}</label>
        <input
          id="confirm-name"
          value=${typed}
          autocomplete="off"
          onInput=${(event) => setTyped(event.currentTarget.value)}
        />
      </div>`}
      ${error && html`<${ErrorNote} error=${error} />`}
      <div class="actions">
        <button type="submit" class="danger" disabled=${typed !== name || busy}>${action ?? t("common.delete")}</button>
        <button type="button" onClick=${onClose}>${t("common.cancel")}</button>
      </div>
    </form>
  <//>`;
}
