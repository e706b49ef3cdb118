# cython: language_level=3, boundscheck=False, wraparound=False
"""The commonest event of each stream read and written by itself: the compiled twin of `deltas_py`,
which holds the contract. One walk over the payload, no object made but the piece and its tuple.
All reads go through a bounded cursor: no byte behind `size` is looked at, where bytes objects have
a zero, which is no part of any JSON and stops every loop.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.unicode cimport PyUnicode_AsUTF8AndSize, PyUnicode_DecodeUTF8
from libc.stdint cimport uint64_t
from libc.string cimport memcmp, memcpy

from omniroute._speedups.contract import ARGUMENTS as _ARGUMENTS
from omniroute._speedups.contract import MAX_NUMBER as _MAX_NUMBER
from omniroute._speedups.contract import MAX_SKIPPED_DEPTH as _MAX_SKIPPED_DEPTH
from omniroute._speedups.contract import REASONING as _REASONING
from omniroute._speedups.contract import SUMMARY as _SUMMARY
from omniroute._speedups.contract import TEXT as _TEXT

cdef enum:
    TEXT = 1
    REASONING = 2
    ARGUMENTS = 3
    SUMMARY = 4
    MAX_SKIPPED_DEPTH = 16
    MAX_NUMBER = 32
    MAX_DIGITS = 9  # of an index: below 10^9

if (TEXT, REASONING, ARGUMENTS, SUMMARY, MAX_SKIPPED_DEPTH, MAX_NUMBER) != (
    _TEXT, _REASONING, _ARGUMENTS, _SUMMARY, _MAX_SKIPPED_DEPTH, _MAX_NUMBER
):
    raise ImportError("deltas_c was built for other kinds or limits than contract.py states")

# What a byte is within a string: 0 itself, 1 beyond ASCII, 2 the end, an escape or an error.
cdef unsigned char[256] BYTES
# How many bytes an escaped one takes more than as it is.
cdef unsigned char[256] EXTRA
cdef const char* HEX = "0123456789abcdef"

cdef void fill_tables() noexcept:
    cdef int byte
    for byte in range(256):
        BYTES[byte] = 1 if byte >= 0x80 else 2 if byte < 0x20 else 0
        EXTRA[byte] = 5 if byte < 0x20 else 0
    BYTES[c'"'] = BYTES[c"\\"] = 2
    EXTRA[c'"'] = EXTRA[c"\\"] = 1
    EXTRA[c"\b"] = EXTRA[c"\f"] = EXTRA[c"\n"] = EXTRA[c"\r"] = EXTRA[c"\t"] = 1

fill_tables()


cdef struct Cursor:
    const unsigned char* data
    Py_ssize_t at
    Py_ssize_t size
    bint foreign  # bytes beyond ASCII were passed that nobody has decoded


cdef struct Span:
    # The inside of a string.
    Py_ssize_t start
    Py_ssize_t end
    bint escaped
    bint foreign


cdef struct Piece:
    # What has been found of the delta; `kind` 0: nothing yet.
    int kind
    long index
    long within
    Span text


cdef inline void skip_space(Cursor* c) noexcept:
    cdef unsigned char byte
    while c.at < c.size:
        byte = c.data[c.at]
        if byte > c" " or not (
            byte == c" " or byte == c"\n" or byte == c"\r" or byte == c"\t"
        ):
            return
        c.at += 1


cdef inline bint take(Cursor* c, unsigned char byte) noexcept:
    """Pass that byte, white space before it included; False if it is another."""
    skip_space(c)
    if c.at < c.size and c.data[c.at] == byte:
        c.at += 1
        return True
    return False


cdef inline bint take_word(Cursor* c, const char* word, Py_ssize_t length) noexcept:
    if c.size - c.at >= length and memcmp(c.data + c.at, word, <size_t>length) == 0:
        c.at += length
        return True
    return False


cdef inline bint take_null(Cursor* c) noexcept:
    return take_word(c, "null", 4)


# --- strings -------------------------------------------------------------------------------------


cdef inline int hex_digit(unsigned char byte) noexcept:
    if c"0" <= byte <= c"9":
        return byte - c"0"
    byte |= 0x20
    if c"a" <= byte <= c"f":
        return byte - c"a" + 10
    return -1


cdef long code_unit(const unsigned char* data, Py_ssize_t at, Py_ssize_t end) noexcept:
    """The UTF-16 unit of the `\\uXXXX` at `at`; -1 if there is none."""
    cdef long unit = 0
    cdef int digit
    cdef Py_ssize_t place
    if end - at < 6 or data[at] != c"\\" or data[at + 1] != c"u":
        return -1
    for place in range(at + 2, at + 6):
        digit = hex_digit(data[place])
        if digit < 0:
            return -1
        unit = unit * 16 + digit
    return unit


cdef Py_ssize_t escape_length(const unsigned char* data, Py_ssize_t at, Py_ssize_t end) noexcept:
    """How long the escape at `at` is, both halves of a surrogate pair together; -1 if broken."""
    cdef unsigned char letter
    cdef long unit
    if end - at < 2:
        return -1
    letter = data[at + 1]
    if letter != c"u":
        if (
            letter == c'"' or letter == c"\\" or letter == c"/" or letter == c"b"
            or letter == c"f" or letter == c"n" or letter == c"r" or letter == c"t"
        ):
            return 2
        return -1
    unit = code_unit(data, at, end)
    if unit < 0 or 0xDC00 <= unit < 0xE000:
        return -1
    if 0xD800 <= unit < 0xDC00:
        unit = code_unit(data, at + 6, end)
        return 12 if 0xDC00 <= unit < 0xE000 else -1
    return 6


cdef inline bint is_plain(const unsigned char* data) noexcept:
    """Are the eight bytes all of class 0? The usual sums over a word find the ones that are not."""
    cdef uint64_t word, quotes, slashes
    memcpy(&word, data, 8)
    quotes = word ^ 0x2222222222222222u
    slashes = word ^ 0x5C5C5C5C5C5C5C5Cu
    return (
        word
        | (word - 0x2020202020202020u)
        | (quotes - 0x0101010101010101u)
        | (slashes - 0x0101010101010101u)
    ) & 0x8080808080808080u == 0


cdef bint take_string(Cursor* c, Span* span) noexcept:
    """Pass a string; False if there is none, or one that is broken."""
    cdef const unsigned char* data = c.data
    cdef Py_ssize_t at = c.at
    cdef Py_ssize_t size = c.size
    cdef Py_ssize_t length
    if at >= size or data[at] != c'"':
        return False
    at += 1
    span.start = at
    span.escaped = False
    span.foreign = False
    while True:
        while size - at >= 8 and is_plain(data + at):
            at += 8
        while BYTES[data[at]] == 0:
            at += 1
        if BYTES[data[at]] == 1:
            span.foreign = True
            at += 1
        elif at >= size:
            return False
        elif data[at] == c'"':
            span.end = at
            c.at = at + 1
            return True
        elif data[at] == c"\\":
            length = escape_length(data, at, size)
            if length < 0:
                return False
            span.escaped = True
            at += length
        else:
            return False


cdef inline bint take_unread(Cursor* c, Span* span) noexcept:
    """Pass a string that is not going to be decoded."""
    if not take_string(c, span):
        return False
    c.foreign |= span.foreign
    return True


cdef Py_ssize_t unescape(
    const unsigned char* data, Py_ssize_t at, Py_ssize_t end, unsigned char* out
) noexcept:
    """Write what data[at:end] means, in UTF-8; return its length. The escapes were found good.

    `out` has room for end - at bytes, which suffices: no escape is shorter than what it means.
    """
    cdef Py_ssize_t written = 0
    cdef unsigned char letter
    cdef long code
    while at < end:
        if data[at] != c"\\":
            out[written] = data[at]
            written += 1
            at += 1
            continue
        letter = data[at + 1]
        if letter != c"u":
            if letter == c"b":
                letter = 0x08
            elif letter == c"f":
                letter = 0x0C
            elif letter == c"n":
                letter = 0x0A
            elif letter == c"r":
                letter = 0x0D
            elif letter == c"t":
                letter = 0x09
            out[written] = letter
            written += 1
            at += 2
            continue
        code = code_unit(data, at, end)
        at += 6
        if 0xD800 <= code < 0xDC00:
            code = 0x10000 + ((code - 0xD800) << 10) + (code_unit(data, at, end) - 0xDC00)
            at += 6
        if code < 0x80:
            out[written] = <unsigned char>code
            written += 1
        elif code < 0x800:
            out[written] = <unsigned char>(0xC0 | (code >> 6))
            out[written + 1] = <unsigned char>(0x80 | (code & 0x3F))
            written += 2
        elif code < 0x10000:
            out[written] = <unsigned char>(0xE0 | (code >> 12))
            out[written + 1] = <unsigned char>(0x80 | ((code >> 6) & 0x3F))
            out[written + 2] = <unsigned char>(0x80 | (code & 0x3F))
            written += 3
        else:
            out[written] = <unsigned char>(0xF0 | (code >> 18))
            out[written + 1] = <unsigned char>(0x80 | ((code >> 12) & 0x3F))
            out[written + 2] = <unsigned char>(0x80 | ((code >> 6) & 0x3F))
            out[written + 3] = <unsigned char>(0x80 | (code & 0x3F))
            written += 4
    return written


cdef object meaning(Cursor* c, Span* span):
    """The string itself. UnicodeDecodeError."""
    cdef Py_ssize_t length = span.end - span.start
    cdef bytes room
    if not span.escaped:
        return PyUnicode_DecodeUTF8(<const char*>c.data + span.start, length, NULL)
    room = PyBytes_FromStringAndSize(NULL, length)
    length = unescape(
        c.data, span.start, span.end, <unsigned char*>PyBytes_AS_STRING(room)
    )
    return PyUnicode_DecodeUTF8(PyBytes_AS_STRING(room), length, NULL)


# --- names ---------------------------------------------------------------------------------------

cdef struct Name:
    const char* text
    Py_ssize_t length


cdef Py_ssize_t place_of(Cursor* c, Span* span, const Name* names, Py_ssize_t count) except -2:
    """Which of the names the string is; -1: none."""
    cdef const char* data = <const char*>c.data + span.start
    cdef Py_ssize_t length = span.end - span.start
    cdef Py_ssize_t place
    cdef bytes spelled
    if span.escaped:
        # Legal, and never seen; invalid UTF-8 equals no name, and is found out at the end.
        spelled = PyBytes_FromStringAndSize(NULL, length)
        length = unescape(
            c.data, span.start, span.end, <unsigned char*>PyBytes_AS_STRING(spelled)
        )
        data = PyBytes_AS_STRING(spelled)
    for place in range(count):
        if (
            names[place].length == length
            and names[place].text[0] == data[0]
            and memcmp(names[place].text, data, <size_t>length) == 0
        ):
            return place
    return -1


cdef enum:
    END = -3
    ODD = -4
    MAX_NAMES = 12

cdef struct Table:
    Name[MAX_NAMES] names
    Py_ssize_t count

cdef void fill(Table* table, tuple names):
    # The names are literals of this module's, so their bytes live as long as it does.
    cdef bytes name
    table.count = 0
    for name in names:
        table.names[table.count].text = PyBytes_AS_STRING(name)
        table.names[table.count].length = PyBytes_GET_SIZE(name)
        table.count += 1


cdef Py_ssize_t next_known(
    Cursor* c, Table* table, unsigned int* seen, bint* begun
) except -2:
    """Go on to the value of the next member that has a meaning; unknown ones are passed.

    The cursor stands behind the object's brace, or behind a member. END behind the last member;
    ODD for what is broken, and for a name that comes twice.
    """
    cdef Span name
    cdef Py_ssize_t place
    while True:
        if begun[0]:
            if take(c, c"}"):
                return END
            if not take(c, c","):
                return ODD
            skip_space(c)
        else:
            begun[0] = True
            if take(c, c"}"):
                return END
        if not take_unread(c, &name) or not take(c, c":"):
            return ODD
        skip_space(c)
        place = place_of(c, &name, table.names, table.count)
        if place >= 0:
            if seen[0] & (1u << place):
                return ODD
            seen[0] |= 1u << place
            return place
        if not skip_value(c, MAX_SKIPPED_DEPTH):
            return ODD


# --- values --------------------------------------------------------------------------------------


cdef bint skip_number(Cursor* c) noexcept:
    cdef Py_ssize_t start = c.at
    cdef Py_ssize_t at = c.at
    cdef Py_ssize_t size = c.size
    cdef const unsigned char* data = c.data
    if at < size and data[at] == c"-":
        at += 1
    if at == size or not c"0" <= data[at] <= c"9":
        return False
    if data[at] == c"0":
        at += 1
    else:
        while at < size and c"0" <= data[at] <= c"9":
            at += 1
    if at < size and data[at] == c".":
        at += 1
        if at == size or not c"0" <= data[at] <= c"9":
            return False
        while at < size and c"0" <= data[at] <= c"9":
            at += 1
    # What follows is for the caller to see: it is no comma and no bracket then.
    c.at = at
    return at - start <= MAX_NUMBER


cdef bint skip_value(Cursor* c, int depth) noexcept:
    """Pass any value that is well-formed, nested `depth` deep at most."""
    cdef Span span
    cdef unsigned char byte
    if c.at >= c.size:
        return False
    byte = c.data[c.at]
    if byte == c'"':
        return take_unread(c, &span)
    if byte == c"{":
        if depth == 0:
            return False
        c.at += 1
        if take(c, c"}"):
            return True
        while True:
            skip_space(c)
            if not take_unread(c, &span) or not take(c, c":"):
                return False
            skip_space(c)
            if not skip_value(c, depth - 1):
                return False
            if take(c, c"}"):
                return True
            if not take(c, c","):
                return False
    if byte == c"[":
        if depth == 0:
            return False
        c.at += 1
        if take(c, c"]"):
            return True
        while True:
            skip_space(c)
            if not skip_value(c, depth - 1):
                return False
            if take(c, c"]"):
                return True
            if not take(c, c","):
                return False
    if byte == c"n":
        return take_null(c)
    if byte == c"t":
        return take_word(c, "true", 4)
    if byte == c"f":
        return take_word(c, "false", 5)
    return skip_number(c)


cdef bint take_index(Cursor* c, long* index) noexcept:
    """Pass a whole number below 10^9."""
    cdef Py_ssize_t start = c.at
    cdef long value = 0
    while c.at < c.size and c"0" <= c.data[c.at] <= c"9":
        if c.at - start == MAX_DIGITS:
            return False
        value = value * 10 + (c.data[c.at] - c"0")
        c.at += 1
    index[0] = value
    # A fraction or an exponent behind it is not what a comma or a bracket would be.
    return c.at - start == 1 or (c.at > start and c.data[start] != c"0")


cdef inline bint take_only_text(Cursor* c, Piece* piece, int kind) noexcept:
    """Pass a text: null, empty, or the piece if it is the first one and may be (`kind` not 0)."""
    cdef Span span
    if take_null(c):
        return True
    if not take_string(c, &span):
        return False
    if span.start == span.end:
        return True
    if piece.kind or not kind:
        return False
    piece.kind = kind
    piece.text = span
    return True


cdef inline bint take_text_or_null(Cursor* c) noexcept:
    cdef Span span
    return take_null(c) or take_unread(c, &span)


cdef object delta_of(Cursor* c, Piece* piece):
    """The delta of a payload that was read to the end of its object."""
    skip_space(c)
    if c.at != c.size or piece.kind == 0:
        return None
    try:
        if c.foreign:
            PyUnicode_DecodeUTF8(<const char*>c.data, c.size, NULL)
        text = meaning(c, &piece.text)
    except UnicodeDecodeError:
        return None
    return piece.kind, piece.index, piece.within, text


cdef inline void begin(bytes payload, Cursor* c, Piece* piece) noexcept:
    c.data = <const unsigned char*>PyBytes_AS_STRING(payload)
    c.at = 0
    c.size = PyBytes_GET_SIZE(payload)
    c.foreign = False
    piece.kind = 0
    piece.index = 0
    piece.within = 0


# --- OpenAI's chat completions -------------------------------------------------------------------

cdef Table CHUNK, CHOICE, OPENAI_DELTA, CALL, FUNCTION
fill(&CHUNK, (b"choices", b"usage", b"error"))
fill(&CHOICE, (b"delta", b"index", b"message", b"finish_reason", b"logprobs"))
fill(
    &OPENAI_DELTA,
    (
        b"content", b"reasoning_content", b"reasoning", b"reasoning_text", b"refusal",
        b"tool_calls", b"reasoning_details", b"function_call", b"audio", b"annotations",
        b"images",
    ),
)
fill(&CALL, (b"function", b"index", b"type", b"id", b"custom", b"extra_content"))
fill(&FUNCTION, (b"arguments", b"name"))


def read_openai_delta(bytes payload not None):
    """A chat completion chunk. `index` is the choice's; `within` the call's, for arguments."""
    cdef Cursor c
    cdef Piece piece
    cdef unsigned int seen = 0
    cdef bint begun = False
    cdef Py_ssize_t place
    begin(payload, &c, &piece)
    if not take(&c, c"{"):
        return None
    while True:
        place = next_known(&c, &CHUNK, &seen, &begun)
        if place == END:
            return delta_of(&c, &piece)
        if place == ODD:
            return None
        if place == 0:
            if not take(&c, c"["):
                return None
            skip_space(&c)
            if not choice(&c, &piece) or not take(&c, c"]"):
                return None
        elif not take_null(&c):
            return None


cdef bint choice(Cursor* c, Piece* piece) except -1:
    cdef unsigned int seen = 0
    cdef bint begun = False
    cdef Py_ssize_t place
    if not take(c, c"{"):
        return False
    while True:
        place = next_known(c, &CHOICE, &seen, &begun)
        if place == END:
            return True
        if place == ODD:
            return False
        if place == 0:
            if not openai_delta(c, piece):
                return False
        elif place == 1:
            if not take_null(c) and not take_index(c, &piece.index):
                return False
        elif not take_null(c):
            return False


cdef bint openai_delta(Cursor* c, Piece* piece) except -1:
    cdef unsigned int seen = 0
    cdef bint begun = False
    cdef Py_ssize_t place
    if not take(c, c"{"):
        return False
    while True:
        place = next_known(c, &OPENAI_DELTA, &seen, &begun)
        if place == END:
            return True
        if place == ODD:
            return False
        if place <= 4:
            if not take_only_text(
                c, piece, TEXT if place == 0 else 0 if place == 4 else REASONING
            ):
                return False
        elif not take_null(c):
            if place != 5 or not take(c, c"["):
                return False
            skip_space(c)
            if not call(c, piece) or not take(c, c"]"):
                return False


cdef bint call(Cursor* c, Piece* piece) except -1:
    cdef unsigned int seen = 0
    cdef bint begun = False
    cdef Py_ssize_t place
    cdef Span id
    if not take(c, c"{"):
        return False
    while True:
        place = next_known(c, &CALL, &seen, &begun)
        if place == END:
            # Only a call that says its number and has arguments goes on with another.
            return seen & 3 == 3
        if place == ODD:
            return False
        if place == 0:
            if not function(c, piece):
                return False
        elif place == 1:
            if not take_index(c, &piece.within):
                return False
        elif place == 2:
            if not take_text_or_null(c):
                return False
        elif not take_null(c):
            if place != 3 or not take_unread(c, &id) or id.start != id.end:
                return False


cdef bint function(Cursor* c, Piece* piece) except -1:
    cdef unsigned int seen = 0
    cdef bint begun = False
    cdef Py_ssize_t place
    cdef Span name
    if not take(c, c"{"):
        return False
    while True:
        place = next_known(c, &FUNCTION, &seen, &begun)
        if place == END:
            return seen & 1 and piece.kind == ARGUMENTS
        if place == ODD:
            return False
        if place == 0:
            if not take_only_text(c, piece, ARGUMENTS):
                return False
        elif not take_null(c):
            if not take_unread(c, &name) or name.start != name.end:
                return False


# --- OpenAI's Responses --------------------------------------------------------------------------

cdef Table RESPONSES, RESPONSES_KINDS
fill(
    &RESPONSES,
    (
        b"type", b"delta", b"output_index", b"content_index", b"summary_index", b"logprobs",
        b"item", b"part", b"response", b"error", b"message", b"code",
    ),
)
fill(
    &RESPONSES_KINDS,
    (
        b"response.output_text.delta", b"response.function_call_arguments.delta",
        b"response.custom_tool_call_input.delta", b"response.reasoning_text.delta",
        b"response.reasoning_summary_text.delta",
    ),
)


def read_responses_delta(bytes payload not None):
    """An event of a Responses stream. `index` is the item's; `within` that of the content part, or
    of the summary part; 0 for arguments."""
    cdef Cursor c
    cdef Piece piece
    cdef Span span
    cdef unsigned int seen = 0
    cdef bint begun = False
    cdef Py_ssize_t place
    cdef int kind = 0
    cdef long summary = 0
    begin(payload, &c, &piece)
    if not take(&c, c"{"):
        return None
    while True:
        place = next_known(&c, &RESPONSES, &seen, &begun)
        if place == END:
            break
        if place == ODD:
            return None
        if place == 0:
            if not take_unread(&c, &span):
                return None
            place = place_of(&c, &span, RESPONSES_KINDS.names, RESPONSES_KINDS.count)
            if place < 0:
                return None
            kind = (
                TEXT if place == 0 else ARGUMENTS if place <= 2 else REASONING if place == 3
                else SUMMARY
            )
        elif place == 1:
            if not take_only_text(&c, &piece, TEXT):
                return None
        elif place == 2:
            if not take_index(&c, &piece.index):
                return None
        elif place == 3:
            if not take_index(&c, &piece.within):
                return None
        elif place == 4:
            if not take_index(&c, &summary):
                return None
        elif not take_null(&c):
            if place != 5 or not take(&c, c"[") or not take(&c, c"]"):
                return None
    if piece.kind == 0 or kind == 0:
        return None
    piece.kind = kind
    if kind == SUMMARY:
        piece.within = summary
    elif kind == ARGUMENTS:
        piece.within = 0
    return delta_of(&c, &piece)


# --- Anthropic's Messages ------------------------------------------------------------------------

cdef Table CLAUDE, CLAUDE_KINDS, CLAUDE_DELTA
fill(
    &CLAUDE, (b"type", b"delta", b"index", b"content_block", b"message", b"usage", b"error")
)
fill(&CLAUDE_KINDS, (b"content_block_delta",))
fill(
    &CLAUDE_DELTA,
    (
        b"text", b"thinking", b"partial_json", b"signature", b"type", b"citation",
        b"stop_reason", b"stop_sequence", b"stop_details",
    ),
)


def read_claude_delta(bytes payload not None):
    """An event of a Messages stream. `index` is the block's; `within` is 0."""
    cdef Cursor c
    cdef Piece piece
    cdef Span span
    cdef unsigned int seen = 0
    cdef bint begun = False
    cdef Py_ssize_t place
    begin(payload, &c, &piece)
    if not take(&c, c"{"):
        return None
    while True:
        place = next_known(&c, &CLAUDE, &seen, &begun)
        if place == END:
            # Without a type it is no event.
            return delta_of(&c, &piece) if seen & 1 else None
        if place == ODD:
            return None
        if place == 0:
            if not take_unread(&c, &span):
                return None
            if place_of(&c, &span, CLAUDE_KINDS.names, CLAUDE_KINDS.count) < 0:
                return None
        elif place == 1:
            if not claude_delta(&c, &piece):
                return None
        elif place == 2:
            if not take_index(&c, &piece.index):
                return None
        elif not take_null(&c):
            return None


cdef bint claude_delta(Cursor* c, Piece* piece) except -1:
    cdef unsigned int seen = 0
    cdef bint begun = False
    cdef Py_ssize_t place
    cdef Span span
    if not take(c, c"{"):
        return False
    while True:
        place = next_known(c, &CLAUDE_DELTA, &seen, &begun)
        if place == END:
            return True
        if place == ODD:
            return False
        if place <= 3:
            if not take_only_text(
                c,
                piece,
                TEXT if place == 0 else REASONING if place == 1 else ARGUMENTS if place == 2
                else 0,
            ):
                return False
        elif place == 4:
            if not take_unread(c, &span):
                return False
        elif not take_null(c):
            return False


# --- Google's Gemini -----------------------------------------------------------------------------

cdef Table ANSWER, COUNTS, CANDIDATE, CONTENT, PART
fill(
    &ANSWER,
    (
        b"candidates", b"usageMetadata", b"modelVersion", b"responseId", b"promptFeedback",
        b"error",
    ),
)
fill(
    &COUNTS,
    (
        b"promptTokenCount", b"candidatesTokenCount", b"totalTokenCount",
        b"thoughtsTokenCount", b"toolUsePromptTokenCount", b"cachedContentTokenCount",
    ),
)
fill(
    &CANDIDATE,
    (
        b"content", b"index", b"finishReason", b"finishMessage", b"citationMetadata",
        b"groundingMetadata", b"logprobsResult",
    ),
)
fill(&CONTENT, (b"parts",))
fill(
    &PART,
    (
        b"text", b"thought", b"thoughtSignature", b"functionCall", b"inlineData", b"fileData",
    ),
)


def read_gemini_delta(bytes payload not None):
    """A chunk of Gemini's answer. `index` is the candidate's; `within` is 1 where the chunk also
    counts tokens (`usageMetadata`), which the caller has to remember, else 0."""
    cdef Cursor c
    cdef Piece piece
    cdef unsigned int seen = 0
    cdef bint begun = False
    cdef Py_ssize_t place
    begin(payload, &c, &piece)
    if not take(&c, c"{"):
        return None
    while True:
        place = next_known(&c, &ANSWER, &seen, &begun)
        if place == END:
            return delta_of(&c, &piece)
        if place == ODD:
            return None
        if place == 0:
            if not take(&c, c"["):
                return None
            skip_space(&c)
            if not candidate(&c, &piece) or not take(&c, c"]"):
                return None
        elif place == 1:
            if not take_null(&c):
                piece.within = 1
                if not counts(&c):
                    return None
        elif place <= 3:
            if not take_text_or_null(&c):
                return None
        elif not take_null(&c):
            return None


cdef bint counts(Cursor* c) except -1:
    cdef unsigned int seen = 0
    cdef bint begun = False
    cdef Py_ssize_t place
    cdef long count
    if not take(c, c"{"):
        return False
    while True:
        place = next_known(c, &COUNTS, &seen, &begun)
        if place == END:
            return True
        if place == ODD or not (take_null(c) or take_index(c, &count)):
            return False


cdef bint candidate(Cursor* c, Piece* piece) except -1:
    cdef unsigned int seen = 0
    cdef bint begun = False
    cdef Py_ssize_t place
    if not take(c, c"{"):
        return False
    while True:
        place = next_known(c, &CANDIDATE, &seen, &begun)
        if place == END:
            return True
        if place == ODD:
            return False
        if place == 0:
            if not content(c, piece):
                return False
        elif place == 1:
            if not take_index(c, &piece.index):
                return False
        elif not take_null(c):
            return False


cdef bint content(Cursor* c, Piece* piece) except -1:
    cdef unsigned int seen = 0
    cdef bint begun = False
    cdef Py_ssize_t place
    if not take(c, c"{"):
        return False
    while True:
        place = next_known(c, &CONTENT, &seen, &begun)
        if place == END:
            return True
        if place == ODD or not take(c, c"["):
            return False
        skip_space(c)
        if not part(c, piece) or not take(c, c"]"):
            return False


cdef bint part(Cursor* c, Piece* piece) except -1:
    cdef unsigned int seen = 0
    cdef bint begun = False
    cdef bint thought = False
    cdef Py_ssize_t place
    cdef Span signature
    if not take(c, c"{"):
        return False
    while True:
        place = next_known(c, &PART, &seen, &begun)
        if place == END:
            if thought and piece.kind:
                piece.kind = REASONING
            return True
        if place == ODD:
            return False
        if place == 0:
            if not take_only_text(c, piece, TEXT):
                return False
        elif place == 1:
            if take_word(c, "true", 4):
                thought = True
            elif not take_word(c, "false", 5):
                return False
        elif place == 2:
            if not take_unread(c, &signature) or signature.start != signature.end:
                return False
        elif not take_null(c):
            return False


# --- writing -------------------------------------------------------------------------------------


def write_delta(bytes prefix not None, str text not None, bytes suffix not None):
    """`prefix`, then `text` as a JSON string, then `suffix`."""
    cdef Py_ssize_t length
    cdef const unsigned char* data = <const unsigned char*>PyUnicode_AsUTF8AndSize(text, &length)
    cdef Py_ssize_t before = PyBytes_GET_SIZE(prefix)
    cdef Py_ssize_t behind = PyBytes_GET_SIZE(suffix)
    cdef Py_ssize_t extra = 0
    cdef Py_ssize_t at = 0
    cdef bytes made
    cdef unsigned char* out
    cdef unsigned char byte
    while at < length:
        if length - at >= 8 and is_plain(data + at):
            at += 8
        else:
            extra += EXTRA[data[at]]
            at += 1
    made = PyBytes_FromStringAndSize(NULL, before + length + extra + behind + 2)
    out = <unsigned char*>PyBytes_AS_STRING(made)
    memcpy(out, PyBytes_AS_STRING(prefix), <size_t>before)
    out += before
    out[0] = c'"'
    out += 1
    if extra == 0:
        memcpy(out, data, <size_t>length)
        out += length
    else:
        for at in range(length):
            byte = data[at]
            if EXTRA[byte] == 0:
                out[0] = byte
                out += 1
                continue
            out[0] = c"\\"
            if EXTRA[byte] == 1:
                if byte == c"\n":
                    byte = c"n"
                elif byte == c"\t":
                    byte = c"t"
                elif byte == c"\r":
                    byte = c"r"
                elif byte == c"\b":
                    byte = c"b"
                elif byte == c"\f":
                    byte = c"f"
                out[1] = byte
                out += 2
                continue
            out[1] = c"u"
            out[2] = out[3] = c"0"
            out[4] = HEX[byte >> 4]
            out[5] = HEX[byte & 15]
            out += 6
    out[0] = c'"'
    out += 1
    memcpy(out, PyBytes_AS_STRING(suffix), <size_t>behind)
    return made
