# cython: language_level=3, boundscheck=False, wraparound=False
"""Members of a JSON object found in its bytes: the compiled twin of `jsonscan_py`, which holds
the contract. All reads go through bounded pointers: no byte at or after `size` is looked at.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.tuple cimport PyTuple_GET_ITEM, PyTuple_GET_SIZE
from libc.string cimport memchr, memcmp

from omniroute._speedups.contract import DuplicateMember, JsonScanError, Member
from omniroute._speedups.contract import MAX_DEPTH as _CONTRACT_DEPTH

cdef enum:
    MAX_DEPTH = 1024

if MAX_DEPTH != _CONTRACT_DEPTH:
    raise ImportError("jsonscan_c was built for another nesting limit than contract.py states")

# The tuple's own constructor: a named tuple's Python-level one costs more than the scan of a
# small body.
cdef object new_tuple = tuple.__new__

cdef struct Trouble:
    # The sentence of a failed scan, and the byte it is about.
    const char* reason
    Py_ssize_t offset


cdef inline Py_ssize_t skip_space(
    const unsigned char* data, Py_ssize_t at, Py_ssize_t size
) noexcept:
    while at < size and (
        data[at] == c" " or data[at] == c"\n" or data[at] == c"\r" or data[at] == c"\t"
    ):
        at += 1
    return at


cdef inline Py_ssize_t skip_string(
    const unsigned char* data, Py_ssize_t start, Py_ssize_t size, Trouble* trouble
) noexcept:
    """Offset after the string that opens at `start`; -1 if it does not end."""
    cdef Py_ssize_t quote = start + 1
    cdef Py_ssize_t before
    cdef const void* found
    while quote < size:
        found = memchr(data + quote, c'"', <size_t>(size - quote))
        if found is NULL:
            break
        quote = <const unsigned char*>found - data
        # Runs of backslashes before two quotes never overlap, so this stays linear; the opening
        # quote ends the walk.
        before = quote - 1
        while data[before] == c"\\":
            before -= 1
        quote += 1
        if not (quote - before) & 1:
            return quote
    trouble.reason = "unterminated string"
    trouble.offset = start
    return -1


cdef inline bint is_scalar_byte(unsigned char byte) noexcept:
    return (
        c"0" <= byte <= c"9"
        or c"a" <= byte <= c"z"
        or c"A" <= byte <= c"Z"
        or byte == c"-"
        or byte == c"+"
        or byte == c"."
    )


cdef Py_ssize_t skip_nested(
    const unsigned char* data, Py_ssize_t start, Py_ssize_t size, Trouble* trouble
) noexcept:
    """Offset after the array or object that opens at `start`; -1 if it is broken."""
    cdef unsigned char closers[MAX_DEPTH]
    cdef Py_ssize_t open_count = 0
    cdef Py_ssize_t at = start
    cdef unsigned char byte
    while at < size:
        byte = data[at]
        if byte == c'"':
            at = skip_string(data, at, size, trouble)
            if at < 0:
                return -1
            continue
        # '[' 5B, ']' 5D, '{' 7B, '}' 7D: with bit 20 masked out two values remain, and a closer
        # is its opener plus two. Numbers, commas, colons and space are all below.
        if byte >= 0x5B:
            if byte & 0xDF == 0x5B:
                # The object around this value is the first level.
                if open_count + 1 == MAX_DEPTH:
                    trouble.reason = NULL
                    trouble.offset = at
                    return -1
                closers[open_count] = byte + 2
                open_count += 1
            elif byte & 0xDF == 0x5D:
                open_count -= 1
                if closers[open_count] != byte:
                    trouble.reason = "mismatched bracket"
                    trouble.offset = at
                    return -1
                if open_count == 0:
                    return at + 1
        at += 1
    trouble.reason = "unterminated array or object"
    trouble.offset = start
    return -1


cdef inline Py_ssize_t skip_value(
    const unsigned char* data, Py_ssize_t start, Py_ssize_t size, Trouble* trouble
) noexcept:
    cdef Py_ssize_t at = start
    if at < size:
        if data[at] == c'"':
            return skip_string(data, at, size, trouble)
        if data[at] == c"[" or data[at] == c"{":
            return skip_nested(data, at, size, trouble)
    while at < size and is_scalar_byte(data[at]):
        at += 1
    if at == start:
        trouble.reason = "expected a value"
        trouble.offset = start
        return -1
    return at


cdef object error_of(Trouble* trouble):
    if trouble.reason is NULL:
        return JsonScanError(f"nested deeper than {MAX_DEPTH}", trouble.offset)
    return JsonScanError((<bytes>trouble.reason).decode("ascii"), trouble.offset)


cdef inline int hex_digit(unsigned char byte) noexcept:
    if c"0" <= byte <= c"9":
        return byte - c"0"
    byte |= 0x20
    if c"a" <= byte <= c"f":
        return byte - c"a" + 10
    return -1


cdef inline long code_unit(const unsigned char* data, Py_ssize_t at, Py_ssize_t end) noexcept:
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


cdef Py_ssize_t unescape(
    const unsigned char* data, Py_ssize_t at, Py_ssize_t end, unsigned char* out
) noexcept:
    """Write the string that data[at:end] means, in UTF-8; return its length, -1 if broken.

    `out` has room for end - at bytes, which suffices: no escape is shorter than what it means.
    """
    cdef Py_ssize_t written = 0
    cdef unsigned char letter
    cdef long code
    cdef long low
    while at < end:
        if data[at] != c"\\":
            out[written] = data[at]
            written += 1
            at += 1
            continue
        # A name never ends in a lone backslash: that would have escaped its closing quote.
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
            elif letter != c'"' and letter != c"\\" and letter != c"/":
                return -1
            out[written] = letter
            written += 1
            at += 2
            continue
        code = code_unit(data, at, end)
        if code < 0:
            return -1
        at += 6
        if 0xD800 <= code < 0xDC00:
            low = code_unit(data, at, end)
            if 0xDC00 <= low < 0xE000:
                code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00)
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


cdef object wanted(const unsigned char* name, Py_ssize_t length, tuple names):
    """The element of `names` that equals the bytes at `name`, or None."""
    cdef Py_ssize_t index
    cdef object candidate
    for index in range(PyTuple_GET_SIZE(names)):
        candidate = <object>PyTuple_GET_ITEM(names, index)
        if (
            PyBytes_GET_SIZE(candidate) == length
            and memcmp(PyBytes_AS_STRING(candidate), name, <size_t>length) == 0
        ):
            return candidate
    return None


cdef object wanted_escaped(
    const unsigned char* data, Py_ssize_t at, Py_ssize_t end, tuple names
):
    cdef bytes room = PyBytes_FromStringAndSize(NULL, end - at)
    cdef unsigned char* out = <unsigned char*>PyBytes_AS_STRING(room)
    cdef Py_ssize_t length = unescape(data, at, end, out)
    if length < 0:
        raise JsonScanError("bad escape in a member name", at - 1)
    return wanted(out, length, names)


def find_members(bytes body not None, tuple names not None):
    """Return where the members named in `names` stand in the object `body`, in its order."""
    cdef const unsigned char* data = <const unsigned char*>PyBytes_AS_STRING(body)
    cdef Py_ssize_t size = PyBytes_GET_SIZE(body)
    cdef dict found = {}
    cdef Trouble trouble
    cdef Py_ssize_t at
    cdef Py_ssize_t key_start
    cdef Py_ssize_t key_end
    cdef Py_ssize_t value_start
    cdef Py_ssize_t value_end
    cdef Py_ssize_t next_key
    cdef Py_ssize_t comma_before = -1
    cdef bint is_last
    cdef object name

    for name in names:
        if type(name) is not bytes:
            raise TypeError("names are a tuple of bytes")

    at = skip_space(data, 0, size)
    if at == size or data[at] != c"{":
        raise JsonScanError("not a JSON object", at)
    at = skip_space(data, at + 1, size)
    is_last = at < size and data[at] == c"}"
    while not is_last:
        key_start = at
        if at == size or data[at] != c'"':
            raise JsonScanError("expected a member name", at)
        key_end = skip_string(data, at, size, &trouble)
        if key_end < 0:
            raise error_of(&trouble)
        if memchr(data + key_start, c"\\", <size_t>(key_end - key_start)) is NULL:
            name = wanted(data + key_start + 1, key_end - key_start - 2, names)
        else:
            name = wanted_escaped(data, key_start + 1, key_end - 1, names)
        at = skip_space(data, key_end, size)
        if at == size or data[at] != c":":
            raise JsonScanError("expected ':'", at)
        value_start = skip_space(data, at + 1, size)
        value_end = skip_value(data, value_start, size, &trouble)
        if value_end < 0:
            raise error_of(&trouble)
        at = skip_space(data, value_end, size)
        if at == size or (data[at] != c"," and data[at] != c"}"):
            raise JsonScanError("expected ',' or '}'", at)
        is_last = data[at] == c"}"
        next_key = at if is_last else skip_space(data, at + 1, size)
        if name is not None:
            if name in found:
                raise DuplicateMember(name, key_start)
            if comma_before >= 0:
                found[name] = new_tuple(
                    Member, (comma_before, key_start, value_start, value_end, value_end)
                )
            else:
                found[name] = new_tuple(
                    Member,
                    (key_start, key_start, value_start, value_end,
                     value_end if is_last else next_key),
                )
        comma_before = at
        at = next_key

    at = skip_space(data, at + 1, size)
    if at != size:
        raise JsonScanError("data after the object", at)
    return found


def holds_string(bytes body not None, tuple names not None):
    cdef const unsigned char* data = <const unsigned char*>PyBytes_AS_STRING(body)
    cdef Py_ssize_t size = PyBytes_GET_SIZE(body)
    cdef Py_ssize_t start
    cdef Py_ssize_t length
    cdef unsigned long long lengths = 0  # bit n: a name of n bytes; the last one: or longer
    cdef const void* found = memchr(data, c'"', <size_t>size)

    for name in names:
        if type(name) is not bytes:
            raise TypeError("names are a tuple of bytes")
        length = PyBytes_GET_SIZE(name)
        lengths |= 1ULL << (length if length < 63 else 63)
    while found is not NULL:
        start = <const unsigned char*>found - data + 1
        found = memchr(data + start, c'"', <size_t>(size - start))
        if found is not NULL:
            length = <const unsigned char*>found - data - start
            if (
                lengths >> (length if length < 63 else 63) & 1
                and wanted(data + start, length, names) is not None
            ):
                return True
    return False
