// Reads flags and file into a Config; config.h says what is promised.
#include "tools/usherd/config.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <charconv>
#include <fstream>
#include <ostream>
#include <stdexcept>
#include <string_view>
#include <system_error>

#include "tools/usherd/settings.h"
#include "tools/usherd/toml.h"
#include "tools/usherd/toml_text.h"

namespace usherd {
namespace {

using Kind = Setting::Kind;

// Mistake is what is wrong with what the operator wrote, and where.
struct Mistake : std::runtime_error {
  using std::runtime_error::runtime_error;
};

[[noreturn]] void expected(const std::string& where, std::string_view key, std::string_view what) {
  throw Mistake(where + std::string(key) + ": expected " + std::string(what));
}

// Where a node stands, as the beginning of a message.
std::string place(const std::string& file, const toml::node& node) {
  return file + ":" + std::to_string(node.source().begin.line) + ": ";
}

const Setting* find_setting(std::string_view key) {
  const auto all = settings();
  const auto found = std::ranges::find(all, key, &Setting::key);
  return found == all.end() ? nullptr : &*found;
}

// set_policy is auth::set_policy, except that what a caller has to do its part for is refused where
// usherd does not.
std::string set_policy(Config& config, std::string_view name, std::string_view value) {
  std::string why = usher::auth::set_policy(config.policy, name, value);
  if (!why.empty()) {
    return why;
  }
  if (config.policy.bindings == usher::auth::BindingPolicy::kAlways) {
    return "expected when-supported or never: usherd does not see the client's TLS channel, so "
           "always would refuse everybody";
  }
  if (config.policy.accept_delegation) {
    return "expected ignore: usherd hands out no delegated credentials";
  }
  return {};
}

// Policies take one text form everywhere (auth::set_policy).
void set_policy_node(Config& config, const std::string& file, const std::string& key,
                     const toml::node& node) {
  const std::string name = key.substr(std::string_view("policy.").size());
  std::string value;
  if (const auto text = node.value_exact<std::string>()) {
    value = *text;
  } else if (const auto number = node.value_exact<std::int64_t>()) {
    value = std::to_string(*number);
  } else {
    expected(place(file, node), key, "a string or an integer");
  }
  const std::string why = set_policy(config, name, value);
  if (!why.empty()) {
    throw Mistake(place(file, node) + key + ": " + why);
  }
}

std::vector<std::string> texts_of(const Setting& setting, const std::string& file,
                                  const toml::node& node) {
  std::vector<std::string> texts;
  const toml::array* const array = node.as_array();
  if (array == nullptr) {
    expected(place(file, node), setting.key, setting.expected);
  }
  for (const toml::node& element : *array) {
    const auto text = element.value_exact<std::string>();
    if (!text) {
      expected(place(file, element), setting.key, setting.expected);
    }
    texts.push_back(*text);
  }
  return texts;
}

void set_node(Config& config, const std::string& file, const std::string& key,
              const toml::node& node) {
  if (key.starts_with("policy.")) {
    return set_policy_node(config, file, key, node);
  }
  const Setting* const setting = find_setting(key);
  if (setting == nullptr) {
    expected(place(file, node), key, "a key that usherd knows (see usherd --help)");
  }
  bool good = false;
  if (setting->kind == Kind::kText) {
    const auto text = node.value_exact<std::string>();
    good = text && setting->set_text(config, *text);
  } else if (setting->kind == Kind::kTexts) {
    good = setting->set_texts(config, texts_of(*setting, file, node));
  } else {
    const auto number = node.value_exact<std::int64_t>();
    good = number && setting->set_integer(config, *number);
  }
  if (!good) {
    expected(place(file, node), key, setting->expected);
  }
}

// Tables and dots mean the same: [policy.kerberos] skew and [policy] "kerberos.skew".
void set_table(Config& config, const std::string& file, const std::string& prefix,
               const toml::table& table) {
  for (const auto& [name, node] : table) {
    const std::string key = prefix + std::string(name.str());
    if (const toml::table* const inner = node.as_table()) {
      set_table(config, file, key + ".", *inner);
    } else {
      set_node(config, file, key, node);
    }
  }
}

void read_text(Config& config, const std::string& file, std::string_view text) {
  if (const std::optional<TextFault> fault = fault_of_text(text)) {
    expected(file + ":" + std::to_string(fault->line), "", fault->expected);
  }
  try {
    set_table(config, file, {}, toml::parse(text, file));
  } catch (const toml::parse_error& error) {
    throw Mistake(file + ":" + std::to_string(error.source().begin.line) + ": " +
                  std::string(error.description()));
  }
}

void read_file(Config& config, const std::string& file) {
  std::ifstream stream(file, std::ios::binary);
  std::string text(kConfigSizeMax + 1, '\0');
  stream.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (!stream.is_open() || stream.bad()) {
    throw Mistake(file + ": cannot be read: " + std::generic_category().message(errno));
  }
  text.resize(static_cast<std::size_t>(stream.gcount()));
  read_text(config, file, text);
}

// Flags are what the command line gave: for each setting, the texts behind its flag.
struct Flags {
  std::string file;
  std::vector<std::vector<std::string>> values;
  std::vector<std::string> policies;
  bool check_only = false;
};

void set_flag(Config& config, const Setting& setting, const std::vector<std::string>& values) {
  bool good = false;
  if (setting.kind == Kind::kTexts) {
    good = setting.set_texts(config, values);
  } else if (setting.kind == Kind::kText) {
    good = setting.set_text(config, values.back());
  } else {
    const std::string& text = values.back();
    const int base = setting.kind == Kind::kOctal ? 8 : 10;
    const std::size_t prefix = base == 8 && text.starts_with("0o") ? 2 : 0;
    std::int64_t number = 0;
    const char* const end = text.data() + text.size();
    const auto [parsed, error] = std::from_chars(text.data() + prefix, end, number, base);
    good = error == std::errc{} && parsed == end && setting.set_integer(config, number);
  }
  if (!good) {
    expected({}, setting.flag, setting.expected);
  }
}

void set_flags(Config& config, const Flags& flags) {
  for (std::size_t n = 0; n < flags.values.size(); ++n) {
    if (!flags.values[n].empty()) {
      set_flag(config, settings()[n], flags.values[n]);
    }
  }
  for (const std::string& policy : flags.policies) {
    const std::size_t equals = policy.find('=');
    if (equals == std::string::npos) {
      expected({}, "--policy", "NAME=VALUE");
    }
    const std::string name = policy.substr(0, equals);
    const std::string why = set_policy(config, name, policy.substr(equals + 1));
    if (!why.empty()) {
      throw Mistake("--policy " + name + ": " + why);
    }
  }
}

void listen_somewhere(Config& config) {
  if (config.listen_tcp.empty() && config.listen_unix.empty()) {
    config.listen_tcp = {"127.0.0.1:8080"};
  }
}

// What no single setting can tell.
void check_together(Config& config) {
  listen_somewhere(config);
  if (const char* const wrong = usher::auth::fault_of(config.policy); wrong != nullptr) {
    throw Mistake(wrong);
  }
  using usher::auth::Package;
  const bool kerberos =
      !config.keytab.empty() && config.package != Package::kNtlm && config.allow_kerberos;
  const bool knows_users = !config.accounts.empty() || !config.authority.empty();
  const bool ntlm = knows_users && config.package != Package::kKerberos && config.allow_ntlm;
  if (!kerberos && !ntlm) {
    throw Mistake(
        "nobody could sign on: expected keytab for Kerberos, accounts or authority for NTLM, and "
        "packages to allow it");
  }
  if (!config.authority.empty() && !ntlm) {
    throw Mistake("authority: expected packages to allow NTLM");
  }
}

std::string policy_help() {
  std::string text = "Policies (--policy NAME=VALUE, the first value is the default):\n";
  for (const usher::auth::PolicyRow& row : usher::auth::policy_table()) {
    text.append("  ").append(row.name).append(" = ").append(row.values).append(": ");
    text.append(row.meaning).append("\n");
  }
  text.append(
      "usherd refuses bindings=always, for it does not see the client's TLS channel, and "
      "delegation=accept, for it hands out no credentials.\n");
  return text;
}

void describe(CLI::App& app, Flags& flags) {
  app.set_version_flag("--version", std::string("usherd ") + USHER_VERSION);
  app.footer(policy_help());
  app.add_option("--config", flags.file, "read settings from this TOML file")->type_name("FILE");
  app.add_option("--policy", flags.policies, "set a policy; may be repeated")
      ->type_name("NAME=VALUE")
      ->expected(1)
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  app.add_flag("--check", flags.check_only, "try settings, files, folders and addresses, then end");
  Config defaults;
  listen_somewhere(defaults);
  flags.values.resize(settings().size());
  for (std::size_t n = 0; n < flags.values.size(); ++n) {
    const Setting& setting = settings()[n];
    std::string meaning(setting.meaning);
    const std::string value = setting.value(defaults);
    meaning.append(" (").append(setting.key);
    meaning.append(value.empty() ? "; no default" : "; default " + value).append(")");
    app.add_option(std::string(setting.flag), flags.values[n], meaning)
        ->type_name("VALUE")
        ->expected(1)
        ->allow_extra_args(false)
        ->multi_option_policy(setting.kind == Kind::kTexts ? CLI::MultiOptionPolicy::TakeAll
                                                           : CLI::MultiOptionPolicy::TakeLast);
  }
}

}  // namespace

std::string read_config(Config& config, std::string_view text, const std::string& name) {
  try {
    read_text(config, name, text);
    check_together(config);
  } catch (const Mistake& mistake) {
    return mistake.what();
  }
  return {};
}

std::optional<Config> load_config(int argc, const char* const* argv, std::ostream& out,
                                  std::ostream& errors, int& exit_code) {
  CLI::App app("usherd: answers who signs on with Negotiate, Kerberos or NTLM", "usherd");
  Flags flags;
  describe(app, flags);
  try {
    app.parse(argc, argv);
    Config config;
    if (!flags.file.empty()) {
      read_file(config, flags.file);
    }
    set_flags(config, flags);
    check_together(config);
    config.check_only = flags.check_only;
    return config;
  } catch (const CLI::Success& asked) {  // --help, --version
    exit_code = app.exit(asked, out, errors);
  } catch (const CLI::Error& error) {
    errors << error.what() << "\n";
    exit_code = 2;
  } catch (const Mistake& mistake) {
    errors << mistake.what() << "\n";
    exit_code = 2;
  }
  return std::nullopt;
}

}  // namespace usherd
