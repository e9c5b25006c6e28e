// What the search asks of a model.
#pragma once
#include <memory>

#include "matrix.h"

typedef std::shared_ptr<const Matrix> MatrixPointer;

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
    // after this there is one column a sentence
    virtual void encode(Threads &threads, const Source &source) = 0;
    // column c becomes what column from[c] was
    virtual void select(const std::vector<int> &from) = 0;
    // what the softmax takes, of one more word in each column. sentence: each column's.
    virtual const Block &step(Threads &threads, const std::vector<int> &words,
                              const std::vector<int> &sentence, int position) = 0;

    MatrixPointer softmax;  // perhaps the embedding
    std::vector<float> softmax_bias;
    // of the last step, if the model has attention: for each column, source.longest() of them
    std::vector<float> weights;
};
