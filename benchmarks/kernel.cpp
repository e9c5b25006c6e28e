// The sparse product alone, as the engine calls it: seconds of each of some rounds.
// kernel ROWS COLUMNS DENSITY OF_X THREADS ROUNDS
#include <chrono>
#include <cstdio>
#include <random>

#include "matrix.h"

int main(int, char **argument) {
    const int rows = std::atoi(argument[1]), columns = std::atoi(argument[2]), of_x = std::atoi(argument[4]);
    const double density = std::atof(argument[3]);
    std::mt19937 random(1);
    std::normal_distribution<float> value;
    std::bernoulli_distribution kept(density);
    std::vector<float> weights(static_cast<size_t>(rows) * columns);
    for (float &weight : weights) weight = kept(random) ? value(random) : 0;
    Stored stored{};
    stored.fd = -1, stored.rows = rows, stored.columns = columns, stored.kind = F32, stored.mask_size = -1;
    stored.values = reinterpret_cast<int64_t>(weights.data()), stored.values_size = weights.size() * sizeof(float);
    Matrix matrix;
    matrix.read(stored, false, 1.0);
    Block x(columns, of_x), y(rows, of_x);
    for (float &element : x.data) element = value(random);
    Threads threads(std::atoi(argument[5]));
    for (int round = -1; round < std::atoi(argument[6]); round++) {
        const auto started = std::chrono::steady_clock::now();
        product(threads, matrix, x, y);
        const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - started;
        if (round >= 0) std::printf("%.9f\n", seconds.count());
    }
}
