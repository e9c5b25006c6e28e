// Tensors of a training under a mask: zero where it keeps nothing. All of a parameter's (weights,
// moments, ...) in one pass, so that the mask is read once, and written only where they are not zero
// already, which after most steps is nowhere: 4 bytes a weight and tensor are read, 1 of the mask.
#pragma once
#include "numbers.h"
#include "threads.h"

INLINE void zero_pruned_at(const int8_t *keep, float *const *tensors, int count, int64_t at) {
    constexpr int VECTORS = 4;
    typedef int8_t c8 __attribute__((vector_size(8)));
    i8x mask[VECTORS];
    for (int v = 0; v < VECTORS; v++) {
        c8 some;
        std::memcpy(&some, keep + at + 8 * v, sizeof some);
        mask[v] = __builtin_convertvector(some, i8x);
    }
    for (int t = 0; t < count; t++) {
        float *p = tensors[t] + at;
        i8x word[VECTORS], pruned = {};
        for (int v = 0; v < VECTORS; v++) {
            word[v] = (i8x)load(p + 8 * v);
            pruned |= word[v] & ~mask[v];
        }
        if (any(pruned != 0))
            for (int v = 0; v < VECTORS; v++) store(p + 8 * v, (f8)(word[v] & mask[v]));
    }
}

// keep: -1 or, where the tensors are to be zero, 0
inline void zero_pruned(Threads &threads, const int8_t *keep, int64_t length, float *const *tensors, int count) {
    constexpr int64_t STEP = 32, PIECE = 1 << 15;
    threads.run((length + PIECE - 1) / PIECE, [&](int piece, int) {
        int64_t at = piece * PIECE;
        const int64_t last = std::min(length, at + PIECE);
        for (; at + STEP <= last; at += STEP) zero_pruned_at(keep, tensors, count, at);
        for (; at < last; at++)
            if (!keep[at])
                for (int t = 0; t < count; t++) tensors[t][at] = 0;
    });
}
