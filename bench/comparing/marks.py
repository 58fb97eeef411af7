"""The marks, and whether what was measured meets them."""

import dataclasses

TOLERANCE = 0.10  # Whatever misses a mark by more than this fails the run.

LEAST, MOST = "least", "most"
MET, CLOSE, MISSED, NOT_MEASURED, SKIPPED = (
    "met", "within 10 %", "MISSED", "not measured", "skipped")
FAILURES = {MISSED, NOT_MEASURED}


@dataclasses.dataclass(frozen=True)
class Mark:
    """One number that is wanted: at least, or at most, so much."""
    key: str
    row: str
    what: str
    bound: float
    kind: str
    unit: str = ""

    def wanted(self):
        sign = ">=" if self.kind == LEAST else "<="
        return f"{sign} {shown(self.bound)}{self.unit}"


@dataclasses.dataclass
class Absent:
    """In place of a number: why there is none. A peer that this machine cannot have is `skipped`;
    what Usher cannot do yet is not, and counts as missed."""
    reason: str
    skipped: bool = False


def shown(value):
    """A number for people."""
    if value == int(value) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"


# Rows, in the order of the table, and what each is about.
ROWS = {
    "batch": "SPNEGO-Kerberos accept, AES-256, 732-byte token, mutual, replay cache on, batch of 32",
    "single": "the same, one at a time, synchronous",
    "large": "4.5 KB ticket, in a batch of 32",
    "sha2": "AES-SHA2 etypes, in a batch of 32",
    "bare": "against the bare cryptography on the same bytes, batch of 32",
    "ntlm": "NTLMv2, both legs",
    "calls": "heap calls, system calls, locks on an accept",
    "neighbours": "one forged ticket among 31 good ones",
    "slots": "slots and contexts",
    "async": "asynchronous calls",
    "http": "usherd over HTTP keep-alive, 16 connections, a different ticket each request",
    "overload": "offered 10 times what it can do",
}

MARKS = [
    Mark("batch_instructions", "batch", "instructions", 12_000, MOST),
    Mark("batch_vs_mit", "batch", "times MIT (file keytab, replay cache off)", 40, LEAST, "x"),
    Mark("batch_vs_mit_cached", "batch", "times MIT with everything cached", 25, LEAST, "x"),
    Mark("single_instructions", "single", "instructions", 25_000, MOST),
    Mark("single_vs_mit", "single", "times MIT", 15, LEAST, "x"),
    Mark("large_first_vs_mit", "large", "first time seen, times MIT", 35, LEAST, "x"),
    Mark("large_seen_vs_mit", "large", "seen before, times MIT", 70, LEAST, "x"),
    Mark("sha2_vs_sha1", "sha2", "time, the slower of etypes 19 and 20 / etype 18", 1.6, MOST, "x"),
    Mark("vs_bare", "bare", "time / the bare cryptography's", 2, MOST, "x"),
    Mark("ntlm_vs_winpr", "ntlm", "times WinPR", 5, LEAST, "x"),
    Mark("heap_calls", "calls", "heap calls", 0, MOST),
    Mark("system_calls", "calls", "system calls", 0, MOST),
    Mark("locks", "calls", "locks", 0, MOST),
    Mark("forged_cost", "neighbours", "time / that of 32 good ones", 1.0, MOST, "x"),
    Mark("slot_ns", "slots", "slot acquire + release, uncontended", 25, MOST, " ns"),
    Mark("contexts_gb", "slots", "1,000,000 contexts", 1.1, MOST, " GB"),
    Mark("contexts_flat", "slots", "accept, slowest / fastest of 1 to 1,000,000", 1.10, MOST, "x"),
    Mark("async_p50_us", "async", "round trip at low load, p50", 15, MOST, " us"),
    Mark("async_saturated", "async", "8 producers / synchronous, per core", 0.85, LEAST, "x"),
    Mark("http_rate", "http", "sign-ons a second, one server core", 70_000, LEAST),
    Mark("http_vs_nginx", "http", "nginx's SPNEGO module / usherd, CPU each", 13, LEAST, "x"),
    Mark("http_vs_apache", "http", "Apache's mod_auth_gssapi / usherd, CPU each", 22, LEAST, "x"),
    Mark("http_vs_bare", "http", "usherd / bare HTTP answer, CPU each", 2, MOST, "x"),
    Mark("overload_goodput", "overload", "goodput / peak", 0.95, LEAST, "x"),
    Mark("overload_p99", "overload", "p99 of the accepted / p99 at 70 % load", 3, MOST, "x"),
]


def verdict(mark, value):
    """Judges one value, a number or Absent."""
    if isinstance(value, Absent):
        return SKIPPED if value.skipped else NOT_MEASURED
    if mark.kind == LEAST:
        exact, close = value >= mark.bound, value >= mark.bound * (1 - TOLERANCE)
    else:
        exact, close = value <= mark.bound, value <= mark.bound * (1 + TOLERANCE)
    return MET if exact else CLOSE if close else MISSED


def judge(values, rows):
    """Returns the marks of `rows` with their values and verdicts. What nobody measured is absent."""
    out = []
    for mark in MARKS:
        if mark.row in rows:
            value = values.get(mark.key, Absent("nothing measures it"))
            out.append((mark, value, verdict(mark, value)))
    return out


def exit_status(judged):
    """Returns 1 if a mark is missed by more than 10 %, or not measured."""
    return 1 if any(result in FAILURES for _, _, result in judged) else 0
