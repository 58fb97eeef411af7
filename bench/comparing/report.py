"""What a run says: a table for people, JSON, and Markdown."""

import json
import os
import pathlib
import platform
import time

from .marks import Absent, LEAST, ROWS, shown


def measured(value, mark):
    return f"{value.reason}" if isinstance(value, Absent) else f"{shown(value)}{mark.unit}"


def table(judged):
    """Returns the marks' table, every row with its mark, its value and the verdict on it."""
    lines, row = [], None
    for mark, value, result in judged:
        if mark.row != row:
            row = mark.row
            lines.append(f"{row}: {ROWS[row]}")
        text = f"{result}: {value.reason}" if isinstance(value, Absent) else result
        number = "-" if isinstance(value, Absent) else measured(value, mark)
        lines.append(f"  {mark.what:52} {mark.wanted():>12} {number:>12}  {text}")
    return "\n".join(lines)


def cpu_name():
    for line in pathlib.Path("/proc/cpuinfo").read_text(encoding="ascii").splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def facts_of_run(command):
    return {"time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "command": command,
            "cpu": cpu_name(), "cpus": os.cpu_count(), "kernel": platform.release()}


def as_json(judged, report, command):
    """Returns everything a run found out, for bench/plots and for keeping."""
    marks = [{"key": mark.key, "row": mark.row, "what": mark.what,
              "mark": {"at_least" if mark.kind == LEAST else "at_most": mark.bound},
              "value": None if isinstance(value, Absent) else value,
              "why_absent": value.reason if isinstance(value, Absent) else None,
              "verdict": result} for mark, value, result in judged]
    return json.dumps({"run": facts_of_run(command), "marks": marks, "measured": report}, indent=1)


def as_markdown(judged, report, command):
    run = facts_of_run(command)
    lines = [f"# {command}", "", f"{run['time']}, {run['cpus']} processors ({run['cpu']}), Linux "
             f"{run['kernel']}", "", "| What | | Mark | Measured | |", "|---|---|---|---|---|"]
    row = None
    for mark, value, result in judged:
        what, row = (ROWS[mark.row], mark.row) if mark.row != row else ("", row)
        lines.append(f"| {what} | {mark.what} | {mark.wanted()} | {measured(value, mark)} | "
                     f"{result} |")
    lines += ["", "Medians over the rounds, and the spread between their least and most.", "",
              "| What | Who | Median | Least | Most | Rounds | |", "|---|---|---|---|---|---|---|"]
    for what, rows in report.items():
        if what in ("series", "ratios"):
            continue
        for who, facts in rows.items():
            lines.append(f"| {what} | {who} | {shown(facts['median'])} | {shown(facts['least'])} | "
                         f"{shown(facts['most'])} | {facts['rounds']} | {facts['unit']} |")
    for what, value in report.get("ratios", {}).items():
        lines.append(f"| ratio | {what} | {shown(value)} | | | | x |")
    return "\n".join(lines) + "\n"


def write(folder, judged, report, command):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "compare.json").write_text(as_json(judged, report, command) + "\n", encoding="utf-8")
    (folder / "compare.md").write_text(as_markdown(judged, report, command), encoding="utf-8")
