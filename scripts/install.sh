#!/bin/sh
# Installs what runs: PREFIX/lib/mcroute, readable by everyone, links to its programs in PREFIX/bin, and what systemd reads:
# units, preset, the user and the directory of sockets; and the manual pages, in PREFIX/share/man. docs/systemd.md tells how
# to begin with them.
#
#   install.sh PREFIX          everything must have been built (npm run build)
#   DESTDIR=FOLDER install.sh PREFIX     below FOLDER, for packages
set -eu

if [ $# -ne 1 ] || [ "${1#/}" = "$1" ]; then
  echo 'usage: install.sh PREFIX      an absolute path, such as /usr/local' >&2
  exit 64
fi
prefix=${1%/}
root=$(dirname "$(dirname "$(readlink -f "$0")")")
lib=${DESTDIR-}$prefix/lib
bin=${DESTDIR-}$prefix/bin
cd "$root"

for piece in dist/src/start/start.cjs dist/programs native/build/Release/kernel.node native/build/Release/mcroute-launch; do
  if [ ! -e "$piece" ]; then
    echo "install.sh: $root/$piece is missing: run \`npm run build\` first" >&2
    exit 69
  fi
done

umask 022
mkdir -p "$lib" "$bin"
# Beside the old tree and then in its place, so that there is never half of one.
new=$(mktemp -d "$lib/.mcroute.XXXXXX")
trap 'rm -rf "$new"' EXIT

add() {
  mkdir -p "$new/$(dirname "$1")"
  cp -R "$1" "$new/$1"
}
# The bundles have all packages inside; the reflection service reads proto/.
add bin
add dist/src/start/start.cjs
add dist/programs
add proto
add native/build/Release/kernel.node
add native/build/Release/mcroute-launch
add package.json
add systemd/netns.conf
# V8 takes compiled code only from the same Node with the same flags: another one than that of the build, such as a newer
# one, has its own made.
for program in "$new"/bin/*; do
  program=$(basename "$program")
  start=$new/dist/src/start/start.cjs
  [ "$(node "$start" look "$program")" = 'bundle with its code' ] ||
    node "$start" learn - "$program" -h >/dev/null
done
chmod -R u=rwX,go=rX "$new"

rm -rf "$lib/.mcroute.old"
[ ! -e "$lib/mcroute" ] || mv "$lib/mcroute" "$lib/.mcroute.old"
mv "$new" "$lib/mcroute"
rm -rf "$lib/.mcroute.old"
for program in "$lib"/mcroute/bin/*; do
  ln -sf "../lib/mcroute/bin/$(basename "$program")" "$bin/"
done

# Installs a file of systemd/ as one that names the prefix; never half of it is seen.
add_configuration() {
  mkdir -p "$lib/$2"
  sed "s|@prefix@|$prefix|g" "systemd/$1" >"$lib/$2/.${3-$1}.new"
  mv "$lib/$2/.${3-$1}.new" "$lib/$2/${3-$1}"
}
add_configuration mcroute.service systemd/system
add_configuration mcroute-agent@.service systemd/system
add_configuration 90-mcroute.preset systemd/system-preset
add_configuration mcroute.sysusers.conf sysusers.d mcroute.conf
add_configuration mcroute.tmpfiles.conf tmpfiles.d mcroute.conf

for page in man/*.[1-9]; do
  section=${DESTDIR-}$prefix/share/man/man${page##*.}
  mkdir -p "$section"
  cp "$page" "$section/.$(basename "$page").new"
  chmod 644 "$section/.$(basename "$page").new"
  mv "$section/.$(basename "$page").new" "$section/$(basename "$page")"
done
