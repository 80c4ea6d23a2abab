/*
 * From a row of logits to a token. Order and definition of the filters: kernels_sample in
 * kernels.h. Selection costs two reads of the row (top_k.h); the nucleus (top-p) is sorted only as
 * far down as it can reach.
 */
#ifndef ALPHA_OPS_SAMPLING_H
#define ALPHA_OPS_SAMPLING_H

#include "../philox.h"
#include "top_k.h"

#include <float.h>

typedef struct {
    int32_t *out_ids;
    const float *logits;
    int64_t ldl;
    int32_t vocab;
    const int32_t *rows;
    const float *temperatures;
    const int32_t *top_ks;
    const float *top_ps, *min_ps;
    const uint32_t *seeds;
    const int32_t *choices, *counters;
    uint32_t *scratch;
} sample_job;

/* Tokens that are still in the draw, by rising id. */
typedef struct {
    float *p;
    int32_t *ids;
    int32_t count;
    /* The sum of any of them is the same in every order. */
    bool has_exact_sums;
} candidates;

/* Scratch of one thread: SAMPLE_ARRAYS arrays of `vocab` words, rounded up to 16. */
typedef struct {
    float *z;
    candidates kept;
    uint32_t *keys, *other_keys;
    int32_t *order, *other_order;
} sample_scratch;

static sample_scratch scratch_of(const sample_job *job, int32_t thread) {
    const int64_t stride = sample_stride(job->vocab);
    uint32_t *base = job->scratch + thread * SAMPLE_ARRAYS * stride;
    return (sample_scratch){
        .z = (float *)base,
        .kept = {(float *)(base + stride), (int32_t *)(base + 2 * stride), 0, false},
        .keys = base + 3 * stride,
        .other_keys = base + 4 * stride,
        .order = (int32_t *)(base + 5 * stride),
        .other_order = (int32_t *)(base + 6 * stride),
    };
}

static int32_t first_equal(const float *x, int32_t n, float value) {
    for (int32_t i = 0; i < n; i += 16) {
        uint32_t equal = vmask_bits(vf32_ge(load_logits(x + i, n - i), vf32_set1(value)));
        if (equal != 0)
            return i + __builtin_ctz(equal);
    }
    return 0;
}

/* z = logits · factor, NaN as -infinity; returns the largest. */
static float scale_logits(float *z, const float *logits, int32_t vocab, float factor) {
    vf32 largest = vf32_set1(-INFINITY);
    for (int32_t i = 0; i < vocab; i += 16) {
        vf32 scaled = vf32_mul(load_logits(logits + i, vocab - i), vf32_set1(factor));
        vf32_store(z + i, scaled);
        largest = vf32_max(scaled, largest);
    }
    return vf32_max_of(largest);
}

/* The k-th largest of z[n], which has no NaN and is padded to vectors with -infinity. */
static float kth_largest(sample_scratch *scratch, int32_t n, int32_t k, float max) {
    const float *z = scratch->z;
    const vf32 bound = vf32_set1(selection_bound(z, n, k, max));
    float *found = scratch->kept.p, *heap = (float *)scratch->other_keys;
    int32_t count = 0;
    for (int32_t i = 0; i < n; i += 16) {
        uint32_t bits = vmask_bits(vf32_ge(vf32_load(z + i), bound));
        for (; bits != 0 && i + __builtin_ctz(bits) < n; bits &= bits - 1)
            found[count++] = z[i + __builtin_ctz(bits)];
    }
    select_largest(found, count, k, heap, scratch->order);
    return heap[0];
}

/* Those of the tokens i … i + 15 that the mask has, with their numbers. */
static inline void keep_lanes(candidates *kept, vf32 numbers, int32_t i, vmask mask) {
    static const int32_t lanes[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    const uint32_t bits = vmask_bits(mask);
    if (bits == 0)
        return;
    vf32_store_packed(kept->p + kept->count, mask, numbers);
    vi32_store_packed(kept->ids + kept->count, mask, vi32_add(vi32_load(lanes), vi32_set1(i)));
    kept->count += __builtin_popcount(bits);
}

/* Everything with z ≥ threshold that can have a probability at all, p = exp(z - max). z is padded
 * to vectors with -infinity. */
static void keep_from(candidates *kept, const float *z, int32_t vocab, float threshold, float max) {
    kept->count = 0;
    kept->has_exact_sums = false;
    const float lowest = -FLT_MAX;
    const vf32 bound = vf32_set1(threshold > lowest ? threshold : lowest);
    for (int32_t i = 0; i < vocab; i += 16) {
        vf32 candidate = vf32_load(z + i);
        keep_lanes(kept, candidate, i, vf32_ge(candidate, bound));
    }
    for (int32_t i = 0; i < kept->count; i += 16) {
        vf32 power = vf32_exp(vf32_sub(vf32_load(kept->p + i), vf32_set1(max)));
        vf32_store_n(kept->p + i, power, kept->count - i < 16 ? kept->count - i : 16);
    }
}

/*
 * Drop what `p` falls below, or equals with a higher id than `id`: it stays in its place with a
 * probability of 0, which no draw and no sum can tell from its absence, unless it would be last.
 */
static void drop_below(candidates *kept, float p, int32_t id) {
    const vf32 limit = vf32_set1(p);
    int32_t count = 0;
    for (int32_t i = 0; i < kept->count; i += 16) {
        const int32_t n = kept->count - i < 16 ? kept->count - i : 16;
        const vf32 own = vf32_load_n(kept->p + i, n);
        const vmask is_above = vf32_gt(own, limit);
        uint32_t stays = vmask_bits(is_above);
        uint32_t equals = vmask_bits(vf32_ge(own, limit)) & ~stays & ((1u << n) - 1);
        vf32_store_n(kept->p + i, vf32_select(is_above, own, vf32_zero()), n);
        for (; equals != 0; equals &= equals - 1) {
            const int32_t at = __builtin_ctz(equals);
            if (kept->ids[i + at] <= id) {
                kept->p[i + at] = p;
                stays |= 1u << at;
            }
        }
        if (stays != 0)
            count = i + 32 - __builtin_clz(stays);
    }
    kept->count = count;
}

static double sum_of(const float *p, int32_t n) {
    double sum = 0;
    for (int32_t i = 0; i < n; i++)
        sum += (double)p[i];
    return sum;
}

/* So few keys are inserted one by one. */
#define INSERTION_MAX 32

static void insertion_sort(sample_scratch *scratch, int32_t n) {
    for (int32_t i = 1; i < n; i++) {
        const uint32_t key = scratch->keys[i];
        const int32_t order = scratch->order[i];
        int32_t at = i;
        for (; at > 0 && scratch->keys[at - 1] > key; at--) {
            scratch->keys[at] = scratch->keys[at - 1];
            scratch->order[at] = scratch->order[at - 1];
        }
        scratch->keys[at] = key;
        scratch->order[at] = order;
    }
}

/* Stable sort by rising key: least significant byte first, bytes that all keys share skipped. */
static void sort_by_key(sample_scratch *scratch, int32_t n) {
    if (n <= INSERTION_MAX) {
        insertion_sort(scratch, n);
        return;
    }
    for (int32_t shift = 0; shift < 32; shift += 8) {
        int32_t starts[256] = {0};
        for (int32_t i = 0; i < n; i++)
            starts[scratch->keys[i] >> shift & 255]++;
        if (starts[scratch->keys[0] >> shift & 255] == n)
            continue;
        int32_t start = 0;
        for (int32_t digit = 0; digit < 256; digit++) {
            int32_t count = starts[digit];
            starts[digit] = start;
            start += count;
        }
        for (int32_t i = 0; i < n; i++) {
            int32_t to = starts[scratch->keys[i] >> shift & 255]++;
            scratch->other_keys[to] = scratch->keys[i];
            scratch->other_order[to] = scratch->order[i];
        }
        uint32_t *keys = scratch->keys;
        scratch->keys = scratch->other_keys;
        scratch->other_keys = keys;
        int32_t *order = scratch->order;
        scratch->order = scratch->other_order;
        scratch->other_order = order;
    }
}

/*
 * Sorts the candidates with p ≥ floor by (p descending, id ascending); returns their number. p is
 * not negative, so its bits order as it does; inverted, rising is falling.
 */
static int32_t sort_candidates(sample_scratch *scratch, float floor) {
    const candidates *kept = &scratch->kept;
    int32_t n = 0;
    for (int32_t i = 0; i < kept->count; i++) {
        scratch->keys[n] = ~float_bits(kept->p[i]);
        scratch->order[n] = kept->ids[i];
        n += kept->p[i] >= floor;
    }
    sort_by_key(scratch, n);
    return n;
}

/* p of the i-th candidate, as sorted. */
static float sorted_p(const sample_scratch *scratch, int32_t i) {
    return bits_float(~scratch->keys[i]);
}

#define FLOORS 3
/* More than the f32 sums of a floor's mass can be too large by. */
#define FLOOR_MARGIN 1.0001

static const float floors[FLOORS] = {0x1p-6f, 0x1p-13f, 0x1p-20f};

/* The highest p from which on the candidates surely hold `target`; 0 when it takes all of them. */
static float nucleus_floor(const candidates *kept, double target) {
    vf32 mass[FLOORS] = {vf32_zero(), vf32_zero(), vf32_zero()};
    for (int32_t i = 0; i < kept->count; i += 16) {
        vf32 p = vf32_load_n(kept->p + i, kept->count - i < 16 ? kept->count - i : 16);
        UNROLL for (int32_t f = 0; f < FLOORS; f++) {
            vmask above = vf32_ge(p, vf32_set1(floors[f]));
            mass[f] = vf32_add(mass[f], vf32_select(above, p, vf32_zero()));
        }
    }
    for (int32_t f = 0; f < FLOORS; f++)
        if ((double)vf32_sum(mass[f]) >= target * FLOOR_MARGIN)
            return floors[f];
    return 0;
}

/* In an order of its own: for where any will do. */
static double sum_in_lanes(const float *p, int32_t n) {
    double lanes[8] = {0}, rest = 0;
    int32_t i = 0;
    for (; i + 8 <= n; i += 8)
        UNROLL for (int32_t lane = 0; lane < 8; lane++) lanes[lane] += (double)p[i + lane];
    for (; i < n; i++)
        rest += (double)p[i];
    for (int32_t width = 4; width > 0; width /= 2)
        UNROLL for (int32_t lane = 0; lane < width; lane++) lanes[lane] += lanes[lane + width];
    return lanes[0] + rest;
}

/* Where a nucleus ends: all p ≥ high are in it, but not enough; those ≥ low are enough. */
typedef struct {
    float low, high;
} nucleus_end;

/* Where the first look begins: little lies below. */
#define LOWEST_END 0x1p-20f
/* Bounds between low and high that one look tries; looks at what the first has left. More of either
 * cost more than the sorting they spare. */
#define BOUNDS 8
#define FURTHER_LOOKS 2

/*
 * A nearer end of the nucleus of p[n], padded to vectors with zeros, that holds `target`. Sums are
 * of f32 in 16 lanes, so an end may be wrong by their error.
 */
static nucleus_end look_closer(const float *p, int32_t n, nucleus_end end, double target) {
    const uint32_t low = float_bits(end.low);
    const uint32_t step = (float_bits(end.high) - low) / (BOUNDS + 1);
    float bounds[BOUNDS];
    vf32 masses[BOUNDS];
    for (uint32_t b = 0; b < BOUNDS; b++) {
        bounds[b] = bits_float(low + (b + 1) * step);
        masses[b] = vf32_zero();
    }
    for (int32_t i = 0; i < n; i += 16) {
        const vf32 own = vf32_load(p + i);
        UNROLL for (int32_t b = 0; b < BOUNDS; b++) {
            const vmask above = vf32_ge(own, vf32_set1(bounds[b]));
            masses[b] = vf32_add(masses[b], vf32_select(above, own, vf32_zero()));
        }
    }
    for (int32_t b = 0; b < BOUNDS; b++) {
        if ((double)vf32_sum(masses[b]) < target) {
            end.high = bounds[b];
            break;
        }
        end.low = bounds[b];
    }
    return end;
}

/* Zeros for what is below the end's high; what of it is not below low is left in keys and order,
 * as it is sorted. Returns its number. */
static int32_t split_at(sample_scratch *scratch, nucleus_end end) {
    candidates *kept = &scratch->kept;
    int32_t n = 0;
    for (int32_t i = 0; i < kept->count; i += 16) {
        const vf32 own = vf32_load(kept->p + i);
        const vmask is_sure = vf32_ge(own, vf32_set1(end.high));
        uint32_t bits = vmask_bits(vf32_ge(own, vf32_set1(end.low))) & ~vmask_bits(is_sure);
        for (; bits != 0; bits &= bits - 1) {
            const int32_t at = i + __builtin_ctz(bits);
            scratch->keys[n] = ~float_bits(kept->p[at]);
            scratch->order[n++] = at;
        }
        vf32_store(kept->p + i, vf32_select(is_sure, own, vf32_zero()));
    }
    sort_by_key(scratch, n);
    return n;
}

/* More than f64 sums of the same numbers in another order differ by, as a share of them. */
#define ORDER_ERROR 1e-10

/*
 * An f32 from 2^-e on is a multiple of 2^-(e + 23), and so is a sum of them, which an f64 holds
 * exactly up to 2^(30 - e); 2^-e is more than half of the lowest.
 */
static bool has_exact_sums(float lowest, double sum) { return sum <= (double)lowest * 0x1p29; }

/*
 * Of the candidates, which are padded to vectors with zeros, those stay whose sum, from the largest
 * on, reaches a target. Only those near the end of the nucleus are sorted, so sums are made in
 * another order than they are defined in. False if that leaves the end open.
 */
static bool cut_nucleus(sample_scratch *scratch, nucleus_end end, double target) {
    candidates *kept = &scratch->kept;
    for (int32_t look = 0; look < FURTHER_LOOKS; look++)
        end = look_closer(kept->p, kept->count, end, target);
    const int32_t n = split_at(scratch, end);
    double reached = sum_in_lanes(kept->p, kept->count);
    int32_t stays = 0;
    if (reached >= target * (1 - ORDER_ERROR))
        return false;
    while (stays < n && reached < target * (1 - ORDER_ERROR))
        reached += (double)sorted_p(scratch, stays++);
    if (reached < target * (1 + ORDER_ERROR))
        return false;
    for (int32_t i = 0; i < stays; i++)
        kept->p[scratch->order[i]] = sorted_p(scratch, i);
    while (kept->p[kept->count - 1] == 0)
        kept->count--;
    kept->has_exact_sums = has_exact_sums(sorted_p(scratch, stays - 1), reached);
    return true;
}

/*
 * The nucleus of a whole row, z[vocab], which is padded to vectors with -infinity, without
 * collecting what is too small to be in it. p takes the place of z. False if nothing was decided.
 */
static bool keep_nucleus_of_row(sample_scratch *scratch, int32_t vocab, float max, float top_p) {
    candidates *kept = &scratch->kept;
    float *p = scratch->z;
    const vf32 lowest = vf32_set1(-INFINITY);
    for (int32_t i = 0; i < vocab; i += 16) {
        const vf32 z = vf32_load(p + i), power = vf32_exp(vf32_sub(z, vf32_set1(max)));
        vf32_store(p + i, vf32_select(vf32_gt(z, lowest), power, vf32_zero()));
    }
    const double target = (double)top_p * sum_in_lanes(p, vocab);
    nucleus_end end = {LOWEST_END, bits_float(float_bits(1.0f) + 1)};
    end = look_closer(p, vocab, end, target);
    kept->count = 0;
    for (int32_t i = 0; i < vocab; i += 16) {
        const vf32 own = vf32_load(p + i);
        keep_lanes(kept, own, i, vf32_ge(own, vf32_set1(end.low)));
    }
    for (int32_t i = kept->count; i % 16 != 0; i++)
        kept->p[i] = 0;
    return cut_nucleus(scratch, end, target);
}

/*
 * Keep the nucleus. Only candidates with p ≥ floor are sorted; should they miss the target, because
 * the floor's f32 sums were too good, all of them are.
 */
static void keep_nucleus(candidates *kept, sample_scratch *scratch, float top_p) {
    const double target = (double)top_p * sum_of(kept->p, kept->count);
    float floor = nucleus_floor(kept, target);
    for (bool is_last = false; !is_last; floor = 0) {
        is_last = floor == 0;
        const int32_t n = sort_candidates(scratch, floor);
        double sum = 0;
        for (int32_t i = 0; i < n; i++) {
            const float p = sorted_p(scratch, i);
            sum += (double)p;
            if (sum >= target) {
                drop_below(kept, p, scratch->order[i]);
                return;
            }
        }
    }
}

/* Running sums that are remembered, so that the place of a draw is not looked for from the start:
 * one for each stretch of some vectors. */
#define STRETCHES 64

static int32_t draw(const candidates *kept, double u) {
    const int32_t n = kept->count, stretch = (n / STRETCHES / 16 + 1) * 16;
    double before[STRETCHES] = {0}, sum = 0;
    int32_t stretches = 0;
    for (int32_t i = 0; i < n; stretches++) {
        const int32_t end = n - i < stretch ? n : i + stretch;
        before[stretches] = sum;
        if (kept->has_exact_sums) {
            sum += sum_in_lanes(kept->p + i, end - i);
            i = end;
        } else {
            for (; i < end; i++)
                sum += (double)kept->p[i];
        }
    }
    const double target = u * sum;
    while (stretches > 1 && before[stretches - 1] > target)
        stretches--;
    sum = before[stretches - 1];
    for (int32_t i = (stretches - 1) * stretch; i < n; i++) {
        sum += (double)kept->p[i];
        if (sum > target)
            return kept->ids[i];
    }
    return kept->ids[n - 1];
}

/* Leaves those tokens of a row that its filters let through; z is the row, scaled. */
static void filter_row(const sample_job *job, int32_t i, sample_scratch *scratch, float max,
                       float factor) {
    const int32_t vocab = job->vocab, top_k = job->top_ks[i];
    candidates *kept = &scratch->kept;
    const bool has_top_k = top_k > 0 && top_k < vocab, has_top_p = job->top_ps[i] < 1;
    bool is_nucleus = false;
    if (has_top_p && !has_top_k) {
        is_nucleus = keep_nucleus_of_row(scratch, vocab, max, job->top_ps[i]);
        if (!is_nucleus)
            scale_logits(scratch->z, job->logits + job->rows[i] * job->ldl, vocab, factor);
    }
    if (!is_nucleus) {
        const float threshold = has_top_k ? kth_largest(scratch, vocab, top_k, max) : -INFINITY;
        keep_from(kept, scratch->z, vocab, threshold, max);
        if (has_top_p)
            keep_nucleus(kept, scratch, job->top_ps[i]);
    }
    if (job->min_ps[i] > 0)
        drop_below(kept, job->min_ps[i], INT32_MAX);
}

static int32_t sample_row(const sample_job *job, int32_t i, sample_scratch *scratch) {
    const float *logits = job->logits + job->rows[i] * job->ldl;
    const int32_t vocab = job->vocab;
    const float temperature = job->temperatures[i], factor = 1.0f / temperature;
    const float max = temperature > 0 && job->top_ks[i] != 1
                          ? scale_logits(scratch->z, logits, vocab, factor)
                          : INFINITY;
    /* Greedy; or nothing to choose from; or a temperature so small that it overflows. */
    if (!(max < INFINITY && max > -INFINITY))
        return first_equal(logits, vocab, max_logit(logits, vocab));
    filter_row(job, i, scratch, max, factor);
    return draw(&scratch->kept,
                philox_uniform(job->seeds[2 * i], job->seeds[2 * i + 1], (uint32_t)job->counters[i],
                               (uint32_t)job->choices[i]));
}

static void sample_rows(const void *context, int64_t begin, int64_t end, int32_t thread) {
    const sample_job *job = context;
    for (int64_t i = begin; i < end; i++) {
        sample_scratch scratch = scratch_of(job, thread);
        job->out_ids[i] = sample_row(job, (int32_t)i, &scratch);
    }
}

/* Work per token of a row: it is scaled, compared, and sometimes raised to a power. */
#define SAMPLE_WORK 8

static kernels_sample_fn FN(sample);
static void FN(sample)(int32_t *out_ids, const float *logits, int64_t ldl, int32_t vocab, int32_t n,
                       const int32_t *rows, const float *temperatures, const int32_t *top_ks,
                       const float *top_ps, const float *min_ps, const uint32_t *seeds,
                       const int32_t *choices, const int32_t *counters, void *scratch) {
    sample_job job = {
        .out_ids = out_ids,
        .logits = logits,
        .ldl = ldl,
        .vocab = vocab,
        .rows = rows,
        .temperatures = temperatures,
        .top_ks = top_ks,
        .top_ps = top_ps,
        .min_ps = min_ps,
        .seeds = seeds,
        .choices = choices,
        .counters = counters,
        .scratch = scratch,
    };
    pool_run(sample_rows, &job, n, grain_of(SAMPLE_WORK * (int64_t)vocab));
}

#endif
