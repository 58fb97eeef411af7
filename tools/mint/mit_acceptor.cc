#include "tools/mint/mit_acceptor.h"

#include <gssapi/gssapi_ext.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

namespace usher::mint {
namespace {

// GSS-API takes no const pointers; it does not write through these.
gss_buffer_desc buffer_of(Bytes bytes) {
  return {bytes.size(), const_cast<std::uint8_t*>(bytes.data())};
}

// take copies what GSS-API allocated and frees it.
Octets take(gss_buffer_desc& buffer) {
  const auto* data = static_cast<const std::uint8_t*>(buffer.value);
  Octets out(data, data + buffer.length);
  OM_uint32 minor = 0;
  gss_release_buffer(&minor, &buffer);
  return out;
}

std::string text_of(OM_uint32 code, int kind) {
  std::string text;
  OM_uint32 more = 0;
  do {
    OM_uint32 minor = 0;
    gss_buffer_desc part = GSS_C_EMPTY_BUFFER;
    if (GSS_ERROR(gss_display_status(&minor, code, kind, GSS_C_NO_OID, &more, &part))) {
      break;
    }
    const Octets octets = take(part);
    text += std::string(octets.begin(), octets.end()) + "; ";
  } while (more != 0);
  return text;
}

std::string error_text(OM_uint32 major, OM_uint32 minor) {
  return text_of(major, GSS_C_GSS_CODE) + text_of(minor, GSS_C_MECH_CODE);
}

std::string write_temporary(Bytes contents) {
  std::string path = (std::filesystem::temp_directory_path() / "usher-mint-XXXXXX").string();
  const int file = mkstemp(path.data());
  require(file >= 0, "no temporary file");
  const ssize_t written = write(file, contents.data(), contents.size());
  close(file);
  require(written == static_cast<ssize_t>(contents.size()), "the temporary file is not written");
  return path;
}

}  // namespace

std::string MitAcceptor::copy_to_memory(const std::string& file) {
  const std::string name = "MEMORY:" + path_;
  krb5_keytab from = nullptr;
  krb5_kt_cursor cursor{};
  krb5_keytab_entry entry{};
  bool good = krb5_init_context(&krb5_) == 0 &&
              krb5_kt_resolve(krb5_, name.c_str(), &memory_) == 0 &&
              krb5_kt_resolve(krb5_, file.c_str(), &from) == 0 &&
              krb5_kt_start_seq_get(krb5_, from, &cursor) == 0;
  while (good && krb5_kt_next_entry(krb5_, from, &entry, &cursor) == 0) {
    good = krb5_kt_add_entry(krb5_, memory_, &entry) == 0;
    krb5_free_keytab_entry_contents(krb5_, &entry);
  }
  require(good && krb5_kt_end_seq_get(krb5_, from, &cursor) == 0 && krb5_kt_close(krb5_, from) == 0,
          "MIT does not copy the keytab into memory");
  return name;
}

void MitAcceptor::free_memory() noexcept {
  if (memory_ != nullptr) {
    krb5_kt_close(krb5_, memory_);
  }
  krb5_free_context(krb5_);  // Takes null.
}

MitAcceptor::MitAcceptor(Bytes keytab, Kept kept) : path_(write_temporary(keytab)) {
  setenv("KRB5_CONFIG", "/dev/null", 1);
  const std::string file = "FILE:" + path_;
  const std::string name = kept == Kept::kMemory ? copy_to_memory(file) : file;
  gss_key_value_element_desc elements[] = {{"keytab", name.c_str()}, {"rcache", "none:"}};
  const gss_key_value_set_desc store = {2, elements};
  OM_uint32 minor = 0;
  const OM_uint32 major =
      gss_acquire_cred_from(&minor, GSS_C_NO_NAME, GSS_C_INDEFINITE, GSS_C_NO_OID_SET, GSS_C_ACCEPT,
                            &store, &credential_, nullptr, nullptr);
  if (GSS_ERROR(major)) {
    free_memory();
    unlink(path_.c_str());
    throw std::logic_error("MIT refuses the keytab: " + error_text(major, minor));
  }
}

MitAcceptor::~MitAcceptor() {
  forget();
  OM_uint32 minor = 0;
  gss_release_cred(&minor, &credential_);
  free_memory();
  unlink(path_.c_str());
}

MitAcceptor::Reply MitAcceptor::accept(Bytes token) {
  gss_buffer_desc input = buffer_of(token);
  gss_buffer_desc output = GSS_C_EMPTY_BUFFER;
  gss_name_t source = GSS_C_NO_NAME;
  OM_uint32 minor = 0;
  OM_uint32 flags = 0;
  const OM_uint32 major =
      gss_accept_sec_context(&minor, &context_, credential_, &input, GSS_C_NO_CHANNEL_BINDINGS,
                             &source, nullptr, &output, &flags, nullptr, nullptr);
  Reply reply;
  reply.token = take(output);
  reply.flags = flags;
  reply.established = major == GSS_S_COMPLETE;
  reply.continue_needed = major == GSS_S_CONTINUE_NEEDED;
  if (GSS_ERROR(major)) {
    reply.error = error_text(major, minor);
  }
  if (source != GSS_C_NO_NAME) {
    gss_buffer_desc text = GSS_C_EMPTY_BUFFER;
    if (!GSS_ERROR(gss_display_name(&minor, source, &text, nullptr))) {
      const Octets octets = take(text);
      reply.client = std::string(octets.begin(), octets.end());
    }
    gss_release_name(&minor, &source);
  }
  return reply;
}

void MitAcceptor::forget() noexcept {
  OM_uint32 minor = 0;
  gss_delete_sec_context(&minor, &context_, GSS_C_NO_BUFFER);
}

Octets MitAcceptor::get_mic(Bytes message) {
  gss_buffer_desc input = buffer_of(message);
  gss_buffer_desc mic = GSS_C_EMPTY_BUFFER;
  OM_uint32 minor = 0;
  require(!GSS_ERROR(gss_get_mic(&minor, context_, GSS_C_QOP_DEFAULT, &input, &mic)),
          "gss_get_mic failed");
  return take(mic);
}

bool MitAcceptor::verify_mic(Bytes message, Bytes mic) {
  gss_buffer_desc input = buffer_of(message);
  gss_buffer_desc token = buffer_of(mic);
  OM_uint32 minor = 0;
  return gss_verify_mic(&minor, context_, &input, &token, nullptr) == GSS_S_COMPLETE;
}

bool MitAcceptor::accept_and_forget(Bytes token) noexcept {
  gss_buffer_desc input = buffer_of(token);
  gss_buffer_desc output = GSS_C_EMPTY_BUFFER;
  gss_name_t source = GSS_C_NO_NAME;
  OM_uint32 minor = 0;
  const OM_uint32 major =
      gss_accept_sec_context(&minor, &context_, credential_, &input, GSS_C_NO_CHANNEL_BINDINGS,
                             &source, nullptr, &output, nullptr, nullptr, nullptr);
  gss_release_buffer(&minor, &output);
  gss_release_name(&minor, &source);
  forget();
  return major == GSS_S_COMPLETE;
}

}  // namespace usher::mint
