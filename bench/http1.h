/* HTTP/1.1 message framing, shared by the mock upstream and the load generator.
 *
 * Contract: bytes in, facts out; no sockets, no allocation. Both tools talk to peers that are
 * themselves under test, so framing that is in doubt is reported as bad and never guessed.
 * Not a general parser: it reads only the headers that decide framing.
 */
#ifndef BENCH_HTTP1_H
#define BENCH_HTTP1_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define HEAD_LIMIT_BYTES 65536

struct head {
    size_t size;          /* bytes of the whole head, blank line included */
    int status;           /* responses only */
    const char *target;   /* requests only; points into the input */
    size_t target_size;
    bool is_post;
    int minor;            /* HTTP/1.minor */
    long long length;     /* Content-Length, or -1 */
    bool chunked;
    bool close;
    bool expects_continue;
};

enum head_result { HEAD_BAD = -1, HEAD_MORE = 0, HEAD_OK = 1 };

static bool header_is(const char *line, const char *line_end, const char *name, size_t name_size,
                      const char **value, size_t *value_size) {
    if ((size_t)(line_end - line) <= name_size || line[name_size] != ':' ||
        strncasecmp(line, name, name_size) != 0)
        return false;
    const char *v = line + name_size + 1;
    while (v < line_end && (*v == ' ' || *v == '\t')) v++;
    while (line_end > v && (line_end[-1] == ' ' || line_end[-1] == '\t')) line_end--;
    *value = v;
    *value_size = (size_t)(line_end - v);
    return true;
}

static bool parse_length(const char *value, size_t size, long long *out) {
    if (size == 0 || size > 15) return false;
    long long n = 0;
    for (size_t i = 0; i < size; i++) {
        if (value[i] < '0' || value[i] > '9') return false;
        n = n * 10 + (value[i] - '0');
    }
    *out = n;
    return true;
}

static bool parse_first_line(const char *p, const char *eol, bool is_response, struct head *h) {
    if (is_response) {
        if (eol - p < 12 || memcmp(p, "HTTP/1.", 7) != 0 || p[8] != ' ') return false;
        h->minor = p[7] - '0';
        for (int i = 9; i < 12; i++)
            if (p[i] < '0' || p[i] > '9') return false;
        h->status = (p[9] - '0') * 100 + (p[10] - '0') * 10 + (p[11] - '0');
        return true;
    }
    const char *space = memchr(p, ' ', (size_t)(eol - p));
    if (!space || eol - space < 10 || memcmp(eol - 9, " HTTP/1.", 8) != 0) return false;
    h->is_post = space - p == 4 && memcmp(p, "POST", 4) == 0;
    h->target = space + 1;
    h->target_size = (size_t)(eol - 9 - h->target);
    h->minor = eol[-1] - '0';
    return true;
}

/* Reads one head from the start of the input. HEAD_MORE: the blank line has not come yet. */
static enum head_result head_parse(const char *p, size_t size, bool is_response, struct head *h) {
    const char *blank = memmem(p, size, "\r\n\r\n", 4);
    if (!blank) return size > HEAD_LIMIT_BYTES ? HEAD_BAD : HEAD_MORE;
    memset(h, 0, sizeof *h);
    h->length = -1;
    h->size = (size_t)(blank - p) + 4;
    const char *eol = memchr(p, '\r', h->size);
    if (!parse_first_line(p, eol, is_response, h)) return HEAD_BAD;
    h->close = h->minor == 0;
    for (const char *line = eol + 2; line < blank + 2; line = eol + 2) {
        eol = memchr(line, '\r', (size_t)(blank + 2 - line));
        if (!eol || eol[1] != '\n') return HEAD_BAD;
        const char *value;
        size_t n;
        switch (*line | 0x20) {
        case 'c':
            if (header_is(line, eol, "content-length", 14, &value, &n)) {
                if (h->length >= 0 || !parse_length(value, n, &h->length)) return HEAD_BAD;
            } else if (header_is(line, eol, "connection", 10, &value, &n)) {
                if (n == 5 && strncasecmp(value, "close", 5) == 0) h->close = true;
                if (n == 10 && strncasecmp(value, "keep-alive", 10) == 0) h->close = false;
            }
            break;
        case 't':
            if (header_is(line, eol, "transfer-encoding", 17, &value, &n)) {
                if (n != 7 || strncasecmp(value, "chunked", 7) != 0) return HEAD_BAD;
                h->chunked = true;
            }
            break;
        case 'e':
            if (header_is(line, eol, "expect", 6, &value, &n))
                h->expects_continue = n == 12 && strncasecmp(value, "100-continue", 12) == 0;
            break;
        }
    }
    return h->chunked && h->length >= 0 ? HEAD_BAD : HEAD_OK;
}

/* Incremental decoder of a chunked body: call chunk_next until it returns something other than
 * CHUNK_SPAN. A zeroed struct is ready to use. */
struct chunker {
    enum { CK_SIZE, CK_SIZE_LF, CK_EXTENSION, CK_DATA, CK_DATA_CR, CK_DATA_LF, CK_TRAILER } state;
    unsigned digits;       /* of the size line so far */
    unsigned line_bytes;   /* of the trailer line so far */
    uint64_t left;         /* bytes of data in the current chunk */
};

enum chunk_result { CHUNK_BAD = -1, CHUNK_MORE = 0, CHUNK_SPAN = 1, CHUNK_END = 2 };

static int hex_digit(unsigned char c) {
    if (c >= '0' && c <= '9') return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static enum chunk_result chunk_next(struct chunker *k, const char **pp, const char *end,
                                    const char **span, size_t *span_size) {
    const char *p = *pp;
    while (p < end) {
        switch (k->state) {
        case CK_SIZE: {
            int digit = hex_digit((unsigned char)*p);
            if (digit >= 0) {
                if (++k->digits > 15) return CHUNK_BAD;
                k->left = k->left * 16 + (unsigned)digit;
                p++;
            } else if (k->digits == 0) {
                return CHUNK_BAD;
            } else if (*p == '\r') {
                k->state = CK_SIZE_LF;
                p++;
            } else if (*p == ';' || *p == ' ') {
                k->state = CK_EXTENSION;
                p++;
            } else {
                return CHUNK_BAD;
            }
            break;
        }
        case CK_EXTENSION:
            if (*p++ == '\r') k->state = CK_SIZE_LF;
            break;
        case CK_SIZE_LF:
            if (*p++ != '\n') return CHUNK_BAD;
            k->digits = k->line_bytes = 0;
            k->state = k->left ? CK_DATA : CK_TRAILER;
            break;
        case CK_DATA: {
            size_t n = (size_t)(end - p);
            if (n > k->left) n = k->left;
            *span = p;
            *span_size = n;
            k->left -= n;
            if (k->left == 0) k->state = CK_DATA_CR;
            *pp = p + n;
            return CHUNK_SPAN;
        }
        case CK_DATA_CR:
            if (*p++ != '\r') return CHUNK_BAD;
            k->state = CK_DATA_LF;
            break;
        case CK_DATA_LF:
            if (*p++ != '\n') return CHUNK_BAD;
            k->state = CK_SIZE;
            break;
        case CK_TRAILER:
            if (*p == '\n') {
                p++;
                if (k->line_bytes == 0) {
                    *pp = p;
                    memset(k, 0, sizeof *k);
                    return CHUNK_END;
                }
                k->line_bytes = 0;
            } else {
                if (*p++ != '\r' && ++k->line_bytes > 8192) return CHUNK_BAD;
            }
            break;
        }
    }
    *pp = p;
    return CHUNK_MORE;
}

/* A growable byte buffer; buf.data + buf.start is the first unread byte. */
struct buffer {
    char *data;
    size_t start, size, room;
};

static inline size_t buffer_left(const struct buffer *b) { return b->size - b->start; }

static inline void buffer_clear(struct buffer *b) { b->start = b->size = 0; }

static inline void buffer_free(struct buffer *b) {
    free(b->data);
    memset(b, 0, sizeof *b);
}

static inline char *buffer_reserve(struct buffer *b, size_t extra) {
    if (b->start == b->size) buffer_clear(b);
    if (b->size + extra > b->room && b->start) {
        memmove(b->data, b->data + b->start, b->size - b->start);
        b->size -= b->start;
        b->start = 0;
    }
    if (b->size + extra > b->room) {
        size_t room = b->room ? b->room : 1024;
        while (room < b->size + extra) room *= 2;
        b->data = realloc(b->data, room);
        if (!b->data) abort();
        b->room = room;
    }
    return b->data + b->size;
}

static inline void buffer_add(struct buffer *b, const void *bytes, size_t size) {
    memcpy(buffer_reserve(b, size), bytes, size);
    b->size += size;
}

#endif
