// Combos: named lists of models, in an order that people give, with how their members are right now.

import { useEffect, useState } from "preact/hooks";

import { del, get, patch, post } from "../api.js";
import { count, latency, percent } from "../format.js";
import { html } from "../html.js";
import { t } from "../i18n.js";
import { beat, conditions, follow } from "../live.js";
import { place, setQuery } from "../router.js";
import { Confirm } from "../ui/dialog.js";
import { Countdown } from "../ui/limit.js";
import { Badge, Copy, Empty, Loaded, PageHead, Small, useRead } from "../ui/parts.js";
import { Sortable } from "../ui/sortable.js";
import { Switch } from "../ui/switch.js";
import { toast, toastError } from "../ui/toast.js";
import { ComboDialog } from "./combos/edit.js";
import { health, memberOf, names, shares } from "./combos/members.js";
import { DryRunDialog, TestDialog } from "./combos/trying.js";

/** @param {AbortSignal} abort */
async function readAll(abort) {
  const read = (/** @type {string} */ path) => get(path, {}, abort);
  const [combos, catalog, accounts, told, states, models, metrics] = await Promise.all([
    read("combos"),
    read("providers/catalog"),
    read("providers"),
    read("resilience/conditions"),
    read("usage/combo-health"),
    read("models/catalog"),
    read("combos/metrics"),
  ]);
  const world = { providers: catalog.providers, connections: accounts.connections, told, health: states.combos };
  return { combos: combos.combos, world, models, metrics: metrics.metrics };
}

/** @param {{combo: any, world: import("./combos/members.js").World}} props */
function Members({ combo, world }) {
  const members = combo.models.map(memberOf);
  const part = shares(members);
  return html`<ol class="plain members" aria-label=${t("combos.members.of", { name: combo.name })}>
    ${members.map((/** @type {import("./combos/members.js").Member} */ member, /** @type {number} */ at) => {
      const { tone, key, usable, count: of, until } = health(member.model, world);
      return html`<li key=${at} class="row">
        <span class="dim number">${at + 1}.</span>
        <span class="mono grow">${member.model}</span>
        ${combo.strategy === "weighted" && html`<span class="dim number">${t("combos.weight", { weight: member.weight, share: percent(part[at]) })}</span>`}
        <${Badge} tone=${tone}>${t(`combos.health.${key}`, { usable, count: of })} <${Countdown} ms=${until} /><//>
      </li>`;
    })}
  </ol>`;
}

/** @param {{combo: any, handle: any, data: any, reload: () => void, open: (what: any) => void}} props */
function Combo({ combo, handle, data, reload, open }) {
  const isFile = combo.source === "file";
  const state = data.world.health.find((/** @type {any} */ each) => each.combo === combo.name);
  const figures = data.metrics[combo.name];
  const turn = async (/** @type {boolean} */ isActive) => {
    await patch(`combos/${encodeURIComponent(combo.id)}`, { isActive });
    reload();
  };
  return html`<article class="card" aria-label=${combo.name}>
    <div class="row">
      ${handle}
      <h2 class="mono">${combo.name}</h2>
      <${Copy} text=${combo.name} />
      ${state && html`<${Badge} tone=${state.problem || !state.usable ? "bad" : "ok"}>${state.problem || t("combos.usable", state)}<//>`}
      ${!combo.isActive && html`<${Badge}>${t("common.disabled")}<//>`}
      ${isFile && html`<${Badge} title=${t("common.from_file.hint")}>${t("common.from_file")}<//>`}
      <span class="grow"></span>
      <div class="actions">
        <${Small} text=${t("common.test")} of=${t("combos.test.name", { name: combo.name })} disabled=${!combo.isActive}
          act=${() => open({ kind: "test", combo })} />
        <${Small} text=${t("combos.dry")} of=${t("combos.dry.of", { name: combo.name })} disabled=${!combo.isActive}
          act=${() => setQuery({ dry: combo.name })} />
        ${!isFile &&
        html`<${Small} text=${t("common.edit")} of=${t("combos.edit", { name: combo.name })}
          act=${() => open({ kind: "edit", combo })} />
          <${Small} text=${t("common.delete")} danger of=${t("combos.delete", { name: combo.name })}
            act=${() => open({ kind: "delete", combo })} />`}
        <${Switch} on=${combo.isActive} label=${t("combos.use", { name: combo.name })} change=${turn} disabled=${isFile}
          hint=${isFile ? t("common.from_file.hint") : undefined} />
      </div>
    </div>
    <p><strong>${t(`combos.strategy.${combo.strategy}`)}:</strong> ${t(`combos.about.${combo.strategy}`)}</p>
    ${combo.problem && html`<p class="field-error">${combo.problem}</p>`}
    <${Members} combo=${combo} world=${data.world} />
    ${figures &&
    html`<p class="dim">
      ${t("combos.figures", { requests: count(figures.requests), success: percent(figures.success_share), time: latency(figures.total.p50_us) })}
    </p>`}
  </article>`;
}

/** @param {{opened: any, data: any, reload: () => void, close: () => void}} props */
function Opened({ opened, data, reload, close }) {
  const { kind, combo } = opened;
  if (kind === "edit") {
    return html`<${ComboDialog} combo=${combo ?? null} suggestions=${names(data.models, combo?.name)} onClose=${close} onDone=${reload} />`;
  }
  if (kind === "test") return html`<${TestDialog} name=${combo.name} onClose=${close} />`;
  const remove = async () => {
    await del(`combos/${encodeURIComponent(combo.id)}`);
    toast(t("combos.deleted", { name: combo.name }));
    reload();
  };
  return html`<${Confirm} name=${combo.name} text=${t("combos.delete.text", { name: combo.name })} onConfirm=${remove} onClose=${close} />`;
}

export default function Combos() {
  const { dry } = place.value.query;
  const [opened, setOpened] = useState(/** @type {any} */ (null));
  useEffect(follow, []);
  const read = useRead(readAll, [conditions.value, beat.value], 15_000);
  const store = async (/** @type {any[]} */ combos) => {
    await post("combos/reorder", { ids: combos.filter((/** @type {any} */ each) => each.source !== "file").map((/** @type {any} */ each) => each.id) });
    read.reload();
  };
  const order = async (/** @type {any[]} */ wished) => {
    const before = read.data.combos;
    await store(wished);
    toast(t("combos.order.done"), { undo: () => store(before).catch(toastError) });
  };
  return html`
    <${PageHead} title=${t("nav.combos")} hint=${t("combos.hint")}>
      <button type="button" onClick=${() => setQuery({ dry: " " })}>${t("combos.dry")}</button>
      <button type="button" class="primary" onClick=${() => setOpened({ kind: "edit" })}>${t("combos.add")}</button>
    <//>
    <${Loaded} of=${read} lines=${6}>
      ${(data) =>
        data.combos.length
          ? html`<${Sortable}
              items=${data.combos}
              keyOf=${(each) => each.id}
              nameOf=${(each) => each.name}
              label=${t("nav.combos")}
              isFixed=${(each) => each.source === "file" || data.combos.length < 2}
              onOrder=${(wished) => order(wished).catch(toastError)}
              class="stack"
            >
              ${(combo, handle) => html`<${Combo}
                combo=${combo} handle=${handle} data=${data} reload=${read.reload} open=${setOpened} />`}
            <//>`
          : html`<${Empty} title=${t("combos.none")}>
              <p>${t("combos.none.hint")}</p>
              <button type="button" class="primary" onClick=${() => setOpened({ kind: "edit" })}>${t("combos.add")}</button>
            <//>`}
    <//>
    ${opened && read.data && html`<${Opened} opened=${opened} data=${read.data} reload=${read.reload} close=${() => setOpened(null)} />`}
    ${dry && read.data && html`<${DryRunDialog} model=${dry.trim()} suggestions=${names(read.data.models)} onClose=${() => setQuery({ dry: "" })} />`}
  `;
}
