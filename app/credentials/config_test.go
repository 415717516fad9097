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
// an authority may connect leaf nodes. Two webhooks get whatever nobody before them knows.
const credentialsText = `
accounts: {callout: AUTH, system: SYS, service_admin: APP, mqtt_client_ids: {APP: any}}
directory: {file: directory.yaml}
callout: {budget: 8s}
http: {listen: ""}
audit: {to: file, file: audit.jsonl}
credentials:
  oidc: [{name: corp, issuer: "https://id.example", audiences: [nats], algorithms: [ES256], keys: {url: "KEYS"}}]
  kubernetes:
    - {name: cluster, issuer: "https://kubernetes.example", audiences: [nats], keys: {file: cluster.json}}
    - name: reviewed
      mode: token_review
      issuer: "https://reviewed.example"
      audiences: [nats]
      review: {url: "REVIEWER", ca_file: reviewer.pem, token_file: reviewer.token, calls: {timeout: 5s}}
  introspection:
    - {name: opaque, url: "OPAQUE", authentication: none, audiences: [nats], prefix: opq_, calls: {timeout: 5s}}
    - {name: dead, url: "DEAD", authentication: none, audiences: [nats], prefix: dead_}
  automate: [CHEF]
  webhook:
    - {name: hook, url: "HOOK", secret_file: webhook.secret, prefix: sess_, calls: {timeout: 5s}}
    - {name: any-token, url: "OTHERS", secret_file: webhook.secret, calls: {timeout: 5s}}
    - {name: any-password, url: "OTHERS", secret_file: webhook.secret, send: user_password, calls: {timeout: 5s}}
  password: {enabled: true}
  natsjwt: {enabled: true, operators: [OPERATOR], dir: "JWTS", bearer: true, sentinels: [SENTINEL]}
  x509: {identity: dns}
  anonymous: {enabled: true}
identities:
  rules:
    - {name: corp-leaf, when: [{fact: authority, equals: corp}, {fact: id, equals: leaf}], user: leaf}
    - {name: cluster-leaf, when: [{fact: authority, equals: cluster}, {fact: id, equals: "system:serviceaccount:shop:leaf"}], user: leaf}
    - {name: opaque-leaf, when: [{fact: authority, equals: opaque}, {fact: id, equals: leaf}], user: leaf}
    - {name: reviewed-leaf, when: [{fact: authority, equals: reviewed}, {fact: id, equals: "system:serviceaccount:shop:leaf"}], user: leaf}
    - {name: chef-leaf, when: [{fact: authority, equals: chef}, {fact: id, equals: leaf}], user: leaf}
    - {name: hook-leaf, when: [{fact: authority, equals: hook}, {fact: id, equals: leaf}], user: leaf}
    - {name: nats-leaf, when: [{fact: authority, equals: nats}, {fact: id, equals: LEAF_JWT}], user: leaf}
    - {name: x509-leaf, when: [{fact: authority, equals: x509}, {fact: id, equals: leaf.example.org}], user: leaf}
    - name: others
      when: [{fact: authority, in: [corp, cluster, reviewed, opaque, chef, hook, nats, x509, anonymous]}]
      roles: [{project: shop, role: publisher, topics: [orders]}]
`
