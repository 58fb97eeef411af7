#!/usr/bin/env python3
"""Plants faults in parsers/ and engine/, one at a time, and asks who finds them.

    fuzz/planted_faults.py                    the unit tests first; what they miss, the fuzz targets
    fuzz/planted_faults.py --fuzz-only        the fuzz targets alone
    fuzz/planted_faults.py --only replay      faults whose names contain this
    fuzz/planted_faults.py --list             what is planted where

Each fault is one line of a copy of the tree, replaced. A fuzz target starts from its seeds, minus those
that fail with the fault in place: what is left must be mutated into a failing input within --seconds,
60 unless said otherwise. Those seeds are named, since replaying them, as every run of the tests does,
finds the fault, too. Before any fault the unchanged copy must pass everything that is asked. Exit 0
only if at most one fault is found by nobody; a fault whose line is no longer there is an error.
"""

import argparse
import concurrent.futures
import dataclasses
import os
import pathlib
import queue
import re
import shutil
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
COPIED = ["CMakeLists.txt", "CMakePresets.json", "CHANGELOG.md", "parsers", "engine", "tools", "fuzz", "tests"]
MISSES_MAX = 1
FAULTS_MIN = 16
TEST_SECONDS_MAX = 120

AP_REQ = ["ap_req", "session"]
NTLM = ["ntlm_proof", "session"]


@dataclasses.dataclass
class Fault:
    name: str
    file: str
    before: str  # Occurs once.
    after: str
    tests: list  # Paths below tests/, without _test.
    targets: list  # Asked one after the other.


FAULTS = [
    # Bounds, one off.
    Fault("der_length_one_too_long", "parsers/der.cc", "if (length > size - header_size) {",
          "if (length > size - header_size + 1) {", ["parsers/der"], ["der"]),
    Fault("der_short_length_one_too_long", "parsers/der.h", "&& 2 + size <= unread_.size()) {",
          "&& 1 + size <= unread_.size()) {", ["parsers/der"], ["der"]),
    Fault("der_field_one_too_long", "parsers/der.h", "4 + size <= unread_.size()) {",
          "3 + size <= unread_.size()) {", ["parsers/der", "parsers/krb5"], ["krb5", "accept"]),
    Fault("der_field_with_bytes_left_over", "parsers/der.h", "size == sizes >> 16 &&",
          "size <= sizes >> 16 &&", ["parsers/der", "parsers/krb5"], ["krb5", "accept"]),
    Fault("pac_buffer_one_too_long", "parsers/pac.cc", "entry.size > parse.size() - entry.offset) {",
          "entry.size > parse.size() - entry.offset + 1) {", ["parsers/pac"], ["pac"]),
    Fault("base64_one_byte_too_much_room", "parsers/http_authorization.cc", "if (size > out.size()) {",
          "if (size > out.size() + 1) {", ["parsers/http_authorization"], ["http_authorization"]),
    Fault("range_without_its_offset", "parsers/cursor.h", "wanted.length > parse_.size() - wanted.offset) {",
          "wanted.length > parse_.size()) {", ["parsers/cursor", "parsers/ntlm"], ["cursor", "ntlm"]),

    Fault("der_long_field_one_too_long", "parsers/der.h",
          "8 + size <= unread_.size()) {", "7 + size <= unread_.size()) {", ["parsers/der_field"], ["krb5", "accept"]),
    Fault("der_long_field_with_bytes_left_over", "parsers/der.h",
          "size == one_octet >> 24 &&", "size <= one_octet >> 24 &&", ["parsers/der_field"], ["krb5", "accept"]),
    Fault("der_numbered_one_too_long", "parsers/der.h",
          "kHeaders + size <= unread_.size()) {", "kHeaders - 1 + size <= unread_.size()) {", ["parsers/der_field"],
          ["krb5", "accept"]),
    Fault("der_numbered_with_bytes_left_over", "parsers/der.h",
          "first == std::uint64_t{last} << 32 &&", "first >= std::uint64_t{last} << 32 &&",
          ["parsers/der_field"], ["krb5", "accept"]),
    # Counts and depths that the sender says.
    Fault("authorization_data_one_level_deeper", "parsers/authorization_data.cc", "if (depth_ == kAdDepthMax) {",
          "if (depth_ == kAdDepthMax + 1) {", ["parsers/authorization_data"], ["authorization_data"]),
    Fault("authorization_data_without_count_limit", "parsers/authorization_data.cc",
          "if (++element_count_ > kAdElementsMax) {", "if (++element_count_ == 0) {",
          ["parsers/authorization_data"], ["authorization_data"]),
    Fault("mechanisms_without_count_limit", "parsers/spnego.cc", "rest.require(++count <= kMechTypesMax);", "++count;",
          ["parsers/spnego"], ["spnego"]),
    Fault("krb_cred_without_count_limit", "parsers/krb_cred.cc", "rest.require(++count <= kCredTicketsMax);",
          "++count;", ["parsers/krb_cred"], ["krb_cred"]),
    Fault("pac_one_buffer_too_many", "parsers/pac.cc",
          "cursor.require(out.buffer_count >= 1 && out.buffer_count <= kBuffersMax);",
          "cursor.require(out.buffer_count >= 1 && out.buffer_count <= kBuffersMax + 1);", ["parsers/pac"], ["pac"]),
    Fault("ndr_count_believed", "parsers/ndr.cc", "if (count > (parse_.size() - cursor_.at()) / width) {",
          "if (width == 0) {", ["parsers/ndr", "parsers/logon_info"], ["logon_info"]),
    Fault("ndr_more_characters_than_counted", "parsers/ndr.cc",
          "require(offset == 0 && actual_count == string.length / 2u && max_count >= actual_count &&",
          "require(offset == 0 && actual_count <= string.length / 2u && max_count >= actual_count &&",
          ["parsers/ndr", "parsers/logon_info"], ["logon_info"]),
    Fault("sid_of_sixteen", "parsers/sid.cc", "if (count == 0 || count > SidView::kSubAuthoritiesMax) {",
          "if (count == 0 || count > SidView::kSubAuthoritiesMax + 1) {", ["parsers/sid"], ["sid"]),

    # Zero lengths and empty fields.
    Fault("empty_integer", "parsers/der.h", "if (size == 1) {", "if (size <= 1) {", ["parsers/der"], ["der"]),
    Fault("negoex_vector_in_the_header", "parsers/negoex.cc", ".not_before = message_.header.header_size});",
          ".not_before = 0});", ["parsers/negoex"], ["negoex"]),
    Fault("mic_token_without_checksum", "parsers/gss_message.cc", "if (mic.checksum.empty()) {", "if (false) {",
          ["parsers/gss_message"], ["gss_message"]),
    Fault("ciphertext_without_confounder", "engine/crypto/sealing.cc",
          "if (cipher.size() >= keys.profile->overhead()) {",
          "if (cipher.size() >= keys.profile->tag_size) {", ["crypto/sealing", "crypto/ticket_batch"],
          ["batch", *AP_REQ]),

    # Tags, encodings, offsets into a header.
    Fault("mech_list_mic_under_the_wrong_tag", "parsers/spnego.cc",
          "resp.has_mech_list_mic = body.maybe(der::context(3), [&](Reader& field) {",
          "resp.has_mech_list_mic = body.maybe(der::context(4), [&](Reader& field) {", ["parsers/spnego"],
          ["spnego", "session"]),
    Fault("length_with_leading_zeros", "parsers/der.cc",
          "if (length < 0x80 || unread[2] == 0) {", "if (length < 0x80) {", ["parsers/der"], ["der", "spnego"]),
    Fault("base64_three_paddings", "parsers/http_authorization.cc",
          "while (padding < 2 && padding < parse.size() && text[text.size() - 1 - padding] == kPadding) {",
          "while (padding < 3 && padding < parse.size() && text[text.size() - 1 - padding] == kPadding) {",
          ["parsers/http_authorization"], ["http_authorization"]),
    Fault("ntlm_field_in_the_header", "parsers/ntlm.cc",
          "return cursor.range({.offset = offset, .length = length, .not_before = header_size});",
          "return cursor.range({.offset = offset, .length = length, .not_before = 0 * header_size});", ["parsers/ntlm"],
          ["ntlm"]),
    Fault("av_pair_one_octet_longer", "parsers/ntlm.cc",
          "cursor.range({.offset = at + kAvHeaderSize, .length = size, .not_before = 0});",
          "cursor.range({.offset = at + kAvHeaderSize, .length = size + 1u, .not_before = 0});", ["parsers/ntlm_av"],
          ["ntlm_av"]),
    Fault("pac_buffers_overlap", "parsers/pac.cc", "if (!is_behind && overlap(entries[i], entry)) {",
          "if (!is_behind && overlap(entries[i], entry) && index == 0) {", ["parsers/pac"], ["pac"]),

    # What stands between a claim and an identity.
    Fault("ticket_mac_not_checked", "engine/crypto/sealing.cc",
          "return equal_secret(hmac.bytes().first(tag.size()), tag);", "return hmac.empty() || !tag.empty();",
          ["crypto/sealing", "crypto/ticket_batch"], [*AP_REQ, "batch"]),
    Fault("ticket_mac_of_four_octets", "engine/crypto/sealing.cc",
          "return equal_secret(hmac.bytes().first(tag.size()), tag);",
          "return equal_secret(hmac.bytes().first(4), tag.first(4));",
          ["crypto/sealing", "crypto/ticket_batch"], [*AP_REQ, "batch"]),
    Fault("ticket_end_compared_the_wrong_way", "engine/auth/kerberos_checks.cc",
          "if (ticket.end_time < turn.now_s - skew_s) {", "if (ticket.end_time > turn.now_s - skew_s) {",
          ["auth/kerberos_accept"], AP_REQ),
    Fault("clock_ahead_without_limit", "engine/auth/kerberos_checks.cc",
          "if (apart_us > skew_s * kMicrosPerSecond || -apart_us > skew_s * kMicrosPerSecond) {",
          "if (apart_us > skew_s * kMicrosPerSecond) {", ["auth/kerberos_accept"], [*AP_REQ, "diff_mit_ap_req"]),
    Fault("client_name_not_compared", "engine/auth/kerberos_checks.cc",
          "if (!same_octets(authenticator.cname.components, work.ticket->cname.components) ||",
          "if (authenticator.cname.components.size() > 1000 ||", ["auth/kerberos_accept"],
          [*AP_REQ, "diff_mit_ap_req"]),
    Fault("replay_is_fresh", "engine/auth/kerberos_checks.cc", "exchange.refuse(Status::kReplay);", "return true;",
          ["auth/kerberos_accept"], AP_REQ),
    Fault("image_names_one_too_long", "engine/auth/context_image.cc", "in.require(names_size <= kIdentitySizeMax);",
          "in.require(names_size <= kIdentitySizeMax + 1);", ["auth/context_image"], ["context_image", "import"]),
    Fault("image_pac_not_read", "engine/auth/context_image.cc", "in.require(out.pac.empty() || pac::parse_pac(out.pac).ok());",
          "", ["auth/context_image"], ["import"]),
    Fault("image_bits_unknown", "engine/auth/context_image.cc", "in.require((bits & ~kAllBits) == 0);", "",
          ["auth/context_image"], ["context_image"]),
    Fault("import_twice", "engine/sspi_export.cc", "result = result == SEC_E_OK ? note_import(engine, opened) : result;",
          "", ["engine/sspi_export"], ["import"]),
    Fault("message_read_only_token_written", "engine/sspi_message.cc", "return status == SEC_E_OK && buffers.is_read_only",
          "return status == SEC_E_OK && false", ["engine/sspi_message"], ["api"]),
    Fault("message_without_memory", "engine/sspi_message.cc", "return out.data_lacks_memory && out.stream == nullptr",
          "return false && out.stream == nullptr", ["engine/sspi_message"], ["api"]),
    Fault("message_unread_data_read", "engine/sspi_message.cc",
          "if (type == SECBUFFER_EMPTY || (type == SECBUFFER_DATA && is_passed_over)) {",
          "if (type == SECBUFFER_EMPTY) {", ["engine/sspi_message"], ["api"]),
    Fault("credential_added_to_another", "engine/sspi_credential_keys.cc",
          'return refuse(SEC_E_SECPKG_NOT_FOUND, "AddCredentials: the credential serves another package");',
          "return SEC_E_OK;", ["engine/sspi_add_credentials"], ["api"]),
    Fault("packed_context_beyond_its_time", "engine/sspi_export.cc",
          "if (now > times.good_until_s || now > times.packed_s + skew_s ||", "if (",
          ["engine/export_time"], ["api", "import"]),
    Fault("replay_not_recognised", "engine/auth/replay_cache.h", "if (value == entry) {", "if (value == 0) {",
          ["auth/replay_cache"], ["replay_cache", *AP_REQ]),
    Fault("remembered_ticket_outlives_its_keys", "engine/auth/ticket_cache.cc",
          "cache->seek(exchange.keys->generation, ticket.encoded)",
          "cache->seek(1, ticket.encoded)",
          ["auth/ticket_cache"], ["ticket_cache"]),
    Fault("remembered_ticket_with_extensions", "engine/auth/ticket_cache.cc",
          "return std::to_address(ticket.enc_part.cipher.end()) == std::to_address(ticket.encoded.end());",
          "return ticket.encoded.size() != 0;", ["auth/ticket_cache"], ["ticket_cache"]),
    Fault("remembered_ticket_outlives_its_end", "engine/auth/ticket_cache.cc", ".expires_s = work.ticket->end_time}",
          ".expires_s = work.ticket->end_time + 600}", ["auth/ticket_cache"], ["ticket_cache"]),
    Fault("remembered_pac_of_another_verdict", "engine/auth/ticket_cache.cc",
          "opened.pac_signatures = context.pac_signatures;", "opened.pac_signatures = kPacServer;",
          ["auth/ticket_cache"], ["ticket_cache"]),
    Fault("remembered_ticket_not_looked_at", "engine/auth/kerberos_accept.cc", "if (!check_ticket(turn, exchange)) {",
          "if (!work.seen && !check_ticket(turn, exchange)) {", ["auth/ticket_cache"], ["ticket_cache"]),
    Fault("critical_data_let_through", "parsers/authorization_data.cc", "element.if_relevant = depth_ > 0;",
          "element.if_relevant = true;", ["parsers/authorization_data"], ["authorization_data", *AP_REQ]),
    Fault("ntlm_proof_of_eight_octets", "engine/crypto/proof_batch.cc",
          "const bool right = equal_secret(hmac_of(i), job.proof);",
          "const bool right = equal_secret(hmac_of(i).first(8), job.proof.first(8));", ["crypto/proof_batch"], NTLM),
    Fault("ntlm_v1_of_eight_octets", "engine/crypto/proof_batch.cc",
          "return equal_secret(response.bytes(), job.proof) ?",
          "return equal_secret(response.bytes().first(8), job.proof.first(8)) ?", ["crypto/proof_batch"], NTLM),
    Fault("authority_lets_everybody_in", "engine/auth/ntlm_accept.cc",
          "if (answer.status != Status::kEstablished) {",
          "if (answer.status == Status::kContinue) {", ["auth/authority_accept"], NTLM),
    Fault("ntlm_mic_not_checked", "engine/crypto/proof_batch.cc",
          "const bool right = equal_secret(hmac_of(i), jobs_[i]->mic);",
          "const bool right = !jobs_[i]->mic.empty();", ["crypto/proof_batch"], NTLM),
    Fault("mech_list_mic_not_checked", "engine/auth/negotiate.cc",
          "if (exchange.has_client_mic && !client_mic_is_right(turn, exchange)) {",
          "if (exchange.has_client_mic && exchange.client_mic.empty()) {", ["auth/negotiate"], ["session", "accept"]),
    Fault("keytab_key_of_any_size", "engine/crypto/key_ring.cc",
          "return profile != nullptr && entry.key.size() == profile->key_size;", "return profile != nullptr;",
          ["crypto/key_ring", "crypto/keytab"], ["keytab"]),
]


@dataclasses.dataclass
class Finding:
    tests: str = ""  # What failed.
    seeds: list = dataclasses.field(default_factory=list)
    target: str = ""
    seconds: float = 0
    executions: int = 0
    how: str = ""

    def found(self):
        return bool(self.tests or self.target or self.seeds)

    def __str__(self):
        if self.tests:
            return f"tests    {self.tests}"
        few = ", ".join(self.seeds[:4]) + (f" and {len(self.seeds) - 4} more" if len(self.seeds) > 4 else "")
        seeds = f"; seeds that fail: {few}" if self.seeds else ""
        if self.target:
            return (f"fuzzing  fuzz_{self.target}, {self.seconds:.0f} s, {self.executions:,} executions: "
                    f"{self.how}{seeds}")
        return (f"seeds    {seeds[2:]}" if seeds else "NOBODY")


class Tree:
    """A copy of the sources with a build folder of its own."""

    def __init__(self, folder, jobs):
        self.source = folder / "source"
        self.build = folder / "build"
        self.jobs = jobs
        self.environment = {**os.environ, "CCACHE_BASEDIR": str(folder), "CCACHE_NOHASHDIR": "1"}
        # All files new, so that nothing of an earlier run's faults counts as built; ccache knows the rest.
        shutil.rmtree(self.source, ignore_errors=True)
        self.source.mkdir(parents=True)
        subprocess.run(["cp", "-r", *(str(ROOT / name) for name in COPIED), str(self.source)], check=True)
        self.run("cmake", "--preset", "fuzz", "-B", str(self.build), "-DUSHER_WERROR=OFF")

    def run(self, *command):
        done = subprocess.run(command, cwd=self.source, env=self.environment, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False)
        if done.returncode != 0:
            sys.exit("planted_faults: the build failed:\n" + "\n".join(done.stdout.splitlines()[-30:]))

    def make(self, targets):
        self.run("cmake", "--build", str(self.build), "-j", str(self.jobs), "--target", *targets)

    def plant(self, fault):
        path = self.source / fault.file
        path.write_text(planted(fault), encoding="utf-8")

    def restore(self, fault):
        (self.source / fault.file).write_text((ROOT / fault.file).read_text(encoding="utf-8"), encoding="utf-8")

    def failing_test(self, tests):
        """Returns the first test that fails, or nothing."""
        self.make([f"{pathlib.Path(test).name}_test" for test in tests])
        for test in tests:
            program = self.build / "tests" / f"{test}_test"
            try:
                run = subprocess.run([str(program), "--gtest_brief=1", "--gtest_fail_fast"], timeout=TEST_SECONDS_MAX,
                                     stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                                     check=False)
            except subprocess.TimeoutExpired:
                return f"{program.name}: it hangs"
            if run.returncode != 0:
                failed = re.search(r"\[  FAILED  \] (\S+)", run.stdout)
                return f"{program.name}: {failed.group(1) if failed else how_it_failed(run.stdout)}"
        return ""

    def engine(self, target, folders, crashes, *options):
        dictionary = self.source / "fuzz" / "dict" / f"{target}.dict"
        command = [str(self.build / "fuzz" / f"fuzz_{target}"), "-seed=1", "-timeout=10", "-rss_limit_mb=2560",
                   f"-artifact_prefix={crashes}/", *options, *([f"-dict={dictionary}"] if dictionary.exists() else []),
                   *map(str, folders)]
        return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, errors="replace", check=False)

    def fuzz(self, target, seconds, finding):
        """Sorts out the seeds that fail, then fuzzes from the others."""
        self.make([f"fuzz_{target}"])
        work = self.build.parent / "work" / target
        shutil.rmtree(work, ignore_errors=True)
        seeds, crashes, found = work / "seeds", work / "crashes", work / "found"
        for folder in (crashes, found):
            folder.mkdir(parents=True)
        corpus = self.source / "fuzz" / "corpus" / target
        shutil.copytree(corpus, seeds) if corpus.is_dir() else seeds.mkdir()
        largest = max((path.stat().st_size for path in seeds.iterdir()), default=0)
        limit = f"-max_len={max(4096, 2 * largest)}"
        for path in sorted(seeds.iterdir()):
            if self.engine(target, [path], crashes).returncode != 0:
                finding.seeds.append(f"{target}/{path.name}")
                path.unlink()
        shutil.rmtree(crashes)
        crashes.mkdir()
        began = time.monotonic()
        run = self.engine(target, [found, seeds], crashes, limit, f"-max_total_time={seconds}")
        if run.returncode != 0:
            finding.target = target
            finding.seconds = time.monotonic() - began
            counts = re.findall(r"^#(\d+)", run.stdout, re.MULTILINE)
            finding.executions = int(counts[-1]) if counts else 0
            finding.how = how_it_failed(run.stdout)


def how_it_failed(output):
    for pattern in (r"fuzz property violated: (.*)", r"(Assertion .*)", r"(runtime error: .*)", r"SUMMARY: (.*)",
                    r"ERROR: (.*)"):
        match = re.search(pattern, output)
        if match:
            return match.group(1)[:110]
    return (output.strip().splitlines() or ["it ends"])[-1][:110]


def planted(fault):
    text = (ROOT / fault.file).read_text(encoding="utf-8")
    if text.count(fault.before) != 1 or "\n" in fault.before:
        sys.exit(f"{fault.name}: its line occurs {text.count(fault.before)} times in {fault.file}: {fault.before}")
    return text.replace(fault.before, fault.after)


def ask(tree, fault, arguments):
    finding = Finding()
    tree.plant(fault)
    try:
        if not arguments.fuzz_only:
            finding.tests = tree.failing_test(fault.tests)
        for target in fault.targets if not finding.tests else []:
            tree.fuzz(target, arguments.seconds, finding)
            if finding.target:
                break
    finally:
        tree.restore(fault)
    print(f"{fault.name:40} {finding}", flush=True)
    return finding


def check_unchanged(tree, faults, arguments):
    """Everything that will be asked must pass without a fault, or its failing says nothing."""
    if not arguments.fuzz_only:
        failed = tree.failing_test(sorted({test for fault in faults for test in fault.tests}))
        if failed:
            sys.exit(f"planted_faults: fails without a fault: {failed}")
    for target in sorted({target for fault in faults for target in fault.targets}):
        finding = Finding()
        tree.fuzz(target, 1, finding)
        if finding.target or finding.seeds:
            sys.exit(f"planted_faults: fuzz_{target} fails without a fault: {finding}")


def run_all(faults, arguments):
    trees = queue.SimpleQueue()
    for number in range(arguments.jobs):
        tree = Tree(arguments.work.resolve() / f"tree-{number}", max(1, (os.cpu_count() or 1) // arguments.jobs))
        if number == 0:
            check_unchanged(tree, faults, arguments)
        trees.put(tree)

    def with_tree(fault):
        tree = trees.get()
        try:
            return ask(tree, fault, arguments)
        finally:
            trees.put(tree)

    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        return list(pool.map(with_tree, faults))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="")
    parser.add_argument("--fuzz-only", action="store_true")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--seconds", type=int, default=60, help="of fuzzing, for each target asked")
    parser.add_argument("--jobs", type=int, default=1, help="faults at once")
    parser.add_argument("--work", type=pathlib.Path, default=ROOT / "build" / "planted")
    arguments = parser.parse_args()
    faults = [fault for fault in FAULTS if arguments.only in fault.name]
    if not faults:
        parser.error(f"no fault's name contains {arguments.only!r}; --list has them")
    for fault in faults:
        planted(fault)
        if arguments.list:
            print(f"{fault.name}\n  {fault.file}\n  - {fault.before}\n  + {fault.after}")
    if arguments.list:
        return 0
    install = f'. "{ROOT}/tools/common.sh"; install_missing build fuzz'
    if subprocess.run(["bash", "-euo", "pipefail", "-c", install], check=False).returncode != 0:
        return 1
    began = time.monotonic()
    findings = run_all(faults, arguments)
    tests = sum(bool(finding.tests) for finding in findings)
    fuzzing = sum(bool(finding.target) for finding in findings)
    seeds = sum(finding.found() and not finding.tests and not finding.target for finding in findings)
    missed = len(findings) - tests - fuzzing - seeds
    print(f"{len(findings)} faults: {tests} found by tests, {fuzzing} by fuzzing, {seeds} only by seeds, "
          f"{missed} by nobody; {time.monotonic() - began:.0f} s")
    enough = bool(arguments.only) or len(findings) >= FAULTS_MIN
    return 0 if enough and missed + (seeds if arguments.fuzz_only else 0) <= MISSES_MAX else 1


if __name__ == "__main__":
    sys.exit(main())
