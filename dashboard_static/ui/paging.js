// Lists that are read a page at a time while somebody scrolls, and grow at their begin while live.

import { useEffect, useRef, useState } from "preact/hooks";

const MOST = 20_000; // rows that are kept in the page

/**
 * What came live joined with what was read: each row once, the latest first. What is older than all
 * that was read waits for its page, unless everything was read. Pure.
 * @param {any[]} came @param {any[]} rows the latest first
 * @param {{id: (row: any) => string, at: (row: any) => number, isWhole: boolean}} of
 */
export function joined(came, rows, { id, at, isWhole }) {
  const known = new Set(rows.map(id));
  const oldest = rows.length && !isWhole ? at(rows[rows.length - 1]) : -Infinity;
  const fresh = came.filter((row) => !known.has(id(row)) && at(row) >= oldest);
  if (!fresh.length) return rows;
  return [...fresh, ...rows].sort((one, other) => at(other) - at(one)).slice(0, MOST);
}

/**
 * @typedef {{rows: any[], next: any, isWhole: boolean, error: Error | null, isRead: boolean}} Pages
 */

/** @type {Pages} */
const NOTHING = { rows: [], next: undefined, isWhole: false, error: null, isRead: false };

/**
 * @param {(next: any, abort: AbortSignal) => Promise<{rows: any[], next: any}>} read a page; `next` is
 *   undefined for the first one, null behind the last
 * @param {unknown[]} keys read anew when they change
 * @param {{id: (row: any) => string, at: (row: any) => number}} of
 */
export function usePages(read, keys, of) {
  const [state, setState] = useState(NOTHING);
  const running = useRef(/** @type {AbortController | null} */ (null));
  const load = async (/** @type {any} */ next) => {
    const abort = new AbortController();
    running.current = abort;
    try {
      const page = await read(next, abort.signal);
      if (abort.signal.aborted) return;
      setState((old) => {
        const before = next === undefined ? [] : old.rows;
        const known = new Set(before.map(of.id));
        const rows = [...before, ...page.rows.filter((row) => !known.has(of.id(row)))];
        return { rows, next: page.next, isWhole: page.next === null || rows.length >= MOST, error: null, isRead: true };
      });
    } catch (error) {
      if (!abort.signal.aborted) setState((old) => ({ ...old, error: /** @type {Error} */ (error) }));
    } finally {
      if (running.current === abort) running.current = null;
    }
  };
  const first = () => {
    running.current?.abort();
    load(undefined);
  };
  useEffect(() => {
    setState(NOTHING);
    first();
    return () => running.current?.abort();
  }, keys);
  const more = () => {
    if (!running.current && !state.isWhole && !state.error && state.isRead) load(state.next);
  };
  const add = (/** @type {any[]} */ came) =>
    setState((old) => (old.isRead ? { ...old, rows: joined(came, old.rows, { ...of, isWhole: old.isWhole }) } : old));
  return { ...state, more, add, reload: first };
}
