#include "engine/auth/kerberos_reply.h"

#include <array>
#include <cassert>

#include "engine/auth/kerberos_checks.h"

namespace usher::auth {

using crypto::Outcome;

bool stage_reply(Turn& turn, Exchange& exchange) noexcept {
  TurnDesk& desk = turn.desk;
  KerberosWork& work = exchange.kerberos;
  Context& context = *exchange.context;
  // The subkey is of the etype of the key the client prefers: its subkey's, else the ticket's.
  const krb5::EncryptionKey& model =
      work.authenticator.has_subkey ? work.authenticator.subkey : work.ticket.key;
  const crypto::EtypeProfile& profile = *key_profile(work.ticket.key);
  const MutableBytes confounder = desk.arena.take(profile.confounder_size);
  // RC4's per-message tokens cannot say which key they are made with, so there is no new one.
  const bool has_subkey = key_profile(model)->family != crypto::Family::kRc4;
  const MutableBytes subkey = desk.arena.take(has_subkey ? model.value.size() : 0);
  std::array<std::uint8_t, 4> sequence{};
  if (!desk.random->fill(confounder) || !desk.random->fill(subkey) ||
      !desk.random->fill(sequence)) {
    exchange.refuse(Status::kInternal);
    return false;
  }
  // 30 bits, so that no peer reads it as negative and none sees it wrap.
  context.acceptor_sequence = load_le<std::uint32_t>(sequence) & 0x3fffffffu;
  if (has_subkey) {
    context.key.assign(subkey);
    context.key_is_acceptor_subkey = true;
  }

  der::Writer plain(desk.arena.take(256));
  krb5::write_enc_ap_rep_part(plain, {.ctime = work.authenticator.ctime,
                                      .cusec = work.authenticator.cusec,
                                      .has_subkey = has_subkey,
                                      .subkey = {.etype = model.etype, .value = subkey},
                                      .has_seq_number = true,
                                      .seq_number = context.acceptor_sequence});
  assert(plain.ok());
  const std::size_t cipher_size = profile.overhead() + plain.written().size();
  work.seal_job = &desk.seals.add({.profile = &profile,
                                   .session_key = work.ticket.key.value,
                                   .confounder = confounder,
                                   .plain = plain.written(),
                                   .cipher = desk.arena.take(cipher_size)});
  return true;
}

void on_reply_sealed(Turn& turn, Exchange& exchange) noexcept {
  const crypto::SealJob& job = *exchange.kerberos.seal_job;
  if (job.outcome != Outcome::kDone) {
    return exchange.refuse(Status::kInternal);
  }
  der::Writer token(turn.desk.arena.take(512));
  krb5::write_ap_rep(token, {.etype = std::int32_t(job.profile->etype), .cipher = job.cipher});
  gss::frame_kerberos(token, gss::KerberosTokenId::kApRep);
  assert(token.ok());
  exchange.mech_reply = token.written();
  exchange.has_mech_reply = true;
}

}  // namespace usher::auth
