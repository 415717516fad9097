#!/bin/sh
# Makes all keys, JWTs and configurations of this example in run/. They are secret.
set -eu
umask 077
cd "$(dirname "$0")"

usher init --operator run
cp usher.yaml run/usher.yaml # shorter than the one that init makes

# API keys of the clients: the key goes to a file, its digest to the directory.
digest() {
  usher apikey new --user "$1" --to "run/$1.key" 2>&1 | grep -o 'sha256:[0-9a-f]*'
}
webshop=$(digest webshop)
billing=$(digest billing)
sed "s/WEBSHOP/$webshop/; s/BILLING/$billing/" directory.yaml >run/directory.yaml

# The seeds of operator and accounts do not belong on a machine that runs servers.
mv run/operator/keys run/keep-elsewhere
