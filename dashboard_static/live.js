// The live feed as signals: one EventSource for the whole page, only while somebody looks.

import { signal } from "@preact/signals";

import { url } from "./api.js";

const KEPT = 500;

/** Is the feed connected? */
export const connected = signal(false);
/** The latest finished requests, newest first. @type {import("@preact/signals").Signal<any[]>} */
export const requests = signal([]);
/** The latest log lines, newest first. @type {import("@preact/signals").Signal<any[]>} */
export const lines = signal([]);
/** Counts up with each change of the conditions (cooldowns, breakers): a reason to read again. */
export const conditions = signal(0);
/** Counts up when requests have finished, at most once in two seconds: a reason to read sums again. */
export const beat = signal(0);
/** While true nothing new is shown; it is kept aside and comes when the pause ends. */
export const paused = signal(false);

/** @type {EventSource | null} */
let source = null;
let readers = 0;
/** @type {{requests: any[], lines: any[]}} */
const waiting = { requests: [], lines: [] };
let scheduled = false;
let beaten = false;

/**
 * The newest `KEPT` of what came and what was there. Pure.
 * @param {any[]} came oldest first @param {any[]} before newest first
 */
export function merged(came, before) {
  return [...came.slice(-KEPT).reverse(), ...before].slice(0, KEPT);
}

function flush() {
  scheduled = false;
  if (paused.value) return;
  if (waiting.requests.length) requests.value = merged(waiting.requests.splice(0), requests.value);
  if (waiting.lines.length) lines.value = merged(waiting.lines.splice(0), lines.value);
}

function tick() {
  if (beaten) return;
  beaten = true;
  setTimeout(() => {
    beaten = false;
    beat.value += 1;
  }, 2000);
}

/** @param {any[]} list @param {MessageEvent} event */
function take(list, event) {
  list.push(JSON.parse(event.data));
  if (list.length > KEPT) list.shift();
  // A busy gateway finishes thousands a second; the page is drawn a few times in it.
  if (!scheduled) {
    scheduled = true;
    setTimeout(flush, 200);
  }
}

function connect() {
  source = new EventSource(url("live"));
  source.addEventListener("open", () => (connected.value = true));
  source.addEventListener("error", () => (connected.value = false));
  source.addEventListener("request", (event) => {
    take(waiting.requests, event);
    tick();
  });
  source.addEventListener("log", (event) => take(waiting.lines, event));
  source.addEventListener("condition", () => (conditions.value += 1));
}

/** Follow the feed until the function that is returned is called. */
export function follow() {
  readers += 1;
  if (!source) connect();
  return () => {
    readers -= 1;
    if (!readers && source) {
      source.close();
      source = null;
      connected.value = false;
    }
  };
}

paused.subscribe((isPaused) => {
  if (!isPaused) flush();
});
