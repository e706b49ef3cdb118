// What happened: requests, connects through proxies, changes, log lines.

import { html } from "../html.js";
import { t } from "../i18n.js";
import { go, place } from "../router.js";
import { PageHead, Tabs } from "../ui/parts.js";
import { Requests } from "./logs/requests.js";
import { AuditLog, Console, ProxyLog } from "./logs/tables.js";

/** @type {Record<string, any>} */
const TABS = { requests: Requests, proxy: ProxyLog, audit: AuditLog, console: Console };

export default function Logs() {
  const chosen = place.value.rest[0] ?? "requests";
  const Shown = TABS[chosen] ?? Requests;
  const tabs = Object.keys(TABS).map((key) => ({ key, title: t(`logs.tab.${key}`) }));
  return html`
    <${PageHead} title=${t("nav.logs")} hint=${t("logs.hint")} />
    <${Tabs} tabs=${tabs} chosen=${chosen} choose=${(/** @type {string} */ tab) => go({ page: "logs", rest: [tab] })} label=${t("nav.logs")} />
    <${Shown} key=${chosen} />
  `;
}
