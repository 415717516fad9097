#!/bin/sh
# Starts nats-server or usher with the files of a host: start.sh nats-server n1
set -eu
cd "$(dirname "$0")/run/$2"
case $1 in
nats-server) exec nats-server -c nats-server.conf ;;
usher) exec usher serve -c usher.yaml ;;
esac
