// Sign in, then the status, read anew every two seconds while the page is visible.

import * as api from "./api.js";
import { bytes, duration, moment } from "./format.js";

const REFRESH_MS = 2000;

const form = document.getElementById("sign-in");
const password = document.getElementById("password");
const message = document.getElementById("message");
const view = document.getElementById("status");
const leave = document.getElementById("sign-out");

let signedIn = false;

function show(text) {
  message.textContent = text;
  message.hidden = !text;
}

function enter(isIn) {
  signedIn = isIn;
  form.hidden = isIn;
  view.hidden = !isIn;
  leave.hidden = !isIn;
  if (!isIn) {
    view.replaceChildren();
    password.focus();
  }
}

function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function section(title, ...children) {
  const made = element("section");
  made.append(element("h2", title), ...children);
  return made;
}

function facts(pairs) {
  const list = element("dl");
  for (const [name, value] of pairs) list.append(element("dt", name), element("dd", String(value)));
  return list;
}

function table(columns, rows) {
  const made = element("table");
  const head = made.createTHead().insertRow();
  for (const column of columns) {
    const cell = element("th", column);
    cell.scope = "col";
    head.append(cell);
  }
  const body = made.createTBody();
  for (const row of rows) {
    const line = body.insertRow();
    for (const value of row) line.insertCell().textContent = String(value);
  }
  return made;
}

function render(status) {
  const dropped = Object.values(status.outbox.dropped).reduce((sum, count) => sum + count, 0);
  const parts = [];
  if (status.problems.length) {
    const list = element("ul");
    for (const problem of status.problems) list.append(element("li", problem));
    const problems = section("Problems", list);
    problems.className = "problems";
    parts.push(problems);
  }
  parts.push(
    section(
      status.draining ? "Gateway (stopping)" : "Gateway",
      facts([
        ["Endpoint", `${status.endpoint}/v1`],
        ["Version", status.version],
        ["Up", duration(status.uptime_s)],
        ["Configuration file", status.configuration.file ?? "none"],
        ["Configuration published", moment(status.configuration.published_ms)],
        ["Configuration version", status.configuration.snapshot_version],
      ]),
    ),
    section(
      "Workers",
      table(
        ["Worker", "Process", "State", "Running requests", "Replaced"],
        status.workers.map((w) => [w.worker, w.pid ?? "–", w.state, w.inflight, w.restarts]),
      ),
    ),
    section(
      "Request log",
      facts([
        ["Waiting to be written", `${status.outbox.records} (${bytes(status.outbox.bytes)})`],
        ["Written since start", status.history.moved],
        ["Dropped", dropped],
      ]),
    ),
    section(
      "Shared state",
      facts([
        ["Used", `${bytes(status.state.used_bytes)} of ${bytes(status.state.map_bytes)}`],
        ["Preallocated on disk", status.state.preallocated ? "yes" : "no"],
      ]),
    ),
    section(
      "Jobs",
      table(
        ["Job", "State", "Last run", "Error"],
        Object.entries(status.jobs).map(([name, job]) => [
          name,
          job.state,
          moment(job.last_ms),
          job.error || "–",
        ]),
      ),
    ),
  );
  view.replaceChildren(...parts);
}

async function refresh() {
  if (!signedIn || document.hidden) return;
  try {
    render(await api.status());
    show("");
  } catch (error) {
    if (error.status === 401) enter(false);
    show(error.message);
  }
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  try {
    await api.signInWithPassword(password.value);
    password.value = "";
    show("");
    enter(true);
    await refresh();
  } catch (error) {
    show(error.message);
  }
});

leave.addEventListener("click", async () => {
  try {
    await api.signOut();
    enter(false);
    show("");
  } catch (error) {
    show(error.message);
  }
});

async function start() {
  const link = new URLSearchParams(location.hash.slice(1)).get("link");
  try {
    if (link) {
      // Out of the address bar and the history first: it works once, but need not be seen.
      history.replaceState(null, "", location.pathname);
      await api.signInWithLink(link);
    } else {
      await api.currentSession();
    }
    enter(true);
    await refresh();
  } catch (error) {
    enter(false);
    if (link || error.status !== 401) show(error.message);
  }
}

await start();
setInterval(refresh, REFRESH_MS);
document.addEventListener("visibilitychange", refresh);
