#!/bin/sh
# After the package was installed or upgraded. It starts nothing.
set -e

if command -v systemd-sysusers >/dev/null; then
  systemd-sysusers usher.conf
elif ! getent passwd usher >/dev/null; then
  getent group usher >/dev/null || groupadd --system usher
  useradd --system --gid usher --home-dir /var/lib/usher --no-create-home --shell /usr/sbin/nologin usher
fi
chown root:usher /etc/usher
chmod 0750 /etc/usher

if [ -d /run/systemd/system ]; then
  systemctl daemon-reload || true
fi
