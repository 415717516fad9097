#!/bin/sh
# Makes all keys of this example in run/, and run/nats-values.yaml with their public parts.
# The keys are secret: create the Secrets from them, and keep them elsewhere.
set -eu
umask 077
cd "$(dirname "$0")"
mkdir run run/keyring run/nats

# The keys of usher: it signs with the first, and servers encrypt with the second.
issuer=$(usher nkey new --out run/keyring/issuer.nk account)
xkey=$(usher nkey new --out run/keyring/xkey.nk xkey)

# The users of nats-server as which usher connects.
service=$(usher nkey new --out run/nats/service.nk user)
sessions=$(usher nkey new --out run/nats/sessions.nk user)

sed "s/ISSUER/$issuer/; s/XKEY/$xkey/; s/SERVICE/$service/g; s/SESSIONS/$sessions/g" nats-values.yaml >run/nats-values.yaml
