# Functions for deploy/run, deploy/affect, deploy/docker and tests/run, which source this file in the repository root.
# shellcheck shell=bash

export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
die() { say "$@"; exit 1; }

# quietly COMMAND...: prints the output of the command only if it fails.
quietly() {
  local output
  output=$("$@" 2>&1) || { printf '%s\n' "$output" >&2; return 1; }
}

need_sdk() {
  [[ $(dotnet --list-sdks 2>/dev/null) =~ (^|$'\n')10\. ]] ||
    die "the .NET 10 SDK is required: see https://dotnet.microsoft.com/download/dotnet/10.0"
}

has_library() { [[ $(PATH=$PATH:/sbin ldconfig -p) == *[[:space:]]"$1 "* ]]; }

# Prints the missing native packages: ffmpeg decodes all audio except WAV, OpenCvSharp's native library links GTK, DRM and
# atomic, and opencv-data contains the Haar cascades.
missing_packages() {
  command -v ffmpeg >/dev/null || echo ffmpeg
  [[ -d /usr/share/opencv4/haarcascades ]] || echo opencv-data
  # Debian 13 and Ubuntu 24.04 renamed it for 64-bit time_t.
  has_library libgtk-3.so.0 || echo 'libgtk-3-0t64|libgtk-3-0'
  has_library libdrm.so.2 || echo libdrm2
  has_library libatomic.so.1 || echo libatomic1
}

need_packages() {
  local missing=()
  mapfile -t missing < <(missing_packages)
  ((${#missing[@]})) || return 0
  install_packages "${missing[@]}" || exit 1
}

# install_packages NAME...: NAME may be a|b, of which the one that the distribution has is installed. Fails if that is not possible.
install_packages() {
  local missing=("$@") package root=()
  command -v apt-get >/dev/null || { say "apt-get is not available; install: ${missing[*]}"; return 1; }
  if ((EUID != 0)); then
    command -v sudo >/dev/null || { say "root is required: apt-get install ${missing[*]}"; return 1; }
    root=(sudo)
  fi
  say "installing ${missing[*]}"
  "${root[@]}" apt-get update -qq >&2 || say "apt-get update failed; continuing with the existing package lists"
  local names=()
  for package in "${missing[@]}"; do
    [[ $package != *'|'* ]] || { apt-cache show "${package%|*}" &>/dev/null && package=${package%|*} || package=${package#*|}; }
    names+=("$package")
  done
  "${root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends "${names[@]}" >/dev/null || { say "could not install ${names[*]}"; return 1; }
}

has_node() { command -v npm >/dev/null && node -e 'process.exit(process.versions.node.split(".")[0] >= 18 ? 0 : 1)' 2>/dev/null; }

# Builds the web page into gateway/web/dist if its sources changed; the build of the gateway includes it. Fails if Node.js, npm or
# the npm registry is not available; the gateway then reports that at /.
build_page() {
  local page=gateway/web
  [[ ! -e $page/dist/index.html ||
    -n $(find $page/{src,samples,snippets} $page/*.* services/models -newer $page/dist/index.html -type f -print -quit) ]] || return 0
  has_node || { install_packages nodejs npm && has_node; } || { say "Node.js 18 or later is required"; return 1; }
  say "building the web page"
  quietly npm ci --prefix $page --prefer-offline --fetch-retries=1 --fetch-retry-mintimeout=1000 --no-fund --no-audit && quietly npm run build --prefix $page
}

# build NAME PROJECT: builds Release into artifacts/, unless nothing changed since the last build.
build() {
  local stamp=artifacts/built/$1
  if [[ -e $stamp && -e artifacts/bin/$1/release &&
    -z $(find protos services gateway deploy Directory.* global.json -newer "$stamp" -type f -print -quit) ]]; then
    return
  fi
  say "building $1"
  mkdir -p "${stamp%/*}"
  touch "$stamp.new"
  quietly dotnet build "$2" -c Release -p:RestoreLockedMode=true -nologo || die "the build of $1 failed"
  mv "$stamp.new" "$stamp"
}

# Prints the path of the YuNet face detector: $AFFECT_YUNET, or a copy that is downloaded once from OpenCV's model zoo and
# verified by digest. Prints nothing if that fails; Haar cascades then detect faces, with lower recall.
yunet() {
  local sha256=8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4
  local url=https://github.com/opencv/opencv_zoo/raw/main/models/face_detection_yunet/face_detection_yunet_2023mar.onnx
  local file=${XDG_CACHE_HOME:-$HOME/.cache}/affect/face_detection_yunet_2023mar.onnx
  if [[ -n ${AFFECT_YUNET:-} ]]; then
    [[ -r $AFFECT_YUNET ]] || die "AFFECT_YUNET: cannot read $AFFECT_YUNET"
    realpath "$AFFECT_YUNET"
    return
  fi
  if ! sha256sum --status -c <<<"$sha256  $file" 2>/dev/null; then
    mkdir -p "${file%/*}"
    local fetch=(curl -fsSL -o "$file.new" "$url")
    command -v curl >/dev/null || fetch=(wget -q -O "$file.new" "$url")
    if ! timeout 5 "${fetch[@]}" 2>/dev/null ||
      ! sha256sum --status -c <<<"$sha256  $file.new"; then
      rm -f "$file.new"
      say "the YuNet face detector could not be downloaded; falling back to Haar cascades, which detect fewer faces"
      return
    fi
    mv "$file.new" "$file"
  fi
  echo "$file"
}
