#include "tools/mint/dce_mint.h"

#include "parsers/der_writer.h"

namespace usher::mint {

Octets third_leg(const KerberosMint& mint, const Ticket& ticket, const ThirdLegFields& fields) {
  const Sealing& sealing = fields.sealing;
  const Octets plain = sealing.plain ? *sealing.plain : build([&](der::Writer& writer) {
    krb5::write_enc_ap_rep_part(
        writer, {.ctime = fields.ctime,
                 .cusec = fields.cusec,
                 .has_subkey = fields.subkey_etype.has_value(),
                 .subkey = {.etype = fields.subkey_etype.value_or(0), .value = fields.subkey},
                 .has_seq_number = fields.seq_number.has_value(),
                 .seq_number = fields.seq_number.value_or(0)});
  });
  const Octets cipher = sealing.cipher ? *sealing.cipher
                                       : mint.seal(ticket.session_etype,
                                                   sealing.key ? *sealing.key : ticket.session_key,
                                                   fields.usage, plain);
  return build([&](der::Writer& writer) {
    krb5::write_ap_rep(writer, {.etype = sealing.etype.value_or(ticket.session_etype),
                                .has_kvno = sealing.kvno.has_value(),
                                .kvno = sealing.kvno.value_or(0),
                                .cipher = cipher});
  });
}

Octets third_leg_to(const KerberosMint& mint, const Ticket& ticket, const ApReq& request,
                    const KerberosMint::Answer& answer) {
  return third_leg(
      mint, ticket,
      {.ctime = request.ctime, .cusec = request.cusec, .seq_number = answer.seq_number});
}

}  // namespace usher::mint
