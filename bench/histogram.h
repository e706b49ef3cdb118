/* A histogram of times, log-linear as HdrHistogram: 1024 linear steps of 100 ns, then 512 steps per
 * doubling, so that any value is known within 0.2 %; the range ends beyond ten hours.
 */
#ifndef BENCH_HISTOGRAM_H
#define BENCH_HISTOGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define UNIT_NS 100
#define STEP_BITS 10
#define STEPS (1 << STEP_BITS)
#define DOUBLINGS 30

struct histogram {
    uint64_t count, sum_units, least, most; /* least and most in units */
    uint32_t cells[STEPS + DOUBLINGS * STEPS / 2];
};

static size_t cell_of(uint64_t units) {
    if (units < STEPS) return units;
    int doubling = 63 - __builtin_clzll(units) - (STEP_BITS - 1); /* >= 1 */
    if (doubling > DOUBLINGS) return STEPS + DOUBLINGS * STEPS / 2 - 1;
    return STEPS + (size_t)(doubling - 1) * STEPS / 2 + (units >> doubling) - STEPS / 2;
}

/* The middle of a cell, in units. */
static double cell_value(size_t cell) {
    if (cell < STEPS) return (double)cell + 0.5;
    size_t doubling = (cell - STEPS) / (STEPS / 2) + 1;
    size_t step = (cell - STEPS) % (STEPS / 2) + STEPS / 2;
    return ((double)step + 0.5) * (double)(1ULL << doubling);
}

static void record(struct histogram *h, int64_t ns) {
    uint64_t units = ns > 0 ? (uint64_t)ns / UNIT_NS : 0;
    if (h->count == 0 || units < h->least) h->least = units;
    if (units > h->most) h->most = units;
    h->count++;
    h->sum_units += units;
    h->cells[cell_of(units)]++;
}

static double percentile_us(const struct histogram *h, double percent) {
    if (h->count == 0) return 0;
    double exact = percent / 100 * (double)h->count;
    uint64_t rank = (uint64_t)exact, seen = 0;
    if ((double)rank < exact || rank == 0) rank++;
    for (size_t cell = 0; cell < sizeof h->cells / sizeof *h->cells; cell++) {
        seen += h->cells[cell];
        if (seen >= rank) {
            double units = cell_value(cell);
            if (units > (double)h->most) units = (double)h->most;
            return units * UNIT_NS / 1000;
        }
    }
    return (double)h->most * UNIT_NS / 1000;
}

static void print_histogram(const char *name, const struct histogram *h, bool with_cdf) {
    static const double ladder[] = {0,  1,  5,  10,   20,   25, 30,   40,    50,    60,   70,
                                    75, 80, 85, 90,   92.5, 95, 97.5, 98,    99,    99.5, 99.9,
                                    99.95, 99.99, 99.995, 99.999, 100};
    printf(",\"%s\":{\"count\":%lu,\"mean\":%.2f,\"min\":%.1f,\"p50\":%.1f,\"p90\":%.1f,"
           "\"p95\":%.1f,\"p99\":%.1f,\"p999\":%.1f,\"max\":%.1f",
           name, h->count,
           h->count ? (double)h->sum_units / (double)h->count * UNIT_NS / 1000 : 0.0,
           (double)h->least * UNIT_NS / 1000, percentile_us(h, 50), percentile_us(h, 90),
           percentile_us(h, 95), percentile_us(h, 99), percentile_us(h, 99.9),
           (double)h->most * UNIT_NS / 1000);
    if (with_cdf) {
        printf(",\"cdf\":[");
        for (size_t i = 0; i < sizeof ladder / sizeof *ladder; i++)
            printf("%s[%g,%.1f]", i ? "," : "", ladder[i], percentile_us(h, ladder[i]));
        printf("]");
    }
    printf("}");
}

#endif
