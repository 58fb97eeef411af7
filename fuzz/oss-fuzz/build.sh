#!/bin/bash -eu
# Builds every fuzz target into $OUT for OSS-Fuzz and ClusterFuzzLite. Engine, sanitizer and all
# flags come from the environment; tools/oss-fuzz-check runs this the way they do.

usher=$SRC/usher
build=$WORK/usher-$FUZZING_ENGINE-$SANITIZER

# MIT's and Heimdal's libraries are not instrumented: under MemorySanitizer all they write would
# count as uninitialised. Samba's is not either, and no target has a winbindd to ask.
# ipsec-mb's is assembly, which no sanitizer sees into.
peers=ON
ipsec_mb=AUTO
[[ $SANITIZER != memory ]] || { peers=OFF; ipsec_mb=OFF; }

# A warning of a compiler newer than any this was tried with must not stop the fuzzing. Compiled
# several sources at once, it takes half as long: each source alone is mostly the library's headers.
rm -rf "$build"
cmake -S "$usher" -B "$build" -G Ninja \
  -DUSHER_FUZZ=ON -DUSHER_FUZZ_ENGINE="$LIB_FUZZING_ENGINE" -DUSHER_FUZZ_PEERS=$peers \
  -DUSHER_TESTS= -DUSHER_TOOLS=OFF -DUSHER_WERROR=OFF -DUSHER_RTTI=ON \
  -DUSHER_WINBIND=OFF -DUSHER_IPSEC_MB=$ipsec_mb -DCMAKE_UNITY_BUILD=ON
cmake --build "$build" --target fuzz_targets
cmake --install "$build" --component fuzz --prefix "$OUT"

# copy_libraries FILE copies the shared libraries of FILE to lib/, all but the C library's, which
# come with the system that loads them.
copy_libraries() {
  local name path
  while read -r name path; do
    [[ $name =~ ^(linux-vdso|ld-linux|lib(c|m|dl|pthread|rt|resolv|util|anl))[.-] ]] ||
      [[ -e $OUT/lib/$name ]] || cp -L "$path" "$OUT/lib/$name"
  done < <(ldd "$1" | sed -nE 's/^\s*(\S+) => (\/\S+) .*/\1 \2/p')
}

mkdir -p "$OUT/lib/ossl-modules"
cp "$(pkg-config --variable=modulesdir libcrypto)/legacy.so" "$OUT/lib/ossl-modules/"
while read -r name; do
  target=$OUT/fuzz_$name
  copy_libraries "$build/fuzz/fuzz_$name"

  corpus=$usher/fuzz/corpus/$name
  rm -f "${target}_seed_corpus.zip"
  [[ -z $(ls "$corpus") ]] || zip -qjr "${target}_seed_corpus.zip" "$corpus"
  [[ ! -e $usher/fuzz/dict/$name.dict ]] || cp "$usher/fuzz/dict/$name.dict" "$target.dict"

  # Room for twice the largest seed, so that none is cut and each can grow.
  largest=$(find "$corpus" -type f -printf '%s\n' | sort -n | tail -n 1)
  largest=${largest:-0}
  max_len=$((largest * 2 > 4096 ? largest * 2 : 4096))
  printf '[libfuzzer]\nmax_len = %d\ntimeout = 10\n' "$max_len" >"$target.options"
done <"$build/fuzz/targets"
