#!/bin/sh
# Makes all keys of this example in run/. They are secret, and nothing else reads them.
set -eu
umask 077
cd "$(dirname "$0")"
mkdir run run/keys

# The keys of usher: it signs with the first, and servers encrypt with the second.
issuer=$(usher nkey new --out run/keys/issuer.nk account)
xkey=$(usher nkey new --out run/keys/xkey.nk xkey)

# The users of nats-server as which usher connects.
service=$(usher nkey new --out run/service.nk user)
system=$(usher nkey new --out run/system.nk user)
sessions=$(usher nkey new --out run/sessions.nk user)

cat >run/keys.conf <<END
ISSUER: $issuer
XKEY: $xkey
SERVICE: $service
SYSTEM: $system
SESSIONS: $sessions
END

# Passwords of the administrator of Keycloak, and of grace, who is a user of its realm.
secret() {
  od -An -N16 -tx1 /dev/urandom | tr -d ' \n'
}
cat >run/keycloak.env <<END
KC_BOOTSTRAP_ADMIN_USERNAME=admin
KC_BOOTSTRAP_ADMIN_PASSWORD=$(secret)
GRACE_PASSWORD=$(secret)
END
