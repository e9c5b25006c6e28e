// Vectors of floats, and the functions of them that models need.
//
// GCC's and Clang's vector types compile to whatever the machine has (SSE, AVX2, AVX-512, NEON):
// one source for all. A wider type than the machine's registers becomes several of them.
#pragma once
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <vector>

#define INLINE __attribute__((always_inline)) inline

typedef float f4 __attribute__((vector_size(16)));
typedef float f8 __attribute__((vector_size(32)));
typedef int32_t i8x __attribute__((vector_size(32)));

// Cache lines: a vector never straddles two.
template <class T> struct Aligned {
    typedef T value_type;
    Aligned() = default;
    template <class U> Aligned(const Aligned<U> &) {}
    T *allocate(size_t n) {
        void *p = std::aligned_alloc(64, (n * sizeof(T) + 127) / 64 * 64);
        if (!p) throw std::bad_alloc();
        return static_cast<T *>(p);
    }
    void deallocate(T *p, size_t) { std::free(p); }
    template <class U> bool operator==(const Aligned<U> &) const { return true; }
    template <class U> bool operator!=(const Aligned<U> &) const { return false; }
    // resize() leaves numbers as they are: memory that is not written to takes no room
    template <class U> void construct(U *p) { ::new (static_cast<void *>(p)) U; }
    template <class U, class... A> void construct(U *p, A &&...a) { ::new (p) U(std::forward<A>(a)...); }
};
template <class T> using Array = std::vector<T, Aligned<T>>;

INLINE f8 splat(float x) { return x - f8{}; }
INLINE f8 load(const float *p) { f8 x; std::memcpy(&x, p, sizeof x); return x; }
INLINE void store(float *p, f8 x) { std::memcpy(p, &x, sizeof x); }
// GCC makes three instructions each of what AVX has one for
#if defined(__AVX__)
INLINE f8 larger(f8 a, f8 b) { return __builtin_ia32_maxps256(a, b); }
INLINE f8 smaller(f8 a, f8 b) { return __builtin_ia32_minps256(a, b); }
INLINE bool any(i8x mask) { return __builtin_ia32_movmskps256((f8)mask) != 0; }
#else
INLINE f8 larger(f8 a, f8 b) { return a > b ? a : b; }
INLINE f8 smaller(f8 a, f8 b) { return a < b ? a : b; }
INLINE bool any(i8x mask) {
    typedef int64_t i4 __attribute__((vector_size(32)));
    i4 m = (i4)mask;
    return (m[0] | m[1] | m[2] | m[3]) != 0;
}
#endif
INLINE float sum(f8 x) {
    float s = 0;
    for (int k = 0; k < 8; k++) s += x[k];
    return s;
}

// e^x within two units in the last place: 2^n times a polynomial on |r| <= ln(2) / 2 (Cephes expf).
INLINE f8 exp(f8 x) {
    x = smaller(larger(x, splat(-87.3f)), splat(88.3f));
    const f8 round = splat(12582912.0f);  // 1.5 * 2^23: adding it leaves the nearest integer
    f8 n = (x * 1.44269504088896341f + round) - round;
    f8 r = x - n * 0.693359375f + n * 2.12194440e-4f;
    f8 p = splat(1.9875691500e-4f);
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * (r * r) + r + 1.0f;
    i8x power = (__builtin_convertvector(n, i8x) + 127) << 23;
    return p * (f8)power;
}
INLINE f8 sigmoid(f8 x) { return 1.0f / (1.0f + exp(-x)); }
INLINE f8 tanh(f8 x) { return 1.0f - 2.0f / (exp(x + x) + 1.0f); }

// dot product of n floats
INLINE float dot(const float *a, const float *b, int n) {
    f8 s0 = {}, s1 = {};
    int k = 0;
    for (; k + 16 <= n; k += 16) {
        s0 += load(a + k) * load(b + k);
        s1 += load(a + k + 8) * load(b + k + 8);
    }
    float s = sum(s0 + s1);
    for (; k < n; k++) s += a[k] * b[k];
    return s;
}
// y += w x
INLINE void add(float *y, float w, const float *x, int n) {
    int k = 0;
    for (; k + 8 <= n; k += 8) store(y + k, load(y + k) + w * load(x + k));
    for (; k < n; k++) y[k] += w * x[k];
}
// softmax of n floats, in place
inline void softmax(float *x, int n) {
    float most = -INFINITY, total = 0;
    for (int k = 0; k < n; k++) most = std::fmax(most, x[k]);
    for (int k = 0; k < n; k += 8) {
        f8 v = splat(-INFINITY);
        int count = n - k < 8 ? n - k : 8;
        std::memcpy(&v, x + k, count * sizeof(float));
        v = exp(v - most);
        for (int j = 0; j < count; j++) total += v[j];
        std::memcpy(x + k, &v, count * sizeof(float));
    }
    for (int k = 0; k < n; k++) x[k] /= total;
}
