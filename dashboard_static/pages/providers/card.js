// One provider: how it stands, by which proxy it is reached, its accounts in order, its models.

import { patch } from "../../api.js";
import { html } from "../../html.js";
import { t } from "../../i18n.js";
import { Countdown } from "../../ui/limit.js";
import { Badge, Small } from "../../ui/parts.js";
import { Sortable } from "../../ui/sortable.js";
import { Switch } from "../../ui/switch.js";
import { toast, toastError } from "../../ui/toast.js";
import { Account, pathOf, ProxyBadge } from "./account.js";
import { accountsOf, priorities, proxyInForce, standing } from "./standing.js";
import { testAll } from "./testing.js";

/** @typedef {{kind: "account" | "provider" | "models" | "delete", provider?: any, account?: any, node?: any}} Opened */

/**
 * @param {{provider: any, data: any, reload: () => void, open: (what: Opened) => void}} props
 */
export function ProviderCard({ provider, data, reload, open }) {
  const accounts = accountsOf(provider, data.connections);
  const breaker = data.breakers.find((/** @type {any} */ each) => each.subject === provider.id);
  const node = data.nodes.find((/** @type {any} */ each) => each.id === provider.id);
  const { key, tone } = standing(provider, accounts, breaker);
  const usable = accounts.filter((each) => each.state === "usable").length;

  const store = async (/** @type {Record<string, number>} */ changes) => {
    for (const [id, priority] of Object.entries(changes)) await patch(pathOf(id), { priority });
    reload();
  };
  const order = async (/** @type {any[]} */ wished) => {
    const changes = priorities(wished);
    if (!changes) return toast(t("providers.order.file"), { tone: "warn" });
    const before = Object.fromEntries(accounts.filter(({ id }) => id in changes).map((each) => [each.id, each.priority]));
    await store(changes);
    toast(t("providers.order.done", { name: provider.name }), { undo: () => store(before).catch(toastError) });
  };
  const turn = async (/** @type {boolean} */ isActive) => {
    await patch(`providers/catalog/${encodeURIComponent(provider.id)}`, { isActive });
    reload();
  };
  const isFile = node?.source === "file";
  return html`<article class="card provider" aria-label=${provider.name}>
    <div class="row">
      <h3>${provider.name}</h3>
      <span class="dim mono">${provider.prefixes.map((/** @type {string} */ each) => `${each}/`).join(" ")}</span>
      <${Badge} tone=${tone}>
        ${t(`providers.standing.${key}`, { usable, count: accounts.length })}
        ${breaker?.state === "open" && html` <${Countdown} ms=${breaker.until_ms} />`}
      <//>
      <${ProxyBadge} proxy=${proxyInForce(data.proxies, provider)} />
      ${isFile && html`<${Badge} title=${t("common.from_file.hint")}>${t("common.from_file")}<//>`}
      ${!provider.builtIn && html`<${Badge} tone="info">${t("providers.custom")}<//>`}
      <span class="grow"></span>
      <div class="actions">
        <${Small} text=${t("providers.models.count", { count: provider.models })}
          of=${`${t("providers.models.count", { count: provider.models })}: ${t("providers.models.of", { name: provider.name })}`}
          act=${() => open({ kind: "models", provider, account: accounts })} />
        <${Small} text=${t("providers.add.short")} of=${t("providers.add.to", { name: provider.name })}
          act=${() => open({ kind: "account", provider })} />
        ${accounts.length > 1 &&
        html`<${Small} text=${t("providers.test.all")} act=${() => testAll(accounts.map((each) => each.id))} />`}
        ${!isFile &&
        html`<${Small} text=${t("common.edit")} of=${t("providers.edit.name", { name: provider.name })}
          act=${() => open({ kind: "provider", provider, node })} />`}
        ${node?.source === "stored" &&
        html`<${Small} text=${provider.builtIn ? t("providers.restore") : t("common.delete")} danger
          of=${t(provider.builtIn ? "providers.restore.name" : "providers.delete.name", { name: provider.name })}
          act=${() => open({ kind: "delete", provider, node })} />`}
        <${Switch} on=${provider.isActive} label=${t("providers.use", { name: provider.name })} change=${turn} disabled=${isFile} />
      </div>
    </div>
    ${provider.needs && html`<p class="field-error">${provider.needs}</p>`}
    ${breaker?.reason && html`<p class="dim">${breaker.reason}</p>`}
    ${node?.problem && html`<p class="field-error">${node.problem}</p>`}
    ${accounts.length > 0 &&
    html`<${Sortable}
      items=${accounts}
      keyOf=${(each) => each.id}
      nameOf=${(each) => each.name}
      label=${t("providers.accounts", { name: provider.name })}
      isFixed=${(each) => each.source !== "stored" || accounts.length < 2}
      onOrder=${(wished) => order(wished).catch(toastError)}
      class="accounts"
    >
      ${(account, handle) => html`<${Account}
        account=${account}
        handle=${handle}
        provider=${provider}
        proxies=${data.proxies}
        limits=${data.limits.filter((/** @type {any} */ each) => each.owner_kind === "connection" && each.owner === account.id)}
        reload=${reload}
        edit=${(chosen) => open({ kind: "account", provider, account: chosen })}
      />`}
    <//>`}
  </article>`;
}
