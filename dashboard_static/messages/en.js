// The English catalogue, one part for each page and one for what they share.

import overview from "./en/overview.js";
import connect from "./en/connect.js";
import endpoint from "./en/endpoint.js";
import welcome from "./en/welcome.js";
import combos from "./en/combos.js";
import health from "./en/health.js";
import limit from "./en/limit.js";
import limits from "./en/limits.js";
import providers from "./en/providers.js";
import keys from "./en/keys.js";
import logs from "./en/logs.js";
import translator from "./en/translator.js";
import setting from "./en/setting.js";
import settings from "./en/settings.js";
import analytics from "./en/analytics.js";
import shared from "./en/shared.js";

/** @type {Record<string, string>} */
export default {
  ...shared,
  ...analytics,
  ...settings,
  ...setting,
  ...translator,
  ...logs,
  ...keys,
  ...combos,
  ...health,
  ...limit,
  ...limits,
  ...providers,
  ...overview,
  ...connect,
  ...endpoint,
  ...welcome,
};
