#!/bin/bash -eu
# ClusterFuzzLite builds what OSS-Fuzz builds.
exec bash -eu "$SRC/usher/fuzz/oss-fuzz/build.sh"
