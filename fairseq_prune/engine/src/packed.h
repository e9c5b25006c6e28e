// A tensor of a packed file (docs/packed_format.md), read piece by piece and trusted in nothing.
#pragma once
#include <sys/types.h>
#include <unistd.h>

#include <stdexcept>
#include <string>

#include "numbers.h"

// What stands in the file's header.
struct Stored {
    int fd;                      // of the file; -1: places are addresses in memory
    int64_t rows, columns;
    int kind;                    // of its values: see Kind
    int64_t mask, mask_size;     // place and bytes of the mask's code; size -1 where all is stored
    int64_t values, values_size; // place and bytes of the values
    int64_t scales;              // place of a fp16 scale for each row, of int8 values
};
enum Kind { F32 = 0, F16 = 1, I8 = 2, BF16 = 3, F64 = 4 };
inline int bytes_of(int kind) { return kind == F64 ? 8 : kind == F32 ? 4 : kind == I8 ? 1 : 2; }

[[noreturn]] inline void damaged() { throw std::runtime_error("the packed file is damaged"); }

inline void read_exactly(int fd, int64_t place, void *to, size_t size) {
    char *p = static_cast<char *>(to);
    if (fd < 0 && size) {
        std::memcpy(to, reinterpret_cast<const char *>(place), size);
        return;
    }
    while (size) {
        ssize_t count = pread(fd, p, size, place);
        if (count <= 0) throw std::runtime_error("the packed file has become shorter while it was read");
        p += count, place += count, size -= count;
    }
}

INLINE float half(uint16_t h) {  // fp16, also below its normal range: 2^112 puts the exponent right
    uint32_t bits = static_cast<uint32_t>(h & 0x7FFF) << 13, sign = static_cast<uint32_t>(h & 0x8000) << 16;
    float x;
    std::memcpy(&x, &bits, 4);
    x *= 5.192296858534828e+33f;
    std::memcpy(&bits, &x, 4);
    bits |= sign;
    std::memcpy(&x, &bits, 4);
    return x;
}

// The positions that are kept of one block of a mask: a bitmap, or Rice-coded gaps.
class MaskBlock {
  public:
    static constexpr int SIZE = 1 << 17, ENTRY = 9, BITMAP = 255, PRUNED = 64, MAX_K = 16;

    MaskBlock(const uint8_t *entry, int64_t size) : size_(size) {
        uint32_t kept, unary;
        std::memcpy(&kept, entry, 4);
        std::memcpy(&unary, entry + 4, 4);
        int k = entry[8];
        bitmap_ = k == BITMAP, rare_ = k < PRUNED;
        if (!bitmap_ && !rare_) k -= PRUNED;
        if (kept > size || (!bitmap_ && k > MAX_K) || unary > (size + 7) / 8) damaged();
        kept_ = kept, unary_ = unary, k_ = k;
        count_ = rare_ ? kept : size - kept;
    }
    int64_t kept() const { return kept_; }
    int64_t bytes() const {
        if (kept_ == 0 || kept_ == size_) return 0;
        return bitmap_ ? (size_ + 7) / 8 : unary_ + (count_ * k_ + 7) / 8;
    }
    // code: bytes() of it
    void positions(const uint8_t *code, std::vector<uint32_t> &found) const {
        found.clear();
        if (kept_ == size_)
            for (int64_t p = 0; p < size_; p++) found.push_back(p);
        else if (kept_ && bitmap_) {
            for (int64_t p = 0; p < size_; p++)
                if (code[p / 8] >> p % 8 & 1) found.push_back(p);
        } else if (kept_)
            rice(code, found);
        if (static_cast<int64_t>(found.size()) != kept_) damaged();
    }

  private:
    void rice(const uint8_t *code, std::vector<uint32_t> &found) const {
        const uint8_t *low = code + unary_;
        int64_t bits = unary_ * 8, bit = 0, position = -1, expected = 0;
        for (int64_t j = 0; j < count_; j++) {
            int64_t high = 0;
            for (;; high++, bit++) {
                if (bit >= bits) damaged();
                if (bit % 8 == 0 && code[bit / 8] == 0 && bit + 8 <= bits) {
                    high += 7, bit += 7;
                    continue;
                }
                if (code[bit / 8] >> bit % 8 & 1) break;
            }
            bit++;
            int64_t gap = high << k_;
            for (int b = 0; b < k_; b++) {
                int64_t at = j * k_ + b;
                gap |= static_cast<int64_t>(low[at / 8] >> at % 8 & 1) << b;
            }
            position += gap + 1;
            if (position >= size_) damaged();
            if (rare_)
                found.push_back(position);
            else {
                for (; expected < position; expected++) found.push_back(expected);
                expected++;
            }
        }
        for (; bit < bits; bit++)
            if (code[bit / 8] >> bit % 8 & 1) damaged();  // more gaps than it says
        if (!rare_)
            for (; expected < size_; expected++) found.push_back(expected);
    }
    int64_t size_, kept_, unary_, count_;
    int k_;
    bool bitmap_, rare_;
};

// Calls element(position, value) for all that is kept, in order; value as stored, without scale.
template <class Element> void read_tensor(const Stored &stored, const Element &element) {
    const int64_t count = stored.rows * stored.columns, width = bytes_of(stored.kind);
    const int64_t blocks = (count + MaskBlock::SIZE - 1) / MaskBlock::SIZE;
    const bool sparse = stored.mask_size >= 0;
    std::vector<uint8_t> code(sparse ? stored.mask_size : 0), raw;
    if (sparse) read_exactly(stored.fd, stored.mask, code.data(), code.size());
    if (sparse && stored.mask_size < blocks * MaskBlock::ENTRY) damaged();
    int64_t at = blocks * MaskBlock::ENTRY, done = 0;
    std::vector<uint32_t> positions;
    for (int64_t b = 0; b < blocks; b++) {
        const int64_t first = b * MaskBlock::SIZE;
        const int64_t size = std::min<int64_t>(MaskBlock::SIZE, count - first);
        int64_t kept = size;
        if (sparse) {
            MaskBlock block(code.data() + b * MaskBlock::ENTRY, size);
            if (block.bytes() > stored.mask_size - at) damaged();
            block.positions(code.data() + at, positions);
            at += block.bytes(), kept = block.kept();
        }
        if ((done + kept) * width > stored.values_size) damaged();
        raw.resize(kept * width);
        read_exactly(stored.fd, stored.values + done * width, raw.data(), raw.size());
        done += kept;
        for (int64_t j = 0; j < kept; j++) {
            float value;
            const uint8_t *p = raw.data() + j * width;
            uint16_t small;
            if (stored.kind == F32) std::memcpy(&value, p, 4);
            else if (stored.kind == I8) value = static_cast<int8_t>(*p);
            else if (stored.kind == F64) {
                double large;
                std::memcpy(&large, p, 8);
                value = static_cast<float>(large);
            } else {
                std::memcpy(&small, p, 2);
                if (stored.kind == F16) value = half(small);
                else {
                    uint32_t bits = static_cast<uint32_t>(small) << 16;
                    std::memcpy(&value, &bits, 4);
                }
            }
            element(first + (sparse ? static_cast<int64_t>(positions[j]) : j), value);
        }
    }
    if (done * width != stored.values_size || (sparse && at != stored.mask_size)) damaged();
}

// How many elements are kept: all that the mask keeps, or that are not zero where there is none.
inline int64_t kept_of(const Stored &stored) {
    if (stored.mask_size >= 0) return stored.values_size / bytes_of(stored.kind);
    int64_t kept = 0;
    read_tensor(stored, [&](int64_t, float value) { kept += value != 0; });
    return kept;
}
