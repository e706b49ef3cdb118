"""How vendors word their errors: the codes and phrases by which one failure is told from another.

Data for the table in `resilience.verdict`, in lower case. Codes are compared with an error's code
and type; phrases are looked for in its message and body. A phrase is as long as it must be to mean
one thing only: Google words a limit per minute ("you exceeded your current quota, please check your
plan and billing details") as OpenAI words an empty account, so that sentence stands nowhere here.

Sources: OpenAI "Error codes"; Anthropic "Errors"; Google AI "Troubleshooting" and google.rpc;
OpenRouter "Errors"; Azure OpenAI "Content filtering"; the ChatGPT backend as Codex reads it; z.ai
"Error codes"; Alibaba Cloud Model Studio "Error messages".
"""

import re
from typing import Final, NamedTuple


class Wording(NamedTuple):
    """One meaning: any of the codes, any of the phrases, or the pattern."""

    codes: frozenset[str] = frozenset()
    phrases: tuple[str, ...] = ()
    pattern: re.Pattern[str] | None = None

    def found(self, words: tuple[str, str], text: str) -> bool:
        """`words`: code and type, `text`: message and body; all in lower case."""
        if words[0] in self.codes or words[1] in self.codes:
            return True
        if any(phrase in text for phrase in self.phrases):
            return True
        return self.pattern is not None and self.pattern.search(text) is not None


def _wording(codes: str, *phrases: str, pattern: str = "") -> Wording:
    return Wording(frozenset(codes.split()), phrases, re.compile(pattern) if pattern else None)


ACCOUNT_GONE: Final = _wording(
    "account_deactivated account_disabled deactivated_workspace",
    "account has been deactivated",
    "account has been disabled",
    "account is disabled",
    "account has been suspended",
    "account is suspended",
    "account has been terminated",
    "organization has been disabled",
)
CREDENTIAL_REFUSED: Final = _wording(
    "invalid_api_key api_key_invalid authentication_error unauthenticated token_expired"
    " token_invalidated",
    "api key not valid",
    "api_key_invalid",
    "invalid api key",
    "invalid x-api-key",
    "incorrect api key",
    "api key expired",
    "api key has expired",
)
REGION_REFUSED: Final = _wording(
    "unsupported_country_region_territory",
    "user location is not supported",
    "country, region, or territory not supported",
)
CANNOT_AFFORD: Final = _wording("", "can only afford", "or fewer max_tokens")
CREDITS_GONE: Final = _wording(
    "insufficient_quota billing_error billing_hard_limit_reached billing_not_active"
    " insufficient_credits insufficient_balance arrearage 1113",
    "credit balance is too low",
    "insufficient_quota",
    "insufficient balance",
    "insufficient credits",
    "out of credits",
    "billing hard limit",
    "billing_disabled",
    "requires billing to be enabled",
    "please recharge",
    "reached your specified api usage limits",
)
USED_UP: Final = _wording(
    "usage_limit_reached usage_not_included quota_exhausted 1308 1310",
    "usage_limit_reached",
    "usage limit",
    "weekly limit",
    "monthly limit",
    "limit exhausted",
    "quota will reset after",
    "exhausted your capacity",
)
FREE_TIER_OF_MODEL: Final = _wording(
    "allocationquota.freetieronly", "the free tier of the model has been exhausted"
)
PER_DAY: Final = _wording(
    "",
    "perday",
    "per day",
    "daily limit",
    "daily quota",
    "free-models-per-day",
    "try again tomorrow",
)
RATE_LIMITED: Final = _wording(
    "rate_limit_exceeded rate_limit_error resource_exhausted too_many_requests",
    "rate limit",
    "rate_limit_exceeded",
    "too many requests",
)
NOT_ALLOWED_NOW: Final = _wording("", "request not allowed")

ELSEWHERE_STORED: Final = _wording(
    "previous_response_not_found", "previous response with id", "previous_response_not_found"
)
CONTEXT_TOO_LONG: Final = _wording(
    "context_length_exceeded model_max_prompt_tokens_exceeded",
    "context_length_exceeded",
    "prompt is too long",
    "maximum context length",
    "context window",
    "exceeds the maximum number of tokens",
    "input is too long",
    "exceed context limit",
    "input length and `max_tokens` exceed",
)
CONTENT_POLICY: Final = _wording(
    "content_filter content_policy_violation responsibleaipolicyviolation moderation_blocked"
    " sensitive_words_detected",
    "content management policy",
    "content policy",
    "usage policy",
    "usage policies",
    "flagged as potentially violating",
    "was flagged",
    "content filtering policy",
    "prohibited_content",
)
NO_ACCESS: Final = _wording(
    "model_access_denied",
    "do not have access to it",
    "do not have access to the model",
    "does not have access to model",
    "don't have access to this model",
    "not have access to the model",
)
MODEL_GONE: Final = _wording(
    "model_not_found model_not_available model_decommissioned model_not_supported not_found_error",
    "model_not_found",
    "no such model",
    "is not a valid model",
    "unknown model",
    "no endpoints found",
    # Nothing but the name between the words, in quotes of many kinds: what else a model does not
    # support is the request's fault.
    pattern=r"\bmodels?[\s/:]+\W?[\w./:@-]{0,200}\W{0,4}(?:is |was )?(?:does not exist|not found"
    r"|no longer available|not supported|has been (?:decommissioned|deprecated|retired))\b",
)
OVERLOADED: Final = _wording(
    "overloaded_error server_is_overloaded slow_down unavailable model_overloaded",
    "overloaded",
    "at capacity",
    "no capacity",
    "high demand",
)

STATUS_OF_WORD: Final[dict[str, int]] = {
    # Anthropic's types; OpenAI's types and codes
    "invalid_request_error": 400,
    "context_length_exceeded": 400,
    "invalid_prompt": 400,
    "content_filter": 400,
    "authentication_error": 401,
    "invalid_api_key": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "model_not_found": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "insufficient_quota": 429,
    "usage_limit_reached": 429,
    "api_error": 500,
    "server_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
    "server_is_overloaded": 503,
    "slow_down": 503,
    # Google's canonical names
    "invalid_argument": 400,
    "failed_precondition": 400,
    "unauthenticated": 401,
    "permission_denied": 403,
    "not_found": 404,
    "resource_exhausted": 429,
    "internal": 500,
    "unavailable": 503,
    "deadline_exceeded": 504,
    # services that put the status itself into the code of the event (OpenRouter, Google)
    **{str(status): status for status in range(400, 600)},
}
"""The status that an error inside a stream would have had as an answer, by its code or type."""
