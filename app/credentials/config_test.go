package credentials_test

// directoryText is the directory of a site: nkey and password hash of alice, and of the
// users who connect leaf nodes.
const directoryText = `
users:
  - name: alice
    keys: [{digest: KEY(alice-key)}]
    nkeys: [{id: laptop, nkey: %s}]
    password: {id: main, hash: %q}
  - name: leaf
    limits: {connection_types: [leafnode]}
    keys: [{digest: KEY(leaf-key)}]
    nkeys: [{id: server, nkey: %s}]
    password: {id: main, hash: %q}
projects:
  - name: shop
    account: APP
    members: [{user: alice, roles: [publisher]}, {user: leaf, roles: [project_admin]}]
    topics: [{name: orders, acl: [alice]}, {name: returns, acl: []}]
`

// natsText is how usher connects: the user, URL and TLS, and the keyring.
const natsText = `
nats: {%s, urls: [%q], connections: 1%s}
keyring: {dir: %q}
`

// credentialsText is the rest of usher.yaml, with every kind of credential. Who is leaf at
// an authority may connect leaf nodes.
const credentialsText = `
accounts: {callout: AUTH, system: SYS, service_admin: APP, mqtt_client_ids: {APP: any}}
directory: {file: directory.yaml}
callout: {budget: 8s}
http: {listen: ""}
audit: {to: file, file: audit.jsonl}
credentials:
  oidc: [{name: corp, issuer: "https://id.example", audiences: [nats], algorithms: [ES256], keys: {url: "KEYS"}}]
  kubernetes: [{name: cluster, issuer: "https://kubernetes.example", audiences: [nats], keys: {file: cluster.json}}]
  introspection:
    - {name: opaque, url: "OPAQUE", authentication: none, audiences: [nats], prefix: opq_, calls: {timeout: 5s}}
  password: {enabled: true}
  natsjwt: {enabled: true, operators: [OPERATOR], dir: "JWTS", bearer: true, sentinels: [SENTINEL]}
  x509: {identity: dns}
  anonymous: {enabled: true}
identities:
  rules:
    - {name: corp-leaf, when: [{fact: authority, equals: corp}, {fact: id, equals: leaf}], user: leaf}
    - {name: cluster-leaf, when: [{fact: authority, equals: cluster}, {fact: id, equals: "system:serviceaccount:shop:leaf"}], user: leaf}
    - {name: opaque-leaf, when: [{fact: authority, equals: opaque}, {fact: id, equals: leaf}], user: leaf}
    - {name: nats-leaf, when: [{fact: authority, equals: nats}, {fact: id, equals: LEAF_JWT}], user: leaf}
    - {name: x509-leaf, when: [{fact: authority, equals: x509}, {fact: id, equals: leaf.example.org}], user: leaf}
    - name: others
      when: [{fact: authority, in: [corp, cluster, opaque, nats, x509, anonymous]}]
      roles: [{project: shop, role: publisher, topics: [orders]}]
`
