// A weight matrix times a few columns: the one thing that decoding spends its time on.
//
// Sparse: compressed rows. Of each weight kept: its distance in columns from the one before
// (8 bits; a distance beyond 255 is bridged by zeros), and its value (fp32, fp16, or int8 with a
// scale a row). Rows are filled up to four entries. For each weight: one load of its distance, one
// broadcast of its value, and for each vector of 8 columns one load of x and a fused multiply-add,
// so one cycle where three loads fit in; matrices larger than the caches wait for memory, 5, 3 or
// 2 bytes a weight, and what is 512 weights ahead is asked for in time.
//
// Dense: rows as they are; four at a time, so that x is loaded once for four. int8 rows are
// multiplied as whole numbers, 16 at once: x is rounded to 12 bits, for each column 2047 steps to
// its largest magnitude, a sixteenth of what int8 would lose.
#pragma once
#include <algorithm>
#include <memory>
#include <type_traits>

#include "block.h"
#include "packed.h"
#include "threads.h"

// Four values, or a run of them, as floats.
INLINE f4 four(const float *p) { f4 x; std::memcpy(&x, p, sizeof x); return x; }
INLINE f4 four(const int8_t *p) {
    typedef int32_t i4 __attribute__((vector_size(16)));
    return __builtin_convertvector((i4{p[0], p[1], p[2], p[3]}), f4);
}
INLINE f4 four(const uint16_t *p) {
    typedef uint32_t u4 __attribute__((vector_size(16)));
    u4 h = {p[0], p[1], p[2], p[3]};
    f4 x = (f4)((h & 0x7FFF) << 13) * 5.192296858534828e+33f;
    return (f4)((u4)x | (h & 0x8000) << 16);
}
template <class T> INLINE const float *floats(const T *p, float *buffer, int count) {
    for (int k = 0; k < count; k += 4) {
        f4 x = four(p + k);
        std::memcpy(buffer + k, &x, sizeof x);
    }
    return buffer;
}
INLINE const float *floats(const float *p, float *, int) { return p; }

// The rows of gates (i, f, g, o) of H units, unit by unit.
inline std::vector<int> unit_by_unit(int hidden) {
    std::vector<int> order;
    for (int unit = 0; unit < hidden; unit++)
        for (int gate = 0; gate < 4; gate++) order.push_back(gate * hidden + unit);
    return order;
}

// Sixteen int8 as int16, and sums of two products each of int16.
typedef int16_t s16 __attribute__((vector_size(32)));
INLINE s16 sixteen(const int8_t *p) {
    typedef int8_t c16 __attribute__((vector_size(16)));
    c16 x;
    std::memcpy(&x, p, sizeof x);
#if defined(__AVX2__)
    typedef char q16 __attribute__((vector_size(16)));
    return (s16)__builtin_ia32_pmovsxbw256((q16)x);
#else
    return __builtin_convertvector(x, s16);
#endif
}
INLINE i8x multiply_pairs(s16 a, s16 b) {
#if defined(__AVX2__)
    return (i8x)__builtin_ia32_pmaddwd256(a, b);
#else
    i8x sums;
    for (int k = 0; k < 8; k++) sums[k] = int(a[2 * k]) * b[2 * k] + int(a[2 * k + 1]) * b[2 * k + 1];
    return sums;
#endif
}

class Matrix {
  public:
    int rows = 0, columns = 0;

    // Four times as many are an int still, and a product of two an int64_t.
    static constexpr int MOST = 1 << 28;

    // these rows of it, in this order, with the same numbers in memory
    Matrix selected(const std::vector<int> &wanted) const {
        Matrix other;
        other.rows = wanted.size(), other.columns = columns;
        other.sparse_ = sparse_, other.kind_ = kind_, other.numbers_ = numbers_;
        for (int r : wanted) {
            if (!scales_.empty()) other.scales_.push_back(scales_[r]);
            if (sparse_) other.begin_.push_back(begin_[r]), other.end_.push_back(end_[r]);
            else other.at_.push_back(place(r));
        }
        other.cut();
        return other;
    }
    // the same with rows i, f, g, o of an LSTM's gates as those of each unit
    Matrix by_unit() const {
        if (rows % 4) throw std::runtime_error("a matrix of four gates has " + std::to_string(rows) + " rows");
        return selected(unit_by_unit(rows / 4));
    }

    // by_unit: rows i, f, g, o of an LSTM's gates become those of each unit. Sparse where less
    // than `dense_above` is kept.
    void read(const Stored &stored, bool by_unit, double dense_above) {
        if (stored.rows < 0 || stored.columns < 0 || stored.rows > MOST || stored.columns > MOST)
            throw std::runtime_error("a matrix has " + std::to_string(stored.rows) + " rows and " +
                                     std::to_string(stored.columns) + " columns");
        rows = stored.rows, columns = stored.columns;
        kind_ = stored.kind == F16 || stored.kind == I8 ? stored.kind : F32;
        if (stored.kind == I8) {
            std::vector<uint16_t> raw(rows);
            read_exactly(stored.fd, stored.scales, raw.data(), raw.size() * 2);
            for (uint16_t h : raw) scales_.push_back(half(h));
        }
        const int64_t kept = kept_of(stored);
        sparse_ = kept < dense_above * rows * columns;
        if (sparse_) read_sparse(stored, kept);
        else read_dense(stored);
        cut();
        if (by_unit) *this = this->by_unit();
    }

    bool is_sparse() const { return sparse_; }
    int64_t bytes() const {
        return numbers_->gaps.size() + numbers_->values.size() + (begin_.size() + end_.size()) * 4 + scales_.size() * 4;
    }
    // multiplications for one column
    int64_t work() const { return work_; }

    // out: `columns` floats
    void row(int r, float *out) const {
        kind_ == F32 ? row_of<float>(r, out) : kind_ == F16 ? row_of<uint16_t>(r, out) : row_of<int8_t>(r, out);
    }

    // rows first to last, a multiple of four, of the product with a panel; y begins at row first
    template <bool added> void multiply(int first, int last, int width, const float *x, float *y) const {
        if (kind_ == F32) multiply_of<float, added>(first, last, width, x, y);
        else if (kind_ == F16) multiply_of<uint16_t, added>(first, last, width, x, y);
        else multiply_of<int8_t, added>(first, last, width, x, y);
    }

    // pieces of rows with about as much work each: piece k is cut(k) to cut(k + 1)
    static constexpr int PIECES = 64;
    int cut_at(int k) const { return cuts_[k]; }

  private:
    bool sparse_ = false;
    int kind_ = F32;
    int64_t work_ = 0;
    // shared by matrices that differ in the order of rows; values: of kind_
    struct Numbers {
        Array<uint8_t> gaps, values;
    };
    std::shared_ptr<Numbers> numbers_ = std::make_shared<Numbers>();
    std::vector<uint32_t> begin_, end_; // of each row, in fours
    std::vector<int> at_;               // dense: where each row lies (empty: in order)
    std::vector<float> scales_;
    int cuts_[PIECES + 1];

    template <class T> const T *values() const { return reinterpret_cast<const T *>(numbers_->values.data()); }
    void put(size_t place, float value) {
        if (kind_ == F32) std::memcpy(numbers_->values.data() + place * 4, &value, 4);
        else if (kind_ == I8) numbers_->values[place] = static_cast<uint8_t>(static_cast<int8_t>(value));
        else {
            // back to the fp16 that it was
            uint32_t bits;
            float small = value * 1.925929944387236e-34f;
            std::memcpy(&bits, &small, 4);
            uint16_t h = static_cast<uint16_t>((bits >> 16 & 0x8000) | (bits >> 13 & 0x7FFF));
            std::memcpy(numbers_->values.data() + place * 2, &h, 2);
        }
    }
    void read_sparse(const Stored &stored, int64_t kept) {
        // memory that is not written to takes no room: as many as there could be
        const size_t most = kept + std::min<int64_t>(rows, kept) * (3 + columns / 255);
        if (most / 4 > UINT32_MAX) throw std::runtime_error("a matrix is too large");
        numbers_->gaps.resize(most), numbers_->values.resize(most * bytes_of(kind_));
        begin_.resize(rows), end_.resize(rows);
        size_t entries = 0;
        int64_t row = -1, row_end = 0, last = 0;
        auto close_rows = [&](int64_t up_to) {  // rows before this one are complete
            while (row < up_to) {
                while (entries % 4) numbers_->gaps[entries] = 0, put(entries++, 0);
                if (row >= 0) end_[row] = entries / 4;
                if (++row < rows) begin_[row] = entries / 4;
                last = row * columns, row_end = last + columns;
            }
        };
        close_rows(0);
        read_tensor(stored, [&](int64_t position, float value) {
            if (value == 0 && stored.mask_size < 0) return;
            if (position >= row_end) close_rows(position / columns);
            int64_t gap = position - last;
            for (; gap > 255; gap -= 255) numbers_->gaps[entries] = 255, put(entries++, 0);
            numbers_->gaps[entries] = static_cast<uint8_t>(gap), put(entries++, value);
            last = position;
        });
        close_rows(rows);
        numbers_->gaps.resize(entries), numbers_->values.resize(entries * bytes_of(kind_));
    }
    void read_dense(const Stored &stored) {
        const size_t count = static_cast<size_t>(rows) * columns;
        numbers_->values.resize((count + 64) * bytes_of(kind_));
        std::memset(numbers_->values.data(), 0, numbers_->values.size());
        read_tensor(stored, [&](int64_t position, float value) { put(position, value); });
    }
    int64_t work_of(int r) const { return sparse_ ? int64_t(end_[r] - begin_[r]) * 4 : columns; }
    void cut() {
        work_ = 0;
        for (int r = 0; r < rows; r++) work_ += work_of(r);
        int64_t done = 0;
        int row = 0;
        for (int k = 0; k <= PIECES; k++) {
            for (; row < rows && done * PIECES < work_ * k; row += 4)
                for (int r = row; r < std::min(row + 4, rows); r++) done += work_of(r);
            cuts_[k] = std::min(row, rows);
        }
        cuts_[0] = 0, cuts_[PIECES] = rows;
    }
    int place(int r) const { return at_.empty() ? r : at_[r]; }
    float scale(int r) const { return kind_ == I8 ? scales_[r] : 1.0f; }

    template <class T> void row_of(int r, float *out) const {
        if (!sparse_) {
            const T *w = values<T>() + static_cast<size_t>(place(r)) * columns;
            float few[4];
            for (int k = 0; k < columns; k += 4)
                std::memcpy(out + k, floats(w + k, few, 4), std::min(4, columns - k) * sizeof(float));
        } else {
            std::memset(out, 0, columns * sizeof(float));
            float *p = out;
            for (size_t e = size_t(begin_[r]) * 4; e < size_t(end_[r]) * 4; e += 4) {
                f4 v = four(values<T>() + e);
                for (int k = 0; k < 4; k++) p += numbers_->gaps[e + k], *p += v[k];
            }
        }
        if (kind_ == I8)
            for (int k = 0; k < columns; k++) out[k] *= scales_[r];
    }
    template <class T, bool added> void multiply_of(int first, int last, int width, const float *x, float *y) const {
        if (width == 1) sparse_ ? sparse_one<T, added>(first, last, x, y) : dense_one<T, added>(first, last, x, y);
        else if (std::is_same<T, int8_t>::value && !sparse_ && columns <= MOST_WHOLE) dense_whole<added>(first, last, width, x, y);
        else if (width == 8) sparse_ ? sparse<T, 1, added>(first, last, x, y) : dense<T, 1, added>(first, last, x, y);
        else sparse_ ? sparse<T, 2, added>(first, last, x, y) : dense<T, 2, added>(first, last, x, y);
    }
    // so many vectors of 8 columns
    template <class T, int VECTORS, bool added> void sparse(int first, int last, const float *x, float *y) const {
        constexpr int WIDTH = 8 * VECTORS, AHEAD = 512;
        for (int r = first; r < last; r++, y += WIDTH) {
            const uint8_t *gap = numbers_->gaps.data() + size_t(begin_[r]) * 4, *end = numbers_->gaps.data() + size_t(end_[r]) * 4;
            const T *value = values<T>() + size_t(begin_[r]) * 4;
            f8 total[4][VECTORS] = {};
            const float *p = x;
            for (; gap < end; gap += 4, value += 4) {
                __builtin_prefetch(value + AHEAD);
                __builtin_prefetch(gap + AHEAD);
                f4 w = four(value);
                for (int k = 0; k < 4; k++) {
                    p += size_t(gap[k]) * WIDTH;
                    for (int v = 0; v < VECTORS; v++)
                        total[k][v] += splat(w[k]) * load(p + 8 * v);
                }
            }
            for (int v = 0; v < VECTORS; v++) {
                f8 sum = (total[0][v] + total[1][v]) + (total[2][v] + total[3][v]);
                if (kind_ == I8) sum *= scales_[r];
                store(y + 8 * v, added ? load(y + 8 * v) + sum : sum);
            }
        }
    }
    template <class T, bool added> void sparse_one(int first, int last, const float *x, float *y) const {
        for (int r = first; r < last; r++, y++) {
            const uint8_t *gap = numbers_->gaps.data() + size_t(begin_[r]) * 4, *end = numbers_->gaps.data() + size_t(end_[r]) * 4;
            const T *value = values<T>() + size_t(begin_[r]) * 4;
            f4 total = {};
            const float *p = x;
            for (; gap < end; gap += 4, value += 4) {
                __builtin_prefetch(value + 512);
                __builtin_prefetch(gap + 512);
                const float *p0 = p + gap[0], *p1 = p0 + gap[1], *p2 = p1 + gap[2], *p3 = p2 + gap[3];
                total += four(value) * f4{*p0, *p1, *p2, *p3};
                p = p3;
            }
            float sum = ((total[0] + total[1]) + (total[2] + total[3])) * scale(r);
            *y = added ? *y + sum : sum;
        }
    }
    template <class T, int VECTORS, bool added> void dense(int first, int last, const float *x, float *y) const {
        constexpr int WIDTH = 8 * VECTORS, RUN = 64;
        for (int r = first; r < last; r += 4, y += 4 * WIDTH) {
            const int count = std::min(4, last - r);
            const T *row[4];
            for (int k = 0; k < 4; k++) {
                int wanted = r + std::min(k, count - 1);
                row[k] = values<T>() + static_cast<size_t>(place(wanted)) * columns;
            }
            f8 total[4][VECTORS] = {};
            for (int c = 0; c < columns; c += RUN) {
                float buffer[4][RUN];
                const float *w[4];
                const int run = std::min(RUN, columns - c);
                for (int k = 0; k < 4; k++) w[k] = floats(row[k] + c, buffer[k], run);
                const float *p = x + static_cast<size_t>(c) * WIDTH;
                for (int j = 0; j < run; j++, p += WIDTH)
                    for (int v = 0; v < VECTORS; v++) {
                        f8 column = load(p + 8 * v);
                        for (int k = 0; k < 4; k++) total[k][v] += splat(w[k][j]) * column;
                    }
            }
            for (int k = 0; k < count; k++)
                for (int v = 0; v < VECTORS; v++) {
                    float *to = y + k * WIDTH + 8 * v;
                    f8 sum = total[k][v] * scale(r + k);
                    store(to, added ? load(to) + sum : sum);
                }
        }
    }
    // sums of so many products are still an int
    static constexpr int MOST_WHOLE = 1 << 15;
    template <bool added> void dense_whole(int first, int last, int width, const float *x, float *y) const {
        const int length = (columns + 15) / 16 * 16;
        thread_local std::vector<int16_t> whole;
        whole.assign(static_cast<size_t>(8) * length, 0);
        for (int lane = 0; lane < width; lane += 8) {
            f8 most = {};
            for (int k = 0; k < columns; k++) {
                f8 value = load(x + static_cast<size_t>(k) * width + lane);
                most = larger(most, larger(value, -value));
            }
            int active = 8;  // columns that are filled up are zero
            while (active && !(most[active - 1] > 0)) active--;
            const f8 step = larger(most, splat(1e-30f)) / 2047.0f, by = 1.0f / step, round = splat(12582912.0f);
            for (int k = 0; k < columns; k++) {
                f8 value = load(x + static_cast<size_t>(k) * width + lane) * by;
                i8x number = __builtin_convertvector((value + round) - round, i8x);
                for (int c = 0; c < 8; c++) whole[static_cast<size_t>(c) * length + k] = static_cast<int16_t>(number[c]);
            }
            float *to = y + lane;
            if (active <= 1) whole_rows<1, added>(first, last, width, length, whole.data(), step, to);
            else if (active <= 4) whole_rows<4, added>(first, last, width, length, whole.data(), step, to);
            else if (active == 5) whole_rows<5, added>(first, last, width, length, whole.data(), step, to);
            else whole_rows<8, added>(first, last, width, length, whole.data(), step, to);
        }
    }
    template <int ACTIVE, bool added>
    void whole_rows(int first, int last, int width, int length, const int16_t *x, f8 step, float *y) const {
        for (int r = first; r < last; r++, y += width) {
            // what is read beyond the row meets zeros
            const int8_t *w = values<int8_t>() + static_cast<size_t>(place(r)) * columns;
            i8x total[ACTIVE] = {};
            for (int k = 0; k < length; k += 16) {
                __builtin_prefetch(w + k + 1024);
                const s16 weights = sixteen(w + k);
                for (int c = 0; c < ACTIVE; c++) {
                    s16 column;
                    std::memcpy(&column, x + static_cast<size_t>(c) * length + k, sizeof column);
                    total[c] += multiply_pairs(weights, column);
                }
            }
            f8 sums = {};
            for (int c = 0; c < ACTIVE; c++)
                for (int k = 0; k < 8; k++) sums[c] += static_cast<float>(total[c][k]);
            sums *= step * scales_[r];
            store(y, added ? load(y) + sums : sums);
        }
    }
    template <class T, bool added> void dense_one(int first, int last, const float *x, float *y) const {
        constexpr int RUN = 256;
        for (int r = first; r < last; r++, y++) {
            const T *w = values<T>() + static_cast<size_t>(place(r)) * columns;
            float total = 0, buffer[RUN];
            for (int c = 0; c < columns; c += RUN) {
                const int run = std::min(RUN, columns - c);
                total += dot(floats(w + c, buffer, run), x + c, run);
            }
            total *= scale(r);
            *y = added ? *y + total : total;
        }
    }
};

// Rows of a product that one thread has made.
struct Part {
    int first, last, thread, piece;
};

// y = a x (+ b z), piece by piece of rows, all threads at work; after(part) is then called, while
// the part is still in the cache.
template <class After>
void product(Threads &threads, const Matrix &a, const Block &x, const Matrix *b, const Block *z, Block &y, const After &after) {
    const int64_t work = (a.work() + (b ? b->work() : 0)) * y.panels;
    // a piece is worth some microseconds, and small enough for a thread that is late
    const int64_t most = std::min<int64_t>(Matrix::PIECES, std::max<int64_t>(1, work / 8192));
    int pieces = 1;
    while (pieces * 2 <= most) pieces *= 2;
    if (pieces < 2 * threads.count() && work < 16384) pieces = 1;
    threads.run(pieces, [&](int piece, int thread) {
        const int first = a.cut_at(piece * (Matrix::PIECES / pieces)), last = a.cut_at((piece + 1) * (Matrix::PIECES / pieces));
        if (first == last) return;
        for (int p = 0; p < y.panels; p++) {
            float *to = y.panel(p) + static_cast<size_t>(first) * y.width;
            a.multiply<false>(first, last, y.width, x.panel(p), to);
            if (b) b->multiply<true>(first, last, y.width, z->panel(p), to);
        }
        after(Part{first, last, thread, piece});
    });
}
inline void product(Threads &threads, const Matrix &a, const Block &x, Block &y) {
    product(threads, a, x, nullptr, nullptr, y, [](const Part &) {});
}
