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

# API keys of the clients: the key goes to a file, its digest to the directory.
digest() {
  usher apikey new --user "$1" --to "run/$1.key" 2>&1 | grep -o 'sha256:[0-9a-f]*'
}
webshop=$(digest webshop)
billing=$(digest billing)
sed "s/WEBSHOP/$webshop/; s/BILLING/$billing/" directory.yaml >run/directory.yaml
