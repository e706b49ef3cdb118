"""Base URLs: from what a person writes to the endpoint that is called.

A base URL is the root as the vendor's SDK takes it. People also paste full endpoints or roots with
a version, so what is recognised is cut back to the root before the endpoint is put on; nothing is
doubled. A query (`?api-version=…`) stays behind the path. Pure text work, no I/O.

| format | endpoint |
|---|---|
| openai | root + `/chat/completions` |
| openai-responses | root + `/responses` |
| claude | root + `/v1/messages` |
| gemini | root + `/v1beta/models/{model}:generateContent` |
| ollama | root + `/api/chat` |
| any other | the URL as it stands |
"""

import re

_OPENAI_ENDPOINT = re.compile(r"/(?:chat/completions|responses)\Z")
_CLAUDE_ENDPOINT = re.compile(r"/v1(?:/messages)?\Z")
_GEMINI_ENDPOINT = re.compile(r"(?P<version>/v1(?:beta\d*|alpha)?)?(?:/models(?:/[^/]+)?)?\Z")
_OLLAMA_ENDPOINT = re.compile(r"/api(?:/chat)?\Z")
_URL = re.compile(
    r"(?P<scheme>[a-z]+)://(?P<host>\[[0-9A-Fa-f:.]+\]|[^\s/?#@:\[\]]+)(?::(?P<port>\d{1,5}))?"
    r"(?P<path>/[^\s?#]*)?(?:\?[^\s#]*)?\Z",
    re.IGNORECASE,
)


def root_url(format: str, base_url: str) -> str:
    """The root that `base_url` means, without a final slash or a recognised endpoint."""
    url, question, query = base_url.partition("?")
    root = url.rstrip("/")
    if format in ("openai", "openai-responses"):
        root = _OPENAI_ENDPOINT.sub("", root)
    elif format == "claude":
        root = _CLAUDE_ENDPOINT.sub("", root)
    elif format == "gemini":
        match = _GEMINI_ENDPOINT.search(root)
        if match is not None:
            version = match["version"] or ""
            # The beta is what the endpoint adds by itself; another version is a wish to be kept.
            root = root[: match.start()] + ("" if version == "/v1beta" else version)
    elif format == "ollama":
        root = _OLLAMA_ENDPOINT.sub("", root)
    return root + question + query


def chat_url(format: str, base_url: str) -> str:
    """The chat endpoint for a base URL. `{model}` in a gemini URL stands for the model's id."""
    root, question, query = root_url(format, base_url).partition("?")
    if format == "openai":
        path = "/chat/completions"
    elif format == "openai-responses":
        path = "/responses"
    elif format == "claude":
        # "…/foo/messages" is somebody's full endpoint too, though not the vendor's.
        path = "" if root.endswith("/messages") else "/v1/messages"
    elif format == "gemini":
        versioned = re.search(r"/v1(?:beta\d+|alpha)?\Z", root) is not None
        path = ("" if versioned else "/v1beta") + "/models/{model}:generateContent"
    elif format == "ollama":
        path = "/api/chat"
    else:
        path = ""
    return root + path + question + query


def endpoint_url(format: str, base_url: str, *, path: str = "", query: str = "") -> str:
    """The chat endpoint of a provider whose way from the root may be its own.

    `path` replaces what the format usually puts on the root (and is not doubled either); `query` is
    added without its question mark. Both empty is `chat_url`.
    """
    if path:
        root, _, own_query = base_url.partition("?")
        url = root.rstrip("/").removesuffix(path) + path
    else:
        url, _, own_query = chat_url(format, base_url).partition("?")
    parts = [own_query] if own_query else []
    if query and query not in own_query:
        parts.append(query)
    joined = "&".join(parts)
    return f"{url}?{joined}" if joined else url


def url_problem(url: str) -> str:
    """Why `url` cannot be a base URL, "" when it can. The text never repeats the URL."""
    scheme, separator, rest = url.partition("://")
    if not separator or scheme.lower() not in ("http", "https"):
        return "is not an http:// or https:// URL"
    if "@" in rest.split("/", 1)[0]:
        return "holds credentials; they belong into a connection's api_key"
    if "#" in url:
        return "has a fragment (#), which is never sent"
    if any(mark in url for mark in "{}<>"):
        return "still holds a placeholder to be filled in"
    match = _URL.match(url)
    if match is None or int(match["port"] or 1) not in range(1, 65536):
        return "is not a valid URL"
    return ""


def host_and_port(url: str) -> tuple[str, int, bool]:
    """(host without brackets, port, TLS?) of a URL that has no problem."""
    match = _URL.match(url)
    if match is None:
        raise ValueError("not a valid URL")
    tls = match["scheme"].lower() == "https"
    return match["host"].strip("[]"), int(match["port"] or (443 if tls else 80)), tls


def names_private_host(url: str) -> bool:
    """Does the URL itself name loopback or a private network, and thereby allow it?

    The shared address space of RFC 6598 counts as private: overlay networks use it.
    """
    import ipaddress

    host = host_and_port(url)[0].lower()
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    inner = getattr(address, "ipv4_mapped", None) or address
    return inner.is_private or inner in ipaddress.ip_network("100.64.0.0/10")
