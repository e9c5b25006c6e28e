// Beam search, choice for choice as fairseq's SequenceGenerator has it.
#pragma once
#include <limits>

#include "model.h"

struct Options {
    int32_t beam = 5, min_len = 1, normalize = 1, want_attention = 0;
    int32_t pad = 1, eos = 2, unk = 3, begin = 2;
    float length_penalty = 1, unknown_penalty = 0, temperature = 1;
};

struct Hypothesis {
    float score;
    std::vector<int> words;       // with eos
    std::vector<float> positional;
    std::vector<float> attention; // words x source words, if wanted
};

constexpr float NEVER = -std::numeric_limits<float>::infinity();

// Words there are to choose from: all of the model's, or a shortlist of them, by place.
class Choosable {
  public:
    MatrixPointer matrix;
    std::vector<float> bias;

    explicit Choosable(const Model &model) : matrix(model.softmax), bias(model.softmax_bias) {}
    // words: ascending
    Choosable(const Model &model, const std::vector<int> &words) : words_(words) {
        matrix = std::make_shared<Matrix>(model.softmax->selected(words));
        if (!model.softmax_bias.empty())
            for (int word : words) bias.push_back(model.softmax_bias[word]);
    }
    int count() const { return matrix->rows; }
    int word(int place) const { return words_.empty() ? place : words_[place]; }
    int place(int word) const {
        if (words_.empty()) return word;
        auto found = std::lower_bound(words_.begin(), words_.end(), word);
        if (found == words_.end() || *found != word)
            throw std::runtime_error("word " + std::to_string(word) + " is needed and not among those to choose from");
        return found - words_.begin();
    }

  private:
    std::vector<int> words_;
};

// The best few words of a column, best first; of equal ones the earlier word.
class Best {
  public:
    static constexpr int NONE = INT32_MAX;  // where there are fewer: scores may be no numbers

    void reset(int size) { value_.assign(size, NEVER), word_.assign(size, NONE); }
    int size() const { return value_.size(); }
    float least() const { return value_.back(); }
    float value(int k) const { return value_[k]; }
    int word(int k) const { return word_[k]; }
    void offer(float value, int word) {
        int k = size() - 1;
        if (!before(value, word, k)) return;
        for (; k > 0 && before(value, word, k - 1); k--) value_[k] = value_[k - 1], word_[k] = word_[k - 1];
        value_[k] = value, word_[k] = word;
    }

  private:
    bool before(float value, int word, int k) const {
        return value > value_[k] || (value == value_[k] && word < word_[k]);
    }
    std::vector<float> value_;
    std::vector<int> word_;
};

// The softmax and its best words in one pass over the vocabulary: piece by piece, while what was
// multiplied is in the cache.
class Softmax {
  public:
    std::vector<Best> best;       // of each column: scores before the normalizer is taken away
    std::vector<float> normalizer, wanted_score;

    // wanted: a word for each column whose score is kept; never: words that are not chosen
    void run(Threads &threads, const Choosable &choosable, const Block &x, const Options &options, int count,
             bool may_end, const std::vector<int> &wanted) {
        const Matrix &matrix = *choosable.matrix;
        const int columns = x.columns, width = x.width, lanes = x.panels * width;
        per_thread_.resize(threads.count()), scores_.resize(threads.count());
        for (auto &lists : per_thread_) {
            lists.resize(lanes);
            for (auto &list : lists) list.reset(count);
        }
        most_.assign(static_cast<size_t>(Matrix::PIECES) * lanes, NEVER);
        total_.assign(static_cast<size_t>(Matrix::PIECES) * lanes, 0);
        wanted_score.assign(columns, NEVER);
        int largest = 0;
        for (int k = 0; k < Matrix::PIECES; k++) largest = std::max(largest, matrix.cut_at(k + 1) - matrix.cut_at(k));
        for (auto &scores : scores_) scores.resize(static_cast<size_t>(largest) * width);
        threads.run(Matrix::PIECES, [&](int piece, int thread) {
            const Part part{matrix.cut_at(piece), matrix.cut_at(piece + 1), thread, piece};
            if (part.first == part.last) return;
            float *y = scores_[thread].data();
            for (int p = 0; p < x.panels; p++) {
                matrix.multiply<false>(part.first, part.last, width, x.panel(p), y);
                finish(choosable.bias, options, part, width, y);
                const size_t at = static_cast<size_t>(piece) * lanes + p * width;
                add_up(part.last - part.first, width, y, most_.data() + at, total_.data() + at);
                forbid(options, may_end, part, width, y);
                for (int c = p * width; c < std::min(columns, (p + 1) * width); c++)
                    if (wanted[c] >= part.first && wanted[c] < part.last)
                        wanted_score[c] = y[static_cast<size_t>(wanted[c] - part.first) * width + c % width];
                choose(part, width, y, per_thread_[thread].data() + p * width);
            }
        });
        best.resize(columns), normalizer.resize(columns);
        for (int c = 0; c < columns; c++) {
            best[c] = per_thread_[0][c];
            for (int t = 1; t < threads.count(); t++)
                for (int k = 0; k < count; k++) best[c].offer(per_thread_[t][c].value(k), per_thread_[t][c].word(k));
            float most = NEVER;
            double total = 0;
            for (int k = 0; k < Matrix::PIECES; k++) most = std::max(most, most_[static_cast<size_t>(k) * lanes + c]);
            for (int k = 0; k < Matrix::PIECES; k++) {
                const size_t at = static_cast<size_t>(k) * lanes + c;
                if (total_[at] > 0) total += total_[at] * std::exp(static_cast<double>(most_[at]) - most);
            }
            normalizer[c] = most + static_cast<float>(std::log(total));
        }
    }

  private:
    void finish(const std::vector<float> &bias, const Options &options, const Part &part, int width, float *y) const {
        if (!bias.empty())
            for (int r = part.first; r < part.last; r++)
                for (int c = 0; c < width; c++) y[static_cast<size_t>(r - part.first) * width + c] += bias[r];
        if (options.temperature != 1)
            for (size_t k = 0; k < static_cast<size_t>(part.last - part.first) * width; k++) y[k] /= options.temperature;
    }
    // the largest of each lane, and the sum of e^(y - largest)
    void add_up(int rows, int width, const float *y, float *most, float *total) const {
        if (width == 1) {
            for (int r = 0; r < rows; r++) most[0] = std::max(most[0], y[r]);
            f8 sums = {};
            int r = 0;
            for (; r + 8 <= rows; r += 8) sums += exp(load(y + r) - most[0]);
            for (; r < rows; r++) total[0] += std::exp(y[r] - most[0]);
            total[0] += sum(sums);
            return;
        }
        for (int lane = 0; lane < width; lane += 8) {
            f8 high = load(y + lane), sums = {};
            for (int r = 1; r < rows; r++) high = larger(high, load(y + static_cast<size_t>(r) * width + lane));
            for (int r = 0; r < rows; r++) sums += exp(load(y + static_cast<size_t>(r) * width + lane) - high);
            store(most + lane, high), store(total + lane, sums);
        }
    }
    void forbid(const Options &options, bool may_end, const Part &part, int width, float *y) const {
        auto change = [&](int word, float by) {
            if (word < part.first || word >= part.last) return;
            for (int c = 0; c < width; c++) y[static_cast<size_t>(word - part.first) * width + c] += by;
        };
        change(options.pad, NEVER);
        if (options.unknown_penalty != 0) change(options.unk, -options.unknown_penalty);
        if (!may_end) change(options.eos, NEVER);
    }
    void choose(const Part &part, int width, const float *y, Best *lists) const {
        const int rows = part.last - part.first;
        if (width == 1) {
            for (int r = 0; r < rows; r++)
                if (y[r] >= lists[0].least()) lists[0].offer(y[r], part.first + r);
            return;
        }
        for (int lane = 0; lane < width; lane += 8) {
            f8 least;
            for (int c = 0; c < 8; c++) least[c] = lists[lane + c].least();
            auto row = [&](int r) { return y + static_cast<size_t>(r) * width + lane; };
            for (int r = 0; r < rows; r += 4) {
                // few are among the best: a look at four rows at once passes over most
                f8 high = load(row(r));
                for (int k = r + 1; k < std::min(r + 4, rows); k++) high = larger(high, load(row(k)));
                if (!any(high >= least)) continue;
                for (int k = r; k < std::min(r + 4, rows); k++)
                    for (int c = 0; c < 8; c++)
                        if (row(k)[c] >= least[c]) {
                            lists[lane + c].offer(row(k)[c], part.first + k);
                            least[c] = lists[lane + c].least();
                        }
            }
        }
    }
    std::vector<Array<float>> scores_;  // of each thread: a piece of the vocabulary, a panel
    std::vector<std::vector<Best>> per_thread_;
    std::vector<float> most_, total_;
};

class Search {
  public:
    // longest: of each sentence, words before eos. prefix: of each sentence, words to begin with.
    // Result: hypotheses of each sentence, best first.
    std::vector<std::vector<Hypothesis>> run(Threads &threads, Model &model, const Choosable &choosable, const Source &source,
                                             Options options, const std::vector<int> &longest,
                                             const std::vector<std::vector<int>> &prefix) {
        // words are places among those to choose from, but for what the model reads and the result
        options.pad = choosable.place(options.pad), options.eos = choosable.place(options.eos);
        options.unk = choosable.place(options.unk);
        const int vocabulary = choosable.count();
        const int beam = std::min(options.beam, vocabulary - 1);
        size_t prefix_length = 0;
        for (auto &words : prefix) prefix_length = std::max(prefix_length, words.size());
        std::vector<std::vector<Hypothesis>> found(source.count());
        std::vector<int> active(source.count()), sentence, words, wanted;
        for (int s = 0; s < source.count(); s++) active[s] = s;
        history_.clear();
        sentence = active;
        words.assign(active.size(), options.begin);
        model.encode(threads, source);
        int width = 1;  // columns of a sentence: one before the first choice
        for (int step = 0; !active.empty(); step++) {
            const Block &x = model.step(threads, words, sentence, step);
            wanted.assign(words.size(), -1);
            const bool in_prefix = static_cast<size_t>(step) < prefix_length;
            for (size_t c = 0; c < words.size(); c++) {
                const int s = sentence[c];
                if (step >= longest[s]) wanted[c] = options.eos;
                else if (static_cast<size_t>(step) < prefix[s].size()) wanted[c] = choosable.place(prefix[s][step]);
            }
            softmax_.run(threads, choosable, x, options, std::min(2 * beam, vocabulary), in_prefix || step >= options.min_len, wanted);
            history_.emplace_back();
            Step &now = history_.back();
            if (options.want_attention) now.attention = model.weights, now.stride = source.longest();
            std::vector<int> going_on, from, next_sentence, next_words;
            for (size_t a = 0; a < active.size(); a++) {
                const int s = active[a], first = a * width;
                auto choices = candidates(first, width, 2 * beam, wanted);
                bool last = step >= longest[s];
                for (int k = 0; k < beam && k < static_cast<int>(choices.size()); k++) {
                    if (choices[k].word != options.eos || choices[k].score == NEVER) continue;
                    if (static_cast<int>(found[s].size()) < beam)
                        found[s].push_back(finish(choosable, choices[k], step, source.length(s), options));
                }
                if (last || static_cast<int>(found[s].size()) == beam) continue;
                going_on.push_back(s);
                int kept = 0;
                for (auto &choice : choices) {
                    if (kept == beam) break;
                    if (choice.word == options.eos && choice.score != NEVER) continue;
                    now.parent.push_back(choice.column), now.word.push_back(choice.word), now.score.push_back(choice.score);
                    from.push_back(choice.column), next_words.push_back(choosable.word(choice.word)), next_sentence.push_back(s);
                    kept++;
                }
                for (; kept < beam; kept++) {  // fewer words than that: nothing follows
                    now.parent.push_back(first), now.word.push_back(options.pad), now.score.push_back(NEVER);
                    from.push_back(first), next_words.push_back(choosable.word(options.pad)), next_sentence.push_back(s);
                }
            }
            active = going_on, words = next_words, sentence = next_sentence, width = beam;
            if (!active.empty()) model.select(from);
        }
        for (auto &hypotheses : found)
            std::stable_sort(hypotheses.begin(), hypotheses.end(),
                             [](const Hypothesis &a, const Hypothesis &b) { return a.score > b.score; });
        return found;
    }

  private:
    // What was chosen in a step, for each column of the next: from which column, which word, the
    // sum of scores; and the step's attention for each of its own columns.
    struct Step {
        std::vector<int> parent, word;
        std::vector<float> score, attention;
        int stride = 0;
    };
    struct Choice {
        float score;
        int word, column;
    };

    float score_before(int column) const {
        return history_.size() < 2 ? 0.0f : history_[history_.size() - 2].score[column];
    }
    std::vector<Choice> candidates(int first, int width, int count, const std::vector<int> &wanted) const {
        std::vector<Choice> choices;
        for (int c = first; c < first + width; c++) {
            const float before = score_before(c);
            if (wanted[c] >= 0) {
                choices.push_back({before + (softmax_.wanted_score[c] - softmax_.normalizer[c]), wanted[c], c});
                continue;
            }
            for (int k = 0; k < softmax_.best[c].size() && softmax_.best[c].word(k) != Best::NONE; k++)
                choices.push_back({before + (softmax_.best[c].value(k) - softmax_.normalizer[c]), softmax_.best[c].word(k), c});
        }
        for (auto &choice : choices)
            if (std::isnan(choice.score)) choice.score = NEVER;
        std::stable_sort(choices.begin(), choices.end(), [](const Choice &a, const Choice &b) { return a.score > b.score; });
        if (static_cast<int>(choices.size()) > count) choices.resize(count);
        return choices;
    }
    Hypothesis finish(const Choosable &choosable, const Choice &choice, int step, int length, const Options &options) const {
        Hypothesis h;
        h.score = choice.score;
        if (options.normalize) h.score /= std::pow(static_cast<float>(step + 1), options.length_penalty);
        h.words.resize(step + 1), h.positional.resize(step + 1);
        if (options.want_attention) h.attention.resize(static_cast<size_t>(step + 1) * length);
        float total = choice.score;
        int column = choice.column, word = choice.word;
        for (int t = step; t >= 0; t--) {
            const float before = t ? history_[t - 1].score[column] : 0;
            h.words[t] = choosable.word(word), h.positional[t] = total - before;
            if (options.want_attention && !history_[t].attention.empty())
                std::copy_n(history_[t].attention.begin() + static_cast<size_t>(column) * history_[t].stride, length,
                            h.attention.begin() + static_cast<size_t>(t) * length);
            total = before;
            if (t) word = history_[t - 1].word[column], column = history_[t - 1].parent[column];
        }
        return h;
    }
    Softmax softmax_;
    std::vector<Step> history_;
};
