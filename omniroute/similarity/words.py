"""What is known about English words: which mean the same, which say nothing, which must be kept.

Tables alone. They are short on purpose: a word that stands in none of them has to occur in both
questions, so a gap costs a hit and a careless entry costs a wrong answer. A group goes in only
where one word may replace the other in any question that somebody asks a model.
"""

from typing import Final


def _listed(words: str) -> list[str]:
    return words.split()


def _groups(lines: str) -> dict[str, str]:
    """Of lines of words, each but the first of its line -> that first."""
    groups = [line.split() for line in lines.splitlines() if line.strip()]
    return {word: group[0] for group in groups for word in group[1:]}


# Word -> the word that stands for its group, in any question.
SYNONYM: Final[dict[str, str]] = _groups(
    """
    analyze analyse
    anyone anybody
    begin start
    behavior behaviour
    bicycle bike
    buy purchase
    car automobile
    center centre
    child kid
    color colour
    configuration config
    create generate
    everyone everybody
    favorite favourite
    get obtain retrieve
    gray grey
    greater bigger larger
    initialize initialise
    kilogram kg
    kilometre kilometer kilometers kilometres km
    latest newest
    maximize maximise
    maximum max
    minimize minimise
    minimum min
    normalize normalise
    ok okay
    optimize optimise
    organize organise
    recognize recognise
    regex regexp
    repair fix
    repository repo
    serialize serialise
    someone somebody
    summarize summarise
    synchronize synchronise
    television tv
    tire tyre
    use utilise utilize
    via using
    visualize visualise
    write compose draft
    wrong incorrect
    """
)

# The same where the question is asked within a language or tool: elsewhere a dictionary is a book.
JARGON: Final[dict[str, str]] = _groups(
    """
    argument arg
    arguments args
    boolean bool
    character char
    characters chars
    database db
    dictionary dict
    dictionaries dicts
    directory dir folder
    directories dirs folders
    function func
    integer int
    integers ints
    parameter param
    parameters params
    """
)

# Names of languages, tools and systems that a question is asked within, as they are spelled in
# lower case -> the one spelling. "a Python list" and "a list in Python" say the same of them.
SETTING: Final[dict[str, str]] = {
    **{
        name: name
        for name in _listed("""
        python java javascript typescript rust ruby php kotlin scala haskell perl julia lua elixir
        erlang clojure fortran cobol matlab bash zsh powershell html css sql mysql sqlite postgresql
        mongodb redis docker kubernetes linux windows macos ubuntu debian fedora android ios git
        github gitlab react angular vue svelte django flask fastapi numpy pandas polars pytorch
        tensorflow excel latex nginx terraform ansible vim emacs node deno
        """)
    },
    "js": "javascript",
    "ts": "typescript",
    "golang": "golang",
    "postgres": "postgresql",
    "k8s": "kubernetes",
    "mongo": "mongodb",
    "nodejs": "node",
    "osx": "macos",
}

# Natural languages that a text may be wanted in.
LANGUAGES: Final = frozenset(
    _listed("""
    arabic chinese czech danish dutch english finnish french german greek hebrew hindi hungarian
    italian japanese korean latin norwegian polish portuguese romanian russian spanish swedish
    turkish ukrainian vietnamese
    """)
)

# Common words that are names as well, where even an all-lower-case text is not taken for either.
TWO_FACED: Final = frozenset(
    _listed("""
    amazon apple august bill chase china daisy excel face go jack java julia jupiter mark march may
    mercury meta mint node oracle perl pluto polish python react ruby rust saturn shell slack spark
    spring square steam swift target teams turkey us vim visa who will windows word
    """)
)

NUMBER: Final[dict[str, str]] = {
    **{
        word: str(value)
        for value, word in enumerate(
            _listed(
                "zero one two three four five six seven eight nine ten eleven twelve thirteen "
                "fourteen fifteen sixteen seventeen eighteen nineteen twenty"
            )
        )
    },
    **{
        word: str(value)
        for value, word in zip(
            range(30, 100, 10),
            _listed("thirty forty fifty sixty seventy eighty ninety"),
            strict=True,
        )
    },
    "ii": "2",
    "iii": "3",
}

# Units as they are written behind a number -> one spelling. Case counts for the short ones.
UNIT: Final[dict[str, str]] = {
    word: group.split()[0]
    for group in (
        "km kilometre kilometres kilometer kilometers",
        "m metre metres meter meters",
        "cm centimetre centimetres centimeter centimeters",
        "mm millimetre millimetres millimeter millimeters",
        "mile miles",
        "ft foot feet",
        "kg kilogram kilograms kilo kilos",
        "g gram grams",
        "l litre litres liter liters",
        "ml millilitre millilitres milliliter milliliters",
        "h hour hours hr hrs",
        "min minute minutes mins",
        "s sec secs second seconds",
        "ms millisecond milliseconds",
        "% percent",
        "KB kilobyte kilobytes",
        "MB megabyte megabytes",
        "GB gigabyte gigabytes",
        "TB terabyte terabytes",
        "MiB",
        "GiB",
        "°C celsius",
        "°F fahrenheit",
        "px pixel pixels",
    )
    for word in group.split()
}

# Auxiliary verbs: taken out of the sentence, in their order, because questions turn them round.
AUXILIARY: Final[dict[str, str]] = {
    word: group.split()[0]
    for group in (
        "is are am",
        "was were",
        "do does",
        "did",
        "has have",
        "had",
        "will",
        "would",
        "can",
        "could",
        "should",
        "must",
        "may",
        "might",
        "shall",
    )
    for word in group.split()
}

PREPOSITIONS: Final = frozenset(
    _listed("""
    about above across after against along among around as at before behind below beneath beside
    between beyond by during except for from in inside into like near of off on onto out outside
    over past per since than through to toward towards under until unlike up upon via with within
    without
    """)
)

# What says nothing where it stands alone between other words.
EMPTY: Final = frozenset(_listed("a an the please kindly actually basically"))

# Words that give away English, and words that give away that a text is in another language.
ENGLISH: Final = frozenset(
    _listed("""
    a an and are as at be can could do does did explain find for from give had has have how i if in
    is it list make me my no not of on or please should show tell that the then this to was were
    what when where whether which who whom whose why will with would write you your
    """)
)
FOREIGN: Final = frozenset(
    _listed("""
    der das und ist nicht ein eine einen wie warum wer wann auf für mit von zu ich du wir sie es
    den dem des im zum zur bei nach aus oder aber kein keine auch noch
    le la les un une des du est et pas que qui quoi comment pourquoi quand dans pour avec sur je tu
    nous vous il elle ce cette au aux ou mais
    el los las una y no es en por para con como cuando donde porque del al lo su mi
    il gli di che è non per perché quando dove chi della del nel sono
    o os uma e não como onde por que para com em do da dos das
    de het een en niet hoe waarom wanneer waar wie van voor met op ik je wij zij
    och är inte hur varför när att som jag det
    """)
) - frozenset(_listed("a as do es in is me no on or du per como con des en o e que"))

# Words in -est that compare nothing.
NO_SUPERLATIVE: Final = _listed(
    "arrest digest forest guest harvest honest interest protest request suggest"
)

# Plurals that the rule does not make, and words that say something else without their -s.
PLURAL: Final[dict[str, str]] = {
    **{
        word: word
        for word in _listed(
            """
            arms always clothes contents customs glasses goods jeans lens manners means news pants
            perhaps savings series shorts species spirits times yes
            """
        )
    },
    "children": "child",
    "feet": "foot",
    "indices": "index",
    "indexes": "index",
    "matrices": "matrix",
    "men": "man",
    "mice": "mouse",
    "teeth": "tooth",
    "vertices": "vertex",
    "women": "woman",
}

# Verbs whose form in -ing stands for the plain one: any other word in -ing is left alone.
VERBS: Final = frozenset(
    _listed("""
    add allow announce answer apply ask avoid bake begin boil border break build buy calculate call
    cancel catch change check clean clone close code combine commit compare compile compute connect
    contain convert cook copy count create debug decode define delete deploy describe detect
    determine develop disable display divide download draft draw drive drop eat edit enable encode
    encrypt escape exercise export extract fetch filter find fix flatten format generate get give
    grow handle help hide implement import improve include increase insert install iterate join keep
    learn leave limit list live load loop make match measure merge move multiply open parse pass
    pause plan play plot post prevent print process pull push put read reduce refactor reload
    remove rename repair replace reset resize restart restore return reverse rotate round run save
    say search send serve set share show shrink skip sleep solve sort speak split start stop store
    stream subtract swap switch take talk teach tell test throw track train translate travel trim
    try turn undo uninstall update upgrade upload use validate verify wait walk wash work wrap write
    """)
)

# What is made or given for a purpose: "a function to sort", "that sorts", "for sorting" agree.
MADE: Final = (
    "algorithm|class|code|command|component|decorator|expression|formula|function|loop|macro|method"
    "|program|query|regex|routine|script|snippet|statement|steps"
)

# Orders whose object is the asker's own words: in these each word counts as it stands.
VERBATIM_ORDERS: Final = frozenset(
    _listed("""
    capitalise capitalize complete continue correct edit paraphrase pronounce proofread put repeat
    rephrase rewrite say spell translate
    """)
)

# What a `you` is asked about itself: there it is nobody else.
ABOUT_YOURSELF: Final = (
    "answer|come|decide|do|feel|get|handle|identify|keep|know|learn|like|love|process|remember|respond"
    "|spell|store|think|understand|work"
)
