// All settings in six tabs, and what belongs to them: sessions, proxies, names, cache, backups.

import { get } from "../api.js";
import { html } from "../html.js";
import { t } from "../i18n.js";
import { go, place } from "../router.js";
import { Loaded, PageHead, Tabs, useRead } from "../ui/parts.js";
import { Backups } from "./settings/backups.js";
import { Cache } from "./settings/cache.js";
import { TABS } from "./settings/fields.js";
import { Names, Proxies } from "./settings/names.js";
import { Section } from "./settings/section.js";
import { AdminKeys, Password, Sessions } from "./settings/security.js";

/** What stands before the sections of a tab, behind them, and within one. @type {Record<string, any[]>} */
const BEFORE = { security: [Password, Sessions, AdminKeys], routing: [Names] };
/** @type {Record<string, any[]>} */
const AFTER = { general: [Backups], routing: [Proxies] };
/** @type {Record<string, any>} */
const WITHIN = { cache: Cache };

/** @param {any[] | undefined} parts */
const each = (parts) => parts?.map((Part) => html`<${Part} key=${Part.name} />`);

export default function Settings() {
  const chosen = TABS[place.value.rest[0] ?? ""] ? place.value.rest[0] : "general";
  const all = useRead((abort) => get("settings", {}, abort), []);
  const tabs = Object.keys(TABS).map((key) => ({ key, title: t(`settings.tab.${key}`) }));
  return html`
    <${PageHead} title=${t("nav.settings")} hint=${t("settings.hint")} />
    <${Tabs} tabs=${tabs} chosen=${chosen} choose=${(tab) => go({ page: "settings", rest: [tab] })} label=${t("nav.settings")} />
    <div class="stack" key=${chosen}>
      ${each(BEFORE[chosen])}
      <${Loaded} of=${all} lines=${12}>
        ${({ sections }) =>
          TABS[chosen].map((name) => {
            const section = sections.find((/** @type {any} */ one) => one.name === name);
            return section && html`<${Section} key=${name} section=${section} onChange=${all.reload}>${WITHIN[name] && html`<${WITHIN[name]} />`}<//>`;
          })}
      <//>
      ${each(AFTER[chosen])}
    </div>
  `;
}
