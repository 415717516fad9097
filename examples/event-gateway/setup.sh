#!/bin/sh
# Makes keys, certificates and configurations of this example in run/. They are secret.
# Argument: the name by which supervisors reach this machine.
set -eu
umask 077
cd "$(dirname "$0")"

usher init --event-gateway --yes --host "${1:-localhost}" run

# The token of supervisors goes to a file, its digest to the directory.
digest=$(usher apikey new --user habitat --to run/habitat.token 2>&1 | grep -o 'sha256:[0-9a-f]*')
sed "s/HABITAT/$digest/" directory.yaml >run/directory.yaml
