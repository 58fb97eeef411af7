# A throw-away MIT realm in one directory, for tools/demo and the interop tests; sourced by bash.
#
# Nothing outside the directory is read or written: configuration, database, caches and ports are
# its own, the KDC runs unprivileged on loopback and is ended by its pid.

. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

readonly REALM=USHER.TEST
# Who wants other etypes, or more in [libdefaults], sets these first.
REALM_ETYPES=${REALM_ETYPES:-aes256-cts-hmac-sha1-96 aes128-cts-hmac-sha1-96}
REALM_LIBDEFAULTS=${REALM_LIBDEFAULTS:-}

# realm_configure writes the configuration for KDC port $1 and points this shell at it.
realm_configure() {
  cat >"$REALM_DIR/krb5.conf" <<EOF
[libdefaults]
  default_realm = $REALM
  dns_lookup_kdc = false
  dns_lookup_realm = false
  dns_canonicalize_hostname = false
  rdns = false
  forwardable = true
  udp_preference_limit = 1
  permitted_enctypes = $REALM_ETYPES
  $REALM_LIBDEFAULTS
[realms]
  $REALM = {
    kdc = 127.0.0.1:$1
  }
[domain_realm]
  localhost = $REALM
  .localhost = $REALM
EOF
  cat >"$REALM_DIR/kdc.conf" <<EOF
[kdcdefaults]
  kdc_listen = 127.0.0.1:$1
  kdc_tcp_listen = 127.0.0.1:$1
[realms]
  $REALM = {
    database_name = $REALM_DIR/principal
    key_stash_file = $REALM_DIR/stash
    acl_file = $REALM_DIR/kadm5.acl
    supported_enctypes = ${REALM_ETYPES// /:normal }:normal
    max_life = 10h
  }
[logging]
  kdc = FILE:$REALM_DIR/kdc.log
  admin_server = FILE:$REALM_DIR/kadmin.log
EOF
}

# realm_environment points every Kerberos program this shell starts at the realm in directory $1.
realm_environment() {
  REALM_DIR=$1
  PATH=$PATH:/usr/sbin:/sbin
  unset KRB5_KTNAME KRB5_CLIENT_KTNAME KRB5RCACHENAME KRB5RCACHETYPE KRB5_TRACE
  export PATH KRB5_CONFIG=$1/krb5.conf KRB5_KDC_PROFILE=$1/kdc.conf KRB5CCNAME=FILE:$1/cache
  export KRB5RCACHEDIR=$1 HOME=$1
}

# realm_admin runs one kadmin.local command.
realm_admin() {
  local output
  output=$(kadmin.local -r "$REALM" "$@" 2>&1) || die "kadmin.local $1: $output"
}

# realm_script runs the kadmin.local commands of its standard input, in one process.
realm_script() {
  local output
  output=$(kadmin.local -r "$REALM" 2>&1) || die "kadmin.local: $output"
  # A command that fails does not end the others, nor change the exit status.
  ! grep ' while ' <<<"$output" >&2 || die "kadmin.local could not do all of the above"
}

realm_listens() {
  (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

# realm_start DIRECTORY makes the realm in an existing directory and starts its KDC: KDC_PID.
realm_start() {
  need krb5kdc=krb5-kdc kdb5_util=krb5-kdc kadmin.local=krb5-admin-server kinit=krb5-user \
    python3=python3
  realm_environment "$1"
  local port
  for _ in 1 2 3 4 5; do  # Somebody else may take the port between asking and listening.
    port=$(free_port)
    realm_configure "$port"
    [[ -e $REALM_DIR/principal ]] ||
      kdb5_util create -r "$REALM" -s -P "$(head -c 18 /dev/urandom | base64)" \
        >"$REALM_DIR/kdb5_util.log" 2>&1 ||
      die "kdb5_util: $(<"$REALM_DIR/kdb5_util.log")"
    krb5kdc -n >"$REALM_DIR/krb5kdc.out" 2>&1 &
    KDC_PID=$!
    wait_for "$KDC_PID" realm_listens "$port" && return 0
    stop_process "$KDC_PID" || true
  done
  die "the KDC does not start: $(<"$REALM_DIR/krb5kdc.out")"
}

# realm_sign_on NAME PASSWORD [CACHE] gets NAME a ticket-granting ticket.
realm_sign_on() {
  printf '%s\n' "$2" | kinit ${3:+-c "$3"} "$1@$REALM" >"$REALM_DIR/kinit.out" 2>&1 ||
    die "kinit $1: $(<"$REALM_DIR/kinit.out")"
}

realm_stop() {
  stop_process "${KDC_PID:-}" || true
  KDC_PID=
}
