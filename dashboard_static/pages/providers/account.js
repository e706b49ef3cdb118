// One account of a provider: its place, state, timers, quotas and limits, and what can be done to it.

import { useState } from "preact/hooks";

import { del, patch, post } from "../../api.js";
import { html } from "../../html.js";
import { t } from "../../i18n.js";
import { Confirm } from "../../ui/dialog.js";
import { Countdown, LimitBar, QuotaBar } from "../../ui/limit.js";
import { Badge, Small } from "../../ui/parts.js";
import { Switch } from "../../ui/switch.js";
import { toast, toastError } from "../../ui/toast.js";
import { proxyInForce, TONES } from "./standing.js";
import { Outcome, outcomes, test } from "./testing.js";

/** @param {string} id */
export const pathOf = (id) => `providers/${encodeURIComponent(id)}`;

/** The proxy by which requests go, with its address. @param {{proxy: ReturnType<typeof proxyInForce>}} props */
export const ProxyBadge = ({ proxy }) =>
  proxy &&
  html`<${Badge} tone="info" title=${t("providers.proxy.hint")}>
    ${t(`providers.proxy.${proxy.level}`, { address: proxy.address.replace(/^\w+:\/\//, "") })}
  <//>`;

/** What rests, for how long, and a way to end it. @param {{conditions: any[], reload: () => void}} props */
function Rests({ conditions, reload }) {
  const resting = conditions.filter((each) => each.state === "cooling");
  const end = async (/** @type {any} */ { subject, detail }) => {
    await post("resilience/reset", { kind: detail ? "lockout" : "cooldown", subject, detail });
    toast(t("providers.reset.done", { name: subject }));
    reload();
  };
  return resting.map(
    (each) => html`<p class="row" key=${each.detail}>
      <${Badge} tone="warn">
        ${each.detail ? t("providers.rests.model", { model: each.detail }) : t("providers.rests")} <${Countdown} ms=${each.until_ms} />
      <//>
      <span class="grow dim">${each.reason}</span>
      <${Small} text=${t("providers.reset")} act=${() => end(each).catch(toastError)} />
    </p>`,
  );
}

/**
 * @param {{account: any, handle: any, provider: any, proxies: any, limits: any[], reload: () => void,
 *   edit: (account: any) => void}} props
 */
export function Account({ account, handle, provider, proxies, limits, reload, edit }) {
  const [deleting, setDeleting] = useState(false);
  const isStored = account.source === "stored";
  const outcome = outcomes.value[account.id];
  const turn = async (/** @type {boolean} */ isActive) => {
    await patch(pathOf(account.id), { isActive });
    reload();
  };
  const remove = async () => {
    await del(pathOf(account.id));
    toast(t("providers.deleted", { name: account.id }));
    reload();
  };
  const own = proxies.connections[account.id] ? proxyInForce(proxies, provider, account.id) : null;
  return html`<div class="account">
    <div class="row">
      ${handle}
      <strong class="grow">${account.name}</strong>
      ${!isStored &&
      html`<${Badge} title=${account.source === "file" ? t("common.from_file.hint") : t("providers.implied.hint")}>
        ${account.source === "file" ? t("common.from_file") : t("providers.implied")}
      <//>`}
      <${ProxyBadge} proxy=${own} />
      <${Badge} tone=${TONES[account.state]} title=${account.problem}>${t(`providers.state.${account.state.replaceAll(" ", "_")}`)}<//>
      <div class="actions">
        <${Small} text=${t("common.test")} of=${t("providers.test.name", { name: account.id })} disabled=${outcome === "asking"}
          act=${() => test(account.id)} />
        ${isStored &&
        html`
          <${Small} text=${t("common.edit")} of=${t("providers.edit.name", { name: account.id })} act=${() => edit(account)} />
          <${Small} text=${t("common.delete")} danger of=${t("providers.delete.name", { name: account.id })}
            act=${() => setDeleting(true)} />
          <${Switch} on=${account.isActive} label=${t("providers.use", { name: account.id })} change=${turn} />
        `}
      </div>
    </div>
    ${account.problem && html`<p class="field-error">${account.problem}</p>`}
    <${Rests} conditions=${account.conditions} reload=${reload} />
    ${(account.quotasReported ?? []).map((/** @type {any} */ quota) => html`<${QuotaBar} key=${quota.detail} quota=${quota} />`)}
    ${limits.map((limit) => html`<${LimitBar} key=${limit.key} limit=${limit} />`)}
    <${Outcome} outcome=${outcome} />
    ${deleting &&
    html`<${Confirm} name=${account.name} text=${t("providers.delete.text", { name: account.id })} onConfirm=${remove}
      onClose=${() => setDeleting(false)} />`}
  </div>`;
}
