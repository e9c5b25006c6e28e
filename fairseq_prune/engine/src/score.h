// A language model's log-probabilities of given words, and the words that are most probable next.
#pragma once
#include <numeric>

#include "search.h"

class Scorer {
  public:
    // texts: the first word of each is only read. scores: of all others, one after the other.
    // next (may be 0): so many of the most probable words after each text, best first, in
    // next_words and next_scores (texts x next); the padding is none of them.
    void run(Threads &threads, Model &model, const Source &texts, int next, float *scores, int32_t *next_words, float *next_scores) {
        auto steps = [&](int s) { return texts.length(s) - (next ? 0 : 1); };
        // the longest first: those that have ended are the last columns
        std::vector<int> order(texts.count()), words;
        std::iota(order.begin(), order.end(), 0);
        std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return steps(a) > steps(b); });
        const Choosable all(model);
        Source none;
        none.starts.assign(texts.count() + 1, 0);
        model.encode(threads, none);
        auto look = [&] { look_up(threads, all, texts, next, scores, next_words, next_scores); };
        read_.clear(), columns_.clear();
        for (int step = 0; !order.empty(); step++) {
            const size_t before = order.size();
            while (!order.empty() && steps(order.back()) <= step) order.pop_back();
            if (order.empty()) break;
            if (order.size() < before) {
                std::vector<int> going_on(order.size());
                std::iota(going_on.begin(), going_on.end(), 0);
                model.select(going_on);
            }
            words.clear();
            for (int s : order) words.push_back(texts.tokens[texts.first(s) + step]);
            const Block &x = model.step(threads, words, order, step);
            // steps are put together: the softmax takes hardly longer for 16 columns than for one
            if (read_.size() + order.size() > AT_ONCE) look();
            columns_.resize((read_.size() + order.size()) * x.rows);
            for (size_t c = 0; c < order.size(); c++) {
                x.get(c, columns_.data() + read_.size() * x.rows, x.rows);
                read_.push_back({order[c], step});
            }
        }
        look();
    }

  private:
    static constexpr size_t AT_ONCE = 64;

    // what has been read and not been looked up yet: the scores of what follows each
    void look_up(Threads &threads, const Choosable &all, const Source &texts, int next, float *scores, int32_t *next_words, float *next_scores) {
        if (read_.empty()) return;
        const int pad = Options().pad, rows = columns_.size() / read_.size();
        Options options;
        options.pad = -1;  // a word like others, so that probabilities are those of the whole softmax
        x_.shape(rows, read_.size());
        if (x_.columns < x_.panels * x_.width) x_.zero();
        std::vector<int> wanted;
        bool ends = false;
        for (size_t c = 0; c < read_.size(); c++) {
            const auto &word = read_[c];
            const bool last = word.step + 1 == texts.length(word.text);
            x_.put(c, columns_.data() + c * rows, rows);
            wanted.push_back(last ? -1 : texts.tokens[texts.first(word.text) + word.step + 1]);
            ends |= last;
        }
        softmax_.run(threads, all, x_, options, ends ? next + 1 : 1, true, wanted);
        for (size_t c = 0; c < read_.size(); c++) {
            const int s = read_[c].text;
            if (wanted[c] >= 0) {
                scores[texts.first(s) - s + read_[c].step] = softmax_.wanted_score[c] - softmax_.normalizer[c];
                continue;
            }
            size_t at = static_cast<size_t>(s) * next;
            const size_t end = at + next;
            for (int k = 0; k <= next && at < end; k++) {
                if (softmax_.best[c].word(k) == pad) continue;
                next_words[at] = softmax_.best[c].word(k);
                next_scores[at++] = softmax_.best[c].value(k) - softmax_.normalizer[c];
            }
        }
        read_.clear();
    }

    struct Word {
        int text, step;
    };
    std::vector<Word> read_;
    std::vector<float> columns_;  // of each of them, what the softmax takes
    Block x_;
    Softmax softmax_;
};
