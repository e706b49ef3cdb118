/* The load generator: keeps an HTTP/1.1 endpoint busy and checks every answer it gets.
 *
 * Two ways to time requests:
 *   closed loop   each connection sends its next request when the last answer is complete
 *   open loop     requests are due at fixed times, whatever the answers do (--rate); latency counts
 *                 from the time a request was due, so a stall is charged to every request it delayed
 * Two kinds of answers:
 *   one JSON body       status 200, the marker in it, or byte for byte a given body
 *   a stream (--stream) an SSE stream of exactly N numbered events in order, one finish event,
 *                       and the terminator last; time to the first event and the gaps are kept
 *
 * Every answer that is not exactly right is counted as wrong and its first case is quoted; a result
 * with a wrong answer is void, and the exit status is then 1. The result is one line of JSON.
 * One thread, one epoll, no dependencies.
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

#include "histogram.h"
#include "http1.h"

#define RECEIVE_BYTES (256 * 1024)
#define ANSWER_LIMIT_BYTES (256LL * 1024 * 1024)
#define EPOLL_BATCH 512
#define SWEEP_NS 10000000LL /* how often timeouts and broken connections are looked after */
#define COUNTER_DIGITS 10
#define COUNTER_PLACE "##########"

/* ---- what is asked and what came back --------------------------------------------------------- */

enum wrong {
    WRONG_CONNECT,    /* no connection */
    WRONG_CUT,        /* the connection ended inside an exchange */
    WRONG_FRAMING,    /* not HTTP/1.1 as it should be, or bytes nobody asked for */
    WRONG_STATUS,     /* not 200 */
    WRONG_BODY,       /* marker missing, or not the expected bytes */
    WRONG_EVENTS,     /* an event missing, doubled or out of order */
    WRONG_END,        /* finish event or terminator missing, doubled or not last */
    WRONG_USAGE,      /* usage event missing where asked for, or there where not */
    WRONG_TIMEOUT,    /* not complete in time */
    WRONG_UNFINISHED, /* due, but never sent before the end */
    WRONG_KINDS
};
static const char *const WRONG_NAMES[] = {"connect", "cut",   "framing", "status",  "body",
                                          "events",  "end",   "usage",   "timeout", "unfinished"};

enum phase { BROKEN, CONNECTING, IDLE, HEAD, BODY };

struct connection {
    int fd;
    enum phase phase;
    uint32_t interest;
    bool closes;             /* the answer says the connection ends with it */
    bool until_end;          /* body framed by the end of the connection */
    struct buffer out;       /* what the kernel has not taken of the request */
    struct buffer in;        /* an unfinished head */
    struct buffer body;      /* an unsplit JSON body, or an unfinished line of a stream */
    struct head head;
    struct chunker chunker;
    uint64_t body_left;      /* with Content-Length */
    int64_t due_ns, sent_ns; /* of the running request */
    int next_free;           /* open loop: stack of idle connections */
    bool stacked;            /* in it; stays in it when it breaks, and is passed over then */
    /* the running stream */
    int64_t last_event_ns;
    unsigned seen, finishes, terminators, usages;
    bool counted_wrong;
};

struct origin {
    struct sockaddr_in address;
    char authority[64];
    const char *path;
};

static struct {
    const char *url, *model, *key, *expect, *terminator, *finish;
    const char *key_file, *body_file, *expect_file;
    unsigned connections, events, body_bytes, ramp_ms;
    unsigned long requests;
    double duration_s, warmup_s, rate, timeout_s;
    bool stream, usage, cdf;
} options = {
    .model = "mock", .key = "sk-bench-0000000000000000000000000000", .connections = 64,
    .body_bytes = 1200, .duration_s = 3, .warmup_s = 0.3, .timeout_s = 30,
    .expect = "End of the mock answer.", .terminator = "[DONE]",
    .finish = "\"finish_reason\":\"stop\"",
};
static const char *extra_headers[64];
static size_t extra_header_count;

static struct origin origin;
static struct buffer request;
static ptrdiff_t key_at = -1, counter_at = -1;
static char **keys;
static size_t key_count, key_size;
static struct buffer expected_body;

static struct connection *connections;
static int free_head = -1;
static int poller;
static char receive_bytes[RECEIVE_BYTES];

static int64_t started_ns, warm_ns, stop_ns; /* stop: nothing new after it; 0 = by count */
static uint64_t issued, completed, measured, outstanding;
static uint64_t events_total, other_events, comments, bytes_in, bytes_out, reconnects, backlog_most;
static int64_t last_done_ns;
static uint64_t wrong[WRONG_KINDS], wrong_total;
static char first_wrong[512];
static struct histogram latency, first_event, gaps;

static int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void count_wrong(struct connection *c, enum wrong kind, const char *seen, size_t size) {
    if (c) {
        if (c->counted_wrong) return; /* one answer is wrong once */
        c->counted_wrong = true;
    }
    if (wrong_total == 0 && seen)
        snprintf(first_wrong, sizeof first_wrong, "%.*s", (int)(size < 400 ? size : 400), seen);
    wrong[kind]++;
    wrong_total++;
}

/* ---- the request -------------------------------------------------------------------------------- */

static void add_text(struct buffer *b, const char *text) { buffer_add(b, text, strlen(text)); }

static void build_body(struct buffer *body) {
    static const char words[] =
        "the gateway passes each request on as it came and changes only what it must so that "
        "what the client sent is what the provider sees while every token is counted once ";
    char text[512];
    snprintf(text, sizeof text,
             "{\"model\":\"%s\",\"temperature\":0.7,\"max_tokens\":1024,%s%s\"messages\":["
             "{\"role\":\"system\",\"content\":\"You are a careful assistant. Answer briefly.\"},"
             "{\"role\":\"user\",\"content\":\"Request " COUNTER_PLACE ": ",
             options.model, options.stream ? "\"stream\":true," : "",
             options.usage ? "\"stream_options\":{\"include_usage\":true}," : "");
    add_text(body, text);
    for (size_t i = 0; body->size + 4 < options.body_bytes; i++)
        buffer_add(body, &words[i % (sizeof words - 1)], 1);
    add_text(body, "\"}]}");
}

static void read_file(const char *path, struct buffer *into) {
    FILE *f = fopen(path, "rb");
    size_t n;
    if (!f) {
        fprintf(stderr, "load: %s: %s\n", path, strerror(errno));
        exit(2);
    }
    while ((n = fread(buffer_reserve(into, 65536), 1, 65536, f)) > 0) into->size += n;
    fclose(f);
}

static void read_keys(void) {
    static struct buffer text;
    if (!options.key_file) return;
    read_file(options.key_file, &text);
    buffer_add(&text, "", 1);
    for (char *line = strtok(text.data, "\r\n"); line; line = strtok(NULL, "\r\n")) {
        keys = realloc(keys, (key_count + 1) * sizeof *keys);
        if (!keys) abort();
        if (key_count == 0) key_size = strlen(line);
        if (strlen(line) != key_size) {
            fprintf(stderr, "load: the keys in %s differ in length\n", options.key_file);
            exit(2);
        }
        keys[key_count++] = line;
    }
    if (key_count == 0) {
        fprintf(stderr, "load: no key in %s\n", options.key_file);
        exit(2);
    }
    options.key = keys[0];
}

static void build_request(void) {
    struct buffer body = {0};
    char text[1024];
    if (options.body_file) read_file(options.body_file, &body);
    else build_body(&body);
    snprintf(text, sizeof text,
             "POST %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: OpenAI/Python 2.8.1\r\n"
             "Accept: application/json\r\nContent-Type: application/json\r\n",
             origin.path, origin.authority);
    add_text(&request, text);
    if (*options.key) {
        add_text(&request, "Authorization: Bearer ");
        key_at = (ptrdiff_t)request.size;
        add_text(&request, options.key);
        add_text(&request, "\r\n");
    }
    for (size_t i = 0; i < extra_header_count; i++) {
        add_text(&request, extra_headers[i]);
        add_text(&request, "\r\n");
    }
    snprintf(text, sizeof text, "Content-Length: %zu\r\n\r\n", body.size);
    add_text(&request, text);
    size_t body_at = request.size;
    buffer_add(&request, body.data, body.size);
    const char *place =
        memmem(request.data + body_at, body.size, COUNTER_PLACE, COUNTER_DIGITS);
    if (place) counter_at = place - request.data;
    buffer_free(&body);
}

/* Makes this request differ from the last: its number in the body, and the next key in turn. */
static void patch_request(uint64_t number) {
    if (counter_at >= 0) {
        char *digit = request.data + counter_at + COUNTER_DIGITS - 1;
        uint64_t rest = number;
        for (int i = 0; i < COUNTER_DIGITS; i++, rest /= 10) *digit-- = (char)('0' + rest % 10);
    }
    if (key_count > 1) memcpy(request.data + key_at, keys[number % key_count], key_size);
}

/* ---- connections -------------------------------------------------------------------------------- */

static void set_interest(struct connection *c, uint32_t interest) {
    if (c->interest == interest) return;
    struct epoll_event e = {.events = interest, .data.ptr = c};
    epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &e);
    c->interest = interest;
}

static void drop(struct connection *c) {
    if (c->fd >= 0) close(c->fd);
    c->fd = -1;
    c->phase = BROKEN;
    buffer_clear(&c->out);
    buffer_clear(&c->in);
    buffer_clear(&c->body);
}

static void connect_one(struct connection *c) {
    int one = 1;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0) {
        perror("load: socket");
        exit(2);
    }
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    c->phase = CONNECTING;
    c->counted_wrong = false;
    if (connect(c->fd, (struct sockaddr *)&origin.address, sizeof origin.address) &&
        errno != EINPROGRESS) {
        count_wrong(NULL, WRONG_CONNECT, strerror(errno), strlen(strerror(errno)));
        drop(c);
        return;
    }
    c->interest = EPOLLOUT;
    struct epoll_event e = {.events = EPOLLOUT, .data.ptr = c};
    epoll_ctl(poller, EPOLL_CTL_ADD, c->fd, &e);
}

static void send_request(struct connection *c, int64_t due_ns, int64_t now) {
    patch_request(issued);
    issued++;
    outstanding++;
    c->phase = HEAD;
    c->due_ns = due_ns;
    c->sent_ns = now;
    c->counted_wrong = false;
    c->seen = c->finishes = c->terminators = c->usages = 0;
    ssize_t n = send(c->fd, request.data, request.size, MSG_NOSIGNAL);
    size_t taken = n > 0 ? (size_t)n : 0;
    bytes_out += taken;
    if (taken < request.size) buffer_add(&c->out, request.data + taken, request.size - taken);
    /* an error shows again, as the end of the connection, when it is read */
    set_interest(c, taken < request.size ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

/* When the next request of the open loop is due. */
static int64_t due_of(uint64_t number) {
    return started_ns + (int64_t)((double)number * 1e9 / options.rate);
}

/* How many requests may have been sent by now. */
static uint64_t allowed(int64_t now) {
    uint64_t most = options.requests ? options.requests : UINT64_MAX;
    if (options.rate > 0) {
        int64_t until = stop_ns && now > stop_ns ? stop_ns : now;
        uint64_t arrived = (uint64_t)((double)(until - started_ns) * options.rate / 1e9) + 1;
        return arrived < most ? arrived : most;
    }
    return stop_ns && now >= stop_ns ? issued : most;
}

static bool issue_on(struct connection *c, int64_t now) {
    if (issued >= allowed(now)) return false;
    send_request(c, options.rate > 0 ? due_of(issued) : now, now);
    return true;
}

static void make_idle(struct connection *c, int64_t now) {
    c->phase = IDLE;
    if (issue_on(c, now)) return;
    set_interest(c, EPOLLIN);
    if (options.rate > 0 && !c->stacked) {
        c->stacked = true;
        c->next_free = free_head;
        free_head = (int)(c - connections);
    }
}

/* Open loop: sends what has become due on idle connections. */
static void issue_due(int64_t now) {
    uint64_t arrived = allowed(now);
    while (issued < arrived && free_head >= 0) {
        struct connection *c = &connections[free_head];
        free_head = c->next_free;
        c->stacked = false;
        if (c->phase == IDLE) send_request(c, due_of(issued), now);
    }
    if (arrived > issued && arrived - issued > backlog_most) backlog_most = arrived - issued;
}

/* The exchange is over, one way or the other. */
static void finish(struct connection *c, int64_t now, bool usable) {
    outstanding--;
    last_done_ns = now;
    if (!c->counted_wrong) {
        completed++;
        if (c->due_ns >= warm_ns) {
            record(&latency, now - c->due_ns);
            measured += !stop_ns || now <= stop_ns || options.rate > 0;
        }
    }
    if (!usable || c->closes || c->until_end) {
        if (usable) reconnects++;
        drop(c);
        connect_one(c);
        return;
    }
    make_idle(c, now);
}

static void fail(struct connection *c, enum wrong kind, const char *seen, size_t size,
                 int64_t now) {
    count_wrong(c, kind, seen, size);
    finish(c, now, false);
}

/* ---- answers ------------------------------------------------------------------------------------ */

static void check_body(struct connection *c, const char *body, size_t size) {
    bool right = options.expect_file
                     ? size == expected_body.size && memcmp(body, expected_body.data, size) == 0
                     : memmem(body, size, options.expect, strlen(options.expect)) != NULL;
    if (!right) count_wrong(c, WRONG_BODY, body, size);
}

/* The number in a text event ("t00042 "), or -1 in any other event. */
static long event_number(const char *p, size_t size) {
    static size_t usual_place; /* events of one stream look alike */
    const char *end = p + size, *at = p + usual_place;
    if (usual_place + 9 > size || at[0] != '"' || at[1] != 't' || at[7] != ' ') {
        for (at = p; (at = memmem(at, (size_t)(end - at), "\"t", 2)) != NULL; at++) {
            if (end - at < 8) return -1;
            if (at[7] == ' ' && at[2] >= '0' && at[2] <= '9') break;
        }
        if (!at) return -1;
        usual_place = (size_t)(at - p);
    }
    long n = 0;
    for (int i = 2; i < 7; i++) {
        if (at[i] < '0' || at[i] > '9') return -1;
        n = n * 10 + (at[i] - '0');
    }
    return n;
}

static bool has(const char *p, size_t size, const char *text) {
    return memmem(p, size, text, strlen(text)) != NULL;
}

static void on_text_event(struct connection *c, long number, const char *data, size_t size,
                          int64_t now) {
    if (number != (long)c->seen || c->terminators) count_wrong(c, WRONG_EVENTS, data, size);
    if (c->due_ns >= warm_ns) {
        if (c->seen == 0) record(&first_event, now - c->due_ns);
        else record(&gaps, now - c->last_event_ns);
    }
    c->seen++;
    c->last_event_ns = now;
    events_total++;
}

static void on_line(struct connection *c, const char *line, size_t size, int64_t now) {
    if (size && line[size - 1] == '\r') size--;
    if (size == 0) return;
    if (*line == ':') {
        comments++;
        return;
    }
    if (size < 5 || memcmp(line, "data:", 5) != 0) return; /* event: and id: lines */
    const char *data = line + 5;
    size -= 5;
    if (size && *data == ' ') data++, size--;
    long number = event_number(data, size);
    if (number >= 0) {
        on_text_event(c, number, data, size, now);
        return;
    }
    if (c->terminators) count_wrong(c, WRONG_END, data, size);
    if (size == strlen(options.terminator) && memcmp(data, options.terminator, size) == 0) {
        c->terminators++;
        return;
    }
    other_events++;
    if (has(data, size, options.finish)) c->finishes++;
    if (has(data, size, "\"usage\":{")) c->usages++;
}

static void on_stream_bytes(struct connection *c, const char *p, size_t size, int64_t now) {
    const char *end = p + size;
    while (p < end) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        if (!newline) {
            buffer_add(&c->body, p, (size_t)(end - p));
            return;
        }
        if (buffer_left(&c->body)) {
            buffer_add(&c->body, p, (size_t)(newline - p));
            on_line(c, c->body.data + c->body.start, buffer_left(&c->body), now);
            buffer_clear(&c->body);
        } else {
            on_line(c, p, (size_t)(newline - p), now);
        }
        p = newline + 1;
    }
}

static void check_stream(struct connection *c) {
    char text[160];
    int n = snprintf(text, sizeof text,
                     "%u of %u events, %u finish events, %u terminators, %u usage events", c->seen,
                     options.events, c->finishes, c->terminators, c->usages);
    if (c->seen != options.events) count_wrong(c, WRONG_EVENTS, text, (size_t)n);
    if (c->finishes != 1 || c->terminators != 1 || buffer_left(&c->body))
        count_wrong(c, WRONG_END, text, (size_t)n);
    if (c->usages != options.usage) count_wrong(c, WRONG_USAGE, text, (size_t)n);
}

static void body_complete(struct connection *c, const char *body, size_t size, int64_t now) {
    if (c->head.status != 200)
        count_wrong(c, WRONG_STATUS, body, size);
    else if (options.stream)
        check_stream(c);
    else
        check_body(c, body, size);
    buffer_clear(&c->body);
    finish(c, now, true);
}

static void on_body_bytes(struct connection *c, const char *p, size_t size, int64_t now) {
    if (options.stream && c->head.status == 200)
        on_stream_bytes(c, p, size, now);
    else if (buffer_left(&c->body) + size <= ANSWER_LIMIT_BYTES)
        buffer_add(&c->body, p, size);
    else
        count_wrong(c, WRONG_BODY, "answer too long", 15);
}

/* Starts on the body after a head; body bytes follow in the same input. */
static void begin_body(struct connection *c) {
    const struct head *h = &c->head;
    c->phase = BODY;
    c->closes = h->close;
    c->until_end = !h->chunked && h->length < 0;
    c->body_left = h->length > 0 ? (uint64_t)h->length : 0;
    memset(&c->chunker, 0, sizeof c->chunker);
}

/* Body bytes from p on; returns false when the exchange or the connection has ended. */
static bool read_body(struct connection *c, const char **pp, const char *end, int64_t now) {
    const char *p = *pp;
    if (c->until_end) {
        on_body_bytes(c, p, (size_t)(end - p), now);
        *pp = end;
        return true;
    }
    if (!c->head.chunked) {
        size_t size = (size_t)(end - p);
        if (size > c->body_left) size = c->body_left;
        *pp = p + size;
        c->body_left -= size;
        bool at_once = c->body_left == 0 && buffer_left(&c->body) == 0 && !options.stream;
        if (!at_once) on_body_bytes(c, p, size, now);
        if (c->body_left) return true;
        if (at_once) body_complete(c, p, size, now);
        else body_complete(c, c->body.data + c->body.start, buffer_left(&c->body), now);
        return false;
    }
    for (;;) {
        const char *span;
        size_t size;
        switch (chunk_next(&c->chunker, &p, end, &span, &size)) {
        case CHUNK_SPAN:
            on_body_bytes(c, span, size, now);
            break;
        case CHUNK_MORE:
            *pp = p;
            return true;
        case CHUNK_BAD:
            *pp = end;
            fail(c, WRONG_FRAMING, p, (size_t)(end - p), now);
            return false;
        case CHUNK_END:
            *pp = p;
            body_complete(c, c->body.data + c->body.start, buffer_left(&c->body), now);
            return false;
        }
    }
}

static void read_answer(struct connection *c, const char *p, const char *end, int64_t now) {
    while (c->phase == HEAD && p < end) {
        enum head_result result;
        if (buffer_left(&c->in)) { /* a head that came in pieces */
            size_t before = buffer_left(&c->in);
            buffer_add(&c->in, p, (size_t)(end - p));
            result = head_parse(c->in.data + c->in.start, buffer_left(&c->in), true, &c->head);
            if (result == HEAD_MORE) return;
            if (result == HEAD_OK) p += c->head.size - before;
            buffer_clear(&c->in);
        } else {
            result = head_parse(p, (size_t)(end - p), true, &c->head);
            if (result == HEAD_MORE) {
                buffer_add(&c->in, p, (size_t)(end - p));
                return;
            }
            if (result == HEAD_OK) p += c->head.size;
        }
        if (result == HEAD_BAD) {
            fail(c, WRONG_FRAMING, p, (size_t)(end - p), now);
            return;
        }
        if (c->head.status >= 200) begin_body(c);
    }
    if (c->phase == BODY) {
        uint64_t issued_before = issued;
        int fd = c->fd;
        if (read_body(c, &p, end, now) || p == end) return;
        /* more bytes than the answer had, though nothing else had been asked */
        count_wrong(NULL, WRONG_FRAMING, p, (size_t)(end - p));
        if (issued != issued_before && c->fd == fd && c->phase == HEAD) {
            count_wrong(c, WRONG_FRAMING, NULL, 0);
            finish(c, now, false);
        }
    }
}

static void on_end(struct connection *c, int64_t now) {
    if (c->phase == IDLE) { /* an idle connection may be closed at any time */
        reconnects++;
        drop(c);
        connect_one(c);
    } else if (c->phase == BODY && c->until_end) {
        c->closes = true;
        body_complete(c, c->body.data + c->body.start, buffer_left(&c->body), now);
    } else {
        fail(c, WRONG_CUT, strerror(errno), strlen(strerror(errno)), now);
    }
}

static void on_event(struct connection *c, uint32_t what, int64_t now) {
    if (c->phase == CONNECTING) {
        int error = 0;
        socklen_t size = sizeof error;
        getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &size);
        if (error) {
            count_wrong(NULL, WRONG_CONNECT, strerror(error), strlen(strerror(error)));
            drop(c); /* the sweep tries again */
        } else {
            make_idle(c, now);
        }
        return;
    }
    if ((what & EPOLLOUT) && buffer_left(&c->out)) {
        ssize_t n = send(c->fd, c->out.data + c->out.start, buffer_left(&c->out), MSG_NOSIGNAL);
        if (n > 0) {
            bytes_out += (uint64_t)n;
            c->out.start += (size_t)n;
        }
        if (buffer_left(&c->out) == 0) set_interest(c, EPOLLIN);
    }
    if (!(what & (EPOLLIN | EPOLLHUP | EPOLLERR))) return;
    ssize_t n = recv(c->fd, receive_bytes, sizeof receive_bytes, 0);
    if (n > 0) {
        bytes_in += (uint64_t)n;
        if (c->phase == IDLE) {
            count_wrong(NULL, WRONG_FRAMING, receive_bytes, (size_t)n);
            drop(c);
            connect_one(c);
            return;
        }
        read_answer(c, receive_bytes, receive_bytes + n, now);
    } else if (n == 0 || errno != EAGAIN) {
        if (n == 0) errno = 0;
        on_end(c, now);
    }
}

/* ---- the run ------------------------------------------------------------------------------------ */

static void sweep(int64_t now, bool connect_broken) {
    for (unsigned i = 0; i < options.connections; i++) {
        struct connection *c = &connections[i];
        if (c->phase == BROKEN && c->fd < 0 && connect_broken) connect_one(c);
        if ((c->phase == HEAD || c->phase == BODY) &&
            (double)(now - c->sent_ns) > options.timeout_s * 1e9)
            fail(c, WRONG_TIMEOUT, NULL, 0, now);
    }
}

static bool is_over(int64_t now) {
    if (outstanding) return false;
    if (options.requests && issued >= options.requests) return true;
    if (!stop_ns || now < stop_ns) return false;
    return issued >= allowed(now);
}

static void run(void) {
    struct epoll_event events[EPOLL_BATCH];
    int64_t next_sweep = started_ns + SWEEP_NS, give_up_ns = 0;
    if (stop_ns) give_up_ns = stop_ns + (int64_t)(options.timeout_s * 1e9);
    unsigned opened = 0;
    for (;;) {
        int64_t now = now_ns();
        /* connections are opened, and so closed-loop requests begun, evenly over the ramp */
        unsigned wanted = options.connections;
        if (options.ramp_ms && now - started_ns < (int64_t)options.ramp_ms * 1000000)
            wanted = (unsigned)((double)(now - started_ns) / ((double)options.ramp_ms * 1e6) *
                                options.connections) + 1;
        while (opened < wanted && opened < options.connections) connect_one(&connections[opened++]);
        if (options.rate > 0) issue_due(now);
        if (is_over(now)) break;
        bool stuck = !outstanding && (double)(now - last_done_ns) > options.timeout_s * 1e9;
        if ((give_up_ns && now > give_up_ns) || (!give_up_ns && stuck)) {
            uint64_t missing = allowed(now) - issued;
            wrong[WRONG_UNFINISHED] += missing + outstanding;
            wrong_total += missing + outstanding;
            break;
        }
        if (now >= next_sweep) {
            sweep(now, opened == options.connections);
            next_sweep = now + SWEEP_NS;
        }
        int64_t wake = next_sweep;
        if (opened < options.connections) {
            int64_t next = started_ns + (int64_t)((double)opened * options.ramp_ms * 1e6 /
                                                  options.connections);
            if (next < wake) wake = next;
        }
        if (options.rate > 0 && free_head >= 0 && due_of(issued) < wake) wake = due_of(issued);
        int64_t wait_ns = wake > now ? wake - now : 0;
        struct timespec timeout = {wait_ns / 1000000000, wait_ns % 1000000000};
        int n = epoll_pwait2(poller, events, EPOLL_BATCH, &timeout, NULL);
        if (n < 0 && errno != EINTR) {
            perror("load: epoll");
            exit(2);
        }
        for (int i = 0; i < n; i++) on_event(events[i].data.ptr, events[i].events, now_ns());
    }
}

static void print_quoted(const char *text) {
    putchar('"');
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        if (*p == '"' || *p == '\\') printf("\\%c", *p);
        else if (*p < 0x20 || *p > 0x7e) printf("\\u%04x", *p);
        else putchar(*p);
    }
    putchar('"');
}

static uint64_t cpu_us(void) {
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return (uint64_t)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000 +
           (uint64_t)(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
}

static void report(uint64_t used_cpu_us, int64_t ended_ns) {
    double wall_s = (double)(ended_ns - started_ns) / 1e9;
    int64_t measured_to = options.rate > 0 || !stop_ns || ended_ns < stop_ns ? last_done_ns : stop_ns;
    double window_s = (double)(measured_to - warm_ns) / 1e9;
    printf("{\"loop\":\"%s\",\"answer\":\"%s\",\"connections\":%u", options.rate > 0 ? "open" : "closed",
           options.stream ? "stream" : "json", options.connections);
    if (options.rate > 0) printf(",\"rate_asked\":%g,\"backlog_max\":%lu", options.rate, backlog_most);
    printf(",\"wall_s\":%.4f,\"window_s\":%.4f,\"issued\":%lu,\"completed\":%lu,\"measured\":%lu,"
           "\"rate\":%.1f",
           wall_s, window_s, issued, completed, measured,
           window_s > 0 ? (double)measured / window_s : 0.0);
    printf(",\"wrong\":%lu,\"wrong_kinds\":{", wrong_total);
    for (int kind = 0, any = 0; kind < WRONG_KINDS; kind++)
        if (wrong[kind]) printf("%s\"%s\":%lu", any++ ? "," : "", WRONG_NAMES[kind], wrong[kind]);
    printf("},\"first_wrong\":");
    print_quoted(first_wrong);
    printf(",\"reconnects\":%lu,\"bytes_in\":%lu,\"bytes_out\":%lu,\"cpu_us\":%lu,\"idle\":%.4f",
           reconnects, bytes_in, bytes_out, used_cpu_us,
           wall_s > 0 ? 1 - (double)used_cpu_us / 1e6 / wall_s : 0.0);
    print_histogram("latency_us", &latency, options.cdf);
    if (options.stream) {
        printf(",\"events\":%lu,\"events_per_s\":%.1f,\"other_events\":%lu,\"comments\":%lu",
               events_total, wall_s > 0 ? (double)events_total / wall_s : 0.0, other_events,
               comments);
        print_histogram("first_event_us", &first_event, options.cdf);
        print_histogram("gap_us", &gaps, options.cdf);
    }
    printf("}\n");
}

/* ---- start -------------------------------------------------------------------------------------- */

static const char USAGE[] =
    "load --url http://ADDRESS:PORT/PATH [options]\n"
    "  --connections N   (64)\n"
    "  --duration S      nothing new is sent after it; what runs is waited for (3)\n"
    "  --requests N      stop after so many instead\n"
    "  --warmup S        requests due in it are checked but not measured (0.3)\n"
    "  --rate R          open loop: R requests per second, due at even intervals\n"
    "  --ramp-ms N       open the connections evenly over this time (0)\n"
    "  --timeout S       for one answer (30)\n"
    "  --model NAME      (mock); mock-<events>-<pace_ms> also sets --events\n"
    "  --stream          ask for a stream and check every event of it\n"
    "  --events N        text events each stream must have\n"
    "  --usage           ask for the usage event; without it there must be none\n"
    "  --key KEY         sent as bearer token; '' sends none\n"
    "  --keys FILE       one key a line, all of one length, used in turn\n"
    "  --header 'N: V'   one more header; may be repeated\n"
    "  --body-bytes N    size of the generated body (1200)\n"
    "  --body FILE       this body; a run of ten # in it becomes the number of the request\n"
    "  --expect TEXT     what a right body contains\n"
    "  --expect-body F   what a right body is, byte for byte\n"
    "  --terminator TEXT data of the last event of a stream ([DONE])\n"
    "  --finish TEXT     what the finish event contains\n"
    "  --cdf             more percentiles in the result\n"
    "Prints one line of JSON, times in microseconds; exit 1 when any answer was wrong.\n";

static void parse_url(void) {
    char host[64];
    unsigned port;
    int used = 0;
    if (!options.url || sscanf(options.url, "http://%63[0-9.]:%u%n", host, &port, &used) != 2 ||
        port > 65535 || inet_pton(AF_INET, host, &origin.address.sin_addr) != 1) {
        fputs(USAGE, stderr);
        exit(2);
    }
    origin.address.sin_family = AF_INET;
    origin.address.sin_port = htons((uint16_t)port);
    snprintf(origin.authority, sizeof origin.authority, "%.45s:%u", host, port);
    origin.path = options.url[used] ? options.url + used : "/";
}

static double positive(const char *option, const char *text) {
    char *end;
    double n = strtod(text, &end);
    if (*end || end == text || !(n >= 0) || n > 1e9) {
        fprintf(stderr, "load: --%s takes a number, not '%s'\n", option, text);
        exit(2);
    }
    return n;
}

static void parse_options(int argc, char **argv) {
    enum { URL, CONNECTIONS, DURATION, REQUESTS, WARMUP, RATE, RAMP, TIMEOUT, MODEL, STREAM, EVENTS,
           ASK_USAGE, KEY, KEYS, HEADER, BODY_BYTES, BODY_FILE, EXPECT, EXPECT_BODY, TERMINATOR,
           FINISH, CDF, HELP };
    static const struct option known[] = {
        {"url", 1, NULL, URL},           {"connections", 1, NULL, CONNECTIONS},
        {"duration", 1, NULL, DURATION}, {"requests", 1, NULL, REQUESTS},
        {"warmup", 1, NULL, WARMUP},     {"rate", 1, NULL, RATE},
        {"ramp-ms", 1, NULL, RAMP},      {"timeout", 1, NULL, TIMEOUT},
        {"model", 1, NULL, MODEL},       {"stream", 0, NULL, STREAM},
        {"events", 1, NULL, EVENTS},     {"usage", 0, NULL, ASK_USAGE},
        {"key", 1, NULL, KEY},           {"keys", 1, NULL, KEYS},
        {"header", 1, NULL, HEADER},     {"body-bytes", 1, NULL, BODY_BYTES},
        {"body", 1, NULL, BODY_FILE},    {"expect", 1, NULL, EXPECT},
        {"expect-body", 1, NULL, EXPECT_BODY}, {"terminator", 1, NULL, TERMINATOR},
        {"finish", 1, NULL, FINISH},     {"cdf", 0, NULL, CDF},
        {"help", 0, NULL, HELP},
        {NULL, 0, NULL, 0},
    };
    int which;
    for (int o; (o = getopt_long(argc, argv, "", known, &which)) != -1;) {
        switch (o) {
        case URL: options.url = optarg; break;
        case CONNECTIONS: options.connections = (unsigned)positive("connections", optarg); break;
        case DURATION: options.duration_s = positive("duration", optarg); break;
        case REQUESTS: options.requests = (unsigned long)positive("requests", optarg); break;
        case WARMUP: options.warmup_s = positive("warmup", optarg); break;
        case RATE: options.rate = positive("rate", optarg); break;
        case RAMP: options.ramp_ms = (unsigned)positive("ramp-ms", optarg); break;
        case TIMEOUT: options.timeout_s = positive("timeout", optarg); break;
        case MODEL: options.model = optarg; break;
        case STREAM: options.stream = true; break;
        case EVENTS: options.events = (unsigned)positive("events", optarg); break;
        case ASK_USAGE: options.usage = true; break;
        case KEY: options.key = optarg; break;
        case KEYS: options.key_file = optarg; break;
        case HEADER:
            if (extra_header_count == 64) {
                fputs("load: at most 64 headers\n", stderr);
                exit(2);
            }
            extra_headers[extra_header_count++] = optarg;
            break;
        case BODY_BYTES: options.body_bytes = (unsigned)positive("body-bytes", optarg); break;
        case BODY_FILE: options.body_file = optarg; break;
        case EXPECT: options.expect = optarg; break;
        case EXPECT_BODY: options.expect_file = optarg; break;
        case TERMINATOR: options.terminator = optarg; break;
        case FINISH: options.finish = optarg; break;
        case CDF: options.cdf = true; break;
        case HELP: fputs(USAGE, stdout); exit(0);
        default: fputs(USAGE, stderr); exit(2);
        }
    }
    if (optind != argc || options.connections == 0 || strlen(options.model) > 200) {
        fputs(USAGE, stderr);
        exit(2);
    }
    const char *sized = strstr(options.model, "mock-");
    if (options.stream && !options.events &&
        (!sized || sscanf(sized, "mock-%u-", &options.events) != 1)) {
        fputs("load: --stream needs --events, or a model named mock-<events>-<pace_ms>\n", stderr);
        exit(2);
    }
    if (options.requests) options.warmup_s = 0;
}

int main(int argc, char **argv) {
    parse_options(argc, argv);
    parse_url();
    read_keys();
    build_request();
    if (options.expect_file) read_file(options.expect_file, &expected_body);
    connections = calloc(options.connections, sizeof *connections);
    if (!connections) abort();
    for (unsigned i = 0; i < options.connections; i++) connections[i].fd = -1;
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    if (files.rlim_cur < options.connections + 16) {
        fprintf(stderr, "load: only %lu file descriptors allowed\n", (unsigned long)files.rlim_cur);
        return 2;
    }
    prctl(PR_SET_TIMERSLACK, 1000UL);
    signal(SIGPIPE, SIG_IGN);
    poller = epoll_create1(EPOLL_CLOEXEC);
    uint64_t cpu_before = cpu_us();
    started_ns = last_done_ns = now_ns();
    warm_ns = started_ns + (int64_t)(options.warmup_s * 1e9);
    stop_ns = options.requests ? 0 : started_ns + (int64_t)(options.duration_s * 1e9);
    run();
    report(cpu_us() - cpu_before, now_ns());
    return wrong_total ? 1 : 0;
}
