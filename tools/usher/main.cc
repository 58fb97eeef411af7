// The `usher` command: what is in a token, and whether it is accepted.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <exception>
#include <iostream>

#include "engine/auth/policy.h"
#include "tools/usher/accept_command.h"
#include "tools/usher/decode_command.h"
#include "tools/usher/usage_error.h"

namespace usher::cli {
namespace {

constexpr const char* kInputHelp =
    "A token is hex, base64, raw bytes, or an HTTP header (Authorization: Negotiate ...).\n"
    "A transcript is lines `c2s HEX` and `s2c HEX` as they went over the wire; # begins a comment.";

std::string policy_help() {
  std::string text = "Policies, the default first:\n";
  for (const auth::PolicyRow& row : auth::policy_table()) {
    text += fmt::format("  {:<16} {:<24} {}\n", row.name, row.values, row.meaning);
  }
  return text;
}

CLI::App* add_decode(CLI::App& app, DecodeOptions& options) {
  CLI::App* command = app.add_subcommand("decode", "Print what is in a token");
  command->add_option("file", options.file, "Token or transcript; - is standard input")
      ->type_name("FILE")
      ->capture_default_str();
  command->add_option("--keytab", options.keytab, "Open Kerberos tickets with these keys")
      ->type_name("FILE");
  command->add_flag("--json", options.json, "One JSON object a token, a line each");
  command->footer(std::string(kInputHelp) +
                  "\nKeys, proofs, responses and MICs are shown as sizes only.\n"
                  "Exit status: 0 well-formed, 1 a fault in a token, 2 bad usage.");
  return command;
}

CLI::App* add_accept(CLI::App& app, AcceptOptions& options) {
  CLI::App* command =
      app.add_subcommand("accept", "Replay recorded exchanges through the acceptor");
  command->add_option("transcript", options.transcripts, "Transcripts, or first tokens")
      ->type_name("FILE")
      ->required();
  command->add_option("--keytab", options.keytab, "Kerberos: the service's keys")
      ->type_name("FILE");
  command
      ->add_option("--kdc-keytab", options.kdc_keytab,
                   "Keys of krbtgt: verify the KDC's signatures in PACs, too")
      ->type_name("FILE");
  command
      ->add_option("--accounts", options.accounts,
                   "NTLM: lines DOMAIN:user:password or DOMAIN:user::NTHASH")
      ->type_name("FILE");
  command->add_option("--at", options.at, "Let it be this time: 2026-11-20T09:17:00Z")
      ->type_name("TIME");
  command->add_option("--clock-skew", options.clock_skew_s, "Policy kerberos.skew, in seconds")
      ->type_name("S");
  command->add_option("--policy", options.policies, "Set a policy, as often as needed")
      ->type_name("NAME=VALUE")
      ->allow_extra_args(false);
  command
      ->add_option_function<std::string>(
          "--bindings", [&options](const std::string& hex) { options.bindings = hex; },
          "Channel bindings of the connection: their application data")
      ->type_name("HEX");
  command->add_flag("--json", options.json, "One JSON object a transcript, a line each");
  command->footer(policy_help() + "\n" + kInputHelp +
                  "\nOne engine replays all of them: a token that comes twice is a replay.\n"
                  "Exit status: 0 all ended in SEC_E_OK, 1 one did not, 2 bad usage.");
  return command;
}

int run(int argc, char** argv) {
  CLI::App app("Looks into the tokens of Negotiate sign-ons (SPNEGO, Kerberos, NTLM).", "usher");
  app.set_version_flag("--version", "usher " USHER_VERSION);
  app.require_subcommand(1);
  DecodeOptions decode_options;
  AcceptOptions accept_options;
  CLI::App* const decode = add_decode(app, decode_options);
  add_accept(app, accept_options);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kExitGood : kExitUsage;
  }
  const int status = decode->parsed() ? decode_command(decode_options, std::cout)
                                      : accept_command(accept_options, std::cout);
  if (!std::cout.flush()) {
    throw UsageError("standard output cannot be written");
  }
  return status;
}

}  // namespace
}  // namespace usher::cli

int main(int argc, char** argv) {
  try {
    return usher::cli::run(argc, argv);
  } catch (const std::exception& error) {
    std::cerr << "usher: " << error.what() << '\n';
    return usher::cli::kExitUsage;
  }
}
