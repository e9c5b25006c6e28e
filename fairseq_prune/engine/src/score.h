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
        const int pad = Options().pad;
        Options options;
        options.pad = -1;  // a word like others, so that probabilities are those of the whole softmax
        auto steps = [&](int s) { return texts.length(s) - (next ? 0 : 1); };
        // the longest first: those that have ended are the last columns
        std::vector<int> order(texts.count()), words, wanted;
        std::iota(order.begin(), order.end(), 0);
        std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return steps(a) > steps(b); });
        const Choosable all(model);
        Source none;
        none.starts.assign(texts.count() + 1, 0);
        model.encode(threads, none);
        for (int step = 0; !order.empty(); step++) {
            const size_t before = order.size();
            while (!order.empty() && steps(order.back()) <= step) order.pop_back();
            if (order.empty()) break;
            if (order.size() < before) {
                std::vector<int> going_on(order.size());
                std::iota(going_on.begin(), going_on.end(), 0);
                model.select(going_on);
            }
            words.clear(), wanted.clear();
            bool ends = false;
            for (int s : order) {
                const bool last = step + 1 == texts.length(s);
                words.push_back(texts.tokens[texts.first(s) + step]);
                wanted.push_back(last ? -1 : texts.tokens[texts.first(s) + step + 1]);
                ends |= last;
            }
            softmax_.run(threads, all, model.step(threads, words, order, step), options, ends ? next + 1 : 1, true, wanted);
            for (size_t c = 0; c < order.size(); c++) {
                const int s = order[c];
                if (wanted[c] >= 0) {
                    scores[texts.first(s) - s + step] = softmax_.wanted_score[c] - softmax_.normalizer[c];
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
    }

  private:
    Softmax softmax_;
};
