// Who answers: providers by tier, their accounts in order, and all that could be added.

import { useEffect, useState } from "preact/hooks";

import { del, get } from "../api.js";
import { count } from "../format.js";
import { html, typed } from "../html.js";
import { t } from "../i18n.js";
import { beat, conditions, follow } from "../live.js";
import { place, setQuery } from "../router.js";
import { Confirm } from "../ui/dialog.js";
import { Badge, Empty, Loaded, PageHead, Small, Tabs, useRead } from "../ui/parts.js";
import { figure, Table } from "../ui/table.js";
import { toast } from "../ui/toast.js";
import { ProviderCard } from "./providers/card.js";
import { AccountDialog, ProviderDialog } from "./providers/edit.js";
import { ModelsDialog } from "./providers/models.js";
import { accountsOf, byTier, fits, FORMATS, isSetUp, TIERS } from "./providers/standing.js";
import { Progress, testAll } from "./providers/testing.js";

/** @param {AbortSignal} abort */
async function readAll(abort) {
  const [known, accounts, nodes, proxies, told, limits] = await Promise.all([
    get("providers/catalog", {}, abort),
    get("providers", {}, abort),
    get("provider-nodes", {}, abort),
    get("settings/proxy", {}, abort),
    get("resilience/conditions", {}, abort),
    get("rate-limits", {}, abort),
  ]);
  return {
    providers: known.providers,
    connections: accounts.connections,
    nodes: nodes.nodes,
    proxies,
    breakers: told.breakers,
    limits: limits.limits,
  };
}

/** Some speak a format of their own, which nobody else does. @param {string} format */
const formatName = (format) => (FORMATS.includes(format) ? t(`providers.format.${format}`) : format);

/** All that could be set up. @param {{providers: any[], open: (what: any) => void}} props */
function Known({ providers, open }) {
  /** @type {import("../ui/table.js").Column[]} */
  const columns = [
    { key: "name", title: t("providers.provider"), sort: (row) => row.name.toLowerCase(), render: (row) => html`
        ${row.name} <span class="dim mono">${row.prefixes[0]}/</span>` },
    { key: "tier", title: t("providers.tier"), sort: (row) => TIERS.indexOf(row.tier), render: (row) => t(`providers.tier.${row.tier}`) },
    { key: "format", title: t("providers.format"), sort: (row) => row.format, render: (row) => formatName(row.format) },
    figure("models", t("providers.models"), count),
    { key: "state", title: t("providers.accounts.title"), number: true, sort: (row) => row.connections, render: (row) =>
        isSetUp(row) ? html`<${Badge} tone="ok">${t("providers.set_up")}<//>` : "–" },
    { key: "add", title: t("common.add"), render: (row) => html`<${Small} text=${t("providers.add.short")}
      of=${t("providers.add.to", { name: row.name })}
      act=${() => open({ kind: "account", provider: row })} />` },
  ];
  return html`<${Table} columns=${columns} rows=${providers} label=${t("providers.view.all")} empty=${html`<${Empty} title=${t("providers.no_match")} />`} />`;
}

/** @param {{providers: any[], data: any, reload: () => void, open: (what: any) => void}} props */
function SetUp({ providers, data, reload, open }) {
  const tiers = byTier(providers);
  if (!tiers.length) {
    return html`<${Empty} title=${data.providers.some(isSetUp) ? t("providers.no_match") : t("providers.none")}>
      <button type="button" class="primary" onClick=${() => open({ kind: "account" })}>${t("providers.add")}</button>
    <//>`;
  }
  return tiers.map(
    ([tier, own]) => html`<section class="tier stack" key=${tier}>
      <div>
        <h2>${t(`providers.tier.${tier}`)}</h2>
        <p class="dim">${t(`providers.about.${tier}`)}</p>
      </div>
      ${own.map((each) => html`<${ProviderCard} key=${each.id} provider=${each} data=${data} reload=${reload} open=${open} />`)}
    </section>`,
  );
}

/** What was added to a provider goes with it: the gateway keeps no model of nobody. @param {string} provider */
async function removeModels(provider) {
  const { models } = await get("provider-models");
  for (const each of models)
    if (each.provider === provider && each.source === "stored") await del("provider-models", { provider, model: each.modelId });
}

/** @param {{opened: any, data: any, reload: () => void, close: () => void}} props */
function Opened({ opened, data, reload, close }) {
  const shared = { onClose: close, onDone: reload };
  const { kind, provider, account, node } = opened;
  if (kind === "account") {
    return html`<${AccountDialog} account=${account ?? null} provider=${provider?.id ?? ""} providers=${data.providers} ...${shared} />`;
  }
  if (kind === "provider") return html`<${ProviderDialog} provider=${provider} node=${node} ...${shared} />`;
  if (kind === "models") return html`<${ModelsDialog} provider=${provider} accounts=${account} ...${shared} />`;
  const remove = async () => {
    if (!provider.builtIn && !provider.connections) await removeModels(provider.id);
    await del(`provider-nodes/${encodeURIComponent(provider.id)}`);
    toast(t(provider.builtIn ? "providers.restored" : "providers.deleted", { name: provider.name }));
    reload();
  };
  const text = t(provider.builtIn ? "providers.restore.text" : "providers.delete.own", { name: provider.name });
  return html`<${Confirm} name=${provider.id} text=${text} onConfirm=${remove} onClose=${close} />`;
}

export default function Providers() {
  const { view = "mine", q = "", tier = "" } = place.value.query;
  const [opened, setOpened] = useState(/** @type {any} */ (null));
  useEffect(follow, []);
  const read = useRead(readAll, [conditions.value, beat.value], 15_000);
  const meant = (read.data?.providers ?? []).filter(
    (/** @type {any} */ each) => fits(each, q) && (!tier || each.tier === tier) && (view === "all" || isSetUp(each)),
  );
  const all = () => meant.flatMap((/** @type {any} */ each) => accountsOf(each, read.data.connections)).map((/** @type {any} */ each) => each.id);
  const tabs = ["mine", "all"].map((key) => ({ key, title: t(`providers.view.${key}`) }));
  return html`
    <${PageHead} title=${t("nav.providers")} hint=${t("providers.hint")}>
      <button type="button" onClick=${() => testAll(all())} disabled=${!read.data}>${t("providers.test.all")}</button>
      <button type="button" onClick=${() => setOpened({ kind: "provider" })}>${t("providers.add_own")}</button>
      <button type="button" class="primary" onClick=${() => setOpened({ kind: "account" })}>${t("providers.add")}</button>
    <//>
    <${Progress} />
    <${Tabs} tabs=${tabs} chosen=${view} choose=${(key) => setQuery({ view: key })} label=${t("providers.view")} />
    <div class="filters">
      <label>
        <span>${t("common.search")}</span>
        <input type="search" value=${q} onInput=${typed((value) => setQuery({ q: value }))} />
      </label>
      <label>
        <span>${t("providers.tier")}</span>
        <select value=${tier} onChange=${typed((value) => setQuery({ tier: value }))}>
          <option value="">${t("common.all")}</option>
          ${TIERS.map((each) => html`<option value=${each}>${t(`providers.tier.${each}`)}</option>`)}
        </select>
      </label>
    </div>
    <${Loaded} of=${read} lines=${8}>
      ${(data) =>
        view === "all"
          ? html`<${Known} providers=${meant} open=${setOpened} />`
          : html`<${SetUp} providers=${meant} data=${data} reload=${read.reload} open=${setOpened} />`}
    <//>
    ${opened && html`<${Opened} opened=${opened} data=${read.data ?? { providers: [] }} reload=${read.reload} close=${() => setOpened(null)} />`}
  `;
}
