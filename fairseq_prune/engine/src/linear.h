// A matrix times columns, and what follows it at once, while its rows are in the cache.
#pragma once
#include "model.h"

enum class Activation { none, relu, gelu, gelu_tanh, tanh };

inline void activate(Activation kind, float *y, size_t count) {
    size_t k = 0;
    if (kind == Activation::tanh)
        for (; k + 8 <= count; k += 8) store(y + k, tanh(load(y + k)));
    if (kind == Activation::relu)
        for (; k < count; k++) y[k] = y[k] > 0 ? y[k] : 0;
    else if (kind == Activation::gelu)
        for (; k < count; k++) y[k] = 0.5f * y[k] * (1 + std::erf(y[k] * 0.70710678118654752f));
    else if (kind == Activation::gelu_tanh)
        for (; k < count; k++) y[k] = 0.5f * y[k] * (1 + std::tanh(0.7978845608028654f * (y[k] + 0.044715f * y[k] * y[k] * y[k])));
    else if (kind == Activation::tanh)
        for (; k < count; k++) y[k] = std::tanh(y[k]);
}

struct Linear {
    MatrixPointer weight;
    std::vector<float> bias;

    explicit operator bool() const { return weight != nullptr; }
    void check(const std::string &name, int64_t rows, int64_t columns) const {
        expect(name, weight, rows, columns), expect_bias(name, bias, rows);
    }
    // rows there are
    int64_t check_columns(const std::string &name, int64_t columns) const {
        const int64_t rows = weight ? weight->rows : 0;
        check(name, rows, columns);
        return rows;
    }
    // y = activation(W x + b) + residual
    void run(Threads &threads, const Block &x, Block &y, Activation activation = Activation::none, const Block *residual = nullptr) const {
        y.shape(weight->rows, x.columns);
        product(threads, *weight, x, nullptr, nullptr, y, [&](const Part &part) {
            const size_t count = static_cast<size_t>(part.last - part.first) * y.width;
            for (int p = 0; p < y.panels; p++) {
                const size_t at = static_cast<size_t>(part.first) * y.width;
                float *to = y.panel(p) + at;
                if (!bias.empty())
                    for (int r = part.first; r < part.last; r++)
                        for (int c = 0; c < y.width; c++) to[static_cast<size_t>(r - part.first) * y.width + c] += bias[r];
                activate(activation, to, count);
                if (residual) add(to, 1.0f, residual->panel(p) + at, count);
            }
        });
    }
};
