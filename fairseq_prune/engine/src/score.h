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
        for (int step = 0; !order.empty();) {
            const size_t before = order.size();
            while (!order.empty() && steps(order.back()) <= step) order.pop_back();
            if (order.empty()) break;
            if (order.size() < before) {
                std::vector<int> going_on(order.size());
                std::iota(going_on.begin(), going_on.end(), 0);
                model.select(going_on);
            }
            // a product with 16 columns takes hardly longer than with one; several steps at once
            // fill them up
            const int left = steps(order.back()) - step;
            int some = order.size() % 16 ? std::min(std::max<int>(1, AT_ONCE / order.size()), left) : 1;
            // what ends a text by itself: only there are the best words wanted
            if (next && some > 1 && some == left) some--;
            words.clear();
            for (int s : order) {
                const auto from = texts.tokens.begin() + texts.first(s) + step;
                words.insert(words.end(), from, from + some);
            }
            if (some > 1) model.read(threads, words, some, order, step, x_);
            const Block &x = some > 1 ? x_ : model.step(threads, words, order, step);
            look_up(threads, all, texts, order, x, step, some, next, scores, next_words, next_scores);
            step += some;
        }
    }

  private:
    static constexpr int AT_ONCE = 64;

    // x: what the softmax takes, of so many steps of each of the texts in order
    void look_up(Threads &threads, const Choosable &all, const Source &texts, const std::vector<int> &order, const Block &x, int step,
                 int steps, int next, float *scores, int32_t *next_words, float *next_scores) {
        const int pad = Options().pad;
        Options options;
        options.pad = -1;  // a word like others, so that probabilities are those of the whole softmax
        std::vector<int> wanted;
        bool ends = false;
        for (int s : order)
            for (int t = step; t < step + steps; t++) {
                const bool last = t + 1 == texts.length(s);
                wanted.push_back(last ? -1 : texts.tokens[texts.first(s) + t + 1]);
                ends |= last;
            }
        softmax_.run(threads, all, x, options, ends ? next + 1 : 1, true, wanted);
        for (size_t c = 0; c < wanted.size(); c++) {
            const int s = order[c / steps], t = step + c % steps;
            if (wanted[c] >= 0) {
                scores[texts.first(s) - s + t] = softmax_.wanted_score[c] - softmax_.normalizer[c];
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
    }

    Block x_;
    Softmax softmax_;
};
