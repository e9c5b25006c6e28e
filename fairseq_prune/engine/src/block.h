// Vectors side by side: what a product takes and gives.
//
// A column is one hypothesis, sentence or word. Columns lie in panels, 1, 8 or 16 beside each
// other, so that a weight meets all of a panel at once: element (r, c) of a panel lies at
// r * width + c.
#pragma once
#include <algorithm>

#include "numbers.h"

struct Block {
    int rows = 0, columns = 0, width = 1, panels = 0;
    Array<float> data;

    Block() = default;
    Block(int rows, int columns) { shape(rows, columns); }
    // what it held is lost
    void shape(int r, int c) {
        rows = r, columns = c;
        width = c <= 1 ? 1 : c <= 8 ? 8 : 16;
        panels = (c + width - 1) / width;
        data.resize(static_cast<size_t>(rows) * width * panels);
    }
    void zero() { std::fill(data.begin(), data.end(), 0.0f); }
    // columns that fill up the last panel
    void zero_rest() {
        if (columns < panels * width) zero();
    }
    float *panel(int p) { return data.data() + static_cast<size_t>(p) * rows * width; }
    const float *panel(int p) const { return data.data() + static_cast<size_t>(p) * rows * width; }
    size_t place(int column) const {
        return static_cast<size_t>(column / width) * rows * width + column % width;
    }
    // rows first to first + count of a column, in and out
    void put(int column, const float *from, int count, int first = 0) {
        float *p = data.data() + place(column) + static_cast<size_t>(first) * width;
        for (int r = 0; r < count; r++) p[static_cast<size_t>(r) * width] = from[r];
    }
    void get(int column, float *to, int count, int first = 0) const {
        const float *p = data.data() + place(column) + static_cast<size_t>(first) * width;
        for (int r = 0; r < count; r++) to[r] = p[static_cast<size_t>(r) * width];
    }
};

// to: rows first to first + from.rows of its columns, of which from has as many
inline void copy_rows(const Block &from, Block &to, int first) {
    for (int p = 0; p < from.panels; p++)
        std::copy_n(from.panel(p), static_cast<size_t>(from.rows) * from.width, to.panel(p) + static_cast<size_t>(first) * to.width);
}

// to, of as many rows: its column c is column from_columns[c] of from (-1: zeros)
inline void copy_columns(const Block &from, const std::vector<int> &from_columns, Block &to) {
    for (int p = 0; p < to.panels; p++) {
        const int width = to.width;
        const float *source[16];
        float *target = to.panel(p);
        for (int c = 0; c < width; c++) {
            size_t column = static_cast<size_t>(p) * width + c;
            int wanted = column < from_columns.size() ? from_columns[column] : -1;
            source[c] = wanted < 0 ? nullptr : from.data.data() + from.place(wanted);
        }
        for (int c = 0; c < width; c++)
            for (int r = 0; r < from.rows; r++)
                target[static_cast<size_t>(r) * width + c] =
                    source[c] ? source[c][static_cast<size_t>(r) * from.width] : 0.0f;
    }
}
