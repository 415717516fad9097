package setup

import (
	"fmt"
	"maps"
	"path/filepath"

	"usher/app/config"
	"usher/app/natscontext"

	"github.com/nats-io/nkeys"
)

// The names of the files that an event gateway has, besides those of other installations,
// relative to its folder.
const (
	FileExternal = "external.conf" // of the nats-server for supervisors
	FileInternal = "internal.conf" // of the nats-server for services
	DirPKI       = "pki"
	FileCA       = DirPKI + "/ca.pem"
	FileCAKey    = DirPKI + "/ca.key"
)

// CertFile and KeyFile return the name of the certificate of a server or service, and of
// its private key.
func CertFile(name string) string { return DirPKI + "/" + name + ".pem" }

// KeyFile returns the name of the private key of a server or service.
func KeyFile(name string) string { return DirPKI + "/" + name + ".key" }

// The names of an event gateway. They are those of Chef Automate.
const (
	GatewayExternal     = "event-gateway" // the gateway of the external server, and its certificate
	GatewayInternal     = "event-service" // the gateway of the internal server, its certificate, and NATS Streaming
	ServiceApplications = "applications-service"
	CertPublic          = "public" // the certificate that supervisors see
	StreamingCluster    = "event-service"
	AccountEvents       = "EVENTS" // of the services
)

// EventGateway says what a new event gateway is like.
type EventGateway struct {
	Options              // Listen is that of the external server; KV, Operator and Projects are not used
	Hosts    []string    // names by which supervisors reach the external server; the first is what usher verifies
	Public   []CertFiles // certificates for supervisors; none: one for Hosts is made, or is in PKI
	PublicCA string      // file with the CA of Public; empty: one that this machine trusts
	// ExternalOnly: the internal server runs already, and knows no account but the global one.
	// Its gateway is at Reach.Internal, and PKI has certificates that it accepts.
	ExternalOnly bool
	PKI          string                              // folder with the certificates of gateways and services; empty: they are made
	Internal     string                              // HOST:PORT of the internal server, for services
	GatewayOf    struct{ External, Internal string } // HOST:PORT where each one's gateway listens
	Reach        struct{ External, Internal string } // HOST:PORT at which the other server reaches it; empty: that of GatewayOf
	Bridge       *Bridge                             // nil: a NATS Streaming server is a service
	Services     ServicesBy                          // empty: ServicesByServer
}

// CertFiles names the file of a certificate, with those that signed it, and of its key.
type CertFiles struct{ Cert, Key string }

// The addresses of a new event gateway. Ports 10140 and 10147 are those of Chef Automate.
const (
	DefaultExternal        = "0.0.0.0:4222"
	DefaultInternal        = "127.0.0.1:10140"
	DefaultGatewayInternal = "127.0.0.1:10147"
	DefaultGatewayExternal = "127.0.0.1:10148"
)

// Service is an internal service: its certificate, and the subjects it may use in
// AccountEvents.
type Service struct {
	Name      string
	Publish   []string
	Subscribe []string
	Responses bool // it may answer what it receives, once each
	Leaf      bool // it is a server, and joins as a leaf node
}

// Services returns the services of a new event gateway: the streaming server, and one that
// reads events. Each has what NATS Streaming needs, and nothing more.
func Services() []Service {
	const c = StreamingCluster
	requests := []string{
		"_STAN.discover." + c, "_STAN.discover." + c + ".pings",
		"_STAN.sub." + c, "_STAN.unsub." + c, "_STAN.subclose." + c, "_STAN.close." + c,
	}
	return []Service{
		{
			Name: GatewayInternal,
			// It looks for another streaming server of its name when it starts. _R_ is for
			// replies to another account.
			Publish:   []string{"_STAN.discover." + c, "_INBOX.>", "_R_.>"},
			Subscribe: append([]string{"_STAN.pub." + c + ".>", "_INBOX.>"}, requests...),
		},
		{
			Name:    ServiceApplications,
			Publish: append([]string{"_INBOX.>"}, requests...),
			// stan.go subscribes to _STAN.acks when it connects, even if it never publishes.
			Subscribe: []string{"_INBOX.>", "_STAN.acks.>", "habitat.event.>"},
		},
	}
}

// streamingSubjects are the subjects of NATS Streaming that supervisors send to and the
// streaming server answers in another account. So supervisors, which share the inbox
// prefix, cannot read what services are sent.
func streamingSubjects() []string {
	const c = StreamingCluster
	return []string{"_STAN.discover." + c, "_STAN.discover." + c + ".*", "_STAN.pub.*.habitat", "_STAN.close.*"}
}

// WriteEventGateway writes the files of an event gateway and returns them in the order
// written. It writes nothing if any of them exists, or if a given certificate does not fit.
// Then the error is a *fault.Error with a hint.
func WriteEventGateway(g *EventGateway) ([]File, error) {
	dir, err := filepath.Abs(g.Dir)
	if err != nil {
		return nil, fmt.Errorf("find folder: %w", err)
	}
	g.Dir = dir
	if g.Reach.External == "" {
		g.Reach.External = g.GatewayOf.External
	}
	if g.Reach.Internal == "" {
		g.Reach.Internal = g.GatewayOf.Internal
	}
	if err := g.checkServices(); err != nil {
		return nil, err
	}
	files, err := g.render()
	if err != nil {
		return nil, err
	}
	return g.writeAll(files)
}

func (g *EventGateway) render() ([]File, error) {
	certificates, err := g.certificates()
	if err != nil {
		return nil, err
	}
	issuerSeed, issuer, err := encodeKeyPair(nkeys.CreateAccount())
	if err != nil {
		return nil, err
	}
	xkeySeed, xkey, err := encodeKeyPair(nkeys.CreateCurveKeys())
	if err != nil {
		return nil, err
	}
	password, hash, err := g.newPassword()
	if err != nil {
		return nil, err
	}
	system, systemHash, err := g.newPassword()
	if err != nil {
		return nil, err
	}
	closing, sessionsHash, err := g.newPassword()
	if err != nil {
		return nil, err
	}
	yaml, err := g.usherConfig()
	if err != nil {
		return nil, err
	}
	directory := g.Directory
	if directory == nil {
		directory = []byte(emptyIngestDirectory)
	}
	files := append(certificates,
		File{FileIssuer, issuerSeed}, File{FileXKey, xkeySeed},
		File{FilePassword, password}, File{FileSystem, system}, File{FileSessions, closing},
		File{FileExternal, g.externalConfig(issuer, xkey, hash, systemHash, sessionsHash)},
	)
	if !g.ExternalOnly {
		files = append(files, File{FileInternal, g.internalConfig(issuer, xkey, hash)})
	}
	files = append(files, File{FileConfig, yaml}, File{FileDirectory, directory})
	return append(files, g.store()...), nil
}

// usherConfig returns usher.yaml.
func (g *EventGateway) usherConfig() ([]byte, error) {
	url, err := natscontext.LocalURL(g.Listen)
	if err != nil {
		return nil, err
	}
	values := map[string]string{
		"nats.urls": yamlList(url), "nats.tls.server_name": g.Hosts[0],
		"nats.user": ServiceUser, "nats.password_file": FilePassword,
		"nats.system_user": SystemUser, "nats.system_password_file": FileSystem,
		"sessions.user": SessionsUser, "sessions.password_file": FileSessions,
		"sessions.state_file":    FileState,
		"gateways":               g.gateways(),
		"accounts.callout":       AccountCallout,
		"accounts.system":        AccountSystem,
		"accounts.ingest":        AccountIngest,
		"accounts.healthcheck":   AccountHealth,
		"keyring.dir":            DirKeys,
		"directory.file":         FileDirectory,
		"healthcheck.token_file": FileHealthToken,
		"api.listen":             ListenAPI,
		"audit.to":               "file",
		"audit.file":             FileAudit,
	}
	maps.Copy(values, g.bridgeConfig())
	maps.Copy(values, g.servicesConfig())
	if ca := g.publicCA(); ca != "" {
		values["nats.tls.ca_file"] = ca
	}
	if g.ExternalOnly {
		values["accounts.ingest"] = globalAccount
	}
	maps.Copy(values, g.Config)
	yaml, err := config.Example(values)
	if err != nil {
		return nil, fmt.Errorf("create %s: %w", FileConfig, err)
	}
	return append([]byte(eventGatewayHeader), yaml...), nil
}

// globalAccount is the account of a nats-server whose configuration has none.
const globalAccount = "$G"

const eventGatewayHeader = `# Made by "usher init --event-gateway". usher decides who may connect to the nats-server of
# ` + FileExternal + `: whoever has a token of a user in ` + FileDirectory + ` with the role ingest.

`

const emptyIngestDirectory = `# The users whose tokens supervisors connect with. usher reloads this file when it changes.
# If it has an error, usher logs the error and keeps the last good directory.
# An example, to replace the empty list of users:
#
# users:
#   - name: habitat
#     service_roles: [ingest]       # may send the events of supervisors, and nothing else
#     keys:
#       - digest: sha256:…          # "usher apikey new --user habitat" prints this line
users: []
projects: []
`
