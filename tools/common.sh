# What the project's bash scripts share; sourced.

# die prints a message and ends the program; what it traps on EXIT cleans up.
die() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

# need COMMAND=PACKAGE... ends the program, saying what to install, unless every command is there.
need() {
  local pair
  for pair in "$@"; do
    [[ -n $(PATH=$PATH:/usr/sbin:/sbin type -P "${pair%%=*}") ]] ||
      die "the command '${pair%%=*}' is missing; it is in Debian's package ${pair#*=}"
  done
}

# skip ends a test as skipped (ctest's SKIP_RETURN_CODE), saying why.
skip() {
  printf 'skipped: %s\n' "$*"
  exit 77
}

# skip_without COMMAND=PACKAGE... skips unless every command is there.
skip_without() {
  local pair
  for pair in "$@"; do
    [[ -n $(PATH=$PATH:/usr/sbin:/sbin type -P "${pair%%=*}") ]] ||
      skip "the command '${pair%%=*}' is missing; it is in Debian's package ${pair#*=}"
  done
}

# installed_packages prints the names of those, and of what they provide: npm is in others' nodejs.
installed_packages() {
  dpkg-query -W -f '${db:Status-Status} ${Package}, ${Provides}\n' 2>/dev/null |
    sed -n 's/^installed //p' | tr -s ', ' '\n'
}

# install_missing ROW... installs the packages of those rows of tools/packages that are not there.
install_missing() {
  local row name rest there missing=() as_root=()
  there=$(installed_packages || true)
  while read -r row name rest; do
    [[ " $* " == *" $row "* ]] || continue
    [[ $'\n'$there$'\n' == *$'\n'"$name"$'\n'* ]] || missing+=("$name")
  done < <(grep -v '^#' "$TOOLS/packages")
  ((${#missing[@]})) || return 0
  type -P apt-get >/dev/null || die "these packages are missing: ${missing[*]}"
  if ((EUID != 0)); then
    type -P sudo >/dev/null ||
      die "run this as root once: apt-get install ${missing[*]}"
    as_root=(sudo ${CI:+-n})
  fi
  echo "installing ${missing[*]}"
  as_root+=(env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300)
  "${as_root[@]}" update >/dev/null || echo "apt-get update failed; trying with the lists there are"
  "${as_root[@]}" install -y --no-install-recommends "${missing[@]}" ||
    die "apt-get could not install: ${missing[*]}"
}

# free_port prints a loopback port nobody listens on right now.
free_port() {
  python3 -I -S -c 'import socket
s = socket.socket()
s.bind(("127.0.0.1", 0))
print(s.getsockname()[1])' 2>/dev/null
}

# wait_for PID COMMAND... runs COMMAND every 20 ms until it succeeds; fails after 10 s, or as soon as
# the process is gone.
wait_for() {
  local pid=$1 tries
  shift
  for ((tries = 0; tries < 500; tries++)); do
    "$@" && return 0
    kill -0 "$pid" 2>/dev/null || return 1
    sleep 0.02
  done
  return 1
}

# stop_process PID ends a child with SIGTERM, with SIGKILL after 5 s, and returns its exit status.
stop_process() {
  local pid=${1:-} tries
  [[ -n $pid ]] || return 0
  kill "$pid" 2>/dev/null || true
  for ((tries = 0; tries < 250; tries++)); do
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.02
  done
  kill -KILL "$pid" 2>/dev/null || true
  wait "$pid" 2>/dev/null
}

TOOLS=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
