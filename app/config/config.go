package config

import "time"

// Config is a valid configuration. Its paths are clean; a relative path of the file
// is joined to the directory of the file.
type Config struct {
	file *File `yaml:"-"` // nil: not of a file

	NATS        NATS              `yaml:"nats" doc:"How usher connects to NATS. Its user must be one of auth_users in the server's auth_callout block. Otherwise the server would ask usher to authorize usher's own connection."`
	Accounts    Accounts          `yaml:"accounts" doc:"NATS accounts, by their names in the server's configuration; in operator mode by their names in keyring.yaml."`
	Keyring     Keyring           `yaml:"keyring" doc:"The keys that usher signs and decrypts with."`
	Operator    Operator          `yaml:"operator" doc:"Operator mode only. What usher nkey, usher project and usher check need to read and change account JWTs. usher serve uses this section only if operator.create_accounts is true."`
	Directory   Directory         `yaml:"directory" doc:"Where users, projects, ACLs and API key digests are stored."`
	Credentials Credentials       `yaml:"credentials" doc:"Kinds of credentials beside API keys and nkeys, which usher always accepts. A kind whose list is empty, or whose section is not set, is off."`
	Identities  Identities        `yaml:"identities" reload:"live" doc:"What identities get that are not of the directory, such as those of an identity provider."`
	Profiles    []Profile         `yaml:"profiles" reload:"live" default:"[]" rule:"unique-names" doc:"What internal services may do: the subjects of each in its account, and nothing else. A rule of identities gives a profile to an identity (docs/how-to/internal-services.md)."`
	Callout     Callout           `yaml:"callout" doc:"How usher processes authorization requests."`
	UserJWT     UserJWT           `yaml:"user_jwt" reload:"live" doc:"The user JWT that usher issues for a granted connection."`
	Sessions    Sessions          `yaml:"sessions" doc:"Live sessions: the connections that usher has granted (docs/explanation/sessions.md)."`
	Revocation  SessionRevocation `yaml:"revocation" doc:"What happens to a session whose grant loses something, or whose credential is no longer good."`
	HealthCheck HealthCheck       `yaml:"healthcheck" doc:"The health check, which connects as a client does. Set it together with accounts.healthcheck."`
	API         API               `yaml:"api" doc:"The management API over HTTP. With a directory in a bucket (directory.from: kv or embedded) it reads and changes the directory; with a directory file it reads the directory, and lists and closes sessions."`
	Projects    Projects          `yaml:"projects" doc:"Streams and consumers of projects (docs/how-to/streams.md)."`
	Push        Push              `yaml:"push" doc:"Push: usher sends the messages of push-enabled subscriptions to their endpoints. A change of this section takes effect after a restart of usher."`
	HTTP        HTTP              `yaml:"http" doc:"Metrics and health endpoints over HTTP."`
	Log         Log               `yaml:"log" doc:"usher's own log, written to standard error."`
	Audit       Audit             `yaml:"audit" doc:"The audit log: one JSON line for each decision."`
	Tracing     Tracing           `yaml:"tracing" doc:"Traces of requests, sent to an OpenTelemetry collector (docs/how-to/trace.md). A change of tracing.share and tracing.slow takes effect at a reload, of the other keys after a restart of usher."`
	StanBridge  StanBridge        `yaml:"stan_bridge" doc:"A bridge for clients that publish with the NATS Streaming protocol: it stores their messages in a JetStream stream (docs/how-to/stan-bridge.md). A change of this section takes effect after a restart of usher."`
	Gateways    []Gateway         `yaml:"gateways" default:"[]" rule:"unique-names" doc:"Gateways that must be joined: those of a super-cluster, such as the two of an event gateway. Only usher check reads them (docs/reference/checks.md)."`
}

// The values of nats.mode.
const (
	ModeConfig   = "config"
	ModeOperator = "operator"
)

// NATS configures the connections of the service.
type NATS struct {
	Mode               string   `yaml:"mode" default:"config" rule:"one-of=config|operator" doc:"How the servers define accounts. config: in the server's configuration, with authorization.auth_callout. operator: as account JWTs that an operator has signed (docs/explanation/operator-mode.md); keyring.yaml in keyring.dir says which key signs for which account."`
	URLs               []string `yaml:"urls" default:"[nats://127.0.0.1:4222]" rule:"nats-urls" doc:"Servers to connect to. One server of a cluster is enough; usher learns the others from it."`
	User               string   `yaml:"user" rule:"line" doc:"User name of the service. Set it together with nats.password_file."`
	PasswordFile       string   `yaml:"password_file" rule:"path" doc:"File with the password of nats.user. usher refuses a file that others can read, see keyring.allow_group_readable."`
	NKeyFile           string   `yaml:"nkey_file" rule:"path" doc:"File with the user nkey seed of the service. usher refuses a file that others can read, see keyring.allow_group_readable."`
	CredsFile          string   `yaml:"creds_file" rule:"path" doc:"Credentials file (.creds) of the service, for operator mode. usher refuses a file that others can read, see keyring.allow_group_readable."`
	SentinelCredsFile  string   `yaml:"sentinel_creds_file" rule:"path" doc:"Credentials file (.creds) of the sentinel. usher check, nkey and healthcheck use it to connect as a client does. You need it in operator mode if the servers have no default_sentinel. It is not a secret: a client that uses it must still present a token."`
	SystemUser         string   `yaml:"system_user" rule:"line" doc:"User name of a user of the system account, in config mode. Set it together with nats.system_password_file. usher check uses it to ask the servers which accounts they have, and which servers there are. usher serve does not use it. In operator mode set operator.system_creds_file instead."`
	SystemPasswordFile string   `yaml:"system_password_file" rule:"path" doc:"File with the password of nats.system_user. usher refuses a file that others can read, see keyring.allow_group_readable."`
	SystemNKeyFile     string   `yaml:"system_nkey_file" rule:"path" doc:"File with the user nkey seed of a user of the system account, instead of nats.system_user and its password. usher refuses a file that others can read, see keyring.allow_group_readable."`
	Connections        int      `yaml:"connections" default:"4" rule:"between=1..64" doc:"Number of connections of this process in the queue group. A server verifies the answers of one connection one after the other, so more connections use more of its cores."`
	TLS                TLS      `yaml:"tls" doc:"TLS of these connections. If the section is empty, usher verifies the servers' certificates with the root CAs of the system."`
}

// TLS configures the CAs that the service trusts and its client certificate.
type TLS struct {
	CAFile         string `yaml:"ca_file" rule:"path" doc:"PEM file with the CA certificates to verify the servers' certificates with, instead of the root CAs of the system."`
	CertFile       string `yaml:"cert_file" rule:"path" doc:"PEM file with the client certificate of the service."`
	KeyFile        string `yaml:"key_file" rule:"path" doc:"PEM file with the private key of nats.tls.cert_file."`
	HandshakeFirst bool   `yaml:"handshake_first" doc:"Start the TLS handshake before the server sends INFO. Servers that have handshake_first: true in their tls block require this; servers that have a duration or auto there accept both."`
	ServerName     string `yaml:"server_name" rule:"host" doc:"Name to verify in the servers' certificates, if it is not the host of the URL."`
}

// Accounts names the accounts that usher uses for a purpose of its own.
type Accounts struct {
	Callout         string   `yaml:"callout" required:"true" rule:"account" hint:"auth_callout.account in the server's configuration; $G if that is not set" doc:"Account that usher itself connects to: auth_callout.account in the server's configuration, or $G if that is not set. In operator mode it is the account of the sentinel. usher never places a client in it."`
	System          string   `yaml:"system" required:"true" rule:"account" hint:"system_account in the server's configuration; $SYS if that is not set" doc:"System account: system_account in the server's configuration, or $SYS if that is not set. usher places a client in it only for a role that another key of this section binds to it."`
	Ingest          string   `yaml:"ingest" rule:"account" doc:"Account for the service role ingest. If empty, usher does not answer identities that have this role."`
	IngestStreaming bool     `yaml:"ingest_streaming" default:"true" doc:"Whether the role ingest includes the subjects of NATS Streaming, which need the inbox prefix that all clients of the account share. Supervisors that publish over core NATS do not need them: with false they may publish habitat.event.*, and subscribe to nothing but an inbox of their own."`
	ServiceAdmin    string   `yaml:"service_admin" rule:"account" doc:"Account for the service role service_admin if the client requests no other. If empty, usher does not answer such identities."`
	HealthCheck     string   `yaml:"healthcheck" rule:"account" doc:"Account for usher's own health check. If empty, there is no health check."`
	Scopes          []string `yaml:"scopes" default:"[]" rule:"scopes" doc:"Roles whose permissions come from the template of a scoped signing key and not from the directory. The role of the scoped signing key in the account JWT must have the same name. Operator mode only. A change of this list takes effect after a restart of usher. A change of the template takes effect at once: nats-server closes the affected connections, and clients reconnect with the new permissions."`

	MQTTClientIDs map[string]string `yaml:"mqtt_client_ids" reload:"live" default:"{}" rule:"mqtt-client-ids" doc:"Which client IDs MQTT clients may use, by account. All users of an account share its MQTT sessions: a client that connects with the ID of another one takes over its session and the messages that wait in it. user (the default): the client ID must be the user's name, or begin with the name and a colon, such as alice:phone. any: every user of the account may use every ID."`
}

// The values of accounts.mqtt_client_ids.
const (
	MQTTClientIDsUser = "user"
	MQTTClientIDsAny  = "any"
)

// Keyring configures where the keys are.
type Keyring struct {
	Dir                string `yaml:"dir" required:"true" rule:"path" hint:"usher init creates a keyring" doc:"Directory of seed files: account seeds that sign, curve seeds that decrypt, and keyring.yaml, which says what each key is for (docs/reference/keyring.md). usher reloads it when it changes; on an error it keeps the last good keyring."`
	AllowGroupReadable bool   `yaml:"allow_group_readable" doc:"Accept files with secrets that their group can read, as Kubernetes mounts them with fsGroup: the seeds of the keyring, and the files that other keys of this configuration name. usher always refuses files that everyone can read."`
}

// The values of directory.from.
const (
	DirectoryFile     = "file"
	DirectoryKV       = "kv"
	DirectoryEmbedded = "embedded"
)

// Directory configures where the directory is stored.
type Directory struct {
	From            string `yaml:"from" default:"file" rule:"one-of=file|kv|embedded" doc:"file: a YAML file that you edit. kv: a JetStream key-value bucket on the servers of nats.urls, in the account of the service user. All replicas share it, and you manage it through the API (api.listen). embedded: the same bucket in a nats-server inside this process, for a single usher instance."`
	File            string `yaml:"file" rule:"path" hint:"usher init writes an example" doc:"YAML file of the directory. usher reloads it when it changes; on an error it keeps the last good directory."`
	Bucket          string `yaml:"bucket" default:"usher_directory" rule:"bucket" doc:"Name of the bucket."`
	CreateBucket    bool   `yaml:"create_bucket" default:"true" doc:"Create the bucket if it does not exist, with the settings below. usher does not change a bucket that exists."`
	Replicas        int    `yaml:"replicas" default:"1" rule:"between=1..5" doc:"Number of servers of the cluster that store a bucket that usher creates. With 3 the bucket survives the loss of one server."`
	Storage         string `yaml:"storage" default:"file" rule:"one-of=file|memory" doc:"Storage type of a bucket that usher creates."`
	MaxBytes        int    `yaml:"max_bytes" default:"1073741824" rule:"between=16777216..1099511627776" doc:"max_bytes of a bucket that usher creates, and of the bucket of an embedded server. Delete markers count. Above 80 % usher refuses changes that make the directory larger, so that deletions still fit. An existing bucket keeps its own limit, and that limit applies; usher check compares the two."`
	MaxProjectBytes int    `yaml:"max_project_bytes" default:"33554432" rule:"between=65536..1099511627776" doc:"Bytes of the bucket that the administrators of one project may fill. The entries that they created or changed last count, and for 24h the delete markers of entries that they deleted (about 350 bytes each). Above the limit they can still delete entries. The limit does not apply to a service_admin."`
	SnapshotFile    string `yaml:"snapshot_file" rule:"path" doc:"File for the last good directory of a bucket, created with mode 0600. With it usher can start while the bucket is unreachable; it reports how old its data is. Each usher instance needs its own file."`
	StoreDir        string `yaml:"store_dir" rule:"path" doc:"Where the embedded nats-server stores the bucket. Only one usher instance can use it at a time."`
}

// API configures the management API.
type API struct {
	Listen            string         `yaml:"listen" rule:"listen" doc:"Address of the management API (docs/reference/api.md). If empty, the API is off. Requests carry API keys: without api.tls this must be a loopback address, see api.allow_cleartext."`
	TLS               APITLS         `yaml:"tls" doc:"TLS of the API."`
	AllowCleartext    bool           `yaml:"allow_cleartext" doc:"Serve without api.tls on an address that other machines can reach, because a proxy, an ingress or a service mesh in front of usher terminates TLS."`
	KeyIn             string         `yaml:"key_in" default:"header" rule:"one-of=header|query|both" doc:"Where usher reads the caller's API key: the header x-api-key, the query parameter key, or both, the header first. A key in a URL stays in histories and in the logs of proxies. usher does not log keys."`
	MaxBody           int            `yaml:"max_body" default:"1048576" rule:"between=1024..67108864" doc:"Maximum size of a request body, in bytes. The body of an import may be larger."`
	Timeout           time.Duration  `yaml:"timeout" default:"30s" rule:"positive at-most=5m" doc:"Maximum duration of a request. An import may take longer."`
	FailuresPerSecond int            `yaml:"failures_per_second" default:"10" rule:"between=0..100000" doc:"Requests with an invalid key that one client address (IPv6: /64 network) may send per second; a burst may have four times as many. Above that, the API answers 429 with Retry-After. A valid key is always accepted. 0: no limit."`
	Messages          bool           `yaml:"messages" doc:"Serve messages over HTTP: publish, pull, acknowledge, and what belongs to them, as the Argo Messaging Service does (docs/reference/api.md)."`
	MessageMemory     int            `yaml:"message_memory" default:"268435456" rule:"between=1048576..1099511627776" doc:"Bytes that the messages of all requests in progress may take. Above that, the API answers 429 with Retry-After. One project may take half of what is free."`
	ServiceTokens     []ServiceToken `yaml:"service_tokens" default:"[]" rule:"unique-names" doc:"Keys of services that are no users of the directory, such as push servers of the Argo Messaging Service. They are valid on the API alone, and not on NATS."`
	X509              APIX509        `yaml:"x509" doc:"A listener of its own, on which clients with certificates get API keys (docs/how-to/certificates.md). api.timeout applies to it, and api.failures_per_second, with refused certificates in place of invalid keys."`
}

// APITLS is the server certificate of a listener of the API and its key.
type APITLS struct {
	CertFile string `yaml:"cert_file" rule:"path" doc:"PEM file with the certificate of the listener, followed by its intermediate certificates. usher loads it again when it changes."`
	KeyFile  string `yaml:"key_file" rule:"path" doc:"PEM file with the private key of the certificate. usher refuses a file that others can read, see keyring.allow_group_readable."`
}

// Callout configures how usher processes authorization requests.
type Callout struct {
	Budget       time.Duration `yaml:"budget" default:"2s" rule:"positive at-most=10s" hint:"nats.go gives up after 2s whatever the server allows" doc:"How long clients wait: from the connect of a client until the server has processed the answer. Clients that use nats.go wait 2s. usher does not answer a request whose answer would come more than a tenth later. authorization.timeout of the servers must be longer, by a tenth at least."`
	Workers      int           `yaml:"workers" default:"0" rule:"between=0..4096" doc:"Number of requests that compute at once, of all connections together (CPU slots). A request that waits for a slow verifier takes none; one that waits for a signing program does. 0: twice the number of cores, and at least 4."`
	Queue        int           `yaml:"queue" default:"8192" rule:"between=1..1000000" doc:"Number of requests that may wait to be processed, shared by nats.connections. They have at most 64 KiB each on average. When the queue is full, usher sheds a request of the host that has the most waiting requests: it does not answer it, so the client retries."`
	Order        string        `yaml:"order" default:"adaptive" rule:"one-of=adaptive|oldest_first|newest_first" doc:"Which waiting request of a host is next; hosts are served round-robin. adaptive: oldest first while all that wait can be served within callout.budget, otherwise newest first, because that client waits longest from now on. docs/explanation/storms.md has the measurement."`
	Failures     Failures      `yaml:"failures" reload:"live" doc:"Rate limits for failed attempts. usher does not answer attempts above a limit. Attempts that will be granted are not limited, so many clients can share an address. Each usher instance counts separately."`
	ClockSkew    time.Duration `yaml:"clock_skew" default:"5s" rule:"not-negative at-most=5m" doc:"Maximum difference between the clocks of usher and of the servers."`
	DrainTimeout time.Duration `yaml:"drain_timeout" default:"10s" rule:"positive" doc:"How long usher waits for requests in progress before it stops."`
}

// Failures limits the rate of failed attempts.
type Failures struct {
	PerHost       int `yaml:"per_host" default:"100" rule:"between=0..1000000" doc:"Failed attempts per second from one client address (IPv6: /64 network); a burst may have four times as many. Denials count, and other attempts that cost work and cannot be granted (grant_too_large). Above the limit, usher answers only the attempts from that address that it would grant. Denials by a verifier that asks another system count for that verifier alone. 0: no limit."`
	PerCredential int `yaml:"per_credential" default:"10" rule:"between=0..1000000" doc:"The same for one credential, whatever address presents it; a burst may have four times as many. Above the limit, usher answers only if it would grant the attempt. 0: no limit."`
}

// UserJWT configures the lifetime of user JWTs.
type UserJWT struct {
	MaxLifetime   time.Duration `yaml:"max_lifetime" default:"24h" rule:"zero-or-at-least=1s" doc:"Maximum lifetime of a user JWT. The server closes the connection when it expires. 0: no maximum, the user JWT expires with the credential."`
	RenewalMargin time.Duration `yaml:"renewal_margin" rule:"not-negative" doc:"How long before its credential a user JWT expires, so that the client has time to present a new credential. A credential that ends sooner is granted to its end. user_jwt.jitter applies to this margin too, which can only make it longer."`
	Jitter        float64       `yaml:"jitter" default:"0.1" rule:"fraction" doc:"Fraction of user_jwt.max_lifetime that bounds its random jitter: the lifetime is the maximum minus random jitter, so that clients do not all reconnect at once. If the credential expires before the maximum, it applies to user_jwt.renewal_margin alone."`
}

// HealthCheck configures the token of the health check.
type HealthCheck struct {
	TokenFile string `yaml:"token_file" rule:"path" doc:"File that the running service writes the token of the health check to, with mode 0600. usher replaces the token well before it expires."`
}

// HTTP configures the metrics and health endpoints.
type HTTP struct {
	Listen string `yaml:"listen" default:"127.0.0.1:9778" rule:"listen" doc:"Address that serves /metrics, /healthz and /readyz, without authentication. If empty, nothing is served."`
}

// Log configures the log.
type Log struct {
	Level  string `yaml:"level" reload:"live" default:"info" rule:"one-of=debug|info|warn|error" doc:"Minimum level of the messages that usher logs."`
	Format string `yaml:"format" default:"text" rule:"one-of=text|json" doc:"Format of a log line."`
}

// Tracing configures which requests are traced, and where the traces go.
type Tracing struct {
	Endpoint    string        `yaml:"endpoint" rule:"collector-url" doc:"URL of a collector that receives OTLP over HTTP, such as http://127.0.0.1:4318. usher appends /v1/traces. If empty, nothing is traced."`
	Share       float64       `yaml:"share" reload:"live" default:"0.01" rule:"fraction" doc:"Fraction of the ordinary requests that are traced. Requests that usher does not grant, API requests that fail, and requests that take tracing.slow or longer are traced whatever this is, up to 100 a second."`
	Slow        time.Duration `yaml:"slow" reload:"live" default:"250ms" rule:"positive" doc:"Duration from which a request is slow, and so is traced."`
	HeadersFile string        `yaml:"headers_file" rule:"path" doc:"File with the headers that the collector asks for, such as authorization: Bearer TOKEN, one name: value per line. usher refuses a file that others can read, see keyring.allow_group_readable."`
	TLS         TracingTLS    `yaml:"tls" doc:"TLS of an https endpoint. If the section is empty, usher verifies the collector's certificate with the root CAs of the system."`
}

// TracingTLS configures the CAs that usher trusts for the collector and its client
// certificate.
type TracingTLS struct {
	CAFile   string `yaml:"ca_file" rule:"path" doc:"PEM file with the CA certificates to verify the collector's certificate with, instead of the root CAs of the system."`
	CertFile string `yaml:"cert_file" rule:"path" doc:"PEM file with a client certificate for the collector."`
	KeyFile  string `yaml:"key_file" rule:"path" doc:"PEM file with the private key of tracing.tls.cert_file. usher refuses a file that others can read, see keyring.allow_group_readable."`
}
