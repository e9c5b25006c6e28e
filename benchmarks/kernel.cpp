// A product alone, as the engine calls it, sparse of fp32 or dense of int8: seconds of each of some
// rounds. kernel ROWS COLUMNS DENSITY OF_X THREADS ROUNDS sparse|int8
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
    const bool sparse = std::string(argument[7]) == "sparse";
    std::vector<int8_t> whole(sparse ? 0 : weights.size());
    for (size_t k = 0; k < whole.size(); k++) whole[k] = static_cast<int8_t>(std::min(127.0f, std::max(-127.0f, 40 * weights[k])));
    std::vector<uint16_t> scales(rows, 0x2000);  // fp16
    Stored stored{};
    stored.fd = -1, stored.rows = rows, stored.columns = columns, stored.mask_size = -1;
    stored.kind = sparse ? F32 : I8, stored.scales = reinterpret_cast<int64_t>(scales.data());
    stored.values = sparse ? reinterpret_cast<int64_t>(weights.data()) : reinterpret_cast<int64_t>(whole.data());
    stored.values_size = weights.size() * bytes_of(stored.kind);
    Matrix matrix;
    matrix.read(stored, false, sparse);  // sparse below this density
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
