/* The mock upstream: answers every POST with a fixed completion, at once or as a paced stream.
 *
 * One thread, one epoll, no dependencies. It is meant to cost far less than what is measured, so
 * answers are framed once at start and only a sequence number is patched in per event.
 *
 * What a request asks for is read from its JSON body (depth-1 members only):
 *   "model": "mock-<events>-<pace_ms>[-<events per write>]"   overrides the defaults
 *   "stream": true                                            an SSE stream instead of one answer
 *   "stream_options": {"include_usage": true}                 a usage event before the terminator
 * A stream has exactly <events> text events, numbered "t00000 ", "t00001 ", …, then a finish event,
 * the usage event if asked for, and the terminator; each event is a chunk of its own. With pace 0
 * the events come together, some of them per write, streams taking turns.
 *
 * GET /stats answers counters as JSON; GET of a path ending in /models lists one model.
 * Invariants: answers on one connection come in the order of the requests; a reader that is slow
 * stops its own stream only; at most one stream of a connection runs at a time.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "answers.h"
#include "http1.h"

#define RECEIVE_BYTES (256 * 1024)
#define PIPELINE_LIMIT_BYTES (1024 * 1024) /* unread requests held while a stream runs */
#define BODY_LIMIT_BYTES (256LL * 1024 * 1024)
#define EPOLL_BATCH 512

/* The timer wheel: fine ticks, so that 200 streams of one pace stay spread over it as they
 * arrived, and do not fire as one batch per millisecond. */
#define TICK_US 64
#define WHEEL_SLOTS 8192

/* ---- answers, framed once ------------------------------------------------------------------ */

/* An event framed as one HTTP chunk, with the place of its sequence number (or -1). */
struct frame {
    char *bytes;
    size_t size;
    ptrdiff_t number_at;
};

struct framed {
    struct buffer answer;      /* head and body */
    struct buffer stream_head;
    struct frame first[2], event[2], finish[2]; /* [usage was asked for] */
    struct frame terminator;   /* and the last chunk */
};

static char *replace_mark(const char *text, const char *replacement) {
    const char *mark = strstr(text, "%U");
    char *out;
    if (!mark) return strdup(text);
    if (asprintf(&out, "%.*s%s%s", (int)(mark - text), text, replacement, mark + 2) < 0) abort();
    return out;
}

static struct frame frame_event(const char *text, const char *usage_member) {
    struct frame f;
    char *event = replace_mark(text, usage_member);
    int n = asprintf(&f.bytes, "%zx\r\n%s\r\n", strlen(event), event);
    if (n < 0) abort();
    free(event);
    f.size = (size_t)n;
    char *number = strstr(f.bytes, "\"t00000 ");
    f.number_at = number ? number + 2 - f.bytes : -1;
    return f;
}

static struct framed frame_format(const struct format *format) {
    struct framed f = {0};
    char *text;
    int n = asprintf(&text,
                     "HTTP/1.1 200 OK\r\nServer: bench-mock\r\nContent-Type: %s\r\n"
                     "Content-Length: %zu\r\nX-Request-Id: req_mock\r\n\r\n%s",
                     format->answer_type, strlen(format->answer), format->answer);
    if (n < 0) abort();
    buffer_add(&f.answer, text, (size_t)n);
    free(text);
    n = asprintf(&text,
                 "HTTP/1.1 200 OK\r\nServer: bench-mock\r\nContent-Type: %s\r\n"
                 "Cache-Control: no-cache\r\nTransfer-Encoding: chunked\r\n"
                 "X-Request-Id: req_mock\r\n\r\n",
                 format->stream_type);
    if (n < 0) abort();
    buffer_add(&f.stream_head, text, (size_t)n);
    free(text);
    for (int usage = 0; usage < 2; usage++) {
        const char *member = usage ? format->usage_absent : "";
        f.first[usage] = frame_event(format->first_event, member);
        f.event[usage] = frame_event(format->event, member);
        f.finish[usage] = frame_event(format->finish_event, member);
    }
    n = asprintf(&f.terminator.bytes, "%zx\r\n%s\r\n0\r\n\r\n", strlen(format->terminator),
                 format->terminator);
    if (n < 0) abort();
    f.terminator.size = (size_t)n;
    return f;
}

/* ---- state ------------------------------------------------------------------------------ */

struct link {
    struct link *previous, *next;
};

struct connection {
    struct link link; /* first member: in the wheel, in the ready list, or in neither */
    int fd;
    uint32_t interest;
    bool streaming, chunked_body, gone;
    bool last;        /* the request being read asks for the connection to be closed after it */
    bool close_after; /* nothing more is read; closed when all is sent */
    struct buffer in, body, out;
    size_t wanted;     /* bytes of `in` needed before parsing makes sense again */
    struct chunker chunker;
    /* the running stream */
    bool usage;
    unsigned events, sent, burst;
    uint64_t pace_us, start_us, tick;
};

struct wish {
    bool stream, usage;
    unsigned events, pace_ms, burst;
};

static struct wish defaults = {.events = 64, .pace_ms = 20, .burst = 8};
static const struct format *format = &OPENAI_CHAT;
static struct framed framed;
static int poller;
static struct buffer staging; /* what one turn of one connection sends */
static char receive_bytes[RECEIVE_BYTES];

static struct link slots[WHEEL_SLOTS];
static uint64_t slot_bits[WHEEL_SLOTS / 64];
static uint64_t wheel_tick; /* all slots up to this tick have fired */
static size_t wheel_count;
static struct link ready;

static struct {
    uint64_t requests, streams, streams_open, streams_aborted, events, bytes_in, bytes_out;
    uint64_t connections, connections_open, bad_requests, late_us_max;
} stats;
static uint64_t started_us;

static uint64_t now_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* ---- lists and the wheel ------------------------------------------------------------------ */

static void list_init(struct link *head) { head->previous = head->next = head; }

static void list_remove(struct link *l) {
    if (!l->next) return;
    l->previous->next = l->next;
    l->next->previous = l->previous;
    l->previous = l->next = NULL;
}

static void list_append(struct link *head, struct link *l) {
    l->previous = head->previous;
    l->next = head;
    head->previous->next = l;
    head->previous = l;
}

/* Moves all members of one list to an empty other, so that a walk may re-insert freely. */
static void list_take(struct link *from, struct link *to) {
    list_init(to);
    if (from->next == from) return;
    *to = *from;
    to->next->previous = to;
    to->previous->next = to;
    list_init(from);
}

static void wheel_add(struct connection *c, uint64_t due_us) {
    uint64_t tick = (due_us + TICK_US - 1) / TICK_US;
    if (tick <= wheel_tick) tick = wheel_tick + 1;
    c->tick = tick;
    size_t slot = tick % WHEEL_SLOTS;
    list_append(&slots[slot], &c->link);
    slot_bits[slot / 64] |= 1ULL << (slot % 64);
    wheel_count++;
}

static void wheel_remove(struct connection *c) {
    if (!c->tick) return;
    list_remove(&c->link);
    c->tick = 0;
    wheel_count--;
}

/* Ticks from wheel_tick to the next slot that may hold a timer; WHEEL_SLOTS at most. */
static uint64_t wheel_distance(void) {
    uint64_t distance = 1;
    while (distance < WHEEL_SLOTS) {
        size_t slot = (wheel_tick + distance) % WHEEL_SLOTS;
        uint64_t bits = slot_bits[slot / 64] >> (slot % 64);
        if (bits) return distance + (uint64_t)__builtin_ctzll(bits);
        distance += 64 - slot % 64;
    }
    return WHEEL_SLOTS;
}

/* ---- sending ------------------------------------------------------------------------------ */

static void set_interest(struct connection *c, uint32_t interest) {
    if (c->interest == interest) return;
    struct epoll_event e = {.events = interest, .data.ptr = c};
    epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &e);
    c->interest = interest;
}

static void connection_close(struct connection *c) {
    if (c->streaming) {
        stats.streams_open--;
        stats.streams_aborted++;
    }
    if (c->tick)
        wheel_remove(c);
    else
        list_remove(&c->link);
    stats.connections_open--;
    close(c->fd);
    buffer_free(&c->in);
    buffer_free(&c->body);
    buffer_free(&c->out);
    free(c);
}

/* Sends the staged bytes; what the kernel does not take is kept. Sets c->gone on a dead peer. */
static void flush(struct connection *c) {
    size_t size = buffer_left(&staging);
    const char *bytes = staging.data + staging.start;
    if (size && buffer_left(&c->out) == 0 && !c->gone) {
        ssize_t n = send(c->fd, bytes, size, MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN) c->gone = true;
        if (n > 0) {
            stats.bytes_out += (uint64_t)n;
            bytes += n;
            size -= (size_t)n;
        }
    }
    if (size && !c->gone) buffer_add(&c->out, bytes, size);
    buffer_clear(&staging);
}

static void stage_frame(const struct frame *f, unsigned number) {
    char *at = buffer_reserve(&staging, f->size);
    memcpy(at, f->bytes, f->size);
    staging.size += f->size;
    if (f->number_at >= 0)
        for (char *digit = at + f->number_at + 4; number; number /= 10)
            *digit-- = (char)('0' + number % 10);
}

static void stage_stream_end(struct connection *c) {
    stage_frame(&framed.finish[c->usage], 0);
    if (c->usage) {
        char text[1024], frame[1100];
        int n = snprintf(text, sizeof text, format->usage_event, c->events,
                         c->events + PROMPT_TOKENS);
        n = snprintf(frame, sizeof frame, "%x\r\n%s\r\n", (unsigned)n, text);
        buffer_add(&staging, frame, (size_t)n);
    }
    buffer_add(&staging, framed.terminator.bytes, framed.terminator.size);
    c->streaming = false;
    stats.streams_open--;
}

static void stage_events(struct connection *c, unsigned count) {
    while (count-- && c->sent < c->events) {
        stage_frame(c->sent ? &framed.event[c->usage] : &framed.first[c->usage], c->sent);
        c->sent++;
        stats.events++;
    }
    if (c->sent == c->events) stage_stream_end(c);
}

/* Puts a running stream where its next turn will come from. */
static void schedule(struct connection *c) {
    if (!c->streaming || buffer_left(&c->out)) return; /* ended, or goes on when writable */
    if (c->pace_us)
        wheel_add(c, c->start_us + c->sent * c->pace_us);
    else
        list_append(&ready, &c->link);
}

static void stream_turn(struct connection *c, uint64_t now) {
    unsigned count = c->burst;
    if (c->pace_us) {
        uint64_t due = c->start_us + c->sent * c->pace_us;
        count = now < due ? 0 : (unsigned)((now - due) / c->pace_us) + 1;
    }
    stage_events(c, count);
}

/* ---- reading requests --------------------------------------------------------------------- */

static const char *string_end(const char *p, const char *end) {
    for (;;) {
        const char *quote = memchr(p, '"', (size_t)(end - p));
        if (!quote) return NULL;
        const char *slash = quote;
        while (slash > p && slash[-1] == '\\') slash--;
        if ((quote - slash) % 2 == 0) return quote;
        p = quote + 1;
    }
}

static const char *skip_space(const char *p, const char *end) {
    while (p < end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r')) p++;
    return p;
}

static bool is_text(const char *p, size_t size, const char *text) {
    return size == strlen(text) && memcmp(p, text, size) == 0;
}

static bool starts_with(const char *p, const char *end, const char *text) {
    size_t n = strlen(text);
    return (size_t)(end - p) >= n && memcmp(p, text, n) == 0;
}

/* "mock-64-20" or "mock-200-0-16"; anything else leaves the defaults. */
static void read_model(const char *p, size_t size, struct wish *wish) {
    char name[64];
    unsigned events, pace_ms, burst;
    if (size < 8 || size >= sizeof name || memcmp(p, "mock-", 5) != 0) return;
    memcpy(name, p, size);
    name[size] = 0;
    int found = sscanf(name, "mock-%u-%u-%u", &events, &pace_ms, &burst);
    if (found < 2 || events == 0 || events > 99999) return;
    wish->events = events;
    wish->pace_ms = pace_ms;
    if (found == 3 && burst) wish->burst = burst;
}

/* Reads the members named above from the top level of a JSON object, passing over the rest. */
static void peek(const char *p, const char *end, struct wish *wish) {
    int depth = 0;
    bool opening_options = false, in_options = false;
    while (p < end) {
        char byte = *p++;
        if (byte == '{' || byte == '[') {
            if (++depth == 2) in_options = opening_options && byte == '{';
            opening_options = false;
        } else if (byte == '}' || byte == ']') {
            if (--depth < 2) in_options = false;
        } else if (byte == '"') {
            const char *text = p, *quote = string_end(p, end);
            if (!quote) return;
            size_t size = (size_t)(quote - text);
            p = skip_space(quote + 1, end);
            if (p == end || *p != ':') continue;
            p = skip_space(p + 1, end);
            if (depth == 1 && is_text(text, size, "stream")) {
                wish->stream = starts_with(p, end, "true");
            } else if (depth == 1 && is_text(text, size, "model") && p < end && *p == '"') {
                const char *close = string_end(p + 1, end);
                if (close) read_model(p + 1, (size_t)(close - p - 1), wish);
            } else if (depth == 1 && is_text(text, size, "stream_options")) {
                opening_options = p < end && *p == '{';
            } else if (in_options && depth == 2 && is_text(text, size, "include_usage")) {
                wish->usage = starts_with(p, end, "true");
            }
        }
    }
}

static void stage_json(const char *status, const char *json, size_t size) {
    char head[256];
    int n = snprintf(head, sizeof head,
                     "HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
                     status, size);
    buffer_add(&staging, head, (size_t)n);
    buffer_add(&staging, json, size);
}

static void stage_stats(void) {
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    uint64_t user_us = (uint64_t)used.ru_utime.tv_sec * 1000000 + (uint64_t)used.ru_utime.tv_usec;
    uint64_t system_us =
        (uint64_t)used.ru_stime.tv_sec * 1000000 + (uint64_t)used.ru_stime.tv_usec;
    char json[1024];
    int n = snprintf(json, sizeof json,
                     "{\"requests\":%lu,\"streams\":%lu,\"streams_open\":%lu,"
                     "\"streams_aborted\":%lu,\"events\":%lu,\"bytes_in\":%lu,\"bytes_out\":%lu,"
                     "\"connections\":%lu,\"connections_open\":%lu,\"bad_requests\":%lu,"
                     "\"late_us_max\":%lu,\"cpu_us\":%lu,\"user_us\":%lu,\"system_us\":%lu,"
                     "\"uptime_us\":%lu}",
                     stats.requests, stats.streams, stats.streams_open, stats.streams_aborted,
                     stats.events, stats.bytes_in, stats.bytes_out, stats.connections,
                     stats.connections_open, stats.bad_requests, stats.late_us_max,
                     user_us + system_us, user_us, system_us, now_us() - started_us);
    stats.late_us_max = 0;
    stage_json("200 OK", json, (size_t)n);
}

static void answer_get(const struct head *h) {
    const char *end = h->target + h->target_size;
    if (is_text(h->target, h->target_size, "/stats"))
        stage_stats();
    else if (h->target_size >= 7 && memcmp(end - 7, "/models", 7) == 0)
        stage_json("200 OK", MODELS, sizeof MODELS - 1);
    else
        stage_json("404 Not Found", "{}", 2);
}

static void answer_post(struct connection *c, const char *body, size_t size) {
    struct wish wish = defaults;
    peek(body, body + size, &wish);
    stats.requests++;
    if (!wish.stream) {
        buffer_add(&staging, framed.answer.data, framed.answer.size);
        return;
    }
    stats.streams++;
    stats.streams_open++;
    c->streaming = true;
    c->usage = wish.usage;
    c->events = wish.events;
    c->burst = wish.burst;
    c->pace_us = (uint64_t)wish.pace_ms * 1000;
    c->sent = 0;
    c->start_us = now_us();
    buffer_add(&staging, framed.stream_head.data, framed.stream_head.size);
    stage_events(c, c->pace_us ? 1 : c->burst);
}

static void refuse(struct connection *c) {
    stats.bad_requests++;
    stage_json("400 Bad Request", "{}", 2);
    c->close_after = true;
}

/* The rest of a chunked request body; false when more bytes are needed. */
static bool read_chunked(struct connection *c, const char **p, const char *end) {
    const char *span;
    size_t size;
    for (;;) {
        switch (chunk_next(&c->chunker, p, end, &span, &size)) {
        case CHUNK_SPAN:
            buffer_add(&c->body, span, size);
            if (buffer_left(&c->body) <= BODY_LIMIT_BYTES) break;
            __attribute__((fallthrough));
        case CHUNK_BAD:
            refuse(c);
            return false;
        case CHUNK_MORE:
            return false;
        case CHUNK_END:
            c->chunked_body = false;
            c->close_after = c->last;
            answer_post(c, c->body.data + c->body.start, buffer_left(&c->body));
            buffer_clear(&c->body);
            return true;
        }
    }
}

/* Answers whole requests from the input; returns how far it got. Stops at a stream. */
static const char *read_requests(struct connection *c, const char *p, const char *end) {
    while (p < end && !c->streaming && !c->close_after) {
        if (c->chunked_body) {
            if (!read_chunked(c, &p, end)) break;
            continue;
        }
        struct head h;
        enum head_result result = head_parse(p, (size_t)(end - p), false, &h);
        if (result == HEAD_MORE) break;
        if (result == HEAD_BAD || h.length > BODY_LIMIT_BYTES) {
            refuse(c);
            break;
        }
        size_t length = h.length > 0 ? (size_t)h.length : 0;
        if ((size_t)(end - p) < h.size + length && c->wanted == 0) {
            c->wanted = h.size + length; /* parsed again, once, when all of it is here */
            if (h.expects_continue) buffer_add(&staging, "HTTP/1.1 100 Continue\r\n\r\n", 25);
        }
        if ((size_t)(end - p) < h.size + length) break;
        c->wanted = 0;
        c->last = h.close;
        const char *body = p + h.size;
        p = body;
        if (h.chunked) {
            if (h.expects_continue) buffer_add(&staging, "HTTP/1.1 100 Continue\r\n\r\n", 25);
            c->chunked_body = true;
            memset(&c->chunker, 0, sizeof c->chunker);
        } else {
            p += length;
            c->close_after = h.close;
            if (h.is_post)
                answer_post(c, body, length);
            else
                answer_get(&h);
        }
    }
    return p;
}

/* ---- one turn of one connection ------------------------------------------------------------- */

/* After anything was staged: send, go on with held requests, decide what to wait for.
 * Frees the connection when it is over; the caller must not touch it afterwards. */
static void settle(struct connection *c) {
    for (;;) {
        flush(c);
        if (c->gone) break;
        if (c->streaming || c->close_after || buffer_left(&c->in) == 0 ||
            buffer_left(&c->in) < c->wanted)
            break;
        const char *from = c->in.data + c->in.start;
        const char *to = read_requests(c, from, c->in.data + c->in.size);
        c->in.start += (size_t)(to - from);
        if (to == from && buffer_left(&staging) == 0) break;
    }
    if (c->gone || (c->close_after && !c->streaming && buffer_left(&c->out) == 0)) {
        connection_close(c);
        return;
    }
    schedule(c);
    uint32_t interest = buffer_left(&c->in) < PIPELINE_LIMIT_BYTES || c->wanted ? EPOLLIN : 0;
    if (buffer_left(&c->out)) interest |= EPOLLOUT;
    set_interest(c, interest);
}

static void on_readable(struct connection *c) {
    ssize_t n = recv(c->fd, receive_bytes, sizeof receive_bytes, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n <= 0) {
        c->gone = true;
    } else {
        stats.bytes_in += (uint64_t)n;
        const char *p = receive_bytes, *end = receive_bytes + n;
        if (buffer_left(&c->in) == 0) p = read_requests(c, p, end);
        if (p < end) buffer_add(&c->in, p, (size_t)(end - p));
    }
    if (c->streaming && (c->tick || c->link.next)) { /* its next turn is already arranged */
        if (c->gone) connection_close(c);
        else if (buffer_left(&c->in) >= PIPELINE_LIMIT_BYTES)
            set_interest(c, c->interest & ~(uint32_t)EPOLLIN);
        return;
    }
    settle(c);
}

static void on_writable(struct connection *c) {
    ssize_t n = send(c->fd, c->out.data + c->out.start, buffer_left(&c->out), MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN) c->gone = true;
    if (n > 0) {
        stats.bytes_out += (uint64_t)n;
        c->out.start += (size_t)n;
    }
    settle(c);
}

static void fire_timers(uint64_t now) {
    uint64_t tick = now / TICK_US;
    while (wheel_count && wheel_tick < tick) {
        uint64_t distance = wheel_distance();
        if (wheel_tick + distance > tick) break;
        wheel_tick += distance;
        size_t slot = wheel_tick % WHEEL_SLOTS;
        struct link due;
        list_take(&slots[slot], &due);
        slot_bits[slot / 64] &= ~(1ULL << (slot % 64));
        while (due.next != &due) {
            struct connection *c = (struct connection *)due.next;
            list_remove(&c->link);
            if (c->tick > wheel_tick) { /* a later round of the wheel */
                list_append(&slots[slot], &c->link);
                slot_bits[slot / 64] |= 1ULL << (slot % 64);
                continue;
            }
            c->tick = 0;
            wheel_count--;
            uint64_t due_us = c->start_us + c->sent * c->pace_us;
            if (now > due_us && now - due_us > stats.late_us_max) stats.late_us_max = now - due_us;
            stream_turn(c, now);
            settle(c);
        }
    }
    wheel_tick = tick > wheel_tick ? tick : wheel_tick;
}

static void run_ready(void) {
    struct link turn;
    list_take(&ready, &turn);
    while (turn.next != &turn) {
        struct connection *c = (struct connection *)turn.next;
        list_remove(&c->link);
        stream_turn(c, 0);
        settle(c);
    }
}

static void accept_all(int listener) {
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) return;
        int one = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        struct connection *c = calloc(1, sizeof *c);
        if (!c) abort();
        c->fd = fd;
        c->interest = EPOLLIN;
        struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
        epoll_ctl(poller, EPOLL_CTL_ADD, fd, &e);
        stats.connections++;
        stats.connections_open++;
    }
}

static void serve(int listener) {
    struct epoll_event events[EPOLL_BATCH];
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = NULL};
    poller = epoll_create1(EPOLL_CLOEXEC);
    epoll_ctl(poller, EPOLL_CTL_ADD, listener, &e);
    wheel_tick = now_us() / TICK_US;
    for (;;) {
        struct timespec wait = {0, 0}, *timeout = &wait;
        if (ready.next == &ready && wheel_count) {
            uint64_t at = (wheel_tick + wheel_distance()) * TICK_US, now = now_us();
            uint64_t wait_us = at > now ? at - now : 0;
            wait.tv_sec = (time_t)(wait_us / 1000000);
            wait.tv_nsec = (long)(wait_us % 1000000) * 1000;
        } else if (ready.next == &ready) {
            timeout = NULL;
        }
        int n = epoll_pwait2(poller, events, EPOLL_BATCH, timeout, NULL);
        if (n < 0 && errno != EINTR) {
            perror("mock: epoll");
            exit(1);
        }
        for (int i = 0; i < n; i++) {
            struct connection *c = events[i].data.ptr;
            if (!c)
                accept_all(listener);
            else if (events[i].events & EPOLLOUT)
                on_writable(c);
            else
                on_readable(c);
        }
        if (wheel_count) fire_timers(now_us());
        else wheel_tick = now_us() / TICK_US;
        if (ready.next != &ready) run_ready();
    }
}

/* ---- start ---------------------------------------------------------------------------------- */

static int listen_on(const char *host, unsigned *port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)*port)};
    socklen_t size = sizeof address;
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (inet_pton(AF_INET, host, &address.sin_addr) != 1 ||
        bind(fd, (struct sockaddr *)&address, size) || listen(fd, 8192) ||
        getsockname(fd, (struct sockaddr *)&address, &size)) {
        fprintf(stderr, "mock: cannot listen on %s:%u: %s\n", host, *port, strerror(errno));
        exit(1);
    }
    *port = ntohs(address.sin_port);
    return fd;
}

static unsigned number(const char *option, const char *text, unsigned most) {
    char *end;
    unsigned long n = strtoul(text, &end, 10);
    if (*end || end == text || n > most) {
        fprintf(stderr, "mock: --%s takes a number up to %u, not '%s'\n", option, most, text);
        exit(2);
    }
    return (unsigned)n;
}

static const char USAGE[] =
    "mock: an upstream that answers every POST, for measuring what stands before it\n"
    "  --host ADDRESS   IPv4 address to listen on (127.0.0.1)\n"
    "  --port N         0 picks a free one; printed as 'ready PORT' (0)\n"
    "  --events N       text events of a stream (64)\n"
    "  --pace-ms N      between events; 0 = together (20)\n"
    "  --burst N        events per write when together (8)\n"
    "A model named mock-<events>-<pace_ms>[-<burst>] overrides the last three for its request.\n"
    "GET /stats answers the counters.\n";

int main(int argc, char **argv) {
    static const struct option options[] = {
        {"host", required_argument, NULL, 'h'},    {"port", required_argument, NULL, 'p'},
        {"events", required_argument, NULL, 'e'},  {"pace-ms", required_argument, NULL, 'm'},
        {"burst", required_argument, NULL, 'b'},   {"help", no_argument, NULL, 'H'},
        {NULL, 0, NULL, 0},
    };
    const char *host = "127.0.0.1";
    unsigned port = 0;
    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (o) {
        case 'h': host = optarg; break;
        case 'p': port = number("port", optarg, 65535); break;
        case 'e': defaults.events = number("events", optarg, 99999); break;
        case 'm': defaults.pace_ms = number("pace-ms", optarg, 3600000); break;
        case 'b': defaults.burst = number("burst", optarg, 99999); break;
        case 'H': fputs(USAGE, stdout); return 0;
        default: fputs(USAGE, stderr); return 2;
        }
    }
    if (optind != argc || !defaults.events || !defaults.burst) {
        fputs(USAGE, stderr);
        return 2;
    }
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    prctl(PR_SET_TIMERSLACK, 1000UL); /* ns; the default of 50 us would show in the pace */
    signal(SIGPIPE, SIG_IGN);
    framed = frame_format(format);
    list_init(&ready);
    for (int i = 0; i < WHEEL_SLOTS; i++) list_init(&slots[i]);
    started_us = now_us();
    int listener = listen_on(host, &port);
    printf("ready %u\n", port);
    fflush(stdout);
    serve(listener);
}
