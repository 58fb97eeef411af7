#!/usr/bin/env python3
"""Breaks the lock-free headers in one place at a time and requires that a test notices.

Each mutant is a copy of one header with one piece of text replaced. The tests of that header are
compiled against the copy and run in turn until one fails, by assertion, crash or hang. The copies
without a replacement must pass them all. Exit 0 if so, 1 if a mutant survived, 77 where the
compiler flags ask for a sanitizer, which would only make this slow.
"""

import argparse
import concurrent.futures
import dataclasses
import os
import pathlib
import re
import subprocess
import sys
import time

SKIPPED = 77
RUN_SECONDS_MAX = 20

POOL = "engine/slots/slot_pool.h"
PINNED = "engine/slots/pinned.h"
PUBLISHED = "engine/slots/published.h"
REPLAY = "engine/auth/replay_cache.h"
PAGES = "engine/slots/page_store.h"
MAILBOX = "engine/slots/mailbox.h"
WAITING = "engine/slots/waiting_mailbox.h"
SEEN = "engine/slots/seen_cache.h"
SEEN_SET = "engine/slots/seen_set.h"
SEEN_FILTER = "engine/slots/seen_filter.h"
SEEN_HASH = "engine/slots/seen_hash.h"
SEEN_TALLY = "engine/slots/seen_tally.h"
DOORBELL = "engine/slots/doorbell.h"
COLLECTED = "engine/slots/collected.h"
ADMISSION = "engine/slots/admission.h"

# Header -> its tests, the ones that fail soonest first.
TESTS = {
    POOL: ["tests/slots/slot_pool_order_test.cc", "tests/slots/slot_pool_test.cc"],
    PINNED: ["tests/slots/pinned_test.cc"],
    PUBLISHED: ["tests/slots/published_order_test.cc", "tests/slots/published_test.cc"],
    PAGES: ["tests/slots/page_store_order_test.cc", "tests/slots/page_store_test.cc"],
    MAILBOX: ["tests/slots/mailbox_order_test.cc", "tests/slots/mailbox_test.cc"],
    WAITING: ["tests/slots/waiting_mailbox_order_test.cc"],
    DOORBELL: ["tests/slots/doorbell_order_test.cc"],
    COLLECTED: ["tests/slots/collected_order_test.cc"],
    ADMISSION: ["tests/slots/admission_test.cc"],
    REPLAY: ["tests/auth/replay_cache_order_test.cc", "tests/auth/replay_cache_test.cc"],
    SEEN: ["tests/slots/seen_cache_order_test.cc", "tests/slots/seen_cache_test.cc",
           "tests/slots/seen_cache_threads_test.cc", "tests/slots/seen_cache_payload_test.cc"],
    SEEN_SET: ["tests/slots/seen_cache_order_test.cc", "tests/slots/seen_cache_test.cc"],
    SEEN_FILTER: ["tests/slots/seen_hash_test.cc"],
    SEEN_HASH: ["tests/slots/seen_hash_test.cc"],
    SEEN_TALLY: ["tests/slots/seen_tally_order_test.cc", "tests/slots/seen_tally_test.cc"],
}


@dataclasses.dataclass
class Mutant:
    name: str
    header: str
    before: str
    after: str
    # The test expected to notice, if it is not the first one of the header.
    test: str = ""
    # How often `before` occurs; every one is replaced.
    count: int = 1


UNIT = "tests/slots/slot_pool_test.cc"
PAGES_UNIT = "tests/slots/page_store_test.cc"
REPLAY_UNIT = "tests/auth/replay_cache_test.cc"
SEEN_UNIT = "tests/slots/seen_cache_test.cc"
SEEN_PAYLOAD = "tests/slots/seen_cache_payload_test.cc"
SEEN_THREADS = "tests/slots/seen_cache_threads_test.cc"
TALLY_UNIT = "tests/slots/seen_tally_test.cc"

MUTANTS = [
    # One of the two alone would do: a slot comes back to the head by a pop and a push.
    Mutant("aba_tag_stands_still", POOL, "(head & ~kIndexMask) + kTagUnit", "head & ~kIndexMask", count=2),
    Mutant("pop_by_load_and_store", POOL,
           """head_.compare_exchange_weak(head, popped, std::memory_order_acquire,
                                    std::memory_order_acquire)""",
           "(head_.store(popped, std::memory_order_release), true)"),
    Mutant("push_by_load_and_store", POOL,
           """!head_.compare_exchange_weak(head, pushed, std::memory_order_release,
                                        std::memory_order_relaxed)""",
           "(head_.store(pushed, std::memory_order_release), false)"),
    Mutant("generation_not_bumped", POOL, "handle.generation + 1;", "handle.generation;"),
    Mutant("generation_zero_issued", POOL, "next_generation == 0 ? 1 : next_generation", "next_generation", UNIT),
    Mutant("first_generation_zero", POOL, "word(1, kFree)", "word(0, kFree)", UNIT),
    Mutant("pin_without_generation", POOL, "std::uint64_t expected = word(handle.generation, kIdle);",
           """std::uint64_t expected = slots_[index].word.load(std::memory_order_relaxed);
  if ((expected & 3) != kIdle) {
    return false;
  }"""),
    Mutant("pin_without_state", POOL, "std::uint64_t expected = word(handle.generation, kIdle);",
           """std::uint64_t expected = word(handle.generation, kPinned);
  if (slots_[index].word.compare_exchange_strong(expected, word(handle.generation, kPinned),
                                                 std::memory_order_acquire, std::memory_order_relaxed)) {
    return true;
  }
  expected = word(handle.generation, kIdle);"""),
    Mutant("index_not_checked", POOL, "if (index >= slots_.size()) {\n    return false;  // Handles", "if (false) {\n    return false;  // Handles", UNIT),
    Mutant("live_whatever_the_index", POOL, "if (index >= slots_.size()) {\n    return false;\n", "if (false) {\n    return false;\n", UNIT),
    Mutant("pinned_is_not_live", POOL,
           "return seen == word(handle.generation, kIdle) || seen == word(handle.generation, kPinned);",
           "return seen == word(handle.generation, kIdle);", UNIT),
    Mutant("pin_by_load_and_store", POOL,
           """return slots_[index].word.compare_exchange_strong(expected, word(handle.generation, kPinned),
                                                    std::memory_order_acquire,
                                                    std::memory_order_relaxed);""",
           """if (slots_[index].word.load(std::memory_order_acquire) != expected) {
    return false;
  }
  slots_[index].word.store(word(handle.generation, kPinned), std::memory_order_relaxed);
  return true;"""),
    Mutant("given_up_without_generation", POOL,
           "slots_[index].word.load(std::memory_order_relaxed) != word(handle.generation, kPinned)",
           "(slots_[index].word.load(std::memory_order_relaxed) & 3) != kPinned", UNIT),
    Mutant("given_up_without_the_pin", POOL,
           "slots_[index].word.load(std::memory_order_relaxed) != word(handle.generation, kPinned)", "false", UNIT),
    Mutant("given_up_whatever_the_index", POOL, "if (index >= slots_.size() ||", "if (", UNIT),
    Mutant("free_is_used", POOL, "& 3) != kFree;", "& 3) != kIdle;", UNIT),
    Mutant("pushed_before_word_is_set", POOL, "if (give_up(handle, word(generation, kFree))) {",
           """push(std::uint32_t(handle.index));
  if (give_up(handle, word(generation, kFree))) {
    return;"""),
    Mutant("unpin_leaves_pinned", POOL, "give_up(handle, word(handle.generation, kIdle))",
           "give_up(handle, word(handle.generation, kPinned))"),
    Mutant("deadline_not_reset", POOL,
           """    slots_[std::uint32_t(handle.index)].deadline_s.store(0, std::memory_order_relaxed);
    push""", "    push"),
    Mutant("deadline_reset_after_push", POOL,
           """    slots_[std::uint32_t(handle.index)].deadline_s.store(0, std::memory_order_relaxed);
    push(std::uint32_t(handle.index));""",
           """    push(std::uint32_t(handle.index));
    slots_[std::uint32_t(handle.index)].deadline_s.store(0, std::memory_order_relaxed);"""),
    Mutant("left_over_deadline_kept", POOL,
           "    slots_[index].deadline_s.store(0, std::memory_order_relaxed);\n    push(index);", "    push(index);", UNIT),
    Mutant("deadline_of_now_is_due", POOL, "deadline_s < now_s", "deadline_s <= now_s", UNIT),
    Mutant("deadline_zero_is_due", POOL, "deadline_s != 0 && deadline_s < now_s", "deadline_s < now_s"),
    Mutant("sweep_does_not_look_again", POOL,
           """    if (is_due(slot.deadline_s.load(std::memory_order_relaxed), now_s)) {
      return handle;
    }
    unpin(handle);""", "    return handle;"),
    Mutant("sweep_forgets_to_unpin", POOL, "    unpin(handle);\n  }\n  return {};", "  }\n  return {};"),
    Mutant("sweep_stays_where_it_is", POOL, "const std::uint32_t index = from++;", "const std::uint32_t index = from;"),

    Mutant("freed_before_wiped", PINNED,
           """      tenant_->wipe();
      std::exchange(pool_, nullptr)->release(handle_);""",
           """      std::exchange(pool_, nullptr)->release(handle_);
      tenant_->wipe();"""),
    Mutant("freed_without_wiping", PINNED, "      tenant_->wipe();\n", ""),
    Mutant("moved_from_keeps_the_pin", PINNED, ": pool_(std::exchange(other.pool_, nullptr)),", ": pool_(other.pool_),"),
    Mutant("assigned_pin_leaks", PINNED, "    if (this != &other) {\n      reset();", "    if (this != &other) {"),

    Mutant("reader_does_not_look_again", PUBLISHED, "if (current_.load(std::memory_order_seq_cst) == place) {", "if (true) {"),
    Mutant("reader_looks_before_announcing", PUBLISHED,
           """    places_[place].readers.fetch_add(1, std::memory_order_seq_cst);
""", """    const std::uint32_t again = current_.load(std::memory_order_seq_cst);
    places_[place].readers.fetch_add(1, std::memory_order_seq_cst);
    if (again == place) {
      return Borrowed(this, place);
    }
"""),
    Mutant("reader_does_not_announce", PUBLISHED, "    places_[place].readers.fetch_add(1, std::memory_order_seq_cst);\n", ""),
    Mutant("reader_never_leaves", PUBLISHED, "places_[place].readers.fetch_sub(1,", "places_[place].readers.fetch_sub(0,"),
    Mutant("loser_does_not_leave", PUBLISHED, "    leave(place);  // Never", "    // Never"),
    Mutant("writer_does_not_wait", PUBLISHED, "places_[old].readers.load(std::memory_order_seq_cst) != 0;", "false;"),
    Mutant("writer_waits_at_the_wrong_place", PUBLISHED, "places_[old].readers.load(", "places_[fresh].readers.load("),
    Mutant("writer_switch_may_linger", PUBLISHED, "current_.store(fresh, std::memory_order_seq_cst);",
           "current_.store(fresh, std::memory_order_release);"),
    Mutant("switched_before_filled", PUBLISHED,
           """  places_[fresh].value = std::move(next);
  current_.store(fresh, std::memory_order_seq_cst);""",
           """  current_.store(fresh, std::memory_order_seq_cst);
  (void)current_.load(std::memory_order_relaxed);
  places_[fresh].value = std::move(next);"""),
    Mutant("old_value_kept", PUBLISHED, "  places_[old].value.reset();\n", ""),

    Mutant("page_tag_stands_still", PAGES, "(head & ~kIndexMask) + kTagUnit", "head & ~kIndexMask", count=2),
    Mutant("page_popped_by_load_and_store", PAGES,
           """head_.compare_exchange_weak(head, popped, std::memory_order_acquire,
                                    std::memory_order_acquire)""",
           "(head_.store(popped, std::memory_order_release), true)"),
    Mutant("page_pushed_by_load_and_store", PAGES,
           """!head_.compare_exchange_weak(head, pushed, std::memory_order_release,
                                        std::memory_order_relaxed)""",
           "(head_.store(pushed, std::memory_order_release), false)"),
    Mutant("page_link_read_after_push", PAGES,
           """    last = page;
    page = links_[page].next.load(std::memory_order_relaxed);
  }
  push(kept.first_page, last);""",
           """    last = page;
    push(page, page);
    page = links_[page].next.load(std::memory_order_relaxed);
  }"""),
    Mutant("only_the_first_page_is_given_back", PAGES, "push(kept.first_page, last);",
           "push(kept.first_page, kept.first_page);", PAGES_UNIT),
    Mutant("page_not_wiped", PAGES, "    wipe(std::span(pages_[page]).first(used));\n", "    (void)used;\n", PAGES_UNIT),
    Mutant("only_the_first_page_is_wiped", PAGES, "    rest -= used;\n", "    rest = 0;\n", PAGES_UNIT),
    Mutant("short_chain_is_kept", PAGES, "      release(out);\n      return false;", "      return false;"),
    Mutant("chain_is_not_forgotten", PAGES, "  push(kept.first_page, last);\n  kept = {};",
           "  push(kept.first_page, last);", PAGES_UNIT),
    Mutant("chain_that_others_hold_is_not_forgotten", PAGES, "!leave(kept.first_page)) {\n    kept = {};",
           "!leave(kept.first_page)) {", PAGES_UNIT),
    Mutant("holder_is_not_counted", PAGES, ".others.fetch_add(1,", ".others.fetch_add(0,"),
    Mutant("holder_is_counted_by_load_and_store", PAGES,
           "    links_[kept.first_page].others.fetch_add(1, std::memory_order_relaxed);\n",
           """    Atomic<std::uint32_t>& others = links_[kept.first_page].others;
    others.store(others.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
"""),
    Mutant("holder_leaves_by_load_and_store", PAGES,
           """  if (others.fetch_sub(1, std::memory_order_acq_rel) != 0) {""",
           """  const std::uint32_t before = others.load(std::memory_order_acquire);
  others.store(before - 1, std::memory_order_release);
  if (before != 0) {"""),
    Mutant("last_of_two_leaves_its_page", PAGES, "others.fetch_sub(1, std::memory_order_acq_rel) != 0",
           "(others.fetch_sub(1, std::memory_order_acq_rel), true)"),
    Mutant("pages_are_born_shared", PAGES, "  others.store(0, std::memory_order_relaxed);", "  "),
    Mutant("whoever_leaves_first_wipes", PAGES, "if (others.load(std::memory_order_acquire) == 0) {", "if (true) {"),
    Mutant("letter_claimed_by_load_and_store", MAILBOX,
           """counter.compare_exchange_weak(number, number + 1, std::memory_order_relaxed,
                                                      std::memory_order_relaxed)""",
           "(counter.store(number + 1, std::memory_order_relaxed), true)"),
    Mutant("letter_passed_on_before_it_is_written", MAILBOX,
           """  mine.value = value;
  mine.turn.store(2 * round(number) + 1, std::memory_order_release);  // To its taker.""",
           """  mine.turn.store(2 * round(number) + 1, std::memory_order_release);
  mine.value = value;"""),
    Mutant("cell_passed_on_before_it_is_read", MAILBOX,
           """  value = mine.value;
  mine.turn.store(2 * (round(number) + 1), std::memory_order_release);  // To the next round's post.""",
           """  mine.turn.store(2 * (round(number) + 1), std::memory_order_release);
  value = mine.value;"""),
    Mutant("overtaken_is_taken_for_full", MAILBOX, "if (found < due) {", "if (found != due) {"),
    Mutant("full_is_not_noticed", MAILBOX, "      return false;  // Full, or empty.", "      return true;"),
    Mutant("overtaken_and_not_reloaded", MAILBOX,
           "    if (found > due) {\n      number = counter.load(std::memory_order_relaxed);\n    }\n", ""),
    Mutant("rounds_are_not_told_apart", MAILBOX, "const std::uint64_t due = 2 * round(number) + turn;",
           "const std::uint64_t due = turn;"),
    Mutant("taken_cell_stays_in_its_round", MAILBOX, "2 * (round(number) + 1)", "2 * round(number)"),
    Mutant("letter_is_never_passed_on", MAILBOX,
           "  mine.turn.store(2 * round(number) + 1, std::memory_order_release);  // To its taker.\n", ""),
    Mutant("take_claims_the_posts_number", MAILBOX, "claim(head_, 1, number)", "claim(tail_, 1, number)"),
    Mutant("round_is_twice_as_long", MAILBOX, "return number >> shift_;", "return number >> (shift_ + 1);"),
    Mutant("half_the_cells_are_used", MAILBOX, "(cells_.size() - 1)", "(cells_.size() / 2 - 1)"),
    Mutant("one_sleeper_is_woken", WAITING, "wakes_.notify_all()", "wakes_.notify_one()"),
    Mutant("nobody_is_woken", WAITING, "  wakes_.notify_all();\n", ""),
    Mutant("woken_before_it_is_counted", WAITING,
           "  wakes_.fetch_add(1, std::memory_order_release);\n",
           "  wakes_.notify_all();\n  wakes_.fetch_add(1, std::memory_order_release);\n  return;\n"),
    Mutant("wake_up_is_not_counted", WAITING, "  wakes_.fetch_add(1, std::memory_order_release);\n", ""),
    Mutant("woken_before_it_is_posted", WAITING,
           """  if (!mailbox_.post(value)) {
    return false;
  }
  wake();
  return true;""",
           """  wake();
  return mailbox_.post(value);"""),
    Mutant("looks_before_it_reads_the_count", WAITING, "wakes_.wait(seen,", "wakes_.wait(wakes_.load(std::memory_order_acquire),"),
    Mutant("stop_is_not_looked_for", WAITING, "if (stopped_.load(std::memory_order_relaxed)) {", "if (false) {"),
    Mutant("stop_wakes_nobody", WAITING, "  stopped_.store(true, std::memory_order_relaxed);  // wake publishes it.\n  wake();\n",
           "  stopped_.store(true, std::memory_order_relaxed);\n"),
    Mutant("stop_wakes_before_it_stops", WAITING,
           "  stopped_.store(true, std::memory_order_relaxed);  // wake publishes it.\n  wake();\n",
           "  wake();\n  stopped_.store(true, std::memory_order_relaxed);\n"),
    Mutant("taken_by_load_and_store", REPLAY,
           """      if (place.compare_exchange_strong(value, entry, std::memory_order_relaxed,
                                        std::memory_order_relaxed)) {
        return ReplayVerdict::kFresh;
      }""",
           """      place.store(entry, std::memory_order_relaxed);
      return ReplayVerdict::kFresh;"""),
    Mutant("loser_goes_on_without_looking", REPLAY, "while (!is_taken(value, slice)) {",
           "if (!is_taken(value, slice)) {\n      const std::uint64_t kept = value;\n      value = kept;"),
    Mutant("older_entries_stay_for_ever", REPLAY, "value != 0 && (age <= window_ || age > kSliceMask / 2)",
           "value != 0", REPLAY_UNIT),
    Mutant("newer_entries_are_free", REPLAY, "(age <= window_ || age > kSliceMask / 2)", "age <= window_"),
    Mutant("slices_compared_as_plain_numbers", REPLAY, "(age <= window_ || age > kSliceMask / 2)",
           "(value & kSliceMask) + window_ >= slice", REPLAY_UNIT),
    Mutant("unused_place_may_look_newer", REPLAY, "return value != 0 && ", "return ", REPLAY_UNIT),
    Mutant("tag_zero_is_kept", REPLAY, "tag_bits == 0 ? 1 : tag_bits", "tag_bits", REPLAY_UNIT),
    Mutant("slice_not_in_the_entry", REPLAY, "tag << kSliceBits | slice", "tag << kSliceBits | 1"),
    Mutant("only_the_first_place_is_tried", REPLAY, "probe < kProbesMax", "probe < 1"),
    Mutant("walk_does_not_wrap", REPLAY, "places_[(hashed + probe) & (places_.size() - 1)]",
           "places_[std::min((hashed & (places_.size() - 1)) + probe, places_.size() - 1)]", REPLAY_UNIT),
    Mutant("full_is_taken_for_fresh", REPLAY, "return ReplayVerdict::kFull;", "return ReplayVerdict::kFresh;", REPLAY_UNIT),
    Mutant("one_slice_too_few", REPLAY, "2 * skew_max_s / kSliceSeconds + 1", "2 * skew_max_s / kSliceSeconds",
           REPLAY_UNIT),
    Mutant("second_word_ignored", REPLAY, "(a0 * fingerprint[0] + a1 * fingerprint[1])", "(a0 * fingerprint[0])", REPLAY_UNIT),
    Mutant("found_by_its_hash_alone", SEEN, " ||\n      !std::equal(key.begin(), key.end(), sought.key.begin())", "", SEEN_UNIT),
    Mutant("found_after_its_end", SEEN, "now_s < entry.expires_s", "now_s <= entry.expires_s", SEEN_UNIT),
    Mutant("ended_entry_stays", SEEN, "  (void)Set::doom(word);  // Wiped as soon", "  // Wiped as soon"),
    Mutant("found_does_not_count", SEEN, "Set::pin(word, wanted_of(sought), Set::kUsed)",
           "Set::pin(word, wanted_of(sought), 0)", SEEN_UNIT),
    Mutant("generation_is_not_hashed", SEEN, "hash_.of_end(key, generation)", "hash_.of_end(key, 0)", SEEN_UNIT),
    Mutant("unpin_takes_no_pin_away", SEEN, "word.fetch_sub(Set::kPinUnit,", "word.fetch_sub(0,"),
    Mutant("unpin_by_load_and_store", SEEN,
           "const std::uint64_t before = word.fetch_sub(Set::kPinUnit, std::memory_order_acq_rel);",
           """const std::uint64_t before = word.load(std::memory_order_acquire);
  word.store(before - Set::kPinUnit, std::memory_order_release);"""),
    Mutant("doomed_entry_is_wiped_under_a_pin", SEEN,
           "if ((before & (Set::kPinMask | Set::kStateMask)) == (Set::kPinUnit | Set::kDoomed)) {",
           "if ((before & Set::kStateMask) == Set::kDoomed) {"),
    Mutant("doomed_entry_is_never_wiped", SEEN, "(Set::kPinUnit | Set::kDoomed)) {", "(Set::kPinUnit | Set::kWriting)) {"),
    Mutant("emptied_before_it_is_wiped", SEEN,
           """    wipe_room(index);
    word.store(Set::kEmpty, std::memory_order_release);""",
           """    word.store(Set::kEmpty, std::memory_order_release);
    (void)word.load(std::memory_order_relaxed);
    wipe_room(index);"""),
    Mutant("emptied_and_not_wiped", SEEN, "    wipe_room(index);\n    word.store", "    word.store"),
    Mutant("payload_is_not_destroyed", SEEN, "  std::destroy_at(&payload_of(index));\n", "", SEEN_PAYLOAD),
    Mutant("wiped_but_for_the_payload", SEEN, "wipe(room(index).first(lines(sizeof(Payload)) +",
           "wipe(room(index).subspan(lines(sizeof(Payload)),"),
    Mutant("wiped_but_for_the_value", SEEN, "lines(entry.key_size) + entry.value_size));", "lines(entry.key_size)));"),
    Mutant("admissions_do_not_take_turns", SEEN, "if (set.admitting.exchange(1, std::memory_order_acquire) != 0) {",
           "if (set.admitting.exchange(1, std::memory_order_acquire) == 2) {"),
    Mutant("turn_by_load_and_store", SEEN, "if (set.admitting.exchange(1, std::memory_order_acquire) != 0) {",
           """const bool is_taken = set.admitting.load(std::memory_order_acquire) != 0;
  set.admitting.store(1, std::memory_order_seq_cst);
  if (is_taken) {"""),
    Mutant("turn_is_never_over", SEEN, "  set.admitting.store(0, std::memory_order_release);\n", ""),
    Mutant("turn_is_over_before_it_is_used", SEEN, "  const Offered offered = admit(",
           "  set.admitting.store(0, std::memory_order_release);\n  const Offered offered = admit("),
    Mutant("admitted_without_looking", SEEN, "if (find(sought, now_s)) {", "if (false) {"),
    Mutant("way_taken_by_load_and_store", SEEN,
           """!word.compare_exchange_strong(expected, Set::kWriting, std::memory_order_acquire,
                                    std::memory_order_relaxed)""",
           "(word.store(Set::kWriting, std::memory_order_seq_cst), expected == Set::kDoomed)"),
    Mutant("way_is_not_marked_while_it_is_written", SEEN,
           "word.compare_exchange_strong(expected, Set::kWriting,", "word.compare_exchange_strong(expected, expected,"),
    Mutant("replaced_and_not_wiped", SEEN, "  if (choice.word != Set::kEmpty) {\n    wipe_room(index_of(set, choice.way));\n  }\n", "", SEEN_UNIT),
    Mutant("published_before_it_is_filled", SEEN,
           """  fill(set, choice.way, sought, news, write_payload);
""", """  word.store((sought.hash & Set::kTagMask) | Set::kReady, std::memory_order_seq_cst);
  (void)word.load(std::memory_order_relaxed);
  fill(set, choice.way, sought, news, write_payload);
"""),
    Mutant("published_with_a_pin_undone", SEEN, "word.store(published, std::memory_order_seq_cst);",
           """word.store(published, std::memory_order_seq_cst);
  (void)word.load(std::memory_order_relaxed);
  word.store(published, std::memory_order_seq_cst);"""),
    Mutant("published_late", SEEN, "word.store(published, std::memory_order_seq_cst);",
           "word.store(published, std::memory_order_release);"),
    Mutant("offer_does_not_look_for_a_forget", SEEN, "if (forgets_.load(std::memory_order_seq_cst) != sought.forgets) {", "if (false) {"),
    Mutant("offer_looks_for_a_forget_too_early", SEEN,
           """  word.store(published, std::memory_order_seq_cst);
  if (forgets_.load(std::memory_order_seq_cst) != sought.forgets) {""",
           """  const std::uint64_t forgets = forgets_.load(std::memory_order_seq_cst);
  word.store(published, std::memory_order_seq_cst);
  if (forgets != sought.forgets) {"""),
    Mutant("overtaken_offer_stays", SEEN,
           """    if (Set::pin(word, published, 0)) {
      (void)Set::doom(word);
      unpin(index_of(set, choice.way));
    }
""", ""),
    Mutant("overtaken_offer_is_not_pinned", SEEN,
           """    if (Set::pin(word, published, 0)) {
      (void)Set::doom(word);
      unpin(index_of(set, choice.way));
    }
""", "    (void)Set::doom(word);\n"),
    Mutant("forget_is_not_counted", SEEN, "  forgets_.fetch_add(1, std::memory_order_seq_cst);  // See admit.\n", ""),
    Mutant("wipe_all_is_not_counted", SEEN, "  forgets_.fetch_add(1, std::memory_order_seq_cst);\n", "", SEEN_UNIT),
    Mutant("forget_counts_itself_last", SEEN,
           """  forgets_.fetch_add(1, std::memory_order_seq_cst);  // See admit.
  return doom_all([&](const Entry& entry) { return entry.generation == generation; });""",
           """  const std::uint32_t count = doom_all([&](const Entry& entry) { return entry.generation == generation; });
  forgets_.fetch_add(1, std::memory_order_seq_cst);
  return count;"""),
    Mutant("forget_takes_all", SEEN, "return entry.generation == generation; }", "return true; }", SEEN_UNIT),
    Mutant("forget_leaves_its_pins", SEEN, "        unpin(index_of(set, way));\n", ""),
    Mutant("what_ends_now_is_not_wiped", SEEN, "return entry.expires_s <= now_s; }", "return entry.expires_s < now_s; }", SEEN_UNIT),
    Mutant("end_without_wiping", SEEN, "  wipe_all();\n", "", SEEN_UNIT),
    Mutant("ended_is_admitted", SEEN, "news.expires_s <= now_s", "news.expires_s < now_s", SEEN_UNIT),
    Mutant("key_size_is_not_checked", SEEN, "sought.key.size() > options_.key_size_max || ", "", SEEN_UNIT),
    Mutant("value_size_is_not_checked", SEEN, " || news.value.size() > options_.value_size_max", "", SEEN_UNIT),
    Mutant("first_offer_is_admitted", SEEN, "if (!filter_.is_again(", "if (filter_.is_again(", SEEN_UNIT),
    Mutant("loss_is_not_reported", SEEN, "choice.is_loss ? Offered::kReplaced : Offered::kAdmitted", "Offered::kAdmitted", SEEN_UNIT),
    Mutant("moved_hit_keeps_its_pin", SEEN, ": cache_(std::exchange(other.cache_, nullptr)), index_", ": cache_(other.cache_), index_", SEEN_UNIT),
    Mutant("assigned_hit_leaks", SEEN, "      if (this != &other) {\n        reset();", "      if (this != &other) {", SEEN_UNIT),
    Mutant("rooms_overlap", SEEN, "lines(sizeof(Payload)) + lines(options.key_size_max) + lines(options.value_size_max)",
           "lines(sizeof(Payload)) + lines(options.key_size_max)", SEEN_UNIT),
    Mutant("rooms_crowd_one_cache_set", SEEN, "return size | kCacheLine;", "return size;", SEEN_THREADS),

    Mutant("pinned_by_load_and_store", SEEN_SET,
           """word.compare_exchange_weak(seen, (seen + kPinUnit) | used, std::memory_order_acquire,
                                   std::memory_order_relaxed)""",
           "(word.store((seen + kPinUnit) | used, std::memory_order_release), true)"),
    Mutant("pinned_whatever_its_state", SEEN_SET, "(seen & (kTagMask | kStateMask)) == wanted", "(seen & kTagMask) == (wanted & kTagMask)"),
    Mutant("pinned_whatever_its_tag", SEEN_SET, "(seen & (kTagMask | kStateMask)) == wanted", "(seen & kStateMask) == kReady", SEEN_UNIT),
    Mutant("pins_overflow", SEEN_SET, " && (seen & kPinMask) != kPinMask", "", SEEN_UNIT),
    Mutant("pin_is_not_looked_at_again", SEEN_SET, "while (could_be(seen, wanted)", "if (could_be(seen, wanted)"),
    Mutant("doomed_by_load_and_store", SEEN_SET,
           """word.compare_exchange_weak(seen, seen | kDoomed, std::memory_order_relaxed,
                                   std::memory_order_relaxed)""",
           "(word.store(seen | kDoomed, std::memory_order_relaxed), true)"),
    Mutant("doomed_once_at_most", SEEN_SET, "  while ((seen & kStateMask) == kReady) {", "  if ((seen & kStateMask) == kReady) {"),
    Mutant("doomed_twice", SEEN_SET, "  while ((seen & kStateMask) == kReady) {", "  while (true) {"),
    Mutant("pinned_may_be_replaced", SEEN_SET, "(word & (kStateMask | kPinMask)) == kReady", "(word & kStateMask) == kReady"),
    Mutant("share_of_three", SEEN_SET, "own >= kSeenWaysPerClient", "own > kSeenWaysPerClient"),
    Mutant("share_counts_all", SEEN_SET, "seen[way] != kEmpty && entries[way].client_hash == client_hash}", "seen[way] != kEmpty}", SEEN_UNIT),
    Mutant("share_counts_what_is_gone", SEEN_SET, "seen[way] != kEmpty && entries[way].client_hash", "entries[way].client_hash", SEEN_UNIT),
    Mutant("others_make_room", SEEN_SET, "if (!is_idle(seen[way]) || entries[way].client_hash != client_hash) {",
           "if (!is_idle(seen[way])) {", SEEN_UNIT),
    Mutant("younger_goes_first", SEEN_SET, "age > age_max", "age < age_max", SEEN_UNIT),
    Mutant("own_end_is_not_seen", SEEN_SET,
           "    if (entries[way].expires_s <= now_s) {\n      return {.way = way, .word = seen[way]};\n    }\n", "", SEEN_UNIT),
    Mutant("end_is_not_seen", SEEN_SET, "is_idle(seen[way]) && entries[way].expires_s <= now_s", "false", SEEN_UNIT),
    Mutant("pinned_and_ended_is_chosen", SEEN_SET, "is_idle(seen[way]) && entries[way].expires_s <= now_s", "entries[way].expires_s <= now_s", SEEN_UNIT),
    Mutant("hand_stays_where_it_is", SEEN_SET, "hand = (way + 1) % kSeenWays;", "hand = way;", SEEN_UNIT),
    Mutant("used_goes_like_unused", SEEN_SET, "if ((seen[way] & kUsed) == 0) {", "if (true) {", SEEN_UNIT),
    Mutant("used_stays_for_ever", SEEN_SET, "seen[way] & ~kUsed", "seen[way]", SEEN_UNIT),
    Mutant("bit_cleared_by_load_and_store", SEEN_SET,
           """words[way].compare_exchange_strong(expected, seen[way] & ~kUsed,
                                             std::memory_order_relaxed, std::memory_order_relaxed)""",
           "(words[way].store(expected & ~kUsed, std::memory_order_relaxed), true)"),

    Mutant("filter_forgets_nothing", SEEN_FILTER, " && age_s <= again_within_s_", ""),
    Mutant("filter_takes_every_hash_for_one", SEEN_FILTER, "((seen ^ offered) & ~kSecondMask) == 0", "seen != 0"),
    Mutant("filter_remembers_one", SEEN_FILTER, "age_s > oldest_age_s", "false"),
    Mutant("filter_forgets_the_newest", SEEN_FILTER, "age_s > oldest_age_s", "age_s < oldest_age_s"),
    Mutant("filter_does_not_remember", SEEN_FILTER, "  oldest->store(offered, std::memory_order_relaxed);\n", ""),
    Mutant("filter_has_one_group", SEEN_FILTER, "groups_[static_cast<std::size_t>(client) & (groups_.size() - 1)]", "groups_[client & 0]"),
    Mutant("filter_seconds_do_not_wrap", SEEN_FILTER, "(offered - seen) & kSecondMask;", "(offered & kSecondMask) - (seen & kSecondMask);"),
    Mutant("hash_without_its_end", SEEN_HASH, "= bytes.last<kTail>();", "= bytes.first<kTail>();"),
    Mutant("end_is_the_front", SEEN_HASH, "bytes.last<kEnd>()", "bytes.first<kEnd>()"),
    Mutant("hash_of_the_front", SEEN_HASH, "(bytes.size() - kTail) / kSpread;", "sizeof(std::uint64_t);"),
    Mutant("hash_of_a_short_string_without_its_rest", SEEN_HASH, "return sum + pair(i, bytes.last(kPair));", "return sum;"),
    Mutant("hash_without_size", SEEN_HASH, "pair(kWords, size, number)", "pair(kWords, 0, number)"),
    Mutant("hash_without_number", SEEN_HASH, "pair(kWords, size, number)", "pair(kWords, size, 0)"),
    Mutant("hash_without_half_a_sum", SEEN_HASH, "multiplier(kWords + 4) * high(sum)", "0"),
    Mutant("letter_ready_before_it_is_posted", MAILBOX, "> 2 * round(number);", ">= 2 * round(number);",
           test="tests/slots/mailbox_test.cc"),
    Mutant("crowd_is_never_noticed", ADMISSION, "seen.queues * many_", "seen.queues * burst_"),
    Mutant("one_queue_makes_a_crowd", ADMISSION, "seen.waiting > seen.queues * many_", "seen.waiting > many_"),
    Mutant("crowd_never_ends", ADMISSION, "seen.turned_away != turned_away_", "seen.turned_away >= turned_away_"),
    Mutant("crowd_ends_at_once", ADMISSION, "now_us - since_us_ > kPatienceUs) {\n        since_us_ = kNever;",
           "now_us >= since_us_) {\n        since_us_ = kNever;"),
    Mutant("crowd_ends_for_all_its_refusals", ADMISSION, "        since_us_ = now_us;\n      } else", "      } else"),
    Mutant("half_full_is_a_crowd", ADMISSION, "std::max(burst / 2, crowd_)", "std::min(burst / 2, crowd_)"),
    Mutant("burst_is_given_no_time", ADMISSION, "now_us - since_us_ > kPatienceUs) {\n      turned_away_", "now_us >= since_us_) {\n      turned_away_"),
    Mutant("idle_ends_no_crowd", ADMISSION, "!idle && seen.waiting", "(idle || true) && seen.waiting"),
    Mutant("idle_lasts", ADMISSION, "      idle_.store(false, std::memory_order_relaxed);\n", ""),
    Mutant("crowd_is_more_than_a_burst", ADMISSION, "crowd_(std::min(crowd, burst))", "crowd_(crowd)"),
    Mutant("looks_whenever_it_is_asked", ADMISSION, "due_us_.store(now_us + kLookUs,", "due_us_.store(now_us,"),
    Mutant("look_is_never_over", ADMISSION, "    looking_.store(false, std::memory_order_release);\n", ""),
    Mutant("rest_goes_to_the_first", ADMISSION, "shortest == nullptr || backlog < least", "shortest == nullptr"),
    Mutant("no_batches_at_home", ADMISSION, "backlog < batch && queue.post(value)", "backlog < 1 && queue.post(value)"),
    Mutant("waiting_is_all_that_was_posted", ADMISSION, "posted > taken ? posted - taken : 0", "posted > taken ? posted : 0"),
    # The two store buffers: a ring or a lie_down that does not come before its thread's next look.
    Mutant("lie_down_lingers", DOORBELL, "word_.exchange(kAsleep, std::memory_order_acq_rel);",
           "word_.store(kAsleep, std::memory_order_release);"),
    Mutant("ring_without_a_barrier", DOORBELL,
           "return word_.exchange(kAwake, std::memory_order_acq_rel) == kAsleep;",
           """const bool asleep = word_.load(std::memory_order_acquire) == kAsleep;
    return asleep && word_.exchange(kAwake, std::memory_order_acq_rel) == kAsleep;"""),
    Mutant("every_ring_wakes", DOORBELL, "return word_.exchange(kAwake, std::memory_order_acq_rel) == kAsleep;",
           "return word_.exchange(kAsleep, std::memory_order_acq_rel) == kAsleep;"),
    Mutant("nobody_lies_down", DOORBELL, "word_.exchange(kAsleep, std::memory_order_acq_rel);",
           "word_.exchange(kAwake, std::memory_order_acq_rel);"),
    Mutant("added_by_load_and_store", COLLECTED,
           """!newest_.compare_exchange_weak(head, &first, std::memory_order_release,
                                            std::memory_order_relaxed)""",
           "(newest_.exchange(&first, std::memory_order_release), false)"),
    Mutant("empty_never_told", COLLECTED, "return head == nullptr;", "return false;"),
    Mutant("empty_always_told", COLLECTED, "return head == nullptr;", "return true;"),
    Mutant("taken_newest_first", COLLECTED, "return oldest;", """newest = oldest;
    oldest = nullptr;
    while (newest != nullptr) {
      Node* const older = std::exchange(newest->next, oldest);
      oldest = std::exchange(newest, older);
    }
    return oldest;"""),
    Mutant("taken_by_load_and_clear", COLLECTED,
           "newest_.exchange(nullptr, std::memory_order_acquire);",
           "newest_.load(std::memory_order_acquire);\n    newest_.exchange(nullptr, std::memory_order_acquire);"),
    Mutant("counter_lent_by_load_and_store", SEEN_TALLY, "!node->lent.exchange(true, std::memory_order_acquire)",
           "(node->lent.store(true, std::memory_order_relaxed), true)"),
    Mutant("counter_lent_while_it_is_lent", SEEN_TALLY, "!node->lent.load(std::memory_order_relaxed) &&",
           "(node->lent.load(std::memory_order_relaxed) || true) ||"),
    Mutant("counter_pushed_by_load_and_store", SEEN_TALLY,
           """!head_.compare_exchange_weak(node->next, node, std::memory_order_release,
                                        std::memory_order_relaxed)""",
           "(head_.exchange(node, std::memory_order_release), false)"),
    Mutant("counter_begins_where_it_was_left", SEEN_TALLY, "return counts -= before_;", "return counts;"),
    Mutant("moved_counter_is_given_back_twice", SEEN_TALLY, "node_(std::exchange(other.node_, nullptr))",
           "node_(other.node_)", TALLY_UNIT),
]


class Builder:
    def __init__(self, arguments):
        self.root = pathlib.Path(arguments.root)
        self.work = pathlib.Path(arguments.work)
        # The launcher, if there is one, keeps what has not changed since the last time.
        self.compiler = [*arguments.launcher.split(), arguments.compiler]
        self.link = arguments.link

        self.common = self.work / "common.h"

    def compile(self, include, *what):
        subprocess.run([*self.compiler, "-std=c++20", "-Og", "-pthread", "-D_GLIBCXX_ASSERTIONS", "-w",
                        f"-I{include}", f"-I{self.root}", *what], check=True)

    def precompile(self):
        """Compiles once what every test includes; that is most of the work."""
        self.work.mkdir(parents=True, exist_ok=True)
        self.common.write_text('#include <gtest/gtest.h>\n#include "tests/interleave.h"\n', encoding="utf-8")
        self.compile(self.root, "-x", "c++-header", str(self.common), "-o", f"{self.common}.gch")

    def copy(self, name, header, text):
        """Writes a header that hides the real one, for one mutant."""
        include = self.work / name
        target = include / header
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        return include

    def mutated(self, mutant):
        text = (self.root / mutant.header).read_text(encoding="utf-8")
        if text.count(mutant.before) != mutant.count:
            sys.exit(f"{mutant.name}: its text occurs {text.count(mutant.before)} times in {mutant.header}")
        return text.replace(mutant.before, mutant.after)

    def notices(self, include, test):
        """Compiles `test` against the copy in `include` and runs it: what went wrong, or nothing."""
        program = include / pathlib.Path(test).stem
        self.compile(include, "-include", str(self.common), "-c", str(self.root / test), "-o", f"{program}.o")
        subprocess.run([self.compiler[-1], f"{program}.o", *self.link, "-o", str(program)], check=True)
        try:
            run = subprocess.run([str(program), "--gtest_brief=1", "--gtest_fail_fast"], timeout=RUN_SECONDS_MAX,
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        except subprocess.TimeoutExpired:
            return "it hangs"
        finally:
            program.unlink()
            pathlib.Path(f"{program}.o").unlink()
        if run.returncode == 0:
            return ""
        return failure_in(run.stdout.decode(errors="replace")) or f"it ends with {run.returncode}"


def failure_in(output):
    """The first line of a test's output that says what failed."""
    for line in output.splitlines():
        if line.startswith("[  FAILED  ]") or "Assertion" in line or line.startswith("interleave:"):
            return line.strip()[-90:]
    return ""


def check_mutant(builder, mutant):
    include = builder.copy(mutant.name, mutant.header, builder.mutated(mutant))
    tests = TESTS[mutant.header]
    for test in sorted(tests, key=lambda name: name != mutant.test):
        noticed = builder.notices(include, test)
        if noticed:
            return True, f"killed    {mutant.name}: {pathlib.Path(test).stem}: {noticed}"
    return False, f"SURVIVED  {mutant.name}"


def check_unchanged(builder, test, headers):
    """Once a test, however many headers it is of: two checks in one folder would take each other's program away."""
    for header in headers:
        text = (builder.root / header).read_text(encoding="utf-8")
        include = builder.copy(f"unchanged_{pathlib.Path(test).stem}", header, text)
    noticed = builder.notices(include, test)
    return not noticed, f"{'FAILS' if noticed else 'passes'}    unchanged {', '.join(headers)}: {test} {noticed}"


def headers_by_test(mutants):
    """The tests of the mutants' headers, each with all of these headers that it is a test of."""
    by_test = {}
    for header in dict.fromkeys(mutant.header for mutant in mutants):
        for test in TESTS[header]:
            by_test.setdefault(test, []).append(header)
    return by_test


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", required=True)
    parser.add_argument("--work", required=True)
    parser.add_argument("--flags", default="")
    parser.add_argument("--compiler", required=True)
    parser.add_argument("--launcher", default="", help="a command that runs the compiler, such as ccache")
    parser.add_argument("--link", nargs="+", required=True)
    parser.add_argument("--only", help="check only the mutants whose name contains this")
    parser.add_argument("--headers", default="", help="and only those of headers that match this expression")
    arguments = parser.parse_args()
    if "-fsanitize" in arguments.flags:
        print("skipped: under sanitizers this is slow and tells nothing the other presets do not")
        return SKIPPED
    builder = Builder(arguments)
    started = time.monotonic()
    mutants = [mutant for mutant in MUTANTS
               if (not arguments.only or arguments.only in mutant.name) and re.search(arguments.headers, mutant.header)]
    for mutant in mutants:
        builder.mutated(mutant)
    if len({mutant.name for mutant in mutants}) != len(mutants):
        sys.exit("two mutants have one name, and would be built in one folder")
    builder.precompile()
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        checks = [pool.submit(check_unchanged, builder, *each) for each in headers_by_test(mutants).items()]
        checks += [pool.submit(check_mutant, builder, mutant) for mutant in mutants]
        results = [check.result() for check in checks]
    for _, text in results:
        print(text)
    good = all(result for result, _ in results)
    print(f"{len(results)} checks in {time.monotonic() - started:.0f} s: {'as they should be' if good else 'NOT GOOD'}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
