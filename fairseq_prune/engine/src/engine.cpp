// The C interface: models are made of named matrices and vectors, then translate or score.
#include <pthread.h>
#if defined(__linux__)
#include <malloc.h>
#endif

#include <map>
#include <string>

#include "lstm.h"
#include "score.h"
#include "transformer.h"
#include "zero.h"

namespace {
thread_local std::string error_text;

std::mutex in_use;  // one call at a time: the threads are shared
int wanted_threads = 1;
Threads *threads = nullptr;  // never freed at the process' end, when others may still use them
Threads &all_threads() {
    if (!threads) threads = new Threads(wanted_threads);
    return *threads;
}

// A forked child has this process' memory and one thread: it makes threads of its own.
const int forks = pthread_atfork([] { in_use.lock(); }, [] { in_use.unlock(); },
                                 [] {
                                     threads = nullptr;
                                     in_use.unlock();
                                 });

template <class F> int guarded(const F &f) {
    std::lock_guard<std::mutex> hold(in_use);
    try {
        f();
        return 0;
    } catch (const std::bad_alloc &) {
        error_text = "there is not enough memory";
    } catch (const std::exception &error) {
        error_text = error.what();
    }
    return 1;
}

// What reading a matrix took besides the matrix.
void give_back_memory() {
#if defined(__GLIBC__)
    malloc_trim(0);
#endif
}

// A model's parts by name, until it is built.
struct Engine {
    std::map<std::string, MatrixPointer> matrices;
    std::map<std::string, std::vector<float>> vectors;
    std::map<std::string, double> numbers;
    std::unique_ptr<Model> model;  // that was checked
    Search search;
    Scorer scorer;

    MatrixPointer matrix(const std::string &name, bool needed = true) const {
        auto found = matrices.find(name);
        if (found != matrices.end()) {
            if (found->second->rows < 1 || found->second->columns < 1) throw std::runtime_error("there is nothing of " + name);
            return found->second;
        }
        if (needed) throw std::runtime_error("the model has no " + name);
        return nullptr;
    }
    std::vector<float> vector(const std::string &name) const {
        auto found = vectors.find(name);
        return found == vectors.end() ? std::vector<float>() : found->second;
    }
    double number(const std::string &name) const {
        auto found = numbers.find(name);
        return found == numbers.end() ? 0 : found->second;
    }
};

LSTMLayer lstm_layer(const Engine &parts, const std::string &name) {
    return {parts.matrix(name + ".input"), parts.matrix(name + ".recurrent"), parts.vector(name + ".bias")};
}

Linear linear(const Engine &parts, const std::string &name, bool needed = true) {
    return {parts.matrix(name, needed), parts.vector(name + ".bias")};
}

std::unique_ptr<Model> build_lstm(const Engine &parts) {
    std::unique_ptr<LSTMModel> model(new LSTMModel);
    model->backwards = parts.number("backwards") != 0, model->input_feed = parts.number("input_feed") != 0;
    model->source_embedding = parts.matrix("source", false), model->target_embedding = parts.matrix("target");
    for (int k = 0; parts.matrix(numbered("encoder", k) + ".0.input", false); k++) {
        model->encoder.emplace_back();
        for (int d = 0; parts.matrix(numbered(numbered("encoder", k), d) + ".input", false); d++)
            model->encoder.back().push_back(lstm_layer(parts, numbered(numbered("encoder", k), d)));
    }
    for (int k = 0; parts.matrix(numbered("decoder", k) + ".input", false); k++)
        model->decoder.push_back(lstm_layer(parts, numbered("decoder", k)));
    if (parts.matrix("attention.output", false)) {
        model->attention.reset(new Attention);
        model->attention->query = linear(parts, "attention.query", false);
        model->attention->output = linear(parts, "attention.output");
    }
    model->state_projection[0] = linear(parts, "project_hidden", false);
    model->state_projection[1] = linear(parts, "project_cell", false);
    model->before_softmax = linear(parts, "before_softmax", false);
    return model;
}

LayerNorm layer_norm(const Engine &parts, const std::string &name) {
    return {parts.vector(name + ".weight"), parts.vector(name + ".bias")};
}
MultiHead multi_head(const Engine &parts, const std::string &name) {
    MultiHead result;
    if (!parts.matrix(name + ".query", false)) return result;
    result.query = linear(parts, name + ".query"), result.key = linear(parts, name + ".key");
    result.value = linear(parts, name + ".value"), result.output = linear(parts, name + ".output");
    result.norm = layer_norm(parts, name + ".norm");
    return result;
}
void build_side(const Engine &parts, const std::string &name, TransformerModel::Side &side) {
    side.embedding = parts.matrix(name == "encoder" ? "source" : "target");
    side.positions = parts.matrix(name + ".positions", false);
    side.sinusoids = parts.number(name + ".sinusoids") != 0, side.norm_before = parts.number(name + ".norm_before") != 0;
    side.scale = parts.number(name + ".scale"), side.heads = parts.number(name + ".heads");
    side.activation = static_cast<Activation>(static_cast<int>(parts.number(name + ".activation")));
    side.embedding_norm = layer_norm(parts, name + ".embedding_norm"), side.last_norm = layer_norm(parts, name + ".last_norm");
    side.project_in = linear(parts, name + ".project_in", false), side.project_out = linear(parts, name + ".project_out", false);
    for (int k = 0; parts.matrix(numbered(name, k) + ".first", false); k++) {
        const std::string layer = numbered(name, k);
        side.layers.push_back({multi_head(parts, layer + ".self"), multi_head(parts, layer + ".cross"), linear(parts, layer + ".first"),
                               linear(parts, layer + ".second"), layer_norm(parts, layer + ".norm")});
    }
}
std::unique_ptr<Model> build_transformer(const Engine &parts) {
    std::unique_ptr<TransformerModel> model(new TransformerModel);
    model->padding = parts.number("padding");
    if (parts.matrix("source", false)) build_side(parts, "encoder", model->encoder);
    build_side(parts, "decoder", model->decoder);
    return model;
}

// Columns of a block, with what is added to fill a panel, are an int.
constexpr int64_t MOST_COLUMNS = 1 << 24;

void all_below(const int32_t *words, int64_t count, int most, const char *of) {
    for (int64_t k = 0; k < count; k++)
        if (words[k] < 0 || words[k] >= most)
            throw std::runtime_error("there is no word " + std::to_string(words[k]) + " among the " + std::to_string(most) + " of the " + of);
}

// Throws unless a search has the words and sizes that the model has.
void check(const Model &model, const Options &options, int sentences, const int32_t *lengths, const int32_t *tokens,
           const int32_t *longest, const int32_t *prefix_lengths, const int32_t *prefixes) {
    const int vocabulary = model.target_words();
    const bool reads = model.source_words() > 0;
    const int32_t special[] = {options.pad, options.eos, options.unk, options.begin};
    all_below(special, 4, vocabulary, "target");
    if (options.beam < 1) throw std::runtime_error("a search follows no hypothesis");
    if (sentences < 0 || int64_t(sentences) * std::min(options.beam, vocabulary) > MOST_COLUMNS)
        throw std::runtime_error("too many hypotheses at once; translate fewer sentences at a time");
    int64_t words = 0;
    for (int s = 0; s < sentences; s++) {
        if ((reads ? lengths[s] < 1 : lengths[s] != 0) || prefix_lengths[s] < 0 || longest[s] < 0 || longest[s] == INT32_MAX)
            throw std::runtime_error("a sentence has a length that cannot be");
        all_below(tokens, lengths[s], model.source_words(), "source"), all_below(prefixes, prefix_lengths[s], vocabulary, "target");
        tokens += lengths[s], prefixes += prefix_lengths[s], words += lengths[s];
        if (words > MOST_COLUMNS) throw std::runtime_error("too many words at once; translate fewer sentences at a time");
    }
}

// Likewise for the words to choose from.
void check(const Model &model, int count, const int32_t *shortlist) {
    if (count < 0) throw std::runtime_error("a shortlist has a length that cannot be");
    all_below(shortlist, count, model.target_words(), "target");
    for (int k = 1; k < count; k++)
        if (shortlist[k - 1] >= shortlist[k]) throw std::runtime_error("a shortlist is not in ascending order");
}

// Likewise for texts that are scored.
void check(const Model &model, int texts, const int32_t *lengths, const int32_t *words, int next) {
    if (model.source_words()) throw std::runtime_error("the model translates; it scores no text");
    if (next < 0 || next >= model.target_words()) throw std::runtime_error("the model has not so many next words");
    if (texts < 0 || texts > MOST_COLUMNS) throw std::runtime_error("too many texts at once; score fewer at a time");
    int64_t total = 0;
    for (int s = 0; s < texts; s++) {
        if (lengths[s] < 1) throw std::runtime_error("a text has a length that cannot be");
        total += lengths[s];
        if (total > INT32_MAX) throw std::runtime_error("too many words at once; score fewer texts at a time");
    }
    all_below(words, total, model.target_words(), "model");
}
}  // namespace

// Hypotheses of all sentences, one after the other.
struct Result {
    int32_t count = 0;
    int32_t *per_sentence, *lengths, *words;
    float *scores, *positional, *attention;
    std::vector<int32_t> per_sentence_, lengths_, words_;
    std::vector<float> scores_, positional_, attention_;
};

extern "C" {
// 1 if the library for AVX2 can run here
int engine_has_avx2() {
#if defined(__x86_64__)
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
#else
    return 0;
#endif
}

const char *engine_error() { return error_text.c_str(); }

void engine_threads(int count) {
    guarded([&] {
        if (count == wanted_threads) return;
        delete threads;
        threads = nullptr, wanted_threads = count;
    });
}

void *engine_new() { return new (std::nothrow) Engine; }
void engine_free(void *engine) { delete static_cast<Engine *>(engine); }

// gates: 1 if the rows are those of an LSTM's gates
int engine_matrix(void *engine, const char *name, const Stored *stored, int gates, double dense_above) {
    return guarded([&] {
        auto matrix = std::make_shared<Matrix>();
        matrix->read(*stored, gates, dense_above);
        static_cast<Engine *>(engine)->matrices[name] = matrix;
        give_back_memory();
    });
}
// A matrix on its own, for models that others run; null if it cannot be read.
void *engine_product_new(const Stored *stored, double dense_above) {
    std::unique_ptr<Matrix> matrix;
    int failed = guarded([&] {
        matrix.reset(new Matrix);
        matrix->read(*stored, false, dense_above);
    });
    return failed ? nullptr : matrix.release();
}
void engine_product_free(void *matrix) { delete static_cast<Matrix *>(matrix); }
int engine_product_is_sparse(void *matrix) { return static_cast<Matrix *>(matrix)->is_sparse(); }
int64_t engine_product_bytes(void *matrix) { return static_cast<Matrix *>(matrix)->bytes(); }
// y (count, rows) = x (count, columns) W^T, both row by row
int engine_product(void *matrix, const float *x, int count, float *y) {
    return guarded([&] {
        const auto &w = *static_cast<Matrix *>(matrix);
        if (count < 0 || count > MOST_COLUMNS) throw std::runtime_error("a matrix is multiplied with too many columns");
        Block in(w.columns, count);
        in.zero_rest();
        for (int c = 0; c < count; c++) in.put(c, x + static_cast<size_t>(c) * w.columns, w.columns);
        // a piece of the rows at a time, turned while it is in the cache; small ones in one
        const int pieces = w.work() * in.panels < 16384 ? 1 : Matrix::PIECES, each = Matrix::PIECES / pieces;
        std::vector<Array<float>> some(all_threads().count());
        all_threads().run(pieces, [&](int piece, int thread) {
            const int first = w.cut_at(piece * each), last = w.cut_at((piece + 1) * each);
            if (first == last) return;
            some[thread].resize(static_cast<size_t>(last - first) * in.width);
            for (int p = 0; p < in.panels; p++) {
                float *made = some[thread].data();
                w.multiply<false>(first, last, in.width, in.panel(p), made);
                for (int c = 0; c < std::min(in.width, count - p * in.width); c++) {
                    float *to = y + static_cast<size_t>(p * in.width + c) * w.rows;
                    for (int r = first; r < last; r++) to[r] = made[static_cast<size_t>(r - first) * in.width + c];
                }
            }
        });
    });
}
// count rows of W, as floats
int engine_product_rows(void *matrix, int first, int count, float *rows) {
    return guarded([&] {
        const auto &w = *static_cast<Matrix *>(matrix);
        if (first < 0 || count < 0 || first > w.rows - count) throw std::runtime_error("a matrix has no such rows");
        for (int r = 0; r < count; r++) w.row(first + r, rows + static_cast<size_t>(r) * w.columns);
    });
}
// A layer of an LSTM whose matrices are on their own; bias: 4H, or none; else as run_layer
int engine_lstm(const void *input, const void *recurrent, const float *bias, int steps, int texts, const float *x, float *y,
                float *h, float *c) {
    return guarded([&] {
        const auto &w = *static_cast<const Matrix *>(input);
        LSTMLayer layer{std::make_shared<Matrix>(w.by_unit()),
                        std::make_shared<Matrix>(static_cast<const Matrix *>(recurrent)->by_unit()), {}};
        if (bias)
            for (int r : unit_by_unit(layer.hidden())) layer.bias.push_back(bias[r]);
        layer.check("an LSTM", w.columns);
        if (steps < 0 || texts < 0 || texts > MOST_COLUMNS) throw std::runtime_error("an LSTM reads too many texts at once");
        run_layer(all_threads(), layer, steps, texts, x, y, h, c);
    });
}
// A model's part that is a matrix on its own already: its numbers are there once.
int engine_take(void *engine, const char *name, void *matrix, int gates) {
    return guarded([&] {
        const auto &w = *static_cast<const Matrix *>(matrix);
        auto taken = std::make_shared<Matrix>(gates ? w.by_unit() : w);
        static_cast<Engine *>(engine)->matrices[name] = taken;
    });
}
int engine_share(void *engine, const char *name, const char *other) {
    return guarded([&] {
        auto *parts = static_cast<Engine *>(engine);
        parts->matrices[name] = parts->matrix(other);
    });
}
int engine_vector(void *engine, const char *name, const float *values, int64_t count) {
    return guarded([&] { static_cast<Engine *>(engine)->vectors[name].assign(values, values + count); });
}
int engine_number(void *engine, const char *name, double value) {
    return guarded([&] {
        if (!(std::fabs(value) < INT32_MAX)) throw std::runtime_error(std::string(name) + " is too large");
        static_cast<Engine *>(engine)->numbers[name] = value;
    });
}
int engine_build(void *engine, const char *kind) {
    return guarded([&] {
        auto *parts = static_cast<Engine *>(engine);
        std::unique_ptr<Model> model;
        if (kind == std::string("lstm")) model = build_lstm(*parts);
        else if (kind == std::string("transformer")) model = build_transformer(*parts);
        else throw std::runtime_error(std::string("there is no kind of model named ") + kind);
        model->softmax = parts->matrix("softmax"), model->softmax_bias = parts->vector("softmax.bias");
        // a word that is chosen is the next one's input
        expect("softmax", model->softmax, model->target_words(), model->check());
        expect_bias("softmax", model->softmax_bias, model->softmax->rows);
        parts->model = std::move(model);
    });
}
// of a model that is built: words of the source or of the target
int engine_words(void *engine, int target) {
    const auto &model = *static_cast<Engine *>(engine)->model;
    return target ? model.target_words() : model.source_words();
}
int64_t engine_bytes(void *engine) {
    int64_t total = 0;
    std::map<const Matrix *, bool> seen;
    for (auto &item : static_cast<Engine *>(engine)->matrices)
        if (!seen[item.second.get()]) seen[item.second.get()] = true, total += item.second->bytes();
    return total;
}

// keep: of so many elements, -1 or 0 where those of all tensors become zero
int engine_zero(const int8_t *keep, int64_t length, float *const *tensors, int count) {
    return guarded([&] { zero_pruned(all_threads(), keep, length, tensors, count); });
}

// lengths, tokens: of the sentences, one after the other; prefixes likewise (lengths may be 0).
// shortlist: words to choose from, ascending; 0 of them: all
int engine_translate(void *engine, const Options *options, int sentences, const int32_t *lengths, const int32_t *tokens,
                     const int32_t *longest, const int32_t *prefix_lengths, const int32_t *prefixes, int shortlisted,
                     const int32_t *shortlist, Result **result) {
    return guarded([&] {
        auto *parts = static_cast<Engine *>(engine);
        if (!parts->model) throw std::runtime_error("there is no model");
        check(*parts->model, *options, sentences, lengths, tokens, longest, prefix_lengths, prefixes);
        check(*parts->model, shortlisted, shortlist);
        Source source;
        std::vector<std::vector<int>> prefix(sentences);
        for (int s = 0; s < sentences; s++) {
            source.tokens.insert(source.tokens.end(), tokens, tokens + lengths[s]);
            source.starts.push_back(source.tokens.size());
            tokens += lengths[s];
            prefix[s].assign(prefixes, prefixes + prefix_lengths[s]);
            prefixes += prefix_lengths[s];
        }
        const std::vector<int> words(shortlist, shortlist + shortlisted);
        const Choosable choosable = words.empty() ? Choosable(*parts->model) : Choosable(*parts->model, words);
        auto found = parts->search.run(all_threads(), *parts->model, choosable, source, *options,
                                       std::vector<int>(longest, longest + sentences), prefix);
        std::unique_ptr<Result> all(new Result);
        for (auto &hypotheses : found) {
            all->per_sentence_.push_back(hypotheses.size());
            for (auto &h : hypotheses) {
                all->count++;
                all->lengths_.push_back(h.words.size());
                all->scores_.push_back(h.score);
                all->words_.insert(all->words_.end(), h.words.begin(), h.words.end());
                all->positional_.insert(all->positional_.end(), h.positional.begin(), h.positional.end());
                all->attention_.insert(all->attention_.end(), h.attention.begin(), h.attention.end());
            }
        }
        all->per_sentence = all->per_sentence_.data(), all->lengths = all->lengths_.data(), all->words = all->words_.data();
        all->scores = all->scores_.data(), all->positional = all->positional_.data(), all->attention = all->attention_.data();
        *result = all.release();
    });
}
void engine_free_result(Result *result) { delete result; }

// lengths, words: of the texts, one after the other, each with at least one word; see Scorer
int engine_score(void *engine, int count, const int32_t *lengths, const int32_t *words, int next, float *scores,
                 int32_t *next_words, float *next_scores) {
    return guarded([&] {
        auto *parts = static_cast<Engine *>(engine);
        if (!parts->model) throw std::runtime_error("there is no model");
        check(*parts->model, count, lengths, words, next);
        Source texts;
        for (int s = 0; s < count; s++) texts.starts.push_back(texts.starts.back() + lengths[s]);
        texts.tokens.assign(words, words + texts.words());
        parts->scorer.run(all_threads(), *parts->model, texts, next, scores, next_words, next_scores);
    });
}
}
