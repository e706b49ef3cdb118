// The only module that talks HTTP. Paths are relative to the page, so any prefix in front works.

import { signal } from "@preact/signals";

import { t } from "./i18n.js";

const ROOT = new URL("../api/", document.baseURI);

/** What is known of who is signed in: undefined until asked, null when nobody is.
 *  @type {import("@preact/signals").Signal<null | undefined | {csrf_token?: string, needs_password?: boolean}>} */
export const session = signal(undefined);

/** @typedef {{field?: string, message: string}} Detail */

/** Something that the gateway refused, or that did not reach it (status 0). */
export class ApiError extends Error {
  /**
   * @param {number} status
   * @param {string} message
   * @param {Detail[]} [details] which field broke which rule
   * @param {string} [type]
   */
  constructor(status, message, details = [], type = "") {
    super(message);
    this.status = status;
    this.details = details;
    this.type = type;
  }
}

/**
 * @param {string} path below /api/
 * @param {Record<string, unknown>} [query] undefined and "" are left out, lists repeat their name
 */
export function url(path, query = {}) {
  const target = new URL(path, ROOT);
  for (const [name, value] of Object.entries(query)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== undefined && one !== null && one !== "") {
        target.searchParams.append(name, String(one));
      }
    }
  }
  return target;
}

/**
 * @typedef {{body?: unknown, query?: Record<string, unknown>, etag?: string, signal?: AbortSignal,
 *   headers?: Record<string, string>}} Options a body that is a Blob goes as it is, any other as JSON
 */

/**
 * @param {string} method
 * @param {string} path
 * @param {Options} options
 */
async function send(method, path, { body, query, etag, signal: abort, headers: more } = {}) {
  const isFile = body instanceof Blob;
  /** @type {Record<string, string>} */
  const headers = { accept: "application/json", ...more };
  if (body !== undefined) headers["content-type"] = isFile ? "application/octet-stream" : "application/json";
  if (method !== "GET") headers["x-csrf-token"] = session.value?.csrf_token ?? "";
  if (etag) headers["if-match"] = `"${etag}"`;
  const init = { method, headers, body: body === undefined ? undefined : isFile ? body : JSON.stringify(body) };
  let response;
  try {
    response = await fetch(url(path, query), { ...init, signal: abort });
  } catch (error) {
    if (abort?.aborted) throw error;
    throw new ApiError(0, t("app.offline"));
  }
  if (!response.ok) throw await refusal(response);
  return response;
}

/** @param {Response} response */
async function refusal(response) {
  const told = await response.json().catch(() => ({}));
  const error = told.error ?? {};
  if (response.status === 401) session.value = null;
  const message =
    response.status === 412 ? t("common.conflict") : (error.message ?? t("app.status", { status: response.status }));
  return new ApiError(response.status, message, error.details ?? [], error.type ?? "");
}

/**
 * A call whose answer is JSON, with its version where the thing is editable.
 * @param {string} method
 * @param {string} path
 * @param {Options} [options]
 * @returns {Promise<{data: any, etag: string}>}
 */
export async function call(method, path, options) {
  const response = await send(method, path, options);
  const etag = (response.headers.get("etag") ?? "").replaceAll('"', "");
  const text = await response.text();
  return { data: text ? JSON.parse(text) : null, etag };
}

/** @param {string} path @param {Record<string, unknown>} [query] @param {AbortSignal} [abort] */
export const get = async (path, query, abort) =>
  (await call("GET", path, { query, signal: abort })).data;
/** @param {string} path @param {unknown} [body] */
export const post = async (path, body) => (await call("POST", path, { body })).data;
/** @param {string} path @param {unknown} body @param {string} [etag] */
export const put = async (path, body, etag) => (await call("PUT", path, { body, etag })).data;
/** @param {string} path @param {unknown} body @param {string} [etag] */
export const patch = async (path, body, etag) => (await call("PATCH", path, { body, etag })).data;
/** @param {string} path @param {Record<string, unknown>} [query] */
export const del = async (path, query) => (await call("DELETE", path, { query })).data;

/** A call whose answer is a file. @param {string} method @param {string} path @param {Options} [options] */
export const file = async (method, path, options) => (await send(method, path, options)).blob();

/**
 * A call that answers with server-sent events; `onEvent` gets each event's name and data.
 * @param {string} path
 * @param {unknown} body
 * @param {(event: {name: string, data: string}) => void} onEvent
 * @param {AbortSignal} [abort]
 */
export async function stream(path, body, onEvent, abort) {
  const response = await send("POST", path, { body, signal: abort });
  const reader = /** @type {ReadableStream<Uint8Array>} */ (response.body).getReader();
  const decoder = new TextDecoder();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    rest += decoder.decode(value, { stream: !done });
    const events = rest.split(/\r?\n\r?\n/);
    rest = done ? "" : (events.pop() ?? "");
    for (const text of events) {
      const event = parseEvent(text);
      if (event) onEvent(event);
    }
    if (done) return response.headers;
  }
}

/** One server-sent event; null for comments and blanks. @param {string} text */
export function parseEvent(text) {
  let name = "message";
  const data = [];
  for (const line of text.split(/\r?\n/)) {
    if (line.startsWith("event:")) name = line.slice(6).trim();
    else if (line.startsWith("data:")) data.push(line.slice(5).replace(/^ /, ""));
  }
  return data.length ? { name, data: data.join("\n") } : null;
}

/** Asks who is signed in; sets `session`. (`auth/session` would refuse, which browsers log as an error.) */
export async function findSession() {
  const found = await get("auth/status");
  session.value = found.signed_in ? found : null;
}

/** @param {{password?: string, link?: string}} how */
export async function signIn(how) {
  session.value = await post("auth/login", how);
}

export async function signOut() {
  await post("auth/logout");
  session.value = null;
}
