// LSTM models: this project's pruned_lstm_nmt and pruned_lstm_lm, fairseq's lstm and lstm_lm.
//
// Rows of the gates' matrices are in the order i, f, g, o unit by unit, so that the thread that
// has multiplied four rows can bring their unit up to date at once.
#pragma once
#include <memory>

#include "linear.h"

struct LSTMLayer {
    MatrixPointer input, recurrent;  // (4H, I), (4H, H)
    std::vector<float> bias;         // 4H or none, in the order of the rows
    int hidden() const { return recurrent->columns; }
    void check(const std::string &name, int64_t inputs) const {
        if (!recurrent) throw std::runtime_error("the model has no " + name + ".recurrent");
        expect(name + ".recurrent", recurrent, 4 * int64_t(hidden()), hidden());
        expect(name + ".input", input, 4 * int64_t(hidden()), inputs);
        expect_bias(name, bias, 4 * int64_t(hidden()));
    }
};

// c and h of units first / 4 to last / 4 of a panel, from gates: W x + U h, to which bias and
// `more` (the same shape as gates, or none) are added. Columns that are not active stay.
inline void update_units(int first, int last, int width, const float *gates, const float *more,
                         const float *bias, const float *active, float *c, float *h) {
    for (int r = first; r < last;) {
        // eight numbers at once: eight columns of a unit, or eight units of one column
        const int units = width == 1 ? std::min(8, (last - r) / 4) : 1;
        for (int lane = 0; lane < width; lane += 8) {
            f8 gate[4], old, keep = splat(1);
            float *cell = c + static_cast<size_t>(r / 4) * width + lane;
            float *out = h + static_cast<size_t>(r / 4) * width + lane;
            if (width == 1) {
                float few[4][8] = {}, cells[8] = {};
                for (int u = 0; u < units; u++) {
                    for (int g = 0; g < 4; g++) {
                        few[g][u] = gates[r + 4 * u + g] + (more ? more[r + 4 * u + g] : 0);
                        if (bias) few[g][u] += bias[r + 4 * u + g];
                    }
                    cells[u] = cell[u];
                }
                for (int g = 0; g < 4; g++) gate[g] = load(few[g]);
                old = load(cells);
            } else {
                for (int g = 0; g < 4; g++) {
                    const size_t place = static_cast<size_t>(r + g) * width + lane;
                    gate[g] = load(gates + place);
                    if (more) gate[g] += load(more + place);
                    if (bias) gate[g] += splat(bias[r + g]);
                }
                old = load(cell);
                if (active) keep = load(active + lane);
            }
            f8 now = sigmoid(gate[1]) * old + sigmoid(gate[0]) * tanh(gate[2]);
            f8 state = sigmoid(gate[3]) * tanh(now);
            if (width == 1) {
                for (int u = 0; u < units; u++) cell[u] = now[u], out[u] = state[u];
            } else {
                if (active) {
                    now = keep > 0 ? now : old;
                    state = keep > 0 ? state : load(out);
                }
                store(cell, now), store(out, state);
            }
        }
        r += 4 * units;
    }
}

struct LSTMState {
    Block h, c;
    LSTMState() = default;
    LSTMState(int hidden, int columns) : h(hidden, columns), c(hidden, columns) { h.zero(), c.zero(); }
};

// One step of one layer: state becomes that after x. `spare` holds the new h meanwhile, for
// other threads still read the old.
inline void step_layer(Threads &threads, const LSTMLayer &layer, const Block &x, LSTMState &state,
                       Block &gates, Block &spare) {
    gates.shape(layer.input->rows, x.columns);
    spare.shape(layer.hidden(), x.columns);
    product(threads, *layer.input, x, layer.recurrent.get(), &state.h, gates, [&](const Part &part) {
        for (int p = 0; p < gates.panels; p++)
            update_units(part.first, part.last, gates.width, gates.panel(p), nullptr,
                         layer.bias.empty() ? nullptr : layer.bias.data(), nullptr, state.c.panel(p), spare.panel(p));
    });
    std::swap(state.h, spare);
}

// All steps of one layer over sentences, forwards or backwards.
// x: (I, words) of all sentences one after the other; out: (H, words) at row first_row.
// state: of each sentence, before its first word read, and then after its last.
inline void run_layer(Threads &threads, const LSTMLayer &layer, const Source &source, bool backwards,
                      const Block &x, Block &out, int first_row, LSTMState &state) {
    Block inputs(layer.input->rows, x.columns);
    product(threads, *layer.input, x, inputs);
    const int sentences = source.count();
    Block gates(layer.input->rows, sentences), more(layer.input->rows, sentences), spare(layer.hidden(), sentences);
    std::vector<float> active(static_cast<size_t>(gates.panels) * gates.width), column(layer.hidden());
    std::vector<int> words(sentences);
    for (int t = 0; t < source.longest(); t++) {
        for (int s = 0; s < sentences; s++) {
            const int length = source.length(s);
            active[s] = t < length;
            words[s] = t < length ? source.first(s) + (backwards ? length - 1 - t : t) : -1;
        }
        copy_columns(inputs, words, more);
        spare = state.h;  // columns that have ended stay
        product(threads, *layer.recurrent, state.h, nullptr, nullptr, gates, [&](const Part &part) {
            for (int p = 0; p < gates.panels; p++)
                update_units(part.first, part.last, gates.width, gates.panel(p), more.panel(p),
                             layer.bias.empty() ? nullptr : layer.bias.data(), active.data() + p * gates.width,
                             state.c.panel(p), spare.panel(p));
        });
        std::swap(state.h, spare);
        for (int s = 0; s < sentences; s++)
            if (words[s] >= 0) {
                state.h.get(s, column.data(), layer.hidden());
                out.put(words[s], column.data(), layer.hidden(), first_row);
            }
    }
}

// All steps of one layer over as many texts side by side, all as long.
// x: (steps, texts, I); y: (steps, texts, H); h and c: (texts, H), before the first step, and then
// after the last.
inline void run_layer(Threads &threads, const LSTMLayer &layer, int steps, int texts, const float *x, float *y, float *h, float *c) {
    const int inputs = layer.input->columns, hidden = layer.hidden(), at_once = std::max(1, 256 / std::max(1, texts));
    LSTMState state(hidden, texts);
    for (int k = 0; k < texts; k++) {
        state.h.put(k, h + static_cast<size_t>(k) * hidden, hidden);
        state.c.put(k, c + static_cast<size_t>(k) * hidden, hidden);
    }
    for (int first = 0; first < steps; first += at_once) {
        const int some = std::min(at_once, steps - first);
        Source piece;
        for (int k = 1; k <= texts; k++) piece.starts.push_back(k * some);
        Block in(inputs, some * texts), out(hidden, some * texts);
        in.zero_rest();
        auto each = [&](auto &&f) {
            for (int t = 0; t < some; t++)
                for (int k = 0; k < texts; k++) f(k * some + t, (static_cast<size_t>(first) + t) * texts + k);
        };
        each([&](int column, size_t row) { in.put(column, x + row * inputs, inputs); });
        run_layer(threads, layer, piece, false, in, out, 0, state);
        each([&](int column, size_t row) { out.get(column, y + row * hidden, hidden); });
    }
    for (int k = 0; k < texts; k++) {
        state.h.get(k, h + static_cast<size_t>(k) * hidden, hidden);
        state.c.get(k, c + static_cast<size_t>(k) * hidden, hidden);
    }
}

// Attention with the dot score over what the encoder gives, in each hypothesis' own sentence:
// h~ = tanh(W_c [c; h]), c = sum_s a_s m_s, a = softmax_s(q . m_s), where q is h, or a linear
// function of it (Luong et al. 2015, section 3.1; fairseq's LSTM has the latter).
struct Attention {
    Linear query, output;  // (D, H) or none; (H, D + H)

    // hidden: of the decoder; size: of what the encoder gives for a word
    void check(int64_t hidden, int64_t size) const {
        if (query) query.check("attention.query", size, hidden);
        else expect("what the encoder gives", size, hidden, "rows");
        output.check_columns("attention.output", size + hidden);
    }
    // weights: for each column, as many as its sentence has words, at column * stride
    void run(Threads &threads, const Block &h, const std::vector<float> &memory, int size, const Source &source,
             const std::vector<int> &sentence, std::vector<float> &weights, Block &both, Block &result) const {
        Block queries;
        if (query) query.run(threads, h, queries);
        const Block &asked = query ? queries : h;
        const int stride = source.longest(), columns = h.columns;
        weights.assign(static_cast<size_t>(columns) * stride, 0);
        both.shape(size + h.rows, columns);
        both.zero_rest();
        const bool many = static_cast<int64_t>(columns) * stride * size > 65536;
        auto attend = [&](int column, int) {
            std::vector<float> q(std::max(size, h.rows)), context(size, 0);
            asked.get(column, q.data(), size);
            const int s = sentence[column], length = source.length(s);
            const float *words = memory.data() + static_cast<size_t>(source.first(s)) * size;
            float *weight = weights.data() + static_cast<size_t>(column) * stride;
            for (int t = 0; t < length; t++) weight[t] = dot(words + static_cast<size_t>(t) * size, q.data(), size);
            softmax(weight, length);
            for (int t = 0; t < length; t++) add(context.data(), weight[t], words + static_cast<size_t>(t) * size, size);
            both.put(column, context.data(), size);
            h.get(column, q.data(), h.rows);
            both.put(column, q.data(), h.rows, size);
        };
        if (many) threads.run(columns, attend);
        else
            for (int column = 0; column < columns; column++) attend(column, 0);
        output.run(threads, both, result, Activation::tanh);
    }
};

class LSTMModel : public Model {
  public:
    MatrixPointer source_embedding, target_embedding;
    std::vector<std::vector<LSTMLayer>> encoder;  // layer, direction (forwards first)
    std::vector<LSTMLayer> decoder;
    std::unique_ptr<Attention> attention;
    Linear state_projection[2], before_softmax;  // of h and c of the encoder; fairseq's additional_fc
    bool backwards = false, input_feed = false;

    int check() const override {
        const bool reads = source_embedding != nullptr;  // or it is a language model
        if (!target_embedding || (!reads && (attention || !encoder.empty()))) throw std::runtime_error("the model has no embeddings");
        if (reads && encoder.empty()) throw std::runtime_error("the model has no encoder.0.0.input");
        if (decoder.empty()) throw std::runtime_error("the model has no decoder.0.input");
        int64_t size = reads ? source_embedding->columns : 0;
        std::vector<int64_t> states[2];  // rows of h and of c, of each layer
        for (size_t l = 0; l < encoder.size(); l++) {
            const std::string name = numbered("encoder", l);
            if (encoder[l].size() != 1) expect(name, encoder[l].size(), 2, "directions");
            for (size_t d = 0; d < encoder[l].size(); d++) {
                encoder[l][d].check(numbered(name, d), size);
                expect(numbered(name, d) + ".recurrent", encoder[l][d].hidden(), encoder[l][0].hidden(), "columns");
            }
            size = int64_t(encoder[l][0].hidden()) * encoder[l].size();
            for (int which = 0; which < 2; which++) {
                const Linear &projection = state_projection[which];
                const char *name = which ? "project_cell" : "project_hidden";
                states[which].push_back(projection ? projection.check_columns(name, size) : size);
            }
        }
        if (reads) expect("the decoder", decoder.size(), encoder.size(), "layers");
        int64_t hidden = decoder.back().hidden(), top = hidden;
        if (attention) attention->check(hidden, size), top = attention->output.weight->rows;
        int64_t inputs = target_embedding->columns + (input_feed ? top : 0);
        for (size_t l = 0; l < decoder.size(); l++) {
            decoder[l].check(numbered("decoder", l), inputs);
            inputs = decoder[l].hidden();
            for (auto &rows : states)
                if (reads) expect("the state of " + numbered("encoder", l), rows[l], inputs, "rows");
        }
        return before_softmax ? before_softmax.check_columns("before_softmax", top) : top;
    }
    int source_words() const override { return source_embedding ? source_embedding->rows : 0; }
    int target_words() const override { return target_embedding->rows; }

    void encode(Threads &threads, const Source &source) override {
        source_ = &source;
        states_.clear();
        feed_.shape(input_feed ? feed_size() : 0, source.count());
        feed_.zero();
        if (!source_embedding) {  // a language model
            for (auto &layer : decoder) states_.emplace_back(layer.hidden(), source.count());
            return;
        }
        Block x(source_embedding->columns, source.words());
        x.zero_rest();
        embed(*source_embedding, source.tokens.data(), source.words(), x);
        for (auto &layer : encoder) {
            const int hidden = layer[0].hidden(), directions = layer.size();
            Block out(hidden * directions, source.words());
            out.zero_rest();
            LSTMState state(hidden * directions, source.count());
            for (int d = 0; d < directions; d++) {
                LSTMState final(hidden, source.count());
                run_layer(threads, layer[d], source, d == 1 || backwards, x, out, d * hidden, final);
                copy_rows(final.h, state.h, d * hidden), copy_rows(final.c, state.c, d * hidden);
            }
            states_.push_back(std::move(state));
            x = std::move(out);
        }
        project_states(threads);
        size_ = x.rows;
        memory_.resize(static_cast<size_t>(source.words()) * size_);
        for (int w = 0; w < source.words(); w++) x.get(w, memory_.data() + static_cast<size_t>(w) * size_, size_);
    }
    void select(const std::vector<int> &from) override {
        auto selected = [&](Block &block) {
            Block result(block.rows, from.size());
            copy_columns(block, from, result);
            block = std::move(result);
        };
        for (auto &state : states_) selected(state.h), selected(state.c);
        selected(feed_);
    }
    const Block &step(Threads &threads, const std::vector<int> &words, const std::vector<int> &sentence,
                      int /*position*/) override {
        const int columns = words.size(), width = target_embedding->columns;
        x_.shape(width + feed_.rows, columns);
        x_.zero_rest();
        embed(*target_embedding, words.data(), columns, x_);
        if (input_feed) copy_rows(feed_, x_, width);
        const Block *x = &x_;
        for (size_t layer = 0; layer < decoder.size(); layer++) {
            step_layer(threads, decoder[layer], *x, states_[layer], gates_, spare_);
            x = &states_[layer].h;
        }
        if (attention) {
            attention->run(threads, *x, memory_, size_, *source_, sentence, weights, both_, result_);
            x = &result_;
        }
        if (input_feed) feed_ = *x;
        if (before_softmax) {
            before_softmax.run(threads, *x, last_);
            x = &last_;
        }
        return *x;
    }
    void read(Threads &threads, const std::vector<int> &words, int steps, const std::vector<int> &sentence, int position, Block &out) override {
        if (attention || input_feed) return Model::read(threads, words, steps, sentence, position, out);
        Source texts;
        for (size_t c = 1; c <= sentence.size(); c++) texts.starts.push_back(c * steps);
        Block x(target_embedding->columns, words.size());
        x.zero_rest();
        embed(*target_embedding, words.data(), words.size(), x);
        for (size_t layer = 0; layer < decoder.size(); layer++) {
            out.shape(decoder[layer].hidden(), words.size()), out.zero_rest();
            run_layer(threads, decoder[layer], texts, false, x, out, 0, states_[layer]);
            std::swap(x, out);
        }
        if (before_softmax) before_softmax.run(threads, x, out);
        else std::swap(x, out);
    }

  private:
    int feed_size() const { return decoder[0].input->columns - target_embedding->columns; }
    void project_states(Threads &threads) {
        for (int which = 0; which < 2; which++) {
            if (!state_projection[which]) continue;
            for (auto &state : states_) {
                Block &from = which ? state.c : state.h, to;
                state_projection[which].run(threads, from, to);
                from = std::move(to);
            }
        }
    }
    const Source *source_ = nullptr;
    std::vector<LSTMState> states_;
    std::vector<float> memory_;  // (words, size_)
    int size_ = 0;
    Block feed_, x_, gates_, spare_, both_, result_, last_;
};
