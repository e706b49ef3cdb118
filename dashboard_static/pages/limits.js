// Every limit and budget: what is used, reserved and left of it, and who has to wait now.

import { useEffect } from "preact/hooks";

import { get } from "../api.js";
import { html, typed } from "../html.js";
import { t } from "../i18n.js";
import { beat, conditions, follow } from "../live.js";
import { place, setQuery } from "../router.js";
import { amount, Countdown, countdown, limitName, QuotaBar } from "../ui/limit.js";
import { Badge, Card, Empty, Loaded, Meter, PageHead, Tabs, Time, useRead } from "../ui/parts.js";
import { figure, Table } from "../ui/table.js";
import { Budgets } from "./limits/budgets.js";
import { budgets, chosen, fullness, KINDS, ownerName, throttled } from "./limits/rows.js";

/** @param {AbortSignal} abort */
async function readAll(abort) {
  const read = (/** @type {string} */ path) => get(path, {}, abort);
  const [limits, quotas, states, shared, keys, known] = await Promise.all([
    read("rate-limits"),
    read("usage/quota"),
    read("usage/budget"),
    read("budgets"),
    read("keys"),
    read("providers/catalog"),
  ]);
  return {
    limits: limits.limits,
    accounts: quotas.accounts,
    budgets: budgets(states.budgets, shared.budgets, keys.keys),
    keys: keys.keys,
    providers: known.providers,
  };
}

/** @param {any} limit @param {any[]} keys */
const nameOf = (limit, keys) => (limit.owner_kind === "tier" ? t(`limits.tier.${limit.owner}`) : ownerName(limit, keys));

/** @param {{data: any}} props */
function Throttled({ data }) {
  const rows = throttled(data.limits, data.accounts, data.keys);
  if (!rows.length) return html`<p class="row"><${Badge} tone="ok">${t("limits.nobody")}<//> ${t("limits.nobody.hint")}</p>`;
  return html`<ul class="plain">
    ${rows.map(
      ({ id, who, kind, limit, until }) => html`<li class="row" key=${id}>
        <${Badge} tone="warn">${t(`limits.kind.${kind}`)}<//>
        <strong>${limit ? nameOf(limit, data.keys) : who}</strong>
        <span class="grow">${limit ? limitName(limit) : t("limits.quota.used_up")}</span>
        ${until && html`<span class="dim">${t("limits.goes_on")} <${Countdown} ms=${until} /></span>`}
      </li>`,
    )}
  </ul>`;
}

/** @param {{rows: any[], keys: any[]}} props */
function Limits({ rows, keys }) {
  const measured = (/** @type {string} */ key, /** @type {string} */ title) => ({
    key,
    title,
    number: true,
    render: (/** @type {any} */ row) => amount(row.measure, row[key]),
  });
  /** @type {import("../ui/table.js").Column[]} */
  const columns = [
    { key: "owner", title: t("limits.owner"), sort: (row) => nameOf(row, keys), render: (row) => html`
        ${nameOf(row, keys)} <${Badge}>${t(`limits.kind.${row.owner_kind}`)}<//>` },
    { key: "name", title: t("limits.what"), sort: limitName, render: limitName },
    { key: "bar", title: t("limits.full"), sort: fullness, render: (row) => html`<${Meter}
        used=${row.used} reserved=${row.reserved} limit=${row.limit} label=${`${nameOf(row, keys)}, ${limitName(row)}`} />` },
    measured("used", t("limits.used")),
    measured("reserved", t("limits.reserved")),
    measured("left", t("limits.left")),
    measured("limit", t("limits.limit")),
    figure("resets_ms", t("limits.anew"), countdown),
  ];
  return html`<${Table} columns=${columns} rows=${rows} rowKey=${(row) => row.key} label=${t("limits.all")}
    empty=${html`<${Empty} title=${t("limits.none")}><p>${t("limits.none.hint")}</p><//>`} />`;
}

/** @param {{accounts: any[]}} props */
function Quotas({ accounts }) {
  const told = accounts.filter((each) => each.windows.length);
  if (!told.length) return html`<${Empty} title=${t("limits.quotas.none")} />`;
  return html`<ul class="plain">
    ${told.map(
      (each) => html`<li class="account" key=${each.connection}>
        <p class="row">
          <strong class="grow">${each.connection}</strong>
          ${each.used_up_until_ms && html`<${Badge} tone="bad">${t("limits.quota.used_up")} <${Countdown} ms=${each.used_up_until_ms} /><//>`}
          <span class="dim">${t("limits.quota.told")} <${Time} ms=${Math.max(...each.windows.map((/** @type {any} */ one) => one.reported_ms))} /></span>
        </p>
        ${each.windows.map((/** @type {any} */ one) => html`<${QuotaBar} key=${one.window + one.model} quota=${one} />`)}
      </li>`,
    )}
  </ul>`;
}

export default function Page() {
  const { kind = "", q = "" } = place.value.query;
  useEffect(follow, []);
  const read = useRead(readAll, [beat.value, conditions.value], 5000);
  const tabs = ["", ...KINDS].map((key) => ({ key, title: key ? t(`limits.kinds.${key}`) : t("common.all") }));
  return html`
    <${PageHead} title=${t("nav.limits")} hint=${t("limits.hint")} />
    <${Loaded} of=${read} lines=${8}>
      ${(data) => html`
        <${Card} title=${t("limits.throttled")}><${Throttled} data=${data} /><//>
        <${Card} title=${t("limits.all")}>
          <${Tabs} tabs=${tabs} chosen=${kind} choose=${(key) => setQuery({ kind: key })} label=${t("limits.owner")} />
          <div class="filters">
            <label>
              <span>${t("common.search")}</span>
              <input type="search" value=${q} onInput=${typed((value) => setQuery({ q: value }))} />
            </label>
          </div>
          <${Limits} rows=${chosen(data.limits, data.keys, kind, q)} keys=${data.keys} />
        <//>
        <${Card} title=${t("limits.quotas")}>
          <p class="dim">${t("limits.quotas.hint")}</p>
          <${Quotas} accounts=${data.accounts} />
        <//>
        <${Budgets} rows=${data.budgets} data=${data} reload=${read.reload} />
      `}
    <//>
  `;
}
