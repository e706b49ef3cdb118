# cython: language_level=3, boundscheck=False, wraparound=False
"""Server-sent events split out of a byte stream: the compiled twin of `sse_py`, which holds the
contract. All reads go through bounded pointers: every offset compared below is <= size.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.mem cimport PyMem_Free, PyMem_Realloc
from libc.string cimport memchr, memcmp, memcpy, memmove

from omniroute._speedups.contract import SseTooLong

cdef enum:
    LF = 0x0A
    CR = 0x0D
    BOM_BYTES = 3
    # The first allocation holds a usual event; a larger buffer is given back once it is empty,
    # so that one huge event does not stay in memory for the rest of a long stream.
    FIRST_BYTES = 1024
    KEPT_BYTES = 65536

cdef const char* BOM = b"\xef\xbb\xbf"


cdef inline Py_ssize_t find(const char* data, int byte, Py_ssize_t start, Py_ssize_t size) noexcept:
    """Offset of the next `byte` at or after `start`, `size` if there is none."""
    cdef const void* at
    if start >= size:
        return size
    at = memchr(data + start, byte, <size_t>(size - start))
    return size if at is NULL else <const char*>at - data


@cython.final
cdef class SseReader:
    """Splits one stream into raw events. Owns `_held`, the unfinished event, in its own memory."""

    cdef char* _held
    cdef Py_ssize_t _capacity
    cdef Py_ssize_t _size
    cdef Py_ssize_t _scanned
    cdef Py_ssize_t _line_start
    cdef bint _at_start
    cdef bint _failed
    cdef readonly Py_ssize_t max_event_bytes

    def __cinit__(self, Py_ssize_t max_event_bytes):
        if max_event_bytes < 1:
            raise ValueError("max_event_bytes must be at least 1")
        self.max_event_bytes = max_event_bytes
        self._at_start = True

    def __dealloc__(self):
        PyMem_Free(self._held)

    @property
    def tail(self):
        """What was fed since the last complete event."""
        return PyBytes_FromStringAndSize(self._held, self._size)

    def feed(self, bytes chunk not None):
        """Take the next bytes of the stream; return the events they complete."""
        cdef list events = []
        cdef const char* data = PyBytes_AS_STRING(chunk)
        cdef Py_ssize_t size = PyBytes_GET_SIZE(chunk)
        cdef Py_ssize_t limit = self.max_event_bytes
        cdef Py_ssize_t event_start = 0
        cdef Py_ssize_t line_start
        cdef Py_ssize_t line_end
        cdef Py_ssize_t after
        cdef Py_ssize_t next_lf
        cdef Py_ssize_t next_cr
        cdef bint in_held

        if self._failed:
            raise SseTooLong(self.max_event_bytes, [])
        in_held = self._size > 0
        if in_held:
            self.hold(data, size)
            data = self._held
            size = self._size
        if self._at_start:
            if size < BOM_BYTES and memcmp(data, BOM, <size_t>size) == 0:
                if not in_held:
                    self.hold(data, size)
                return events
            self._at_start = False
            if size >= BOM_BYTES and memcmp(data, BOM, BOM_BYTES) == 0:
                if in_held:
                    self.drop(BOM_BYTES)
                else:
                    data += BOM_BYTES
                size -= BOM_BYTES

        line_start = self._line_start
        # Both remembered and sought again only when passed: see the twin.
        next_lf = find(data, LF, self._scanned, size)
        next_cr = find(data, CR, self._scanned, size)
        while True:
            line_end = next_lf if next_lf < next_cr else next_cr
            if line_end == size:
                break
            after = line_end + 1
            if line_end == next_cr:
                if after == size:
                    break
                if next_lf == after:
                    after += 1
            if line_end == line_start:
                if after - event_start > limit:
                    raise self.fail(events)
                if after - event_start == PyBytes_GET_SIZE(chunk) and not in_held:
                    events.append(chunk)
                else:
                    events.append(
                        PyBytes_FromStringAndSize(data + event_start, after - event_start)
                    )
                event_start = after
            line_start = after
            if next_lf < after:
                next_lf = find(data, LF, after, size)
            if next_cr < after:
                next_cr = find(data, CR, after, size)

        if size - event_start > limit:
            raise self.fail(events)
        if in_held:
            self.drop(event_start)
        elif event_start < size:
            self.hold(data + event_start, size - event_start)
        self._scanned = line_end - event_start
        self._line_start = line_start - event_start
        return events

    def finish(self):
        """Say that the stream has ended; return the event a final CR completes, if one does."""
        cdef list events = []
        if (
            self._size > 0
            and self._held[self._size - 1] == CR
            and self._line_start == self._size - 1
        ):
            events.append(PyBytes_FromStringAndSize(self._held, self._size))
            self.drop(self._size)
            self._scanned = self._line_start = 0
        return events

    cdef int hold(self, const char* data, Py_ssize_t size) except -1:
        """Append to the held bytes; growth by doubling keeps single bytes linear."""
        cdef Py_ssize_t capacity
        cdef char* grown
        if size > self._capacity - self._size:
            capacity = self._capacity * 2
            if capacity < FIRST_BYTES:
                capacity = FIRST_BYTES
            if capacity < self._size + size:
                capacity = self._size + size
            grown = <char*>PyMem_Realloc(self._held, <size_t>capacity)
            if grown is NULL:
                raise MemoryError
            self._held = grown
            self._capacity = capacity
        if size > 0:
            memcpy(self._held + self._size, data, <size_t>size)
            self._size += size
        return 0

    cdef void drop(self, Py_ssize_t count) noexcept:
        """Forget the first `count` held bytes. What is moved came with the latest chunk."""
        self._size -= count
        if self._size > 0:
            if count > 0:
                memmove(self._held, self._held + count, <size_t>self._size)
        elif self._capacity > KEPT_BYTES:
            PyMem_Free(self._held)
            self._held = NULL
            self._capacity = 0

    cdef object fail(self, list events):
        self._failed = True
        PyMem_Free(self._held)
        self._held = NULL
        self._capacity = self._size = 0
        self._scanned = self._line_start = 0
        return SseTooLong(self.max_event_bytes, events)


cdef inline bint is_field(
    const char* line, Py_ssize_t length, const char* name, Py_ssize_t name_length
) noexcept:
    """Whether the line is the field `name`, with or without a value."""
    return (
        length >= name_length
        and memcmp(line, name, <size_t>name_length) == 0
        and (length == name_length or line[name_length] == c":")
    )


cdef object field_values(bytes raw, const char* name, Py_ssize_t name_length, bint last_only):
    """The values of a field up to the first blank line: all joined by LF, or the last alone."""
    cdef const char* data = PyBytes_AS_STRING(raw)
    cdef Py_ssize_t size = PyBytes_GET_SIZE(raw)
    cdef Py_ssize_t line_start = 0
    cdef Py_ssize_t line_end
    cdef Py_ssize_t next_lf = find(data, LF, 0, size)
    cdef Py_ssize_t next_cr = find(data, CR, 0, size)
    cdef Py_ssize_t value = -1
    cdef Py_ssize_t value_length = 0
    cdef list earlier = None

    while line_start < size:
        line_end = next_lf if next_lf < next_cr else next_cr
        if line_end == line_start:
            break
        if is_field(data + line_start, line_end - line_start, name, name_length):
            if value >= 0 and not last_only:
                if earlier is None:
                    earlier = []
                earlier.append(PyBytes_FromStringAndSize(data + value, value_length))
            value = line_start + name_length
            if value < line_end:
                value += 1
                if value < line_end and data[value] == c" ":
                    value += 1
            value_length = line_end - value
        line_start = line_end + 1
        if line_end == next_cr and next_lf == line_start:
            line_start += 1
        if next_lf < line_start:
            next_lf = find(data, LF, line_start, size)
        if next_cr < line_start:
            next_cr = find(data, CR, line_start, size)

    if value < 0:
        return b""
    if earlier is None:
        return PyBytes_FromStringAndSize(data + value, value_length)
    earlier.append(PyBytes_FromStringAndSize(data + value, value_length))
    return b"\n".join(earlier)


def event_data(bytes raw not None):
    """Return the event's data: its `data` fields joined with LF, b"" if there is none."""
    return field_values(raw, b"data", 4, False)


def event_type(bytes raw not None):
    """Return the value of the event's last `event` field; b"" if there is none ("message")."""
    return field_values(raw, b"event", 5, True)
