// What the search asks of a model.
#pragma once
#include <memory>

#include "matrix.h"

typedef std::shared_ptr<const Matrix> MatrixPointer;

// What follows throws, unless a part of a model has the sizes that the others ask for.
inline void expect(const std::string &part, int64_t found, int64_t wanted, const char *of) {
    if (found != wanted)
        throw std::runtime_error("the model's parts do not fit together: " + part + " has " + std::to_string(found) + " " +
                                 of + " where " + std::to_string(wanted) + " are needed");
}
inline void expect(const std::string &part, const MatrixPointer &matrix, int64_t rows, int64_t columns) {
    if (!matrix) throw std::runtime_error("the model has no " + part);
    expect(part, matrix->rows, rows, "rows"), expect(part, matrix->columns, columns, "columns");
}
// one that may be missing
inline void expect_bias(const std::string &part, const std::vector<float> &bias, int64_t size) {
    if (!bias.empty()) expect(part + ".bias", bias.size(), size, "numbers");
}
inline std::string numbered(const std::string &name, int k) { return name + "." + std::to_string(k); }

// Sentences of a batch, one after the other, without padding.
struct Source {
    std::vector<int> tokens, starts{0};
    int count() const { return starts.size() - 1; }
    int words() const { return starts.back(); }
    int first(int s) const { return starts[s]; }
    int length(int s) const { return starts[s + 1] - starts[s]; }
    int longest() const {
        int most = 0;
        for (int s = 0; s < count(); s++) most = std::max(most, length(s));
        return most;
    }
};

// columns 0 to count of x, from row 0: rows of the table
inline void embed(const Matrix &table, const int *words, int count, Block &x) {
    std::vector<float> row(table.columns);
    for (int c = 0; c < count; c++) {
        table.row(words[c], row.data());
        x.put(c, row.data(), table.columns);
    }
}

class Model {
  public:
    virtual ~Model() = default;
    // Throws unless all parts are there and their sizes fit together. Nothing looks at sizes
    // later: who adds a part to a model adds it here. Gives the rows of what the softmax takes.
    virtual int check() const = 0;
    // words there are; a language model has none of a source
    virtual int source_words() const = 0;
    virtual int target_words() const = 0;
    // after this there is one column a sentence; a language model's are empty
    virtual void encode(Threads &threads, const Source &source) = 0;
    // column c becomes what column from[c] was
    virtual void select(const std::vector<int> &from) = 0;
    // what the softmax takes, of one more word in each column. sentence: each column's.
    virtual const Block &step(Threads &threads, const std::vector<int> &words,
                              const std::vector<int> &sentence, int position) = 0;

    // as many steps at once, of texts that are known: words and columns of out are those of one
    // text after the other
    virtual void read(Threads &threads, const std::vector<int> &words, int steps, const std::vector<int> &sentence, int position, Block &out) {
        std::vector<int> now(sentence.size());
        std::vector<float> column;
        for (int t = 0; t < steps; t++) {
            for (size_t c = 0; c < now.size(); c++) now[c] = words[c * steps + t];
            const Block &x = step(threads, now, sentence, position + t);
            if (!t) out.shape(x.rows, words.size()), out.zero_rest();
            column.resize(x.rows);
            for (size_t c = 0; c < now.size(); c++) {
                x.get(c, column.data(), x.rows);
                out.put(c * steps + t, column.data(), x.rows);
            }
        }
    }

    MatrixPointer softmax;  // perhaps the embedding
    std::vector<float> softmax_bias;
    // of the last step, if the model has attention: for each column, source.longest() of them
    std::vector<float> weights;
};
