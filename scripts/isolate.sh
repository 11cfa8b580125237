#!/bin/sh
# Runs a command where it can do no harm: in network, mount and process namespaces of its own, with an empty /run, so
# that `ip netns add` works for everyone and nothing is left behind however the command ends.
#
#   isolate.sh [--rootless] COMMAND [ARGUMENT...]
#
# Anyone but root is root inside a user namespace only; --rootless lets root run the command as such a user too.
set -eu

self=$(readlink -f "$0")

if [ "${1-}" = --inside ]; then
  shift
  mount -t tmpfs -o mode=755 tmpfs /run
  mkdir /run/netns
  # The tests look for this file before they touch an interface.
  : >/run/mcroute-isolated
  ip link set lo up
  # Not exec: the shell stays as process 1 and reaps the orphans of killed programs.
  status=0
  "$@" || status=$?
  exit "$status"
fi

as=
if [ "${1-}" = --rootless ]; then
  shift
  [ "$(id -u)" -ne 0 ] || as='setpriv --reuid 65534 --regid 65534 --clear-groups'
fi
map=
if [ "$(id -u)" -ne 0 ] || [ -n "$as" ]; then map=--map-root-user; fi

# shellcheck disable=SC2086 # words on purpose
exec $as unshare $map --net --mount --pid --fork --kill-child --mount-proc sh "$self" --inside "$@"
