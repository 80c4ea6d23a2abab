#!/bin/sh
# Installs Alpha for the user who runs this: finds out which build this machine needs, downloads it,
# compares its checksum, and puts it into ~/.local/bin. Never needs root.
#
#   sh install.sh --from https://example.org/releases/latest [--prefix DIR] [--target NAME]
#
# --from    where a release lies: the directory with SHA256SUMS; also ALPHA_RELEASE_URL
# --prefix  DIR/bin/alpha is written; default ~/.local; also ALPHA_PREFIX
# --target  one of the release's targets; default: found out
set -eu

url=${ALPHA_RELEASE_URL:-}
prefix=${ALPHA_PREFIX:-${HOME:-}/.local}
target=

fail() {
	printf 'install.sh: %s\n' "$1" >&2
	exit 1
}

while [ $# -gt 0 ]; do
	option=$1
	case $option in
	--from | --prefix | --target)
		[ $# -ge 2 ] || fail "$option needs a value"
		case $option in
		--from) url=$2 ;;
		--prefix) prefix=$2 ;;
		--target) target=$2 ;;
		esac
		shift 2
		;;
	-h | --help)
		sed -n '2,/^set/s/^# \{0,1\}//p' "$0"
		exit 0
		;;
	*) fail "unknown option $option: expected --from URL, --prefix DIR or --target NAME" ;;
	esac
done

[ -n "$url" ] || fail 'expected --from URL: the address of a release, where SHA256SUMS lies'
[ "$prefix" != /.local ] || fail 'HOME is not set: give --prefix DIR'

# Prints what lies at an address.
download() {
	if command -v curl >/dev/null 2>&1; then
		curl --fail --silent --show-error --location --retry 2 "$1"
	elif command -v wget >/dev/null 2>&1; then
		wget -q -O - "$1"
	else
		fail 'expected curl or wget, found neither'
	fi
}

# Prints the checksum of a file.
checksum() {
	if command -v sha256sum >/dev/null 2>&1; then
		sha256sum "$1" | cut -d ' ' -f 1
	elif command -v shasum >/dev/null 2>&1; then
		shasum -a 256 "$1" | cut -d ' ' -f 1
	else
		fail 'expected sha256sum or shasum, found neither'
	fi
}

# True where programs are linked to musl: its loader is there and glibc's is not.
uses_musl() {
	for loader in /lib64/ld-linux-x86-64.so.2 /lib/ld-linux-aarch64.so.1 /lib/x86_64-linux-gnu/libc.so.6; do
		[ ! -e "$loader" ] || return 1
	done
	for loader in /lib/ld-musl-*; do
		[ ! -e "$loader" ] || return 0
	done
	return 1
}

find_target() {
	system=$(uname -s)
	machine=$(uname -m)
	case $machine in
	x86_64 | amd64) processor=x64 ;;
	aarch64 | arm64) processor=arm64 ;;
	*) fail "there is no build for processors of the kind $machine" ;;
	esac
	case $system in
	Linux) ;;
	Darwin)
		echo "darwin-$processor"
		return
		;;
	*) fail "there is no build that this script could install on $system" ;;
	esac
	if uses_musl; then
		echo "linux-$processor-musl"
	elif [ "$processor" = x64 ] && ! grep -q '\bavx2\b' "${ALPHA_CPUINFO:-/proc/cpuinfo}"; then
		echo linux-x64-baseline
	else
		echo "linux-$processor"
	fi
}

[ -n "$target" ] || target=$(find_target)
url=${url%/}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

download "$url/SHA256SUMS" >"$work/SHA256SUMS" || fail "cannot download $url/SHA256SUMS"
name=$(sed -n "s/^[0-9a-f]\{64\}  \(alpha-[0-9][0-9A-Za-z.+-]*-$target\.tar\.gz\)\$/\1/p" "$work/SHA256SUMS" | grep -E "^alpha-[0-9]+(\.[0-9]+)*-$target\.tar\.gz\$" | head -n 1)
[ -n "$name" ] || fail "$url has no build for $target"
expected=$(sed -n "s/^\([0-9a-f]\{64\}\)  $name\$/\1/p" "$work/SHA256SUMS")

echo "downloading $name"
download "$url/$name" >"$work/$name" || fail "cannot download $url/$name"
actual=$(checksum "$work/$name")
[ "$actual" = "$expected" ] || fail "$name has the checksum $actual, expected $expected: nothing was installed"

tar -xzf "$work/$name" -C "$work"
mkdir -p "$prefix/bin" || fail "cannot make $prefix/bin"
# Beside its place and renamed into it: a running Alpha keeps its file.
new=$prefix/bin/.alpha-$$
cp "$work/${name%.tar.gz}/alpha" "$new" || fail "cannot write to $prefix/bin"
chmod 755 "$new"
if ! version=$("$new" --version); then
	rm -f "$new"
	case $target in
	*-musl) fail "the build for $target does not start here: it needs libstdc++ (apk add libstdc++)" ;;
	*) fail "the build for $target does not start here: nothing was installed" ;;
	esac
fi
mv -f "$new" "$prefix/bin/alpha"
echo "installed $version at $prefix/bin/alpha"
case :${PATH:-}: in
*:"$prefix/bin":*) ;;
*) echo "$prefix/bin is not in PATH: add it, or start $prefix/bin/alpha" ;;
esac
