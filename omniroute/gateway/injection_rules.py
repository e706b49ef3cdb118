"""What texts that try to take over a model look like: rules as data, and how one is looked for.

A rule is found where one of its `words` stands and its pattern fits from there on; so a text with
none of the words costs one search each. Every repetition in a pattern is bounded, so what follows a
word costs a bounded time, and a text a time linear in its length, whatever it holds.

Texts are `flattened` first: lower case, one blank or one line end between words, no invisible
characters. Two things make a finding count one step less (`high` as `medium`, `medium` not at all):

* it stands in a code fence, in inline code, in quotes, or in a line that is a quote or a comment:
  there it is spoken about;
* it is an order and does not stand where an order begins, as in "the CPU ignores all previous …".

Sources: OWASP's prompt injection cheat sheet and its LLM01 (2025) name the groups; the wordings are
those that appear again and again in published collections of such texts.
"""

import re
import unicodedata
from typing import Final, NamedTuple

HIGH: Final = "high"
MEDIUM: Final = "medium"
LEAD: Final = 48  # characters before a finding that tell whether an order begins there


class Rule(NamedTuple):
    """One kind of wording. `pattern` is matched at a word of `words`, with `back` before it."""

    name: str
    severity: str
    words: tuple[str, ...]  # lower case; every finding begins with one of them
    pattern: re.Pattern[str]
    order: bool = False  # an order, which counts less where none can begin
    line: bool = False  # only at the beginning of a line, and less where a colon introduces it
    bare: bool = False  # it is itself the mark of code, so standing in it says nothing


def _rule(
    name: str,
    severity: str,
    words: str,
    pattern: str,
    *,
    order: bool = False,
    line: bool = False,
    bare: bool = False,
) -> Rule:
    compiled = re.compile(re.sub(r"\s+", "", pattern))  # written with blanks; texts' are \s
    return Rule(name, severity, tuple(words.split(";")), compiled, order, line, bare)


_DROP = "ignore;disregard;forget;override;bypass;discard"
_DROPS = r"(?:ignore|disregard|forget|override|bypass|discard)"
_GIVEN = r"""(?:system|developer|initial|original|previous|prior|earlier|preceding|above|foregoing|
    existing|current|past|former|safety|core|hidden)"""
_ORDERS = "instructions|prompts?|directions|directives|programming|commands|orders|guardrails"
_RULES = f"{_ORDERS}|rules|guidelines|restrictions|constraints|messages?|training|context"
# Whoever says which instructions, and of what, corrects himself or speaks of a document.
_WHOLE = r"""(?!\s(?:about|for|on|regarding|concerning|in|inside|from|of|related|that|which|when|
    where|while|until|if|unless|at|to)\b)\b"""
_SAY = r"""(?:reveal|show|print|repeat|output|display|leak|tell\sme|give\sme|share|expose|recite|
    dump|write|paste|send|what(?:\sis|\sare|'s|\swas|\swere))"""
_SAY_WORDS = (
    "reveal;show;print;repeat;output;display;leak;tell me;give me;share;expose;recite;dump;write;"
    "paste;send;what"
)
_FILL = r"""(?:\s(?:me|us|out|back|down|all|of|exactly|verbatim|the|exact|full|entire|complete|text|
    contents?|first|\d{1,3}|lines?|words|sentences?)){0,6}"""
_HIDDEN = (
    r"(?:hidden|secret|initial|original|system|developer|internal|confidential|core|underlying)"
)
_SECRET_TEXT = r"(?:prompts?|instructions|directives|pre-?prompt)"

RULES: Final = (
    _rule(
        "override-instructions",
        HIGH,
        _DROP,
        rf"""{_DROPS}\s(?:all|any|every)\s(?:of\s)?(?:(?:the|your|these|those)\s)?
        (?:{_GIVEN}\s){{1,3}}(?:{_ORDERS}){_WHOLE}""",
        order=True,
    ),
    _rule(
        "override-instructions",
        HIGH,
        _DROP,
        rf"""{_DROPS}\s(?:all\s(?:of\s)?)?your\s(?:{_GIVEN}\s){{0,3}}
        (?:{_ORDERS}|rules|guidelines|restrictions|training){_WHOLE}""",
        order=True,
    ),
    _rule(
        "override-instructions",
        HIGH,
        _DROP,
        rf"{_DROPS}\s(?:{_GIVEN}\s){{1,2}}(?:{_ORDERS}){_WHOLE}",
        order=True,
    ),
    _rule(
        "override-instructions",
        HIGH,
        _DROP,
        rf"""{_DROPS}\s(?:the|these|those)\s(?:{_GIVEN}\s){{1,2}}(?:{_ORDERS})[,.]?\sand\s
        (?:instead|reveal|say|tell|respond|reply|pretend|act|translate\sthis)\b""",
        order=True,
    ),
    _rule(
        "override-instructions",
        HIGH,
        "forget;ignore;disregard",
        r"""\w{6,9}\s(?:everything|anything|all)\s(?:that\s)?you\s
        (?:were|have\sbeen|are|had\sbeen)\s(?:told|taught|instructed|given)\b""",
        order=True,
    ),
    _rule(
        "override-instructions",
        HIGH,
        "do not follow;don't follow;stop following;do not obey;don't obey;stop obeying",
        rf"""[\w']{{2,4}}\s(?:not\s)?\w{{4,9}}\s(?:(?:any|all)\s(?:of\s)?)?(?:your|the)\s
        (?:{_GIVEN}\s){{1,2}}(?:{_ORDERS}){_WHOLE}""",
        order=True,
    ),
    _rule(
        "override-instructions",
        HIGH,
        "ignoriere;vergiss;missachte",
        r"""\w{7,9}\s(?:bitte\s)?(?:alle|deine|alle\sdeine)\s
        (?:vorherigen|bisherigen|vorigen|obigen|früheren|vorangegangenen)\s
        (?:anweisungen|instruktionen|befehle|regeln|vorgaben)\b""",
    ),
    _rule(
        "override-instructions",
        HIGH,
        "ignora;olvida;descarta",
        r"""\w{6,9}\s(?:todas\s)?(?:las\s|tus\s)?(?:instrucciones|órdenes|reglas|indicaciones)\s
        (?:anteriores|previas|de\sarriba)\b""",
    ),
    _rule(
        "override-instructions",
        HIGH,
        "ignore;ignorez;oublie;oubliez",
        r"""\w{6,8}\s(?:toutes\s)?(?:les\s|tes\s|vos\s)?(?:instructions|consignes|directives)\s
        (?:précédentes|antérieures|ci-dessus)""",
    ),
    _rule(
        "override-instructions",
        HIGH,
        "ignore;esqueça;desconsidere",
        r"""\w{6,12}\s(?:todas\s)?(?:as\s|suas\s)?(?:instruções|ordens|regras)\s
        (?:anteriores|acima|prévias)""",
    ),
    _rule(
        "override-instructions",
        HIGH,
        "忽略;无视;忘记",
        r"..(?:所有|全部)?(?:以上|之前|先前|前面|上述)的?(?:所有|全部)?的?(?:指令|指示|提示|规则)",
    ),
    _rule(
        "override-instructions",
        MEDIUM,
        _DROP,
        rf"""{_DROPS}\s(?:(?:all|any|every|everything)\s(?:of\s)?)?(?:(?:the|your|my|these|those)\s)?
        (?:{_GIVEN}\s){{1,3}}(?:{_RULES})\b""",
        order=True,
    ),
    _rule(
        "reveal-prompt",
        HIGH,
        _SAY_WORDS,
        rf"""{_SAY}{_FILL}\s(?:of\s)?your\s(?:(?:own|exact|full|entire|complete)\s){{0,2}}
        (?:{_HIDDEN}\s){{1,3}}{_SECRET_TEXT}\b""",
        order=True,
    ),
    _rule(
        "reveal-prompt",
        HIGH,
        "repeat;output;print;recite;reveal",
        r"""\w{5,6}\s(?:all\s(?:of\s)?)?(?:the\s(?:words|text|prompt|instructions)|everything)\s
        (?:above|before\sthis|you\swere\stold)[\s,.]{1,2}
        (?:verbatim|word\sfor\sword|starting\s(?:with|from)|beginning\swith|exactly\sas)\b""",
        order=True,
    ),
    _rule(
        "reveal-prompt",
        MEDIUM,
        _SAY_WORDS,
        rf"{_SAY}{_FILL}\s(?:your|the)?\s?(?:{_HIDDEN}\s){{1,3}}{_SECRET_TEXT}\b",
        order=True,
    ),
    _rule(
        "false-delimiter",
        HIGH,
        "<|im_start|>;<|start_header_id|>",
        r"<\|(?:im_start|start_header_id)\|>\s?(?:system|developer)\b",
        line=True,
    ),
    _rule("false-delimiter", HIGH, "<<sys>>;[inst] <<sys>>", r"(?:\[inst\]\s)?<<sys>>", line=True),
    _rule(
        "false-delimiter",
        HIGH,
        "[system;<system;[admin;[developer",
        r"""[\[<](?:system|admin|developer)(?:[\s_-](?:message|prompt|override|note|command))?[\]>]:?\s?
        (?:ignore\s|disregard\s|override\s|new\s(?:instructions|rules|directive)|
        you\sare\s(?:now|no\slonger)\s|from\snow\son)""",
        line=True,
    ),
    _rule(
        "system-override",
        HIGH,
        "system;admin;developer",
        r"""(?:system|admin|developer)(?:\s(?:message|prompt|command|note))?\s?:\s?
        (?:override\s\w|new\s(?:instructions|rules|directive)|you\sare\snow\s\w|
        (?:ignore|disregard|bypass|disable|unlock)\b[^\n]{0,80}?\b
        (?:instructions?|prompts?|rules|safety|filters?|restrictions|guidelines|policy|policies))""",
        line=True,
    ),
    _rule(
        "system-fence",
        HIGH,
        "```system;```sys;``` system",
        r"```\s?sys(?:tem)?(?:[\s_-]?(?:prompt|message))?\n",
        line=True,
        bare=True,
    ),
    _rule(
        "false-delimiter",
        MEDIUM,
        "<|im_start|>;<|system|>;<|endoftext|>;<|start_header_id|>;<<sys>>",
        r"<[<|](?:im_start|system|endoftext|start_header_id|sys)[>|]>",
    ),
    _rule(
        "role-change",
        MEDIUM,
        "you are now;you are no longer;from now on",
        r"""(?:you\sare\snow\s(?:an?|in|the|no\slonger|going|free|dan)\b|
        you\sare\sno\slonger\s(?:bound|an?|restricted|limited|the)\b|
        from\snow\son,?\syou\s(?:are|will|must|have)\b)""",
    ),
    _rule(
        "role-change",
        MEDIUM,
        "pretend;act as;roleplay as;role-play as",
        r"""(?:pretend\s(?:that\s)?(?:you\sare|to\sbe|you\shave\sno)\b|
        (?:act|role-?play)\sas\s(?:if\syou\s|though\syou\s|
        an?\s(?:unrestricted|unfiltered|uncensored|evil|amoral|jailbroken)))""",
    ),
    _rule(
        "jailbreak",
        MEDIUM,
        "do anything now;dan mode;jailbroken;jailbreak mode;jailbreak yourself",
        r"(?:do\sanything\snow|dan\smode|jailbroken|jailbreak\s(?:mode|yourself))\b",
    ),
    _rule(
        "jailbreak",
        MEDIUM,
        "developer mode;god mode;unrestricted mode;sudo mode;admin mode",
        r"(?:developer|god|unrestricted|sudo|admin)\smode\s(?:is\s)?(?:enabled|activated|on|unlocked)\b",
    ),
    _rule(
        "jailbreak",
        MEDIUM,
        "without",
        r"""without\s(?:any\s)?(?:of\syour\s)?(?:(?:ethical|moral|content|safety)\s)
        (?:restrictions|limitations|filters|guardrails|guidelines|constraints|censorship)\b""",
    ),
    _rule(
        "encoded-instructions",
        MEDIUM,
        "base64;rot13;morse;hexadecimal;binary",
        r"""\w{5,11}\b[^\n]{0,80}?\b(?:follow|obey|execute|carry\sout|do)\s
        (?:the|its|these|those|that|what)\s(?:(?:decoded|hidden|resulting)\s)?
        (?:instructions?|commands?|orders?|it\ssays)\b""",
    ),
)

_MENTIONS = re.compile(
    r"```.*?```|`[^`\n]*`|\"[^\"\n]*\"|“[^”\n]*”|«[^»\n]*»|(?<!\w)['‘][^'’\n]*['’](?!\w)"
    r"|(?<![^\n])(?:>|//)[^\n]*",
    re.DOTALL,
)
_ORDER_BEGINS = re.compile(
    r"(?:\A|[\n.!?:;,…)\]*_#>\"”-])\s?"
    r"(?:(?:please|now|just|kindly|first|instead|hey|ok|okay|important|attention|also|next|chatgpt|"
    r"claude|assistant|ai)[,:!.]?\s){0,3}"
    r"(?:(?:you|i\swant\syou|i\sneed\syou|can\syou|could\syou|would\syou|will\syou|let's)\s"
    r"(?:(?:must|should|will|need|have|can|are|now|please|to)\s){0,3})?\Z"
)
_INVISIBLE: Final = dict.fromkeys(
    (0xAD, *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2065), 0xFEFF)
)


def flattened(text: str) -> str:
    """The text as rules read it."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text.translate(_INVISIBLE))
        text = text.replace("’", "'")
    lines = (" ".join(line.split()) for line in text.lower().splitlines())
    return "\n".join(line for line in lines if line)


class Findings:
    """What one flattened text holds: the most severe finding for each name of a rule."""

    __slots__ = ("_mentions", "_places", "_text", "found")

    def __init__(self, text: str) -> None:
        self._text = text
        self._mentions: list[tuple[int, int]] | None = None
        self._places: dict[str, list[int]] = {}
        self.found: dict[str, str] = {}
        for rule in RULES:
            if self.found.get(rule.name) != HIGH:
                self._look_for(rule)

    def _look_for(self, rule: Rule) -> None:
        for word in rule.words:
            for at in self._places_of(word):
                if rule.pattern.match(self._text, at) is None:
                    continue
                severity = self._severity(rule, at)
                if severity == HIGH:
                    self.found[rule.name] = HIGH
                    return
                if severity:
                    self.found.setdefault(rule.name, severity)

    def _places_of(self, word: str) -> list[int]:
        """Where a word begins; several rules begin with the same."""
        places = self._places.get(word)
        if places is None:
            places = self._places[word] = []
            text = self._text
            at = text.find(word)
            while at >= 0:
                if not _goes_on(text, at):
                    places.append(at)
                at = text.find(word, at + len(word))
        return places

    def _severity(self, rule: Rule, at: int) -> str:
        """Of a finding, "" when it counts for nothing."""
        text = self._text
        less = not rule.bare and self._is_mentioned(at)
        if rule.order and not less:
            less = _ORDER_BEGINS.search(text[max(0, at - LEAD) : at]) is None
        if rule.line:
            if at and text[at - 1] != "\n":
                return ""
            less = less or text[max(0, at - 2) : at] == ":\n"
        if not less:
            return rule.severity
        return MEDIUM if rule.severity == HIGH else ""

    def _is_mentioned(self, at: int) -> bool:
        if self._mentions is None:
            self._mentions = [found.span() for found in _MENTIONS.finditer(self._text)]
        low, high = 0, len(self._mentions)
        while low < high:
            middle = (low + high) // 2
            if self._mentions[middle][1] <= at:
                low = middle + 1
            else:
                high = middle
        return low < len(self._mentions) and self._mentions[low][0] <= at


def _goes_on(text: str, at: int) -> bool:
    """Is what stands here the inside of a word?"""
    return at > 0 and text[at - 1].isalnum() and text[at].isalnum() and text[at].isascii()
