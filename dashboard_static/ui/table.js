// Tables: sortable by their headings, numbers at the end of their column; long ones draw only what
// is seen.

import { useRef, useState } from "preact/hooks";

import { html } from "../html.js";
import { t } from "../i18n.js";
import { Empty } from "./parts.js";

/**
 * @typedef {object} Column
 * @property {string} key
 * @property {string} title
 * @property {(row: any) => any} [render] default: the row's member `key`
 * @property {(row: any) => string | number} [sort] makes the heading sort by it
 * @property {boolean} [number] right-aligned
 * @property {string} [width] of the column in a long table, as in CSS grid
 */

/** @param {Column} column @param {any} row */
const cell = (column, row) => (column.render ? column.render(row) : row[column.key]);

/** A column of a number that the row has under `key`, sorted by it; "–" where there is none.
 *  @param {string} key @param {string} title @param {(value: number) => any} [as] @returns {Column} */
export const figure = (key, title, as = String) => ({
  key,
  title,
  number: true,
  sort: (row) => row[key] ?? -1,
  render: (row) => (row[key] === null || row[key] === undefined ? "–" : as(row[key])),
});

/** Sorted copy; equal rows keep their order. Pure.
 *  @param {any[]} rows @param {((row: any) => string | number) | undefined} by @param {boolean} down */
export function sorted(rows, by, down) {
  if (!by) return rows;
  const order = down ? -1 : 1;
  return [...rows].sort((one, other) => {
    const [a, b] = [by(one), by(other)];
    return a < b ? -order : a > b ? order : 0;
  });
}

/**
 * @param {{columns: Column[], rows: any[], label: string, rowKey?: (row: any) => string, onRow?: (row: any) => void,
 *   empty?: any}} props
 */
export function Table({ columns, rows, label, rowKey = (row) => row.id, onRow, empty }) {
  const [order, setOrder] = useState({ key: "", down: false });
  const column = columns.find((each) => each.key === order.key);
  const shown = sorted(rows, column?.sort, order.down);
  if (!rows.length) return empty ?? html`<${Empty} title=${t("table.empty")} />`;
  const toggle = (/** @type {string} */ key) =>
    setOrder((old) => ({ key, down: old.key === key ? !old.down : false }));
  return html`<div class="table-frame" tabindex="0" role="region" aria-label=${label}>
    <table>
      <thead>
        <tr>
          ${columns.map((each) => {
            if (!each.title) return html`<td key=${each.key}></td>`;
            const direction = each.key !== order.key ? "none" : order.down ? "descending" : "ascending";
            return html`<th
              key=${each.key}
              scope="col"
              class=${each.number ? "number" : ""}
              aria-sort=${each.sort ? direction : undefined}
            >
              ${each.sort
                ? html`<button
                    type="button"
                    class="sort"
                    title=${t("table.sort", { title: each.title })}
                    onClick=${() => toggle(each.key)}
                  >
                    ${each.title}
                  </button>`
                : each.title}
            </th>`;
          })}
        </tr>
      </thead>
      <tbody>
        ${shown.map(
          (row) => html`<tr
            key=${rowKey(row)}
            class=${onRow ? "link" : ""}
            tabindex=${onRow ? 0 : undefined}
            onClick=${onRow && (() => onRow(row))}
            onKeyDown=${onRow && ((/** @type {KeyboardEvent} */ event) => event.key === "Enter" && onRow(row))}
          >
            ${columns.map(
              (each) => html`<td key=${each.key} class=${each.number ? "number" : ""} data-title=${each.title}>
                ${cell(each, row)}
              </td>`,
            )}
          </tr>`,
        )}
      </tbody>
    </table>
  </div>`;
}

/** The width below which a long table scrolls sideways, so that all its rows have the same columns: the
 *  least of each and what is between them. Pure. @param {Column[]} columns in rem */
export const leastWidth = (columns) =>
  columns.reduce((sum, each) => sum + Number(each.width?.match(/[\d.]+/)?.[0] ?? 6), 0.6 * (columns.length + 1));

const ROW_PX = 34;
const BEYOND = 12; // rows drawn above and below what is seen

/**
 * A table of any length: rows of one height, only those in sight are drawn. `onEnd` is called when
 * the last ones come into sight, to load more.
 * @param {{columns: Column[], rows: any[], label: string, rowKey: (row: any) => string, onRow?: (row: any) => void,
 *   onEnd?: () => void, onTop?: (isAtTop: boolean) => void, rowClass?: (row: any) => string}} props
 *   `onTop` is told when the first row comes into sight or leaves it
 */
export function LongTable({ columns, rows, label, rowKey, onRow, onEnd, onTop, rowClass = () => "" }) {
  const [top, setTop] = useState(0);
  const frame = useRef(/** @type {HTMLElement | null} */ (null));
  const height = frame.current?.clientHeight ?? 600;
  const first = Math.max(0, Math.floor(top / ROW_PX) - BEYOND);
  const last = Math.min(rows.length, Math.ceil((top + height) / ROW_PX) + BEYOND);
  const grid = {
    gridTemplateColumns: columns.map((each) => each.width ?? "minmax(6rem, 1fr)").join(" "),
    minInlineSize: `${leastWidth(columns)}rem`,
  };
  const scroll = (/** @type {Event} */ event) => {
    const at = /** @type {HTMLElement} */ (event.currentTarget);
    setTop(at.scrollTop - (at.scrollTop % ROW_PX)); // drawn anew when another row comes first
    if (onTop && (at.scrollTop < ROW_PX) !== (top < ROW_PX)) onTop(at.scrollTop < ROW_PX);
    if (onEnd && at.scrollTop + at.clientHeight > at.scrollHeight - 20 * ROW_PX) onEnd();
  };
  return html`<div
    class="long-table"
    role="table"
    aria-label=${label}
    aria-rowcount=${rows.length + 1}
    tabindex="0"
    ref=${frame}
    onScroll=${scroll}
  >
    <div class="long-row head" role="row" style=${grid}>
      ${columns.map(
        (each) => html`<span role="columnheader" key=${each.key} class=${each.number ? "number" : ""}>${each.title}</span>`,
      )}
    </div>
    <div role="rowgroup" style=${{ blockSize: `${rows.length * ROW_PX}px`, position: "relative" }}>
      ${rows.slice(first, last).map(
        (row, at) => html`<div
          role="row"
          key=${rowKey(row)}
          aria-rowindex=${first + at + 2}
          class=${`long-row ${onRow ? "link" : ""} ${rowClass(row)}`}
          style=${{ ...grid, insetBlockStart: `${(first + at) * ROW_PX}px` }}
          tabindex=${onRow ? 0 : undefined}
          onClick=${onRow && (() => onRow(row))}
          onKeyDown=${onRow && ((/** @type {KeyboardEvent} */ event) => event.key === "Enter" && onRow(row))}
        >
          ${columns.map(
            (each) => html`<span role="cell" key=${each.key} class=${each.number ? "number" : ""}>${cell(each, row)}</span>`,
          )}
        </div>`,
      )}
    </div>
  </div>`;
}
