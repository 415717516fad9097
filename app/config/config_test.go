package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"usher/app/config"
	"usher/internal/strictyaml"
)

// required is a document with the required keys only.
const (
	required = "accounts: {callout: AUTH, system: SYS}\n" + files
	files    = "keyring: {dir: keys}\ndirectory: {file: directory.yaml}\n"
	live     = "accounts: {callout: AUTH, system: SYS}\nkeyring: {dir: keys}\n" // for a test that adds a directory section
)

func TestDefaults(t *testing.T) {
	if got := config.Default().HTTP.Listen; got != config.DefaultHTTPListen {
		t.Errorf("http.listen is %s by default, not %s", got, config.DefaultHTTPListen)
	}
	got, err := config.Parse("usher.yaml", []byte(required))
	if err != nil {
		t.Fatal(err)
	}
	revocation := config.Revocation{
		Check: config.Off, Unreachable: "unavailable", CRLFiles: []string{}, Hosts: []string{},
		Timeout: time.Second, Refresh: time.Hour, MaxCRLBytes: 16 << 20,
	}
	want := &config.Config{
		NATS:      config.NATS{Mode: "config", URLs: []string{"nats://127.0.0.1:4222"}, Connections: 4},
		Accounts:  config.Accounts{Callout: "AUTH", System: "SYS", IngestStreaming: true, Scopes: []string{}, MQTTClientIDs: map[string]string{}},
		Keyring:   config.Keyring{Dir: "keys"},
		Directory: config.Directory{From: "file", File: "directory.yaml", Bucket: "usher_directory", CreateBucket: true, Replicas: 1, Storage: "file", MaxBytes: 1 << 30, MaxProjectBytes: 32 << 20},
		Operator: config.Operator{SigningCommand: []string{}, AccountTemplate: config.AccountTemplate{
			Limits:    config.AccountLimits{Connections: -1, LeafNodes: -1, Subscriptions: -1, Payload: -1, Imports: -1, Exports: -1, WildcardExports: true},
			JetStream: config.AccountJetStream{MemoryStorage: -1, DiskStorage: -1, Streams: -1, Consumers: -1, MaxAckPending: -1},
			Imports:   []config.AccountImport{}, Exports: []config.AccountExport{},
		}},
		Identities: config.Identities{Match: "first", Rules: []config.IdentityRule{}},
		Profiles:   []config.Profile{},
		Credentials: config.Credentials{
			NATSJWT: config.NATSJWT{Name: "nats", Accounts: []string{}, Operators: []string{}, Sentinels: []string{}},
			OIDC:    []config.OIDC{}, Kubernetes: []config.Kubernetes{},
			Password:  config.Password{Memory: 256, Remember: 10 * time.Minute},
			Anonymous: config.Anonymous{Name: "anonymous", Networks: []string{}},
			X509: config.X509{
				Identity: config.Off, Name: "x509", TrustDomains: []string{}, WithToken: "ignore",
				Revocation: revocation,
			},
		},
		Callout: config.Callout{
			Budget: 2 * time.Second, Queue: 8192, Order: "adaptive", Failures: config.Failures{PerHost: 100, PerCredential: 10}, ClockSkew: 5 * time.Second, DrainTimeout: 10 * time.Second,
		},
		UserJWT: config.UserJWT{MaxLifetime: 24 * time.Hour, Jitter: 0.1},
		Sessions: config.Sessions{
			Limits:   config.SessionLimits{Over: config.OverDenyNewest},
			Flapping: config.Flapping{Within: time.Minute, BanFor: 10 * time.Minute, By: []string{"credential"}, Except: []string{}},
		},
		Revocation: config.SessionRevocation{When: config.RevokeImmediately, OnGain: config.OnGainKeep, Rate: 2000},
		API:        config.API{KeyIn: "header", MaxBody: 1 << 20, Timeout: 30 * time.Second, FailuresPerSecond: 10, MessageMemory: 256 << 20, ServiceTokens: []config.ServiceToken{}, X509: config.APIX509{KeyLifetime: time.Hour, MaxKeys: 16, Revocation: revocation}},
		Projects:   config.Projects{Streams: config.StreamsManual, StreamReplicas: 1, StreamStorage: "file", StreamMaxAge: 7 * 24 * time.Hour, StreamMaxBytes: 1 << 30},
		Push: config.Push{
			Bucket: "usher_push", Replicas: 1, AllowNetworks: []string{}, Ports: []string{"443", "8443"}, Timeout: 30 * time.Second, HeaderGrace: time.Hour,
			DeadLetterSubject: "{project}._dead.{subscription}", Concurrency: 256, Servers: []config.PushServer{}, GRPC: config.PushGRPC{CommonNames: []string{}},
		},
		HTTP:    config.HTTP{Listen: "127.0.0.1:9778"},
		Log:     config.Log{Level: "info", Format: "text"},
		Audit:   config.Audit{To: "stderr", Stream: "USHER_AUDIT", Subject: "usher.audit", MaxAge: 90 * 24 * time.Hour, MaxBytes: 1 << 30, Replicas: 1, SpoolBytes: 256 << 20},
		Tracing: config.Tracing{Share: 0.01, Slow: 250 * time.Millisecond},
		StanBridge: config.StanBridge{
			URLs: []string{}, ClusterID: "event-service", Channels: []string{"habitat"}, Stream: "HABITAT", Subject: "stan.{channel}",
			Managed: true, MaxAge: 7 * 24 * time.Hour, MaxBytes: 1 << 30, Replicas: 1, Durables: []string{},
			MaxPayload: 1 << 20, MaxPending: 65536, MaxPendingBytes: 64 << 20, AckWait: 20 * time.Second,
		},
	}
	want.Credentials, want.Gateways = config.Default().Credentials, config.Default().Gateways // empty lists
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	def := config.Default()
	def.Accounts = want.Accounts
	def.Keyring.Dir, def.Directory.File = "keys", "directory.yaml"
	if !reflect.DeepEqual(&def, want) {
		t.Errorf("Default: got  %+v\nwant %+v", def, want)
	}
}

func TestLoadPaths(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "usher.yaml")
	absolute := filepath.Join(dir, "elsewhere", "..", "ca.pem")
	text := `
nats:
  creds_file: ./a//../service.creds
  tls: {ca_file: ` + absolute + `, cert_file: tls/c.pem, key_file: ../k.pem}
keyring: {dir: keys/}
directory: {file: d/directory.yaml}
api: {tls: {cert_file: api.pem, key_file: tls/../api.key}}
accounts: {callout: AUTH, system: SYS, healthcheck: HC}
healthcheck: {token_file: run/token}
audit: {to: file, file: audit.jsonl}
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, got, want string }{
		{"creds_file", cfg.NATS.CredsFile, filepath.Join(dir, "service.creds")},
		{"ca_file", cfg.NATS.TLS.CAFile, filepath.Join(dir, "ca.pem")},
		{"cert_file", cfg.NATS.TLS.CertFile, filepath.Join(dir, "tls", "c.pem")},
		{"key_file", cfg.NATS.TLS.KeyFile, filepath.Join(filepath.Dir(dir), "k.pem")},
		{"dir", cfg.Keyring.Dir, filepath.Join(dir, "keys")},
		{"file", cfg.Directory.File, filepath.Join(dir, "d", "directory.yaml")},
		{"token_file", cfg.HealthCheck.TokenFile, filepath.Join(dir, "run", "token")},
		{"audit file", cfg.Audit.File, filepath.Join(dir, "audit.jsonl")},
		{"API certificate", cfg.API.TLS.CertFile, filepath.Join(dir, "api.pem")},
		{"API key", cfg.API.TLS.KeyFile, filepath.Join(dir, "api.key")},
		{"not set", cfg.NATS.NKeyFile, ""},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, tt.got, tt.want)
		}
	}
}

// TestLoadLivePaths: paths of a directory in a bucket.
func TestLoadLivePaths(t *testing.T) {
	cfg, err := config.Parse("/etc/usher/usher.yaml", []byte(live+"directory: {from: embedded, store_dir: store/, snapshot_file: run/./directory}"))
	if err != nil {
		t.Fatal(err)
	}
	for got, want := range map[string]string{cfg.Directory.StoreDir: "store", cfg.Directory.SnapshotFile: "run/directory"} {
		if want = filepath.Join("/etc/usher", want); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if cfg.Directory.File != "" {
		t.Errorf("directory.file is %q", cfg.Directory.File)
	}
}

func TestLoadAbsent(t *testing.T) {
	_, err := config.Load(filepath.Join(t.TempDir(), "none.yaml"))
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

// faults returns the error text of Parse.
func faults(t *testing.T, text string) string {
	t.Helper()
	cfg, err := config.Parse("usher.yaml", []byte(text))
	if err == nil {
		return ""
	}
	if cfg != nil {
		t.Error("Parse returned a configuration and an error")
	}
	if all := strictyaml.Errors(nil); !errors.As(err, &all) {
		t.Fatalf("not strictyaml.Errors: %v", err)
	}
	return err.Error()
}

func TestAccepted(t *testing.T) {
	for _, text := range []string{
		"nats: {urls: [nats://a, tls://b:4223, 'nats://[::1]:4222']}",
		"nats: {urls: [wss://a/nats, ws://b:80]}",
		"nats: {user: service, password_file: p}",
		"nats: {nkey_file: n}",
		"nats: {tls: {cert_file: c, key_file: k, server_name: nats.example.org}}",
		"accounts: {callout: AUTH, system: $SYS, ingest: $SYS, service_admin: $SYS}", // named for the role, so it is intended
		"accounts: {callout: AUTH, system: SYS, ingest: $G}",
		"callout: {budget: 10s, workers: 4096, clock_skew: 0s, queue: 1}",
		"user_jwt: {max_lifetime: 0, jitter: 1}",
		"user_jwt: {jitter: 0}",
		`http: {listen: ""}`,
		`http: {listen: ":0"}`,
		`http: {listen: "[::1]:9778"}`,
		"http: {listen: localhost:9778}",
		"directory: {from: kv}",
		"directory: {from: kv, bucket: people, create_bucket: false, replicas: 3, storage: memory, snapshot_file: run/d}",
		"directory: {from: embedded, store_dir: s, snapshot_file: d}\napi: {listen: '127.1.2.3:0'}",
		"directory: {from: kv}\napi: {listen: '[::1]:9779', tls: {cert_file: c, key_file: k}}",
		"directory: {from: kv}\napi: {listen: 'LocalHost:9779', key_in: both, failures_per_second: 0}",
		"directory: {from: kv}\napi: {listen: ':9779', tls: {cert_file: c, key_file: k}}",
		"directory: {from: kv}\napi: {listen: 'api.example.org:9779', allow_cleartext: true}",
		"directory: {from: file, file: d, bucket: usher_directory, replicas: 1, create_bucket: true, storage: file}", // the defaults, stated
		`audit: {to: "off"}`,
		"nats: {user: usher_events, password_file: /run/usher_keys/p}", // begins like an API key, but is not one
	} {
		head := required
		if strings.HasPrefix(text, "accounts:") {
			head = files
		}
		if strings.Contains(text, "directory:") {
			head = live
		}
		if got := faults(t, head+text); got != "" {
			t.Errorf("%s\n%s", text, got)
		}
	}
}
