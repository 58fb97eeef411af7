#!/usr/bin/env python3
"""bench/compare's judge, on planted values: what meets the marks passes, what misses one does not."""

import json
import pathlib
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from comparing import marks, programs, report  # noqa: E402
from comparing.marks import Absent, LEAST, MARKS, ROWS  # noqa: E402

ALL = set(ROWS)


def planted(**more):
    """Every mark exactly met, but for `more`."""
    return {**{mark.key: mark.bound for mark in MARKS}, **more}


def verdicts(values, rows=ALL):
    return {mark.key: result for mark, _, result in marks.judge(values, rows)}


class Judge(unittest.TestCase):
    def test_all_met(self):
        judged = marks.judge(planted(), ALL)
        self.assertEqual({result for _, _, result in judged}, {marks.MET})
        self.assertEqual(marks.exit_status(judged), 0)

    def test_each_mark_can_be_missed_alone(self):
        for mark in MARKS:
            off = 0.89 if mark.kind == LEAST else 1.11
            value = mark.bound * off if mark.bound else 1 / 64  # One in two batches is one too many.
            judged = marks.judge(planted(**{mark.key: value}), ALL)
            self.assertEqual([m.key for m, _, result in judged if result != marks.MET], [mark.key])
            self.assertEqual(marks.exit_status(judged), 1, mark.key)

    def test_within_ten_percent_is_said_and_passes(self):
        for mark in MARKS:
            if not mark.bound:
                continue
            value = mark.bound * (0.91 if mark.kind == LEAST else 1.09)
            judged = marks.judge(planted(**{mark.key: value}), ALL)
            self.assertEqual(dict((m.key, r) for m, _, r in judged)[mark.key], marks.CLOSE)
            self.assertEqual(marks.exit_status(judged), 0, mark.key)

    def test_better_than_wanted_is_met(self):
        for mark in MARKS:
            value = mark.bound * (2 if mark.kind == LEAST else 0.5)
            self.assertEqual(verdicts(planted(**{mark.key: value}))[mark.key], marks.MET)

    def test_what_is_not_built_counts_as_missed(self):
        judged = marks.judge(planted(async_p50_us=Absent("not yet")), ALL)
        self.assertEqual(marks.exit_status(judged), 1)
        self.assertIn("not measured: not yet", report.table(judged))

    def test_what_nobody_measured_counts_as_missed(self):
        values = planted()
        del values["http_rate"]
        self.assertEqual(verdicts(values)["http_rate"], marks.NOT_MEASURED)
        self.assertEqual(marks.exit_status(marks.judge(values, ALL)), 1)

    def test_a_peer_that_cannot_be_had_is_skipped(self):
        judged = marks.judge(planted(http_vs_nginx=Absent("no module", skipped=True)), ALL)
        self.assertEqual(marks.exit_status(judged), 0)
        self.assertIn("skipped: no module", report.table(judged))

    def test_rows_that_were_not_asked_for_are_not_judged(self):
        values = {"heap_calls": 0, "system_calls": 0, "locks": 0}
        self.assertEqual(set(verdicts(values, {"calls"})), set(values))

    def test_every_row_has_a_mark_and_is_in_the_table(self):
        self.assertEqual({mark.row for mark in MARKS}, ALL)
        self.assertEqual(len({mark.key for mark in MARKS}), len(MARKS))
        text = report.table(marks.judge(planted(), ALL))
        for row, what in ROWS.items():
            self.assertIn(f"{row}: {what}", text)


class Rounds(unittest.TestCase):
    def test_ratios_are_of_one_round_each(self):
        samples = programs.Samples()
        # The machine slows down to a third; within each round one takes ten times the other.
        for slower in (1, 1, 3, 3, 3):
            samples.add("fast", 10 * slower)
            samples.add("slow", 100 * slower)
        self.assertEqual(samples.ratio("slow", "fast"), 10)
        facts = samples.facts("ns")["fast"]
        self.assertEqual((facts["median"], facts["least"], facts["most"]), (30, 10, 30))

    def test_contestants_take_turns(self):
        order = []
        samples = programs.Samples()
        programs.in_turn(3, [(name, lambda name=name: order.append(name) or 1) for name in "AB"],
                         samples)
        self.assertEqual("".join(order), "ABBAAB")
        self.assertEqual(samples.values, {"A": [1, 1, 1], "B": [1, 1, 1]})


class Report(unittest.TestCase):
    def test_json_and_markdown_have_every_mark(self):
        judged = marks.judge(planted(locks=Absent("why not")), ALL)
        samples = programs.Samples()
        samples.add("usher", 1500.0)
        seen = {"accept": samples.facts("ns"), "series": {"batch": [[1, 2]]}, "ratios": {"x": 2.0}}
        data = json.loads(report.as_json(judged, seen, "bench/compare"))
        self.assertEqual([row["key"] for row in data["marks"]], [mark.key for mark in MARKS])
        self.assertEqual([row["why_absent"] for row in data["marks"] if row["value"] is None],
                         ["why not"])
        self.assertEqual(data["measured"]["series"]["batch"], [[1, 2]])
        text = report.as_markdown(judged, seen, "bench/compare")
        self.assertIn("| accept | usher | 1,500 |", text)
        for mark in MARKS:
            self.assertIn(f"| {mark.what} | {mark.wanted()} |", text)


class Output(unittest.TestCase):
    def test_a_folder_that_cannot_be_is_told_before_anything_is_measured(self):
        compare = pathlib.Path(__file__).resolve().parent / "compare"
        run = subprocess.run([sys.executable, compare, "--smoke", "--output", "/dev/null/x"],
                             capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(run.returncode, 2)
        self.assertIn("--output: ", run.stderr)
        self.assertNotIn("building", run.stderr)


if __name__ == "__main__":
    unittest.main()
