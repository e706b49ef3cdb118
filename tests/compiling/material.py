"""A registry and pieces of configuration files that the tests of compiling are made of."""

REGISTRY = """
[[providers]]
id = "vendor"
prefixes = ["ve"]
name = "Vendor"
tier = "apikey"
format = "openai"
base_url = "https://api.vendor.example/v1"
auth = "Authorization: Bearer {credential}"
headers = { X-Title = "OmniRoute" }
models = [{ id = "large", name = "Large", context_tokens = 1000, max_output_tokens = 100 }]

[[providers]]
id = "odd"
name = "Odd"
tier = "apikey"
format = "openai"
base_url = "https://odd.example/v2"
path = "/chat"
query = "v=1"
auth = "api-key: {credential}"

[[providers]]
id = "nearby"
name = "Nearby"
tier = "local"
format = "openai"
base_url = "http://localhost:1234/v1"
auth = "none"

[[providers]]
id = "members"
name = "Members"
tier = "subscription"
format = "openai"
base_url = "https://members.example/v1"
auth = "Authorization: Bearer {credential}"
sign_in = "oauth"

[[providers]]
id = "yours"
name = "Yours"
tier = "apikey"
format = "openai"
base_url = "https://{account}.yours.example/v1"
needs = "a base_url with your account"
auth = "Authorization: Bearer {credential}"

[[providers]]
id = "foreign"
name = "Foreign"
tier = "apikey"
format = "claude"
base_url = "https://foreign.example"
auth = "x-api-key: {credential}"
headers = { Anthropic-Version = "2023-06-01" }
quirks = ["bearer-or-x-api-key"]

[[providers]]
id = "distant"
name = "Distant"
tier = "apikey"
format = "ollama"
base_url = "https://distant.example"
auth = "Authorization: Bearer {credential}"
"""

ACME = """
[[providers]]
id = "acme"
format = "openai"
base_url = "http://127.0.0.1:9101/v1/chat/completions"
"""


def connection(provider: str, more: str = 'api_key = "secret-1"') -> str:
    return f'\n[[connections]]\nprovider = "{provider}"\n{more}\n'
