// Texts of limits and quotas, wherever they are shown.

export default {
  "limit.ms": "{count} ms",
  "limit.measure.requests": "Requests",
  "limit.measure.tokens": "Tokens",
  "limit.measure.usd": "Cost",
  "limit.measure.running": "Requests at a time",
  "limit.measure.gap": "Pause between requests",
  "limit.minute": "{unit} a minute",
  "limit.rolling": "{unit} in any {time}",
  "limit.session": "{unit} in a session of {time}",
  "limit.period.daily": "{unit} a day",
  "limit.period.weekly": "{unit} a week",
  "limit.period.monthly": "{unit} a month",
  "limit.used": "{used} of {limit}",
  "limit.used_reserved": "{used} + {reserved} reserved, of {limit}",
  "limit.left": "{left} of {limit} left",
  "limit.share": "{share} used",
  "limit.quota": "Quota {window}",
  "limit.resets": "anew in",
};
