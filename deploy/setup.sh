# What deploy/run, deploy/affect and tests/run share: sourced, in the repository's root.
# shellcheck shell=bash

export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
die() { say "$@"; exit 1; }

# quietly COMMAND...: what it prints is of interest only where it fails.
quietly() {
  local output
  output=$("$@" 2>&1) || { printf '%s\n' "$output" >&2; return 1; }
}

need_sdk() {
  [[ $(dotnet --list-sdks 2>/dev/null) =~ (^|$'\n')10\. ]] ||
    die "the .NET 10 SDK is missing: see https://dotnet.microsoft.com/download/dotnet/10.0"
}

has_library() { [[ $(PATH=$PATH:/sbin ldconfig -p) == *[[:space:]]"$1 "* ]]; }

# The native packages that are missing, by what they are needed for: ffmpeg opens all audio that is not
# WAV, OpenCvSharp's native library links GTK, DRM and atomic, and opencv-data has the Haar cascades.
missing_packages() {
  command -v ffmpeg >/dev/null || echo ffmpeg
  [[ -d /usr/share/opencv4/haarcascades ]] || echo opencv-data
  # Since Debian 13 and Ubuntu 24.04 under another name: time_t has 64 bits there.
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

# install_packages NAME...: of two names, as a|b, the one that this distribution has. Fails where they cannot be had.
install_packages() {
  local missing=("$@") package root=()
  command -v apt-get >/dev/null || { say "please install: ${missing[*]}"; return 1; }
  if ((EUID != 0)); then
    command -v sudo >/dev/null || { say "please install, as root: apt-get install ${missing[*]}"; return 1; }
    root=(sudo)
  fi
  say "installing ${missing[*]}"
  "${root[@]}" apt-get update -qq >&2 || say "apt-get update failed; trying with the lists that are there"
  local names=()
  for package in "${missing[@]}"; do
    [[ $package != *'|'* ]] || { apt-cache show "${package%|*}" &>/dev/null && package=${package%|*} || package=${package#*|}; }
    names+=("$package")
  done
  "${root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends "${names[@]}" >/dev/null || { say "could not install ${names[*]}"; return 1; }
}

has_node() { command -v npm >/dev/null && node -e 'process.exit(process.versions.node.split(".")[0] >= 18 ? 0 : 1)' 2>/dev/null; }

# The web page, into gateway/web/dist, where its sources changed; the build of the gateway takes it from there. Fails
# where Node.js, npm or npm's registry cannot be had: the gateway says so at / then.
build_page() {
  local page=gateway/web
  [[ ! -e $page/dist/index.html ||
    -n $(find $page/{src,samples,snippets} $page/*.* services/models -newer $page/dist/index.html -type f -print -quit) ]] || return 0
  has_node || { install_packages nodejs npm && has_node; } || { say "Node.js 18 or later is not here"; return 1; }
  say "building the web page"
  quietly npm ci --prefix $page --prefer-offline --fetch-retries=1 --fetch-retry-mintimeout=1000 --no-fund --no-audit && quietly npm run build --prefix $page
}

# build NAME PROJECT: a Release build into artifacts/, skipped where nothing changed since the last.
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

# The YuNet face detector: $AFFECT_YUNET, or OpenCV's model zoo, once, by digest. Prints its path, or
# nothing where it cannot be had: faces are found by Haar cascades then, not as well.
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
      say "the YuNet face detector could not be fetched; Haar cascades find the faces"
      return
    fi
    mv "$file.new" "$file"
  fi
  echo "$file"
}
