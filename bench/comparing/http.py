"""Rows about servers over HTTP: the same load generator against each of them in turn."""

import contextlib

from .marks import Absent
from .programs import CLIENT_CPU, Failure, Samples, last_json, call, note
from .servers import Apache, BareHttp, Nginx, Usherd

CONNECTIONS = 16
# Sign-ons a second that tokens are made for: more than the server can do.
RATES = {Usherd.name: 160_000, BareHttp.name: 200_000, Apache.name: 12_000, Nginx.name: 20_000}


class Http:
    """The load generator, and a keytab that all servers have."""

    def __init__(self, build, scratch, scale):
        self.build, self.scratch, self.scale = build, scratch, scale
        self.keytab = scratch / "http.keytab"
        build.run("accept_time", "keytab", self.keytab)

    def usherd(self, name="usherd"):
        return Usherd(self.scratch / name, self.build.path("usherd"), self.keytab)

    def load(self, server, seconds, *more, rate=None, connections=CONNECTIONS):
        """Signs on for a while; returns what the load generator says and the server's CPU time.
        `rate` is how many sign-ons a second tokens are made for, each with a ticket of its own."""
        tokens = int((rate or RATES[server.name]) * seconds)
        before = server.cpu_seconds()
        said = last_json(call(
            [self.build.path("load"), "--port", server.port, "--path", server.path, "--keytab",
             self.keytab, "--connections", connections, "--seconds", seconds, "--cpu", CLIENT_CPU,
             "--tokens", tokens, "--tickets", tokens, "--json", *more]))
        said["cpu_us"] = (server.cpu_seconds() - before) / max(1, said["accepted"]) * 1e6
        if said["failed"]:
            raise Failure(f"{server.name}: {said['first_failure']}")
        return said


def in_turn_over_http(http, values, report):
    """Row http: rate and CPU time of each server, A B A B."""
    samples, rates, latencies = Samples(), Samples(), Samples()
    absent = {}
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(http.usherd())]
        answer = http.load(servers[0], 0.2)["answer_bytes"]
        servers.append(stack.enter_context(
            BareHttp(http.scratch / "bare", http.build.path("bare_http"), answer)))
        for kind in (Apache, Nginx):
            reason = kind.missing()
            if reason:
                absent[kind.name] = Absent(reason, skipped=kind is Nginx)
            else:
                servers.append(stack.enter_context(
                    kind(http.scratch / kind.__name__.lower(), http.keytab)))
        for number in range(http.scale.http_rounds):
            for server in servers if number % 2 == 0 else reversed(servers):
                note(f"HTTP: {server.name}")
                more = ["--bare"] if server.name == BareHttp.name else []
                said = http.load(server, http.scale.http_s, *more)
                samples.add(server.name, said["cpu_us"])
                rates.add(server.name, said["accepts_per_second"])
                latencies.add(server.name, said["p99_us"])
    values["http_rate"] = rates.median(Usherd.name)
    values["http_vs_bare"] = samples.ratio(Usherd.name, BareHttp.name)
    for key, name in (("http_vs_apache", Apache.name), ("http_vs_nginx", Nginx.name)):
        values[key] = absent[name] if name in absent else samples.ratio(name, Usherd.name)
    report["HTTP, CPU of a sign-on"] = samples.facts("us")
    report["HTTP, sign-ons a second"] = rates.facts("1/s")
    report["HTTP, p99"] = latencies.facts("us")


def overload(http, report):
    """What becomes of usherd when 10 times as much is offered as it can do: as many requests at
    once as there are connections, and the others give up at the client."""
    samples, rates = Samples(), Samples()
    for connections in (CONNECTIONS, 16 * CONNECTIONS):
        with http.usherd(f"overloaded-{connections}") as server:
            note(f"HTTP overload, {connections} connections: peak, 70 %, 10 times")
            more = {"connections": connections}
            peak = http.load(server, http.scale.http_s, **more)["accepts_per_second"]
            usual = http.load(server, http.scale.http_s, "--rate", 0.7 * peak, rate=peak, **more)
            over = http.load(server, http.scale.overload_s, "--rate", 10 * peak, "--waiting", 0,
                             rate=1.3 * peak, **more)
        rates.add(f"peak, {connections} connections", peak)
        rates.add(f"10 times, {connections} connections", over["accepts_per_second"])
        samples.add(f"at 70 %, {connections} connections", usual["p99_us"])
        samples.add(f"at 10 times, {connections} connections", over["p99_us"])
    report["HTTP overload, sign-ons a second"] = rates.facts("1/s")
    report["HTTP overload, p99 of the accepted"] = samples.facts("us")
