// Where we are: the hash of the address, "#/logs?status=failed". A view that can be shared.

import { signal } from "@preact/signals";

/** @typedef {{page: string, rest: string[], query: Record<string, string>}} Place */

/** @param {string} hash @returns {Place} */
export function parse(hash) {
  const [path, search] = hash.replace(/^#\/?/, "").split("?");
  const [page, ...rest] = path.split("/").map(decodeURIComponent);
  return { page: page || "overview", rest, query: Object.fromEntries(new URLSearchParams(search)) };
}

/** @param {Partial<Place> & {page: string}} place */
export function format({ page, rest = [], query = {} }) {
  const set = Object.entries(query).filter(([, value]) => value !== undefined && value !== "");
  const search = new URLSearchParams(/** @type {any} */ (set)).toString();
  const path = [page, ...rest].map(encodeURIComponent).join("/");
  return `#/${path}${search ? `?${search}` : ""}`;
}

export const place = signal(parse(location.hash));

addEventListener("hashchange", () => {
  place.value = parse(location.hash);
});

/** Go to a page. @param {Partial<Place> & {page: string}} to */
export function go(to) {
  location.hash = format(to);
}

/** Change part of the query and stay where we are; "" removes. @param {Record<string, string>} changes */
export function setQuery(changes) {
  const { page, rest, query } = place.value;
  const changed = format({ page, rest, query: { ...query, ...changes } });
  history.replaceState(null, "", changed);
  place.value = parse(changed);
}
