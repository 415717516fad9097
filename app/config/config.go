package config

import "time"

// Config is a configuration that was checked. Paths in it are clean, and those
// that were relative start where the directory of the configuration file does.
type Config struct {
	NATS        NATS        `yaml:"nats" doc:"How usher itself connects to NATS. Its user must be one of auth_users in the server's auth_callout block, or else it would have to ask itself."`
	Accounts    Accounts    `yaml:"accounts" doc:"NATS accounts, by name as in the server's configuration; in operator mode by name as in keyring.yaml."`
	Keyring     Keyring     `yaml:"keyring" doc:"The keys that usher signs and decrypts with."`
	Operator    Operator    `yaml:"operator" doc:"Operator mode only. What usher nkey, usher project and usher check need to read and change account JWTs; usher serve reads none of it, unless operator.create_accounts is true."`
	Directory   Directory   `yaml:"directory" doc:"Where users, projects, ACLs and digests of API keys are kept."`
	Callout     Callout     `yaml:"callout" doc:"How authorization requests are worked on."`
	UserJWT     UserJWT     `yaml:"user_jwt" doc:"The user JWT that a granted connection gets."`
	HealthCheck HealthCheck `yaml:"healthcheck" doc:"The check that connects as a client would. It goes with accounts.healthcheck."`
	API         API         `yaml:"api" doc:"The management API over HTTP, of a directory that is not a file."`
	HTTP        HTTP        `yaml:"http" doc:"Metrics and health over HTTP."`
	Log         Log         `yaml:"log" doc:"What usher says of itself, on standard error."`
	Audit       Audit       `yaml:"audit" doc:"One JSON line for every decision."`
}

// The values of nats.mode.
const (
	ModeConfig   = "config"
	ModeOperator = "operator"
)

// NATS says how the service connects.
type NATS struct {
	Mode               string   `yaml:"mode" default:"config" rule:"one-of=config|operator" doc:"How the servers know their accounts. config: they stand in the server's configuration, with authorization.auth_callout. operator: they are JWTs that an operator has signed (docs/operator-mode.md); keyring.yaml in keyring.dir says which key signs for which account."`
	URLs               []string `yaml:"urls" default:"[nats://127.0.0.1:4222]" rule:"nats-urls" doc:"Servers to connect to; any of a cluster will do, the others are learned from it."`
	User               string   `yaml:"user" rule:"line" doc:"User name of the service, with nats.password_file."`
	PasswordFile       string   `yaml:"password_file" rule:"path" doc:"File with the password of nats.user. A file that others can read is refused, see keyring.allow_group_readable."`
	NKeyFile           string   `yaml:"nkey_file" rule:"path" doc:"File with the user nkey seed of the service. A file that others can read is refused, see keyring.allow_group_readable."`
	CredsFile          string   `yaml:"creds_file" rule:"path" doc:"Credentials file (.creds) of the service, for operator mode. A file that others can read is refused, see keyring.allow_group_readable."`
	SentinelFile       string   `yaml:"sentinel_creds_file" rule:"path" doc:"Credentials file (.creds) of the sentinel, with which usher check, nkey and healthcheck connect as a client does. Needed in operator mode where the servers have no default_sentinel. What is in it is no secret: whoever has it still has to present a token."`
	SystemUser         string   `yaml:"system_user" rule:"line" doc:"User name of a user of the system account, with nats.system_password_file, in config mode. usher check asks the servers as that user which accounts they have, and which servers there are; usher serve does without. In operator mode operator.system_creds_file is for this."`
	SystemPasswordFile string   `yaml:"system_password_file" rule:"path" doc:"File with the password of nats.system_user. A file that others can read is refused, see keyring.allow_group_readable."`
	SystemNKeyFile     string   `yaml:"system_nkey_file" rule:"path" doc:"File with the user nkey seed of a user of the system account, in place of nats.system_user and its password. A file that others can read is refused, see keyring.allow_group_readable."`
	Connections        int      `yaml:"connections" default:"4" rule:"between=1..64" doc:"Connections of this process in the queue group. A server checks answers one after the other per connection, so several use more of its cores."`
	TLS                TLS      `yaml:"tls" doc:"TLS of these connections. With all of it empty, the servers' certificates are checked against the system's roots."`
}

// TLS says whom the service trusts and who it is.
type TLS struct {
	CAFile         string `yaml:"ca_file" rule:"path" doc:"PEM file with the certificates that the servers' certificates must lead to, in place of the system's roots."`
	CertFile       string `yaml:"cert_file" rule:"path" doc:"PEM file with the client certificate of the service."`
	KeyFile        string `yaml:"key_file" rule:"path" doc:"PEM file with the private key of nats.tls.cert_file."`
	HandshakeFirst bool   `yaml:"handshake_first" doc:"Begin with the TLS handshake, before the server has said anything, as it takes for servers with handshake_first: true in their tls block. Where that is a time or auto, both ways work."`
	ServerName     string `yaml:"server_name" rule:"host" doc:"Name that must stand in the servers' certificates, where it is not the host of the URL."`
}

// Accounts names the accounts that usher knows by their use.
type Accounts struct {
	Callout      string   `yaml:"callout" required:"true" rule:"account" hint:"auth_callout.account in the server's configuration; $G where that does not name one" doc:"Account where usher itself lives: auth_callout.account in the server's configuration, $G where that does not name one; in operator mode the account of the sentinel. No client is ever placed in it."`
	System       string   `yaml:"system" required:"true" rule:"account" hint:"system_account in the server's configuration; $SYS where that does not name one" doc:"System account: system_account in the server's configuration, $SYS where that does not name one. Clients are placed in it only for a role that another key of this section binds to it."`
	Ingest       string   `yaml:"ingest" rule:"account" doc:"Account for the service role ingest. Empty: identities with that role are not answered."`
	ServiceAdmin string   `yaml:"service_admin" rule:"account" doc:"Account for the service role service_admin when it asks for no other. Empty: such identities are not answered."`
	HealthCheck  string   `yaml:"healthcheck" rule:"account" doc:"Account for usher's own health check. Empty: no health check."`
	Scopes       []string `yaml:"scopes" default:"[]" rule:"scopes" doc:"Roles whose permissions are not derived from the directory: the template of a scoped signing key gives them, whose role in the account JWT is called the same. Operator mode only. A change of this list takes a restart of usher. An edit of the template applies at once: nats-server closes the connections that it concerns, and clients come back with what it says then."`

	MQTTClientIDs map[string]string `yaml:"mqtt_client_ids" default:"{}" rule:"mqtt-client-ids" doc:"By account: which ids MQTT clients may have. Every user of an account shares its MQTT sessions, and whoever connects with the id of another takes its session over, with what is waiting in it. So by default (user) the id of a client is the name of its user, or begins with it and a colon, such as alice:phone. any: every user of the account may have every id."`
}

// The values of accounts.mqtt_client_ids.
const (
	MQTTClientIDsUser = "user"
	MQTTClientIDsAny  = "any"
)

// Keyring says where the keys are.
type Keyring struct {
	Dir                string `yaml:"dir" required:"true" rule:"path" hint:"usher init makes a keyring" doc:"Directory of seed files: account seeds that sign, and curve seeds that decrypt; and keyring.yaml, which says what each is for (docs/keyring.md). It is read again when it changes; the last good keyring stays on error."`
	AllowGroupReadable bool   `yaml:"allow_group_readable" doc:"Accept files with secrets that their group can read, as Kubernetes mounts them with fsGroup: the seeds of the keyring, and nats.password_file, nats.nkey_file and nats.creds_file too. Files that everyone can read are refused all the same."`
}

// The values of directory.from.
const (
	DirectoryFile     = "file"
	DirectoryKV       = "kv"
	DirectoryEmbedded = "embedded"
)

// Directory says where the directory is kept.
type Directory struct {
	From         string `yaml:"from" default:"file" rule:"one-of=file|kv|embedded" doc:"file: a YAML file, which is edited. kv: a JetStream key-value bucket of the servers of nats.urls, in the account of the service user; replicas share it, and api.listen serves its management. embedded: the same in a nats-server inside this process, for a single usher."`
	File         string `yaml:"file" rule:"path" hint:"usher init writes an example" doc:"YAML file of the directory. It is read again when it changes; the last good one stays on error."`
	Bucket       string `yaml:"bucket" default:"usher_directory" rule:"bucket" doc:"Name of the bucket."`
	CreateBucket bool   `yaml:"create_bucket" default:"true" doc:"Make the bucket if it is missing, with the settings below. A bucket that is there stays as it is."`
	Replicas     int    `yaml:"replicas" default:"1" rule:"between=1..5" doc:"On how many servers of the cluster a bucket that is made is kept: 3 outlives the loss of one."`
	Storage      string `yaml:"storage" default:"file" rule:"one-of=file|memory" doc:"Where the servers keep a bucket that is made."`
	MaxBytes     int    `yaml:"max_bytes" default:"1073741824" rule:"between=16777216..1099511627776" doc:"max_bytes of a bucket that is made, and of that of an embedded server: how large it may get, marks of removed entries included. From four fifths of it on, what makes the directory larger is refused, so that there is room for removals. A bucket of the servers that is there keeps its own, which counts then; usher check compares the two."`
	MaxProject   int    `yaml:"max_project_bytes" default:"33554432" rule:"between=65536..1099511627776" doc:"How much of the bucket the administrators of one project may fill: with what they have made or changed last, and for a day with the marks of what they have removed, of some 350 bytes each. Above that, they can still remove things; a service_admin is not bound to it."`
	SnapshotFile string `yaml:"snapshot_file" rule:"path" doc:"File with the last good directory of a bucket, made with mode 0600. With it usher starts while the bucket cannot be reached, and says how old its view is. Each usher needs its own."`
	StoreDir     string `yaml:"store_dir" rule:"path" doc:"Where the embedded nats-server keeps the bucket. One usher at a time."`
}

// API says where and how the directory is managed over HTTP.
type API struct {
	Listen         string        `yaml:"listen" rule:"listen" doc:"Address of the management API (docs/api.md). Empty: off. Keys travel in it: without api.tls it has to be one of loopback, see api.allow_cleartext."`
	TLS            APITLS        `yaml:"tls" doc:"TLS of the API."`
	AllowCleartext bool          `yaml:"allow_cleartext" doc:"Serve without api.tls where others than this machine can reach it, because something in between ends TLS: a proxy, an ingress, a service mesh."`
	KeyIn          string        `yaml:"key_in" default:"header" rule:"one-of=header|query|both" doc:"Where a caller's API key is looked for: header x-api-key, query parameter key, or the one and then the other. A key in a URL stays in histories and in the logs of whatever is in between; usher logs none."`
	MaxBody        int           `yaml:"max_body" default:"1048576" rule:"between=1024..67108864" doc:"Longest body of a request, in bytes. An import may be longer."`
	Timeout        time.Duration `yaml:"timeout" default:"30s" rule:"positive at-most=5m" doc:"Longest time for a request. An import may take longer."`
	FailuresPerS   int           `yaml:"failures_per_second" default:"10" rule:"between=0..100000" doc:"How many requests with a bad key one client address (IPv6: network of 64 bits) may make a second, and four times as many at once; above that it is told to wait. A good key is always let in. 0: no limit."`
}

// APITLS is a certificate with its key.
type APITLS struct {
	CertFile string `yaml:"cert_file" rule:"path" doc:"PEM file with the certificate of the API, and those that lead to its root."`
	KeyFile  string `yaml:"key_file" rule:"path" doc:"PEM file with the private key of api.tls.cert_file. A file that others can read is refused, see keyring.allow_group_readable."`
}

// Callout says how requests are worked on.
type Callout struct {
	Budget       time.Duration `yaml:"budget" default:"1500ms" rule:"positive at-most=10s" hint:"nats.go gives up after 2s whatever the server allows, so 1500ms leaves time for the way there and back" doc:"Time from arrival of a request to its answer, waiting included; what takes longer is not answered. Clients that use nats.go give up after 2s."`
	Workers      int           `yaml:"workers" default:"0" rule:"between=0..4096" doc:"Requests that are worked on at once, shared by nats.connections; each has at least one. 0: twice the number of cores, and at least 4."`
	Queue        int           `yaml:"queue" default:"8192" rule:"between=1..1000000" doc:"Requests that may wait for a worker, shared by nats.connections. When one more comes, one of the host that has the most waiting is shed: not answered, so the client tries again."`
	Order        string        `yaml:"order" default:"adaptive" rule:"one-of=adaptive|oldest_first|newest_first" doc:"Which of the waiting requests of one host is next; hosts take turns. adaptive: the oldest, and under pressure (a third of callout.budget would pass) the newest, whose client has the most patience left. docs/performance.md has the measurement."`
	Failures     Failures      `yaml:"failures" doc:"How often attempts may fail. What is above is not answered. Attempts that will be granted are not limited, so many clients can share an address. Each usher counts for itself."`
	ClockSkew    time.Duration `yaml:"clock_skew" default:"5s" rule:"not-negative at-most=5m" doc:"How far the clocks of usher and of the servers may differ."`
	DrainTimeout time.Duration `yaml:"drain_timeout" default:"10s" rule:"positive" doc:"How long usher finishes requests that it has taken before it stops."`
}

// Failures says how often attempts may fail.
type Failures struct {
	PerHost       int `yaml:"per_host" default:"100" rule:"between=0..1000000" doc:"Denials, and other attempts that cost work and cannot be granted (grant_too_large), a second for one client address (IPv6: network of 64 bits), and four times as many at once. Above that, attempts from there that would not be granted are not answered. 0: no limit."`
	PerCredential int `yaml:"per_credential" default:"10" rule:"between=0..1000000" doc:"The same for one credential, wherever it is presented, and four times as many at once. Above that, it is not answered, unless it would be granted. 0: no limit."`
}

// UserJWT says how long what is minted lives.
type UserJWT struct {
	MaxLifetime time.Duration `yaml:"max_lifetime" default:"24h" rule:"zero-or-at-least=1s" doc:"Longest life of a user JWT; the server closes the connection at its end. 0: no cap, it ends when the credential does."`
	Jitter      float64       `yaml:"jitter" default:"0.1" rule:"fraction" doc:"Share of user_jwt.max_lifetime that is taken off at random, so that clients do not all come back at once. It plays no part where the credential ends before the cap."`
}

// HealthCheck says where the token of the health check is kept.
type HealthCheck struct {
	TokenFile string `yaml:"token_file" rule:"path" doc:"File into which the running service writes the token that the health check presents, with mode 0600. The token is replaced well before it ends."`
}

// HTTP says where metrics and health are served.
type HTTP struct {
	Listen string `yaml:"listen" default:"127.0.0.1:9778" rule:"listen" doc:"Address that serves /metrics, /healthz and /readyz, without authentication. Empty: off."`
}

// Log says how the log looks.
type Log struct {
	Level  string `yaml:"level" default:"info" rule:"one-of=debug|info|warn|error" doc:"Least level that is logged."`
	Format string `yaml:"format" default:"text" rule:"one-of=text|json" doc:"Form of a line."`
}

// Audit says where decisions are kept.
type Audit struct {
	To   string `yaml:"to" default:"stderr" rule:"one-of=stderr|file|off" doc:"Where the events go."`
	File string `yaml:"file" rule:"path" doc:"File that events are appended to, with audit.to: file. It is made with mode 0600."`
}
