"""Rows about the acceptor itself, in the process of whoever asks it."""

import os

from .marks import Absent
from .programs import Failure, Samples, in_turn, note

PEERS = ("mit-file", "mit-memory", "heimdal")
OVERLOAD_ROUNDS = 3
PEER_SHARE = 16  # They get one token for so many of Usher's.


class Accepts:
    """Times accepts of files of tokens, each file made once."""

    def __init__(self, build, scratch, scale):
        self.build, self.scratch, self.scale = build, scratch, scale
        self.files = {}

    def tokens(self, etype=18, ticket_size=0, tickets=None, count=None):
        """Returns a file of tokens of one kind. Each brings another ticket unless told otherwise."""
        count = count or self.scale.tokens
        tickets = tickets or count
        key = (etype, ticket_size, tickets, count)
        if key not in self.files:
            file = self.scratch / f"tokens-{'-'.join(map(str, key))}"
            said = self.build.json("accept_time", "make", file, "--count", count, "--etype", etype,
                                   "--ticket-size", ticket_size, "--tickets", tickets)
            self.files[key] = (file, said["token_bytes"])
        return self.files[key][0]

    def usher(self, file, batch, **more):
        flags = [part for name, value in more.items() for part in (f"--{name}", value)]
        return self.build.json("accept_time", "usher", file, "--batch", batch, *flags)["ns"]

    def peer(self, who, file):
        count = max(64, self.scale.tokens // PEER_SHARE)
        if who == "heimdal":
            return self.build.json("accept_time_heimdal", file, "--count", count)["ns"]
        return self.build.json("accept_time", who, file, "--count", count)["ns"]

    def peers(self):
        return [who for who in PEERS
                if who != "heimdal" or self.build.path("accept_time_heimdal") is not None]


def usual(accepts, values, report):
    """Rows batch and single: the usual token, by everybody in turn."""
    file = accepts.tokens()
    samples = Samples()
    contestants = [("usher-batch", lambda: accepts.usher(file, 32)),
                   ("usher-single", lambda: accepts.usher(file, 1))]
    contestants += [(who, lambda who=who: accepts.peer(who, file)) for who in accepts.peers()]
    note("accepts: " + ", ".join(who for who, _ in contestants))
    in_turn(accepts.scale.rounds, contestants, samples)
    values["batch_vs_mit"] = samples.ratio("mit-file", "usher-batch")
    values["batch_vs_mit_cached"] = samples.ratio("mit-memory", "usher-batch")
    values["single_vs_mit"] = samples.ratio("mit-file", "usher-single")
    report["accept, 732-byte token"] = samples.facts("ns")
    if "heimdal" in samples:
        report.setdefault("ratios", {})["Heimdal / Usher, batch of 32"] = samples.ratio(
            "heimdal", "usher-batch")


def instructions(accepts, values, report):
    """What the marks count: callgrind's, whose CPU has neither SHA-NI nor AVX-512. Beside it, this
    CPU's."""
    note("instructions")
    count = accepts.scale.counted
    values["single_instructions"] = accepts.build.instructions("usher", count)
    values["batch_instructions"] = accepts.build.instructions("usher", count, 32)
    counted = {"callgrind, single": values["single_instructions"],
               "callgrind, batch of 32": values["batch_instructions"],
               "this CPU, single": accepts.build.instructions_here(8, 1),
               "this CPU, batch of 32": accepts.build.instructions_here(32, 32)}
    if accepts.scale.full:
        counted["callgrind, MIT"] = accepts.build.instructions("mit", count)
    report["instructions of an accept"] = {
        who: {"median": value, "least": value, "most": value, "rounds": 1, "unit": ""}
        for who, value in counted.items() if not isinstance(value, Absent)}


def large(accepts, values, report):
    """Row large: 4.5 KB tickets, each seen for the first time, and eight of them again and again."""
    first = accepts.tokens(ticket_size=4608, count=accepts.scale.tokens // 2)
    seen = accepts.tokens(ticket_size=4608, tickets=8, count=accepts.scale.tokens // 2)
    samples = Samples()
    note("accepts of 4.5 KB tickets")
    in_turn(accepts.scale.rounds,
            [("usher-first", lambda: accepts.usher(first, 32)),
             ("usher-seen", lambda: accepts.usher(seen, 32)),
             ("mit-first", lambda: accepts.peer("mit-file", first)),
             ("mit-seen", lambda: accepts.peer("mit-file", seen))], samples)
    values["large_first_vs_mit"] = samples.ratio("mit-first", "usher-first")
    values["large_seen_vs_mit"] = samples.ratio("mit-seen", "usher-seen")
    report["accept, 4.5 KB ticket, batch of 32"] = samples.facts("ns")


def sha2(accepts, values, report):
    samples = Samples()
    files = {etype: accepts.tokens(etype=etype) for etype in (17, 18, 19, 20)}
    note("accepts of each etype")
    in_turn(accepts.scale.rounds,
            [(f"etype {etype}", lambda file=file: accepts.usher(file, 32))
             for etype, file in files.items()], samples)
    values["sha2_vs_sha1"] = max(samples.ratio("etype 19", "etype 18"),
                                 samples.ratio("etype 20", "etype 18"))
    report["accept by etype, batch of 32"] = samples.facts("ns")


def bare(accepts, values, report):
    """Row bare: the back end that Usher takes on this CPU, called with nothing around it."""
    file = accepts.tokens()
    rows = accepts.build.benchmarks("bare_crypto_bench", "batch:1$", 0.001)
    names = [name.split("/")[1] for name in rows]

    def time(name):
        row = accepts.build.benchmarks("bare_crypto_bench", f"bare/{name}/batch:32$",
                                       accepts.scale.bench_s)
        return 1e9 / next(iter(row.values()))["items_per_second"]

    samples = Samples()
    note("bare cryptography")
    in_turn(accepts.scale.rounds,
            [("usher-batch", lambda: accepts.usher(file, 32))] +
            [(name, lambda name=name: time(name)) for name in names], samples)
    own = next(name for name in ("x86", "ipsec-mb", "openssl") if name in names)
    values["vs_bare"] = samples.ratio("usher-batch", own)
    report["bare cryptography, batch of 32"] = samples.facts("ns")


def ntlm(accepts, values, report):
    samples = Samples()
    note("NTLM, both legs")
    environment = dict(os.environ)
    config = accepts.build.folder / "bench" / "gss-ntlmssp.conf"
    if config.exists():  # Where bench/ntlm has unpacked it.
        environment.setdefault("GSS_MECH_CONFIG", str(config))
    # Its clock is the wall's, for both legs are parts of a round: so the shortest of some counts.
    more = ["--benchmark_repetitions=4", "--benchmark_enable_random_interleaving=true"]
    for _ in range(accepts.scale.rounds):
        rows = accepts.build.benchmarks("ntlm_bench", "^(usher|winpr|gss-ntlmssp)/raw/manual_time$",
                                        accepts.scale.bench_s / 4, more, environment)
        for name, row in rows.items():
            samples.add(name.split("/")[0], row["real_time"])
    report["NTLM, both legs"] = samples.facts("ns")
    values["ntlm_vs_winpr"] = (samples.ratio("winpr", "usher") if "winpr" in samples else
                               Absent("WinPR (package libwinpr2-dev) is missing", skipped=True))


def calls(accepts, values, report):
    said = accepts.build.json("accept_calls")
    for name in ("heap_calls", "system_calls", "locks"):
        values[name] = said[name] / said["accepts"]


def neighbours(accepts, values, report):
    file = accepts.tokens()
    samples = Samples()
    note("a forged ticket among good ones")
    in_turn(accepts.scale.rounds,
            [("32 good", lambda: accepts.usher(file, 32)),
             ("31 good, 1 forged", lambda: accepts.usher(file, 32, forged=1))], samples)
    values["forged_cost"] = samples.ratio("31 good, 1 forged", "32 good")
    report["a batch's neighbours"] = samples.facts("ns")


def slots(accepts, values, report):
    note("slots and contexts")
    samples = Samples()
    for _ in range(accepts.scale.rounds):
        rows = accepts.build.benchmarks("slots_bench", "BM_PoolAcquireRelease/.*threads:1$",
                                        accepts.scale.bench_s)
        samples.add("acquire + release", next(iter(rows.values()))["cpu_time"])
    values["slot_ns"] = samples.median("acquire + release")
    report["slot"] = samples.facts("ns")
    most = accepts.scale.contexts
    said = accepts.build.json("contexts_bench", "--most", most, "--tokens",
                              max(160, accepts.scale.tokens // 4))
    if most == 1_000_000:
        values["contexts_gb"] = said["bytes"] / 1e9
        values["contexts_flat"] = said["ratio"]
    else:
        values["contexts_gb"] = values["contexts_flat"] = Absent(f"only {most:,} contexts")
    report.setdefault("series", {})["contexts"] = [
        [row["contexts"], row["ns"]] for row in said["rows"]]


NO_ASYNC = Absent("there are no asynchronous calls yet")
OFFERED_LEAST = 9  # Times the peak: less overload than that shows nothing.


def overload(accepts, values, report):
    """Row overload: submissions at 10 times the rate that is answered at most (bench/README.md)."""
    if accepts.build.path("async_time") is None:
        values["overload_goodput"] = values["overload_p99"] = NO_ASYNC
        return
    note("overload of the asynchronous calls")
    if (os.cpu_count() or 1) < 2:
        values["overload_goodput"] = values["overload_p99"] = Absent("it takes two processors")
        return
    samples = Samples()
    share = 1 if accepts.scale.full else OVERLOAD_ROUNDS
    seconds = max(1, round(accepts.scale.overload_s / share))
    for _ in range(OVERLOAD_ROUNDS):
        said = accepts.build.json("async_time", "overload", "--seconds", seconds, cpu=None)
        if said["offered"] < OFFERED_LEAST * said["peak"]:
            values["overload_goodput"] = values["overload_p99"] = Absent(
                f"only {said['offered'] / said['peak']:.1f} times the peak could be offered")
            return
        samples.add("goodput", said["goodput"] / said["peak"])
        samples.add("p99 at 70 %", said["usual_p99_us"])
        samples.add("p99 at 10 times", said["p99_us"])
    values["overload_goodput"] = samples.median("goodput")
    # A moment in which the machine stands still counts against every call that is due then: a
    # thousand at 70 %, but only the few that are let in at 10 times. So it is compared with the
    # round in which there was least of that.
    values["overload_p99"] = samples.median("p99 at 10 times") / min(samples.values["p99 at 70 %"])
    report["overload, p99 at 70 % and at 10 times"] = samples.facts("us")


def asynchronous(accepts, values, report):
    if accepts.build.path("async_time") is None:
        values["async_p50_us"] = values["async_saturated"] = NO_ASYNC
        return
    note("asynchronous calls")
    samples = Samples()
    in_turn(accepts.scale.rounds,
            [("p50", lambda: accepts.build.json(
                "async_time", "alone", "--count", accepts.scale.tokens // 8, cpu=None)["p50_us"])],
            samples)
    for _ in range(accepts.scale.rounds):
        said = accepts.build.json("async_time", "full", "--count", accepts.scale.tokens, cpu=None)
        samples.add("synchronous", said["synchronous_ns"])
        samples.add("8 producers", said["asynchronous_ns"])
    values["async_p50_us"] = samples.median("p50")
    values["async_saturated"] = samples.ratio("synchronous", "8 producers")
    report["asynchronous calls"] = samples.facts("us, ns of CPU each")


def series(accepts, values, report):
    """What bench/plots draws."""
    note("series for the plots")
    usual_file = accepts.tokens()
    out = report.setdefault("series", {})
    out["batch"] = [[width, 1e9 / accepts.usher(usual_file, width)]
                    for width in (1, 2, 4, 8, 16, 32, 64)]
    out["threads"] = []
    for threads in (1, 2, 4, 8):
        said = accepts.build.json("accept_time", "usher", usual_file, "--batch", 32, "--threads",
                                  threads, cpu=None)
        out["threads"].append([threads, said["per_second"]])
    out["ticket"] = []
    for size, count in ((0, accepts.scale.tokens), (2048, accepts.scale.tokens // 2),
                        (4608, accepts.scale.tokens // 2)):
        file = accepts.tokens(ticket_size=size, count=count)
        rates = [1e9 / accepts.usher(file, 32), 1e9 / accepts.usher(file, 1),
                 1e9 / accepts.peer("mit-file", file)]
        out["ticket"].append([size or 512, *rates])
    text = accepts.build.run("keytab_bench", "--tokens", max(160, accepts.scale.tokens // 8))
    rows = [line.split() for line in text.splitlines() if " entries " in line]
    if not rows:
        raise Failure(f"keytab_bench says {text}")
    out["keytab"] = [[int(row[0]), 1e9 / float(row[2])] for row in rows]
    if accepts.scale.full:
        note("replay cache, to 100,000,000 entries")
        out["replay"] = []
        for entries in (10_000, 1_000_000, 10_000_000, 100_000_000):
            text = accepts.build.run("replay_bench", "--entries", entries)
            out["replay"].append([entries, float(text.split(" ns per insert")[0].split()[-1])])
