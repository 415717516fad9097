package callouttest

import (
	"regexp"

	"usher/directory"
)

// DirectoryYAML is a directory with one user per role, in two projects of AppAccount
// and one of OtherAccount. The API key of user NAME is "NAME-key". Two users may
// connect leaf nodes: ladmin, a service_admin, and fleaf, the project_admin of every
// project of OtherAccount. Pass it through WithDigests.
const DirectoryYAML = `
users:
  - {name: ingest, service_roles: [ingest], keys: [{digest: KEY(ingest-key)}]}
  - {name: publisher, keys: [{digest: KEY(publisher-key), id: laptop}]}
  - {name: consumer, keys: [{digest: KEY(consumer-key)}]}
  - {name: padmin, keys: [{digest: KEY(padmin-key)}]}
  - {name: sadmin, service_roles: [service_admin], keys: [{digest: KEY(sadmin-key)}]}
  - name: ladmin
    service_roles: [service_admin]
    limits: {connection_types: [standard, leafnode]}
    keys: [{digest: KEY(ladmin-key)}]
  - name: fleaf
    limits: {connection_types: [leafnode, leafnode_ws]}
    keys: [{digest: KEY(fleaf-key)}]
  - {name: stranger, keys: [{digest: KEY(stranger-key)}]}
  - {name: both, keys: [{digest: KEY(both-key)}]}
  - {name: former, enabled: false, keys: [{digest: KEY(former-key)}]}
  - {name: late, keys: [{digest: KEY(late-key), expires: 2020-01-01T00:00:00Z}]}
  - {name: early, keys: [{digest: KEY(early-key), not_before: 2999-01-01T00:00:00Z}]}
  - {name: off, keys: [{digest: KEY(off-key), enabled: false}]}
  - {name: elsewhere, keys: [{digest: KEY(elsewhere-key), networks: [192.0.2.0/24]}]}
  - {name: here, keys: [{digest: KEY(here-key), networks: [127.0.0.0/8]}]}
  - name: wsonly
    limits: {connection_types: [websocket]}
    keys: [{digest: KEY(wsonly-key)}]
projects:
  - name: shop
    account: APP
    members:
      - {user: publisher, roles: [publisher]}
      - {user: consumer, roles: [consumer]}
      - {user: padmin, roles: [project_admin]}
      - {user: both, roles: [publisher, consumer]}
      - {user: here, roles: [publisher]}
      - {user: wsonly, roles: [publisher]}
      - {user: former, roles: [publisher]}
      - {user: late, roles: [publisher]}
      - {user: early, roles: [publisher]}
      - {user: off, roles: [publisher]}
      - {user: elsewhere, roles: [publisher]}
    topics:
      - {name: orders, acl: [publisher, both, here, wsonly]}
      - {name: returns, acl: []}
      - {name: prices, subject: shop.market.prices, acl: [publisher]}
    subscriptions:
      - {name: billing, topic: orders, acl: [consumer, both]}
      - {name: audit, topic: orders, acl: []}
  - name: lab
    account: APP
    topics: [{name: results, acl: []}]
    subscriptions: [{name: reader, topic: results, acl: []}]
  - name: far
    account: OTHER
    members: [{user: both, roles: [publisher]}, {user: fleaf, roles: [project_admin]}]
    topics: [{name: orders, acl: [both]}]
`

var keyPlaceholder = regexp.MustCompile(`KEY\(([^)]*)\)`)

// WithDigests replaces every KEY(key) in the YAML of a directory by the digest of the
// key.
func WithDigests(text string) string {
	return keyPlaceholder.ReplaceAllStringFunc(text, func(m string) string {
		return directory.DigestOf(keyPlaceholder.FindStringSubmatch(m)[1]).String()
	})
}
