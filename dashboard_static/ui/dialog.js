// Dialogs: the browser's own <dialog>, which keeps the focus inside and closes with Escape.

import { useEffect, useRef, useState } from "preact/hooks";

import { html } from "../html.js";
import { t } from "../i18n.js";

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
    onClick=${(/** @type {MouseEvent} */ event) => event.target === element.current && element.current?.close()}
  >
    <div class="dialog-body">
      <div class="card-head">
        <h2 id="dialog-title">${title}</h2>
        <button type="button" class="small" onClick=${() => element.current?.close()}>${t("common.close")}</button>
      </div>
      ${children}
    </div>
  </dialog>`;
}

/**
 * Asks before something that cannot be undone: its name has to be typed.
 * @param {{name: string, text: string, action?: string, onConfirm: () => Promise<unknown>, onClose: () => void}} props
 */
export function Confirm({ name, text, action, onConfirm, onClose }) {
  const [typed, setTyped] = useState("");
  const [busy, setBusy] = useState(false);
  const run = async (/** @type {Event} */ event) => {
    event.preventDefault();
    setBusy(true);
    await onConfirm();
    onClose();
  };
  return html`<${Dialog} title=${t("common.confirm.title")} onClose=${onClose}>
    <form class="form" onSubmit=${run}>
      <p>${text}</p>
      <div class="field">
        <label for="confirm-name">${t("common.confirm.type", { name })}</label>
        <input
          id="confirm-name"
          value=${typed}
          autocomplete="off"
          onInput=${(/** @type {any} */ event) => setTyped(event.currentTarget.value)}
        />
      </div>
      <div class="actions">
        <button type="submit" class="danger" disabled=${typed !== name || busy}>${action ?? t("common.delete")}</button>
        <button type="button" onClick=${onClose}>${t("common.cancel")}</button>
      </div>
    </form>
  <//>`;
}
