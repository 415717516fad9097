#!/bin/sh
# Makes run/n1, run/n2 and run/n3, one folder for each host, with all that its nats-server and
# its usher need. All of it is secret. Arguments: the names of the hosts.
set -eu
umask 077
[ $# -eq 3 ] || set -- n1.example.com n2.example.com n3.example.com
cd "$(dirname "$0")"
mkdir run run/shared run/shared/keys

# The same for all hosts: the keys of usher, and the users as which it connects.
issuer=$(usher nkey new --out run/shared/keys/issuer.nk account)
xkey=$(usher nkey new --out run/shared/keys/xkey.nk xkey)
service=$(usher nkey new --out run/shared/service.nk user)
system=$(usher nkey new --out run/shared/system.nk user)
sessions=$(usher nkey new --out run/shared/sessions.nk user)
cat >run/shared/keys.conf <<END
ISSUER: $issuer
XKEY: $xkey
SERVICE: $service
SYSTEM: $system
SESSIONS: $sessions
END

# A CA to try it out: ca.key can vouch for any host, so keep it off the hosts.
usher pki ca run/pki

host() {
  usher pki issue --dir run/pki --cn "$1" --san "$2" --server --client
  cp -R run/shared "run/$1"
  mkdir "run/$1/pki"
  cp run/pki/ca.pem "run/$1/pki"
  mv "run/pki/$1.pem" "run/$1/pki/host.pem"
  mv "run/pki/$1.key" "run/$1/pki/host.key"
  printf 'NAME: "%s"\nHOST: "%s"\n' "$1" "$2" >"run/$1/host.conf"
  sed "$names" nats-server.conf >"run/$1/nats-server.conf"
  sed "$names; s/HOST:/$2:/" usher.yaml >"run/$1/usher.yaml"
}
names="s/n1[.]example[.]com/$1/; s/n2[.]example[.]com/$2/; s/n3[.]example[.]com/$3/"
host n1 "$1"
host n2 "$2"
host n3 "$3"
rm -r run/shared
