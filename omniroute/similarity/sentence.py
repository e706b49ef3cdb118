"""One sentence to the form that it shares with the others that ask the same.

Contract: two sentences share the form that `shape(sentence)` gives when they differ in nothing but
what never changes an answer: politeness, contractions, the turned order of a question, a setting
or condition put first, articles, plural, spelling, and the few words that mean the same anywhere
(`words`). Every other word stays, in its order; so numbers, names, negations, quantities,
directions, tense and the kind of question need no rule of their own: where one of them differs, the
forms differ. What these rules do not see through is told apart, which costs a hit and no more.
A sentence in another language keeps every word as it is. Pure.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, TypeAlias

from omniroute.similarity.reading import COMMA, MARK, Sentence
from omniroute.similarity.words import (
    ABOUT_YOURSELF,
    AUXILIARY,
    EMPTY,
    ENGLISH,
    FOREIGN,
    JARGON,
    LANGUAGES,
    MADE,
    NO_SUPERLATIVE,
    NUMBER,
    PLURAL,
    PREPOSITIONS,
    SETTING,
    SYNONYM,
    VERBATIM_ORDERS,
    VERBS,
)

Rules: TypeAlias = tuple[tuple[re.Pattern[str], str], ...]

_APART: Final = "\x1f"
_KEPT: Final = re.compile(rf"{MARK}(\d+)")

_CONTRACTIONS: Final[Rules] = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"\b(can)'t\b|\bcannot\b", "can not"),
        (r"\bwon't\b", "will not"),
        (r"\b(\w+)n't\b", r"\1 not"),
        (r"\b(what|who|where|when|how|why|that|it|there|here)'s\b", r"\1 is"),
        (r"\b(i|you|we|they)'(?:re|m)\b", r"\1 are"),
        (r"'ll\b", " will"),
        (r"'ve\b", " have"),
        (r"'d\b", " would"),
        (r"\binto\b", "to"),
        (r"\bonto\b", "on"),
    )
)

# What opens a sentence and only leads to the question. Taken off until none is left.
_OPENERS: Final = re.compile(
    r"(?:(?:please|kindly) "
    r"|(?:hi|hello|hey)(?: there)? (?:, |$)"
    r"|(?:so|ok|okay|well|now then|quick question) , "
    r"|(?:thanks|thank you)(?: so much| very much| a lot| in advance| again)? (?:, |$)"
    r"|, "
    r"|(?:(?:can|could) you|would you(?= please)) (?:please |kindly )?(?!not |be |do |have )(?=\w)"
    r"|(?:i )?(?:would|should) (?:like|love) (?:you )?to (?=know|learn|understand|find out)"
    r"|i (?:want|need|have) to (?=know|understand|find out)"
    r"|i are wondering (?=how|what|wh|if)"
    r"|i wonder (?=how|wh|if)"
    r"|do you (?:happen to )?know (?=how|wh|if)"
    r"|(?:know|understand|find out|learn) (?=how |wh\w+ |if )"
    r"|(?:tell|show|teach|give) me (?=how |wh\w+ |if )"
    r"|(?:explain|describe) (?:to me )?(?=how |wh\w+ )"
    r")"
)

_LEADS: Final = re.compile(r"\b(?:tell|show|know|wonder|explain|describe|understand|learn)")
_INDIRECT: Final = re.compile(r"(?:what|how|why|when|where) (?!to |many |much |long |\w+ly )")
_TURNED: Final = frozenset(AUXILIARY) - {"do", "does"}

# In order; each is tried once. What a sentence begins with stands behind ^.
_REWRITES: Final[Rules] = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        # The way to do something.
        (
            r"^(?:how (?:(?:do|can|could|would|should|might) i"
            r"|(?:do|can|should) (?:we|1|someone|somebody"
            rf"|you(?! (?:{ABOUT_YOURSELF})\b)(?! \w+$))(?!.*\b(?:me|my|i)\b)) "
            r"(?:best )?(?:go about )?"
            r"|how to |(?:what|which) is (?:a|the) (?:(?:best|good|right|proper|correct|usual|"
            r"recommended) )?(?:way|method) (?:to|of|for) )",
            "how-to ",
        ),
        (r"^(?:is|are) there (?:a|any|some) way (?:to|of) ", "can i "),
        (r"^(?:is|would) it (?:be )?possible (?:for me )?to ", "can i "),
        (r"^(?:are|is) (.+?) able to ", r"can \1 "),
        (r"^(?:if|whether) (.+?) (?:are|is) able to ", r"can \1 "),
        (r"^whether ", "yes-or-no "),
        (r"^for how long ", "how long "),
        # What something is.
        (r"^what does ((?:\S+ ){1,3})mean $", r"what is \1"),
        (r"^what is (?:meant by|the meaning of|the definition of) ", "what is "),
        (r"^(?:explain|define) (?:to me )?((?:(?!to |in |for |as |with )\S+ ){1,3})(?:to me )?$",
         r"what is \1"),
        (r"^(?:explain|describe) (?:to me )?(?:the )?(?=differences? between)", "what is "),
        (r"^(?:calculate|compute) (?=\d)", "what is "),
        (rf"^what (?=(?!(?:{'|'.join(AUXILIARY)}|if|about)\b)\w)", "which "),
        (r"^(?:list|name) (?:me )?(?:all|every) (?:of )?(?:the )?", "list all "),
        (r"^(?:give|tell|list|name) (?:me )?(?=\d)", "list "),
        (r"^tell me (?=the )", "what is "),
        (r"^(?:what|which) (?:1 )?is (?:the )?(?=\w+(?:er|est)\b)", "which is "),
        (r"^((?:what|how|why) .*?) exactly $", r"\1 "),
        (r"\bshould (?:you|1)\b", "should i"),
        (r"^how-to (?:show|display) ", "how-to show "),
        (r"^how-to (?:show|list) all ", "how-to list all "),
        (
            r"\bremove (?=(?:(?!from |of |to |in |on )\w+ ){0,3}?(?:branch|branches|column|columns"
            r"|directories|directory|duplicate|duplicates|element|elements|file|files|folder|folders"
            r"|item|items|key|keys|line|lines|row|rows) )",
            "delete ",
        ),
        (r"^(write|create|make|draft|compose|generate) me ", r"\1 "),
        # Where one is not several, and a thing not the word alone ("what is the time").
        (r"^(what|which|who) are (?!(?:the )?(?:\w+ )?differences )", r"\1 several are "),
        (r"^which (?=(?!has |does |was )\w+s )", "which several "),
        (r"^(what|who) (is|was) the (?=\w+ $)", r"\1 \2 this-very "),
        (r"\ba (few|little|bit)\b", r"some \1"),
        (r"\ba number of\b", "several"),
        # Phrases that one word says as well.
        (r"\bget rid of\b", "remove"),
        (r"\bturn on\b|\bswitch on\b|\bactivate\b", "enable"),
        (r"\bturn off\b|\bswitch off\b|\bdeactivate\b", "disable"),
        (r"\bregular expression\b", "regex"),
        (r"\bregular expressions\b", "regexes"),
        (r"\bmost recent\b", "latest"),
        (r"\bmore than (?=\d)", "greater than "),
        (r"\bcapital city\b", "capital"),
        (r"\be mail\b", "email"),
        (r"\bset up\b", "setup"),
        (r"\blog in\b|\bsign in\b", "login"),
        (r"\b(check|checks|checking|test|tests|determine|determines|see|know) if\b", r"\1 whether"),
        (r"\bwith the help of\b|\bby means of\b|\bby using\b", "via"),
        (r"\ball (?:of )?the\b", "all"),
        # Possession.
        (rf"\b(\w+)'s ((?:(?!(?:{'|'.join(sorted(PREPOSITIONS))}|and|or) |{MARK})\w+ ){{1,3}})",
         r"\2of \1 "),
        (r"\bwhether or not\b", "whether"),
    )
)  # fmt: skip

_MADE_FOR: Final[Rules] = (
    (
        re.compile(rf"\b({MADE}) (?:to|that|which) (?!is |are |not |do |does |can |will )"),
        r"\1 ",
    ),
    (re.compile(rf"\b({MADE}) for (?=\w+ing\b)"), r"\1 "),
)
_MADE_NOUN: Final = re.compile(rf"(?:{MADE})\Z")
_FRONTED: Final = re.compile(
    r"^((?:in|on|with|via|using|under|by|for|at|from|since|after|before|during|if|when|while"
    r"|according to) (?:(?!how-to )[^,]){1,80}) , (?=\S)"
)
_FRONTED_SETTING: Final = re.compile(
    rf"^(?:(?:in|on|with|via|using) )?((?:{'|'.join(sorted(SETTING))})(?: \d[\d.]*)?) "
    r"(?=how |wh\w+ )"
)
_SYMMETRIC: Final = re.compile(
    r"\b(differences?|distance|similarity|similarities) between (?:an? |the )?"
    r"((?:(?!and |or )\S+ ){1,3})and (?:an? |the )?"
    rf"((?:(?!(?:{'|'.join(sorted(PREPOSITIONS))}) )\S+ ){{1,3}})"
)
_EITHER: Final = re.compile(r"(?<!\S)(\w+) or (\w+)(?!\S)")
_SETTINGS: Final = re.compile(
    rf"(?<!\S)(?:(?:in|on|via|with|for|using) )?({'|'.join(sorted(SETTING))})((?: \d[\d.]*)?)(?!\S)"
)
_IN_LANGUAGE: Final = re.compile(rf"(?<!\S)in ({'|'.join(sorted(LANGUAGES))}) ")
# Not ASCII, and yet in English texts.
_WESTERN_MARKS: Final = str.maketrans("", "", "’‘“”–—°²³×÷·…€£«»")
# Why it is not starting, why it will not start: why it does not.
_WHY_NOT: Final = {"is-not": "do-not", "will-not": "do-not"}
_NO_NOUN: Final = frozenset(
    (*PREPOSITIONS, *AUXILIARY, "and", "or", "not", "to", "i", "is", "be", "than", COMMA)
)
# In an order, and of the most of anything, one is not the same as several.
_ASKS: Final = re.compile(r"(?:how|how-to|what|which|who|whose|why|when|where|yes-or-no) ")
_SUPERLATIVE: Final = re.compile(
    r"\b(?:best|first|last|most|top|worst|(?!" + "|".join(NO_SUPERLATIVE) + r")\w{2,}est)\b"
)


class Shape(NamedTuple):
    """`form`: equal in sentences that ask the same; empty for one that says nothing (thanks).
    `setting`: the language, tool or system that was recognised as what it is asked within."""

    form: str
    setting: str = ""


def shape(sentence: Sentence) -> Shape:
    """The form of a sentence, and its setting."""
    tokens = sentence.tokens
    kept = [token for token in tokens if token.startswith(MARK)]
    # Verbatim tokens stand as mark and number until the end, so that no rule looks into them.
    numbers = iter(range(len(kept)))
    line = " ".join(
        f"{MARK}{next(numbers)}" if token.startswith(MARK) else NUMBER.get(token, token)
        for token in tokens
    )
    line = _without_openers(_rewritten(f"{line} ", _CONTRACTIONS))
    if not line.strip(" ,"):
        return Shape("")
    if sentence.given or not _is_english(tokens):
        return Shape(_APART.join(("as-is", *map(_bounded, tokens))))
    parts: tuple[str, ...]
    if line.split(" ", 1)[0] in VERBATIM_ORDERS:
        parts, setting = ("order", line.strip()), ""
    else:
        parts = _parts(line)
        setting = parts[-1]
    form = _KEPT.sub(lambda found: _bounded(kept[int(found.group(1))]), _APART.join(parts))
    return Shape(form, setting)


def _bounded(token: str) -> str:
    """A token with its length if it is verbatim: it may hold spaces, or what sets parts apart."""
    return f"{len(token)}:{token}" if token.startswith(MARK) else token


def _rewritten(line: str, rules: Rules) -> str:
    for pattern, replacement in rules:
        line = pattern.sub(replacement, line)
    return line


def _is_english(tokens: Sequence[str]) -> bool:
    words = {token.split("'")[0] for token in tokens}
    return (
        bool(words & ENGLISH or tokens[0] in VERBS)
        and not words & FOREIGN
        and "".join(tokens).replace(MARK, "").translate(_WESTERN_MARKS).isascii()
    )


def _without_openers(line: str) -> str:
    led = False
    while match := _OPENERS.match(line):
        line = line[match.end() :]
        led = led or bool(_LEADS.search(match.group()))
    if led and _INDIRECT.match(line) and not set(line.split()) & _TURNED:
        return f"{line}do "  # "explain how it works" turns to "how does it work"
    return line


def _parts(line: str) -> tuple[str, ...]:
    """Kind of question and auxiliaries; the words in their order; the setting."""
    line = _fronted_last(line)
    line = _without_openers(line)
    line = _rewritten(line, _REWRITES)
    line = _SYMMETRIC.sub(_sorted_pair, line)
    line = _EITHER.sub(lambda found: " or ".join(sorted(found.groups())), line)
    line, setting = _setting_apart(line.replace(f" {COMMA}", ""))
    line, language = _language_apart(line)
    line = _rewritten(line, _MADE_FOR)
    asks = bool(_ASKS.match(line)) or line.split(" ", 1)[0] in AUXILIARY
    count_matters = not asks or bool(_SUPERLATIVE.search(line))
    words = _verbs_plain([word for word in line.split() if word not in EMPTY])
    auxiliaries, words = _auxiliaries_apart(words)
    stands_for = {**SYNONYM, **JARGON} if setting else SYNONYM
    words = [_plain(word, stands_for, count_matters) for word in words]
    if words[:1] == ["why"] and len(auxiliaries) == 1:
        auxiliaries = [_WHY_NOT.get(auxiliaries[0], auxiliaries[0])]
    return (" ".join(auxiliaries), " ".join(words), language, setting)


def _fronted_last(line: str) -> str:
    """A setting or condition that stands first, put last."""
    if found := _FRONTED.match(line):
        return f"{line[found.end() :].strip()} {found.group(1).strip()} "
    if found := _FRONTED_SETTING.match(line):
        return f"{line[found.end() :].strip()} in {found.group(1)} "
    return line


def _sorted_pair(found: re.Match[str]) -> str:
    first, second = sorted((found.group(2).strip(), found.group(3).strip()))
    return f"{found.group(1)} between {first} and {second} "


def _setting_apart(line: str) -> tuple[str, str]:
    """The line without its setting, where it has exactly one: a second makes their roles matter."""
    found = list(_SETTINGS.finditer(line))
    if len(found) != 1:
        return line, ""
    (only,) = found
    before, after = line[: only.start()].split(), line[only.end() :].split()
    bare = only.group().split()[0] == only.group(1)
    if bare and (not after or after[0] in _NO_NOUN or (before and before[-1] in _NO_NOUN)):
        return line, ""  # it is what the question is about, and stands where it counts
    return " ".join((*before, *after, "")), SETTING[only.group(1)] + only.group(2)


def _language_apart(line: str) -> tuple[str, str]:
    """The line without the one language that something is wanted in."""
    found = list(_IN_LANGUAGE.finditer(line))
    if len(found) != 1:
        return line, ""
    return line[: found[0].start()] + line[found[0].end() :], found[0].group(1)


def _auxiliaries_apart(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Auxiliaries, with the negation that belongs to them, and the other words; both in order."""
    auxiliaries: list[str] = []
    rest: list[str] = []
    count = sum(word in AUXILIARY for word in words)
    asked = bool(words) and words[0] in AUXILIARY
    since = 0  # words since the last auxiliary
    for place, word in enumerate(words):
        following = words[place + 1] if place + 1 < len(words) else ""
        if word in AUXILIARY:
            auxiliaries.append(AUXILIARY[word])
            since = 0
        elif word == "not" and auxiliaries and _belongs(since, count, following, words[:place]):
            auxiliaries[-1] += "-not"
        else:
            rest.append(word)
            since += 1
    return (["yes-or-no", *auxiliaries] if asked else auxiliaries), rest


def _belongs(since: int, count: int, following: str, before: Sequence[str]) -> bool:
    """Whether a `not` denies the auxiliary before it and not the words behind it."""
    if following == "to" or following in PREPOSITIONS or before[-1] == "to":
        return False
    near = [word for word in before[-since:] if since]
    return since == 0 or (count == 1 and since <= 3 and not PREPOSITIONS & set(near))


def _verbs_plain(words: Sequence[str]) -> list[str]:
    """The words, with the verb in its plain form where there can be nothing but a verb.

    Anywhere else a word in -ing may be a thing (a building, training), and stays.
    """
    made = ["", *(bool(_MADE_NOUN.match(word)) for word in words)]
    return [
        _verb(word) if verb or before in ("not", "how-to") else word
        for word, verb, before in zip(words, made, ["", *words], strict=False)
    ]


def _plain(word: str, stands_for: Mapping[str, str], count_matters: bool) -> str:
    """A word as its group spells it and, unless that counts, without its plural."""
    if word in SETTING:
        return SETTING[word]
    word = stands_for.get(word, word)
    if not count_matters:
        word = PLURAL.get(word) or _without_s(word)
    return stands_for.get(word, word)


def _verb(word: str) -> str:
    """The verb of a form in -ing or -s that VERBS knows; any other word as it is."""
    if word.endswith("s") and _without_s(word) in VERBS:
        return _without_s(word)
    if not word.endswith("ing"):
        return word
    stem = word[:-3]
    doubled = stem[:-1] if stem[-1:] == stem[-2:-1] else stem
    return next((verb for verb in (stem, f"{stem}e", doubled) if verb in VERBS), word)


def _without_s(word: str) -> str:
    if len(word) < 4 or not word.endswith("s") or word.endswith(("ss", "us", "is", "as")):
        return word
    if word.endswith("ies") and len(word) > 4:
        return f"{word[:-3]}y"
    if word.endswith(("sses", "shes", "ches", "xes", "zzes")):
        return word[:-2]
    return word[:-1]
