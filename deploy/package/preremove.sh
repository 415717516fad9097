#!/bin/sh
# Before the package is removed, or an old one replaced. Argument: remove (deb), 0 (rpm) if it
# is removed. An upgrade leaves the services running: restart them when it suits you.
set -e

case "$1" in
remove | 0)
  if [ -d /run/systemd/system ]; then
    systemctl disable --now usher.service usher-push.service 'usher@*.service' 'usher-push@*.service' >/dev/null 2>&1 || true
    systemctl stop usher.service usher-push.service 'usher@*.service' 'usher-push@*.service' >/dev/null 2>&1 || true
  fi
  ;;
esac
