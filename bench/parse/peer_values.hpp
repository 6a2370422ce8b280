// bench/parse/peer_values.hpp - what peers make of the texts that their parser finds: written for
// speed, and good enough for messages known to be well-formed.
#ifndef TM_BENCH_PEER_VALUES_HPP
#define TM_BENCH_PEER_VALUES_HPP

#include <cstdint>
#include <cstring>
#include <string_view>

namespace peer
{

// Digits, a point, digits: exact, scaled by 1e8.
inline int64_t decimal_e8(std::string_view text)
{
    uint64_t v = 0;
    size_t i = 0;
    bool minus = !text.empty() && text[0] == '-';
    for (i = minus; i < text.size() && text[i] != '.'; i++) v = v * 10 + uint64_t(text[i] - '0');
    int fraction = 0;
    for (i++; i < text.size() && fraction < 8; i++, fraction++)
        v = v * 10 + uint64_t(text[i] - '0');
    for (; fraction < 8; fraction++) v *= 10;
    return minus ? -int64_t(v) : int64_t(v);
}

struct slot {
    char text[16];
    uint32_t sz, number;
};
inline slot slots[4096];
inline uint32_t cnt;

inline void symbols_reset()
{
    std::memset(slots, 0, sizeof slots);
    cnt = 0;
}

// Open addressing; the bench's symbols are few and short.
inline uint32_t symbol(std::string_view name)
{
    uint64_t lo = 0, hi = 0;
    std::memcpy(&lo, name.data(), name.size() < 8 ? name.size() : 8);
    if (name.size() > 8) std::memcpy(&hi, name.data() + 8, name.size() < 16 ? name.size() - 8 : 8);
    uint64_t at = ((lo ^ hi * 31) * 0x9e3779b97f4a7c15ull) >> 52;
    for (;; at = (at + 1) & 4095) {
        slot &s = slots[at];
        if (s.sz == 0) {
            std::memcpy(s.text, name.data(), name.size() < 16 ? name.size() : 16);
            s.sz = uint32_t(name.size());
            s.number = cnt++;
        }
        if (s.sz == name.size() && std::memcmp(s.text, name.data(), name.size()) == 0)
            return s.number;
    }
}

} // namespace peer

#endif
