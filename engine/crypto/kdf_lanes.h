// RFC 8009's key derivation side by side in the lanes of x86_kernels.h; for lanes_x86.cc alone.
#pragma once

#include <algorithm>
#include <array>
#include <cstring>
#include <span>

#include "engine/crypto/hmac_parts.h"
#include "engine/crypto/known_ends.h"
#include "engine/crypto/lanes_parts.h"
#include "engine/crypto/sha2_rounds.h"
#include "engine/crypto/x86_kernels.h"

namespace usher::crypto {

// KdfWay is two kernels of as many lanes, and how many must be in use.
template <class Lanes>
struct KdfWay {
  x86::FrontKernel<Lanes>* front_kernel;
  x86::KnownKernel<Lanes>* known_kernel;
  std::size_t lanes;
  std::size_t worth;
};

// KdfLanes makes the keys of many base keys side by side. What one step leaves the next begins
// with, as words in lanes: no hash and no key is written as bytes and read again, and of the texts,
// the same for all base keys, the schedule is made once. Hash is as in HmacLanes, with the numbers
// of sha2_rounds.h.
template <class Hash>
class KdfLanes {
 public:
  explicit KdfLanes(std::span<const KdfWay<typename Hash::Lanes>> ways) noexcept : ways_(ways) {
    for (std::size_t i = 0; i < Lanes::kWords; ++i) {
      std::ranges::fill(start_[i], Hash::kStart[i]);
    }
  }

  // run makes the keys of the first jobs, up to all, and returns how many: it leaves alone those
  // that are too few to be worth a kernel's time. Nothing of them stays here.
  [[nodiscard]] std::size_t run(const KdfInputs& inputs, std::span<const KdfJob> jobs) noexcept;

 private:
  using Lanes = typename Hash::Lanes;
  using Word = typename Lanes::Word;
  using Row = x86::LanesRow<Lanes>;
  using State = x86::LanesState<Lanes>;
  static constexpr std::size_t kHashWords = Hash::kHashSize / sizeof(Word);
  static_assert(kHashWords == x86::kFrontWords<Lanes>);
  static constexpr std::size_t kKeyWords = kKeySizeMax / sizeof(Word);
  using Numbers = typename Hash::Numbers;
  using Sums = std::array<Word, Numbers::kRounds>;

  static constexpr x86::KnownEnd<Word> kPadEnds[] = {pad_end<Hash>(kInnerPad),
                                                     pad_end<Hash>(kOuterPad)};
  static constexpr x86::KnownEnd<Word> kTextEnd = text_end<Hash>();

  static void wipe_rows(Row* rows, std::size_t count) noexcept {
    wipe({reinterpret_cast<std::uint8_t*>(rows), count * sizeof(Row)});
  }

  void learn(const KdfInputs& inputs) noexcept;
  void load_keys(std::span<const KdfJob> jobs) noexcept;
  void hash_pads(const KdfWay<Lanes>& way, const Row* key, std::size_t key_words,
                 State (&states)[2]) noexcept;
  void derive(const KdfWay<Lanes>& way, std::size_t n) noexcept;
  void write_keys(std::span<const KdfJob> jobs, std::size_t n) const noexcept;
  void write_states(std::span<const KdfJob> jobs, std::size_t n) const noexcept;
  void run_group(const KdfWay<Lanes>& way, std::span<const KdfJob> jobs) noexcept;
  void forget() noexcept;

  const std::span<const KdfWay<Lanes>> ways_;
  KdfInputs inputs_{};
  bool knows_inputs_ = false;
  std::array<Sums, std::tuple_size_v<KdfInputs>> sums_;  // Of the texts' schedules.
  alignas(64) State start_;
  alignas(64) Row base_[kKeyWords]{};
  alignas(64) State base_states_[2]{};  // Inner and outer, of the base key,
  alignas(64) State key_states_[2]{};   // and of a key that was made of it.
  alignas(64) State hash_{};            // Of a text, inner and then outer.
};

// learn makes the schedules of the texts, padded (FIPS 180-4 5.1, 6.2.2 and 6.4.2).
template <class Hash>
void KdfLanes<Hash>::learn(const KdfInputs& inputs) noexcept {
  if (knows_inputs_ && inputs == inputs_) {
    return;
  }
  inputs_ = inputs;
  knows_inputs_ = true;
  for (std::size_t n = 0; n < inputs.size(); ++n) {
    std::array<std::uint8_t, Lanes::kBlockSize> block{};
    std::ranges::copy(inputs[n], block.begin());
    block[inputs[n].size()] = 0x80;
    put_size<Hash>(block.data() + block.size(), inputs[n].size());
    Sums words;
    for (std::size_t i = 0; i < 16; ++i) {
      words[i] = load_be<Word>(Bytes(block).subspan(i * sizeof(Word)));
    }
    for (std::size_t i = 16; i < words.size(); ++i) {
      words[i] = words[i - 16] + sigma(words[i - 15], Numbers::kSigma0) + words[i - 7] +
                 sigma(words[i - 2], Numbers::kSigma1);
    }
    for (std::size_t i = 0; i < words.size(); ++i) {
      sums_[n][i] = words[i] + Numbers::kConstants[i];
    }
  }
}

// Lanes without a job do what the last one does.
template <class Hash>
void KdfLanes<Hash>::load_keys(std::span<const KdfJob> jobs) noexcept {
  const std::size_t words = jobs[0].base.size() / sizeof(Word);
  for (std::size_t lane = 0; lane < Lanes::kLanesMax; ++lane) {
    const Bytes base = jobs[std::min(lane, jobs.size() - 1)].base;
    for (std::size_t i = 0; i < words; ++i) {
      base_[i][lane] = load_be<Word>(base.subspan(i * sizeof(Word)));
    }
  }
}

// hash_pads makes the states after a padded key (RFC 2104 4).
template <class Hash>
void KdfLanes<Hash>::hash_pads(const KdfWay<Lanes>& way, const Row* key, std::size_t key_words,
                               State (&states)[2]) noexcept {
  for (std::size_t which = 0; which < 2; ++which) {
    way.front_kernel(start_, key, key_words, kPadEnds[which], states[which]);
  }
}

// derive makes the HMACs of text number `n`.
template <class Hash>
void KdfLanes<Hash>::derive(const KdfWay<Lanes>& way, std::size_t n) noexcept {
  way.known_kernel(base_states_[0], sums_[n].data(), hash_);
  way.front_kernel(base_states_[1], hash_, kHashWords, kTextEnd, hash_);
}

template <class Hash>
void KdfLanes<Hash>::write_keys(std::span<const KdfJob> jobs, std::size_t n) const noexcept {
  for (std::size_t lane = 0; lane < jobs.size(); ++lane) {
    const MutableBytes key = jobs[lane].keys[n];
    for (std::size_t i = 0; i < key.size() / sizeof(Word); ++i) {
      store_be(key.subspan(i * sizeof(Word)).template first<sizeof(Word)>(), hash_[i][lane]);
    }
  }
}

template <class Hash>
void KdfLanes<Hash>::write_states(std::span<const KdfJob> jobs, std::size_t n) const noexcept {
  for (std::size_t lane = 0; lane < jobs.size(); ++lane) {
    if (HmacKey* const key = jobs[lane].hmac_keys[n]; key != nullptr) {
      // Word by word: what is put together before would stay on the stack.
      for (std::size_t i = 0; i < Lanes::kWords; ++i) {
        std::memcpy(key->inner() + i * sizeof(Word), &key_states_[0][i][lane], sizeof(Word));
        std::memcpy(key->outer() + i * sizeof(Word), &key_states_[1][i][lane], sizeof(Word));
      }
    }
  }
}

template <class Hash>
void KdfLanes<Hash>::run_group(const KdfWay<Lanes>& way, std::span<const KdfJob> jobs) noexcept {
  load_keys(jobs);
  hash_pads(way, base_, jobs[0].base.size() / sizeof(Word), base_states_);
  for (std::size_t n = 0; n < inputs_.size(); ++n) {
    std::size_t key_size = 0;
    bool is_hmac_key = false;
    for (const KdfJob& job : jobs) {
      key_size = std::max(key_size, job.keys[n].size());
      is_hmac_key = is_hmac_key || job.hmac_keys[n] != nullptr;
    }
    if (key_size == 0) {
      continue;
    }
    derive(way, n);
    write_keys(jobs, n);
    if (is_hmac_key) {
      hash_pads(way, hash_, key_size / sizeof(Word), key_states_);
      write_states(jobs, n);
    }
  }
}

template <class Hash>
void KdfLanes<Hash>::forget() noexcept {
  wipe_rows(base_, kKeyWords);
  wipe_rows(base_states_[0], 2 * Lanes::kWords);
  wipe_rows(key_states_[0], 2 * Lanes::kWords);
  wipe_rows(hash_, Lanes::kWords);
  x86::forget_stack<x86::kDeepestStack>();
}

template <class Hash>
std::size_t KdfLanes<Hash>::run(const KdfInputs& inputs, std::span<const KdfJob> jobs) noexcept {
  std::size_t done = 0;
  for (const KdfWay<Lanes>& way : ways_) {
    while (jobs.size() - done >= way.worth) {
      if (done == 0) {
        learn(inputs);
      }
      const std::span<const KdfJob> some =
          jobs.subspan(done, std::min(jobs.size() - done, way.lanes));
      run_group(way, some);
      done += some.size();
    }
  }
  if (done > 0) {
    forget();
  }
  return done;
}

}  // namespace usher::crypto
