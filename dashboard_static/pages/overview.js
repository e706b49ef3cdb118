// What happens now, what it costs, and what needs attention first.

import { html } from "../html.js";
import { t } from "../i18n.js";
import { PageHead } from "../ui/parts.js";

export default function Overview() {
  return html`<${PageHead} title=${t("nav.overview")} />`;
}
