// fairseq's Transformer (Vaswani et al. 2017) and transformer_lm, normalised before or after its layers.
//
// Products take all columns at once. Attention goes column by column, over vectors that lie whole:
// what is kept of the words before is never moved when hypotheses change places, only which of it
// each column looks at (`ancestor`).
#pragma once
#include "linear.h"

struct LayerNorm {
    std::vector<float> weight, bias;

    explicit operator bool() const { return !weight.empty(); }
    void check(const std::string &name, int64_t size) const {
        expect(name + ".weight", weight.size(), size, "numbers"), expect(name + ".bias", bias.size(), size, "numbers");
    }
    void run(Threads &threads, Block &x) const {
        auto panel = [&](int p, int) { x.width == 1 ? one(x.panel(p), x.rows) : many(x.panel(p), x.rows, x.width); };
        if (x.panels > 4) threads.run(x.panels, panel);
        else
            for (int p = 0; p < x.panels; p++) panel(p, 0);
    }

  private:
    static constexpr float EPSILON = 1e-5f;
    void one(float *x, int rows) const {
        double total = 0, squares = 0;
        for (int r = 0; r < rows; r++) total += x[r];
        const float mean = total / rows;
        for (int r = 0; r < rows; r++) squares += (x[r] - mean) * (x[r] - mean);
        const float by = 1 / std::sqrt(static_cast<float>(squares / rows) + EPSILON);
        for (int r = 0; r < rows; r++) x[r] = (x[r] - mean) * by * weight[r] + bias[r];
    }
    void many(float *x, int rows, int width) const {
        for (int lane = 0; lane < width; lane += 8) {
            f8 total = {}, squares = {}, by = {};
            for (int r = 0; r < rows; r++) total += load(x + static_cast<size_t>(r) * width + lane);
            const f8 mean = total / static_cast<float>(rows);
            for (int r = 0; r < rows; r++) {
                f8 off = load(x + static_cast<size_t>(r) * width + lane) - mean;
                squares += off * off;
            }
            for (int k = 0; k < 8; k++) by[k] = 1 / std::sqrt(squares[k] / rows + EPSILON);
            for (int r = 0; r < rows; r++) {
                float *p = x + static_cast<size_t>(r) * width + lane;
                store(p, (load(p) - mean) * by * weight[r] + bias[r]);
            }
        }
    }
};

// Vectors that lie whole, one after the other: what attention looks at.
struct Rows {
    int size = 0;
    std::vector<float> data;
    void take(const Block &block) {
        size = block.rows, data.resize(static_cast<size_t>(block.columns) * size);
        for (int c = 0; c < block.columns; c++) block.get(c, data.data() + static_cast<size_t>(c) * size, size);
    }
    const float *at(int k) const { return data.data() + static_cast<size_t>(k) * size; }
};

// Attention with several heads, of one query; key(t) and value(t) are those of its words.
template <class Key, class Value>
inline void attend(const float *query, int size, int heads, int words, const Key &key, const Value &value, float *context,
                   std::vector<float> &weights, float *mean_weights) {
    const int width = size / heads;
    const float scale = 1 / std::sqrt(static_cast<float>(width));
    weights.resize(words);
    std::memset(context, 0, size * sizeof(float));
    for (int h = 0; h < heads; h++) {
        for (int t = 0; t < words; t++) weights[t] = scale * dot(query + h * width, key(t) + h * width, width);
        softmax(weights.data(), words);
        for (int t = 0; t < words; t++) add(context + h * width, weights[t], value(t) + h * width, width);
        if (mean_weights)
            for (int t = 0; t < words; t++) mean_weights[t] += weights[t] / heads;
    }
}

struct MultiHead {
    Linear query, key, value, output;
    LayerNorm norm;
    explicit operator bool() const { return static_cast<bool>(query); }
    // size: of what asks; memory: of what is looked at
    void check(const std::string &name, int64_t size, int64_t memory, int heads) const {
        const int64_t inner = query.check_columns(name + ".query", size);
        key.check(name + ".key", inner, memory), value.check(name + ".value", inner, memory);
        output.check(name + ".output", size, inner), norm.check(name + ".norm", size);
        if (inner % heads) throw std::runtime_error(name + " has " + std::to_string(inner) + " rows, which " + std::to_string(heads) + " heads do not divide");
    }
};
struct TransformerLayer {
    MultiHead self, cross;
    Linear first, second;
    LayerNorm norm;
};

class TransformerModel : public Model {
  public:
    struct Side {
        MatrixPointer embedding, positions;  // positions: none if sinusoids, or without them
        bool sinusoids = false, norm_before = false;
        float scale = 1;
        int heads = 1;
        Activation activation = Activation::relu;
        LayerNorm embedding_norm, last_norm;
        Linear project_in, project_out;
        std::vector<TransformerLayer> layers;
        std::vector<std::vector<float>> waves;  // sinusoids of the positions that came up
    } encoder, decoder;
    int padding = 1;

    int check() const override {
        int64_t memory = 0;
        for (const Side *side : {&encoder, &decoder}) {
            const std::string name = side == &encoder ? "encoder" : "decoder";
            if (side == &encoder && !side->embedding) continue;  // a language model
            if (!side->embedding) throw std::runtime_error("the model has no embeddings");
            if (side->heads < 1) throw std::runtime_error(name + " has no heads");
            int64_t size = side->embedding->columns;
            if (side->project_in) size = side->project_in.check_columns(name + ".project_in", size);
            if (side->positions) expect(name + ".positions", side->positions, side->positions->rows, size);
            if (side->embedding_norm) side->embedding_norm.check(name + ".embedding_norm", size);
            for (size_t l = 0; l < side->layers.size(); l++) {
                const TransformerLayer &layer = side->layers[l];
                const std::string at = numbered(name, l);
                layer.self.check(at + ".self", size, size, side->heads);
                if (side == &decoder && layer.cross) layer.cross.check(at + ".cross", size, memory, side->heads);
                layer.second.check(at + ".second", size, layer.first.check_columns(at + ".first", size));
                layer.norm.check(at + ".norm", size);
            }
            if (side->last_norm) side->last_norm.check(name + ".last_norm", size);
            memory = size;
        }
        return decoder.project_out ? decoder.project_out.check_columns("decoder.project_out", memory) : memory;
    }
    int source_words() const override { return encoder.embedding ? encoder.embedding->rows : 0; }
    int target_words() const override { return decoder.embedding->rows; }

    void encode(Threads &threads, const Source &source) override {
        source_ = &source;
        memory_.assign(decoder.layers.size(), {});
        past_.assign(decoder.layers.size(), {});
        ancestor_.clear();
        if (!encoder.embedding) return;  // a language model
        Block x, spare;
        std::vector<int> position(source.words());
        for (int s = 0; s < source.count(); s++)
            for (int t = 0; t < source.length(s); t++) position[source.first(s) + t] = t;
        begin(threads, encoder, source.tokens, position, x);
        std::vector<int> sentence_of(source.words());
        for (int s = 0; s < source.count(); s++)
            std::fill_n(sentence_of.begin() + source.first(s), source.length(s), s);
        Rows q, k, v;
        for (auto &layer : encoder.layers) {
            sublayer(threads, encoder, layer.self.norm, x, [&](const Block &in, Block &out, const Block &residual) {
                project(threads, layer.self.query, in, q), project(threads, layer.self.key, in, k), project(threads, layer.self.value, in, v);
                Block context(q.size, in.columns);
                context.zero();
                threads.run(in.columns, [&](int w, int) {
                    const int first = source.first(sentence_of[w]);
                    std::vector<float> result(q.size), weight;
                    attend(q.at(w), q.size, encoder.heads, source.length(sentence_of[w]), [&](int t) { return k.at(first + t); },
                           [&](int t) { return v.at(first + t); }, result.data(), weight, nullptr);
                    context.put(w, result.data(), q.size);
                });
                layer.self.output.run(threads, context, out, Activation::none, &residual);
            });
            feed_forward(threads, encoder, layer, x);
        }
        if (encoder.last_norm) encoder.last_norm.run(threads, x);
        for (size_t l = 0; l < decoder.layers.size(); l++)
            if (decoder.layers[l].cross) {
                project(threads, decoder.layers[l].cross.key, x, memory_[l].key);
                project(threads, decoder.layers[l].cross.value, x, memory_[l].value);
            }
    }

    void select(const std::vector<int> &from) override {
        for (auto &ancestors : ancestor_) {
            std::vector<int> selected(from.size());
            for (size_t c = 0; c < from.size(); c++) selected[c] = ancestors[from[c]];
            ancestors.swap(selected);
        }
    }

    const Block &step(Threads &threads, const std::vector<int> &words, const std::vector<int> &sentence, int position) override {
        const int columns = words.size();
        begin(threads, decoder, words, std::vector<int>(columns, position), x_);
        std::vector<int> own(columns);
        for (int c = 0; c < columns; c++) own[c] = c;
        ancestor_.push_back(own);
        const int stride = source_ ? source_->longest() : 0;
        weights.assign(static_cast<size_t>(columns) * stride, 0);
        for (size_t l = 0; l < decoder.layers.size(); l++) {
            auto &layer = decoder.layers[l];
            sublayer(threads, decoder, layer.self.norm, x_, [&](const Block &in, Block &out, const Block &residual) {
                past_[l].emplace_back();
                project(threads, layer.self.query, in, query_);
                project(threads, layer.self.key, in, past_[l].back().key), project(threads, layer.self.value, in, past_[l].back().value);
                const auto &past = past_[l];
                over_columns(threads, columns, past.size(), [&](int c, float *context, std::vector<float> &weight) {
                    attend(query_.at(c), query_.size, decoder.heads, past.size(), [&](int t) { return past[t].key.at(ancestor_[t][c]); },
                           [&](int t) { return past[t].value.at(ancestor_[t][c]); }, context, weight, nullptr);
                });
                layer.self.output.run(threads, context_, out, Activation::none, &residual);
            });
            if (layer.cross)
                sublayer(threads, decoder, layer.cross.norm, x_, [&](const Block &in, Block &out, const Block &residual) {
                    project(threads, layer.cross.query, in, query_);
                    const auto &memory = memory_[l];
                    const bool last = l + 1 == decoder.layers.size();
                    over_columns(threads, columns, stride, [&](int c, float *context, std::vector<float> &weight) {
                        const int s = sentence[c], first = source_->first(s);
                        attend(query_.at(c), query_.size, decoder.heads, source_->length(s), [&](int t) { return memory.key.at(first + t); },
                               [&](int t) { return memory.value.at(first + t); }, context, weight,
                               last ? weights.data() + static_cast<size_t>(c) * stride : nullptr);
                    });
                    layer.cross.output.run(threads, context_, out, Activation::none, &residual);
                });
            feed_forward(threads, decoder, layer, x_);
        }
        if (decoder.last_norm) decoder.last_norm.run(threads, x_);
        if (decoder.project_out) {
            decoder.project_out.run(threads, x_, spare_);
            std::swap(x_, spare_);
        }
        return x_;
    }

  private:
    struct Pair {
        Rows key, value;
    };

    void begin(Threads &threads, Side &side, const std::vector<int> &words, const std::vector<int> &position, Block &x) {
        const int size = side.embedding->columns, count = words.size();
        std::vector<float> row(size), place(side.project_in ? 0 : size);
        x.shape(size, count);
        x.zero();
        for (int c = 0; c < count; c++) {
            side.embedding->row(words[c], row.data());
            for (float &value : row) value *= side.scale;
            if (!side.project_in) add_position(side, position[c], row, place);
            x.put(c, row.data(), size);
        }
        if (side.project_in) {
            Block projected;
            side.project_in.run(threads, x, projected);
            std::vector<float> column(projected.rows), buffer(projected.rows);
            for (int c = 0; c < count; c++) {
                projected.get(c, column.data(), projected.rows);
                add_position(side, position[c], column, buffer);
                projected.put(c, column.data(), projected.rows);
            }
            x = std::move(projected);
        }
        if (side.embedding_norm) side.embedding_norm.run(threads, x);
    }
    void add_position(Side &side, int position, std::vector<float> &row, std::vector<float> &buffer) const {
        const int size = row.size();
        if (side.positions) {
            if (position + padding + 1 >= side.positions->rows) throw std::runtime_error("a sentence is longer than the model's positions");
            side.positions->row(position + padding + 1, buffer.data());
            add(row.data(), 1.0f, buffer.data(), size);
        } else if (side.sinusoids) {
            while (static_cast<int>(side.waves.size()) <= position) side.waves.push_back(waves(side.waves.size(), size));
            add(row.data(), 1.0f, side.waves[position].data(), size);
        }
    }
    std::vector<float> waves(int position, int size) const {
        std::vector<float> result(size, 0);
        const int half = size / 2;
        const float step = static_cast<float>(std::log(10000.0) / (half - 1));
        for (int k = 0; k < half; k++) {
            const float angle = static_cast<float>(position + padding + 1) * std::exp(static_cast<float>(k) * -step);
            result[k] = std::sin(angle), result[half + k] = std::cos(angle);
        }
        return result;
    }
    static void project(Threads &threads, const Linear &linear, const Block &x, Rows &rows) {
        Block y;
        linear.run(threads, x, y);
        rows.take(y);
    }
    // x = f(norm(x)) + x, or norm(f(x) + x)
    template <class F> void sublayer(Threads &threads, const Side &side, const LayerNorm &norm, Block &x, const F &f) {
        if (side.norm_before) {
            normed_ = x;
            norm.run(threads, normed_);
            f(normed_, spare_, x);
        } else {
            f(x, spare_, x);
            norm.run(threads, spare_);
        }
        std::swap(x, spare_);
    }
    void feed_forward(Threads &threads, const Side &side, const TransformerLayer &layer, Block &x) {
        sublayer(threads, side, layer.norm, x, [&](const Block &in, Block &out, const Block &residual) {
            layer.first.run(threads, in, inner_, side.activation);
            layer.second.run(threads, inner_, out, Activation::none, &residual);
        });
    }
    // context_: what f makes of each column
    template <class F> void over_columns(Threads &threads, int columns, int words, const F &f) {
        context_.shape(query_.size, columns);
        context_.zero_rest();
        auto one = [&](int c, int) {
            std::vector<float> context(query_.size), weight;
            f(c, context.data(), weight);
            context_.put(c, context.data(), query_.size);
        };
        if (static_cast<int64_t>(columns) * words * query_.size > 32768) threads.run(columns, one);
        else
            for (int c = 0; c < columns; c++) one(c, 0);
    }

    const Source *source_ = nullptr;
    std::vector<Pair> memory_;               // of each decoder layer
    std::vector<std::vector<Pair>> past_;    // of each decoder layer, each word before
    std::vector<std::vector<int>> ancestor_; // of each word before: where each column's is
    Block x_, spare_, normed_, inner_, context_;
    Rows query_;
};
