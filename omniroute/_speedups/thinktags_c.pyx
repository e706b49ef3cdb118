# cython: language_level=3, boundscheck=False, wraparound=False
"""Reasoning between think tags, taken out of streamed text: the compiled twin of `thinktags_py`,
which holds the contract. Every index into a text below is checked against its length first.
"""

cimport cython
from cpython.unicode cimport PyUnicode_Substring

cdef extern from "Python.h":
    bint Py_UNICODE_ISSPACE(Py_UCS4 character)

MAX_AHEAD = 200
MAX_BLANK = 256

cdef enum:
    AHEAD = 200
    BLANK = 256
    LEADING = 0
    REASONING = 1
    VISIBLE = 2
    INDENT = 0
    RUN = 1
    INSIDE = 2

cdef str OPEN_SHORT = "<think>"
cdef str OPEN_LONG = "<thinking>"
cdef str CLOSE_SHORT = "</think>"
cdef str CLOSE_LONG = "</thinking>"


cdef inline bint stands_at(str data, Py_ssize_t at, str tag) noexcept:
    """Whether the whole tag stands at `at`."""
    cdef Py_ssize_t i
    if len(data) - at < len(tag):
        return False
    for i in range(len(tag)):
        if data[at + i] != tag[i]:
            return False
    return True


cdef inline bint begins_at(str data, Py_ssize_t at, str tag) noexcept:
    """Whether what is left from `at` on is a beginning of the tag, or nothing."""
    cdef Py_ssize_t i
    cdef Py_ssize_t left = len(data) - at
    if left >= len(tag):
        return False
    for i in range(left):
        if data[at + i] != tag[i]:
            return False
    return True


@cython.final
cdef class ThinkTagSplitter:
    """Splits one text. `_held` is what was fed and has not come out."""

    cdef str _held
    cdef str _close
    cdef int _mode
    cdef bint _behind_tag
    cdef Py_UCS4 _fence
    cdef Py_ssize_t _fence_length
    cdef int _line
    cdef Py_UCS4 _run
    cdef Py_ssize_t _run_length
    cdef bint _rest_blank
    cdef bint _rest_ticks
    cdef Py_ssize_t _span
    cdef Py_ssize_t _ticks

    def __cinit__(self):
        self._held = ""
        self._close = ""
        self.start_line()

    def feed(self, str text not None):
        """Take the next piece; return (is_reasoning, text) pairs, none of them empty."""
        cdef list out
        if self._mode == VISIBLE:
            return [(False, text)] if len(text) else []
        out = []
        self.run_on(self._held + text if len(self._held) else text, False, out)
        return out

    def finish(self):
        """The text has ended: what was held back comes out."""
        cdef list out = []
        if self._mode != VISIBLE:
            self.run_on(self._held, True, out)
        return out

    cdef int run_on(self, str data, bint final, list out) except -1:
        cdef Py_ssize_t at = 0
        cdef Py_ssize_t size = len(data)
        self._held = ""
        while at < size or final:
            if self._mode == LEADING:
                at = self.lead(data, at, final, out)
            else:
                at = self.reason(data, at, final, out)
            if at < 0 or (final and at == size):
                return 0
        return 0

    cdef Py_ssize_t lead(self, str data, Py_ssize_t at, bint final, list out) except -2:
        """Look for an opening tag. The offset to go on at; -1: all is taken."""
        cdef Py_ssize_t size = len(data)
        cdef Py_ssize_t first = at
        while first < size and Py_UNICODE_ISSPACE(data[first]):
            first += 1
        if first - at <= BLANK:
            if stands_at(data, first, OPEN_SHORT):
                self.start_block(CLOSE_SHORT)
                return first + len(OPEN_SHORT)
            if stands_at(data, first, OPEN_LONG):
                self.start_block(CLOSE_LONG)
                return first + len(OPEN_LONG)
            if not final and (
                begins_at(data, first, OPEN_SHORT) or begins_at(data, first, OPEN_LONG)
            ):
                self._held = PyUnicode_Substring(data, at, size)
                return -1
        if self._behind_tag:
            while at < size and (data[at] == u"\r" or data[at] == u"\n"):
                at += 1
        self._mode = VISIBLE
        if at < size:
            out.append((False, data if at == 0 else PyUnicode_Substring(data, at, size)))
        return -1

    cdef void start_block(self, str close):
        self._mode = REASONING
        self._close = close
        self._behind_tag = True
        self._fence = 0
        self._fence_length = 0
        self.start_line()

    cdef void start_line(self) noexcept:
        self._line = INDENT
        self._run = 0
        self._run_length = 0
        self._rest_blank = True
        self._rest_ticks = False
        self._span = 0
        self._ticks = 0

    cdef Py_ssize_t reason(self, str data, Py_ssize_t at, bint final, list out) except -2:
        """Look for the closing tag. The offset to go on at; -1: all is taken."""
        cdef Py_ssize_t size = len(data)
        cdef Py_ssize_t start
        cdef Py_UCS4 char
        cdef int counts
        if self._behind_tag:
            while at < size and (data[at] == u"\r" or data[at] == u"\n"):
                at += 1
            if at == size:
                return -1
            self._behind_tag = False
        start = at
        while at < size:
            char = data[at]
            if char == u"<":
                self.pass_char(char)
                if stands_at(data, at, self._close):
                    counts = self.counts(data, at + len(self._close), final)
                    if counts < 0:
                        self._held = PyUnicode_Substring(data, at, size)
                        size = at
                        break
                    if counts:
                        if at > start:
                            out.append((True, PyUnicode_Substring(data, start, at)))
                        self._mode = LEADING
                        self._behind_tag = True
                        return at + len(self._close)
                elif not final and begins_at(data, at, self._close):
                    self._held = PyUnicode_Substring(data, at, size)
                    size = at
                    break
            elif char == u"\n":
                self.end_line()
            elif char == u"`" or self._ticks or self._rest_blank or self._line != INSIDE:
                self.pass_char(char)
            at += 1
        if size > start:
            if start == 0 and size == len(data):
                out.append((True, data))
            else:
                out.append((True, PyUnicode_Substring(data, start, size)))
        return -1

    cdef void pass_char(self, Py_UCS4 char) noexcept:
        """One character of a line, its end excepted."""
        if char == u"`":
            self._ticks += 1
        elif self._ticks:
            if self._span == 0:
                self._span = self._ticks
            elif self._span == self._ticks:
                self._span = 0
            self._ticks = 0
        if self._line == INDENT:
            if char == u" " or char == u"\t":
                return
            if char == u"`" or char == u"~":
                self._line = RUN
                self._run = char
                self._run_length = 1
                return
            self._line = INSIDE
        elif self._line == RUN:
            if char == self._run:
                self._run_length += 1
                return
            self._line = INSIDE
        if char == u"`":
            self._rest_ticks = True
        if char != u" " and char != u"\t" and char != u"\r":
            self._rest_blank = False

    cdef void end_line(self) noexcept:
        if self._run_length >= 3:
            if not self._fence:
                if self._run == u"~" or not self._rest_ticks:
                    self._fence = self._run
                    self._fence_length = self._run_length
            elif self.closes_fence() and self._rest_blank:
                self._fence = 0
        self.start_line()

    cdef bint closes_fence(self) noexcept:
        return self._run == self._fence and self._run_length >= self._fence_length

    cdef int counts(self, str data, Py_ssize_t behind, bint final) noexcept:
        """Whether the closing tag that ends at `behind` is one; -1: what follows decides."""
        cdef Py_ssize_t size = len(data)
        cdef Py_ssize_t until
        cdef int ends = 0
        if self._fence and not self.closes_fence():
            until = behind + 4
            while behind < size and behind < until:
                if data[behind] == u"\n":
                    ends += 1
                elif data[behind] != u"\r":
                    return 0
                if ends == 2:
                    return 1
                behind += 1
            return 1 if final else 0 if behind == until else -1
        if self._span:
            until = behind + AHEAD
            while behind < size and behind < until:
                if data[behind] == u"`":
                    return 0
                if data[behind] == u"\n":
                    return 1
                behind += 1
            return 1 if final or behind == until else -1
        return 1
