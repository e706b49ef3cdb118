// Lists whose order people change: by dragging, by buttons, and by Alt with the arrow keys.

import { useEffect, useRef, useState } from "preact/hooks";

import { html } from "../html.js";
import { t } from "../i18n.js";

/** A copy with one item at another place. Pure. @template T @param {T[]} list @param {number} from @param {number} to @returns {T[]} */
export function moved(list, from, to) {
  const rest = list.filter((_, at) => at !== from);
  return [...rest.slice(0, to), list[from], ...rest.slice(to)];
}

/**
 * `children` draws one item from (item, handle); the handle is what it is moved by, and is null where
 * the item has to stay. What can be moved changes places only with what can be moved.
 * @param {{items: any[], keyOf: (item: any) => string, nameOf: (item: any) => string, label: string,
 *   onOrder: (items: any[]) => unknown, isFixed?: (item: any) => boolean, class?: string,
 *   children: (item: any, handle: any) => any}} props
 */
export function Sortable({ items, keyOf, nameOf, label, onOrder, isFixed = () => false, class: name = "", children }) {
  const list = useRef(/** @type {HTMLElement | null} */ (null));
  const [dragged, setDragged] = useState(-1);
  const [over, setOver] = useState(-1);
  const held = useRef({ key: "", step: 0 });
  // What was moved from the keyboard keeps the focus, once the new order is there.
  const order = items.map(keyOf).join("\n");
  useEffect(() => {
    const { key, step: by } = held.current;
    if (!key) return;
    held.current = { key: "", step: 0 };
    /** @type {NodeListOf<HTMLButtonElement> | undefined} */
    const buttons = list.current?.querySelectorAll(`[data-key="${CSS.escape(key)}"] [data-step]:not(:disabled)`);
    const found = [...(buttons ?? [])];
    (found.find((each) => each.dataset.step === String(by)) ?? found[0])?.focus();
  }, [order]);
  const mayGo = (/** @type {number} */ from, /** @type {number} */ to) =>
    to >= 0 && to < items.length && from !== to && !isFixed(items[from]) && !isFixed(items[to]);
  const go = (/** @type {number} */ from, /** @type {number} */ to) => mayGo(from, to) && onOrder(moved(items, from, to));
  const step = (/** @type {number} */ from, /** @type {number} */ by) => {
    if (!mayGo(from, from + by)) return;
    held.current = { key: keyOf(items[from]), step: by };
    go(from, from + by);
  };
  const handle = (/** @type {any} */ item, /** @type {number} */ at) => html`<span class="handle">
    <span
      class="drag"
      aria-hidden="true"
      title=${t("common.move.hint")}
      draggable="true"
      onDragStart=${(/** @type {DragEvent} */ event) => {
        setDragged(at);
        const row = /** @type {HTMLElement} */ (event.currentTarget).closest("li");
        event.dataTransfer?.setData("text/plain", keyOf(item));
        if (row) event.dataTransfer?.setDragImage(row, 8, 8);
      }}
      onDragEnd=${() => (setDragged(-1), setOver(-1))}
      >⠿</span
    >
    ${[-1, 1].map(
      (by) => html`<button
        type="button"
        class="small"
        key=${by}
        data-step=${by}
        disabled=${!mayGo(at, at + by)}
        aria-label=${by < 0 ? t("common.move.up", { name: nameOf(item) }) : t("common.move.down", { name: nameOf(item) })}
        onClick=${() => step(at, by)}
      >
        ${by < 0 ? "↑" : "↓"}
      </button>`,
    )}
  </span>`;
  return html`<ol class=${`plain ${name}`} aria-label=${label} ref=${list}>
    ${items.map(
      (item, at) => html`<li
        key=${keyOf(item)}
        data-key=${keyOf(item)}
        class=${over === at && mayGo(dragged, at) ? "drop" : ""}
        onDragOver=${(/** @type {DragEvent} */ event) => {
          if (dragged < 0 || !mayGo(dragged, at)) return;
          event.preventDefault();
          setOver(at);
        }}
        onDrop=${(/** @type {DragEvent} */ event) => {
          event.preventDefault();
          if (dragged >= 0) go(dragged, at);
          setDragged(-1);
          setOver(-1);
        }}
        onKeyDown=${(/** @type {KeyboardEvent} */ event) => {
          const by = event.altKey ? ({ ArrowUp: -1, ArrowDown: 1 }[event.key] ?? 0) : 0;
          if (!by) return;
          event.preventDefault();
          step(at, by);
        }}
      >
        ${children(item, isFixed(item) ? null : handle(item, at))}
      </li>`,
    )}
  </ol>`;
}
