package assembly

import (
	"math"

	"usher/api/listener"
	"usher/app/config"
	"usher/issuer"
)

// The maximum number of connections of each listener, if the process may open enough
// files. The API serves people and scripts, and programs that get a key for their
// certificate. The other listener serves probes and Prometheus.
const (
	apiConnections  = 1024
	x509Connections = 256
	webConnections  = 256
)

// File descriptors that are reserved for anything but connections of listeners.
const (
	filesBase     = 32 // the process: log, audit, keyring, directory, watches, DNS lookups
	filesEmbedded = 64 // a JetStream store in this process
	filesProgram  = 9  // starting one signing program: both ends of its pipes, and its status
	filesAccounts = 8  // the one request that creates or closes accounts: lock, folders, keys and JWTs
)

// accountConnections is the number of NATS connections of a request that creates or
// closes accounts: one as the service user, one as the system user.
const accountConnections = 2

// whileReconnecting is the number of descriptors of one connection. While it reconnects,
// the old one may still be open.
const whileReconnecting = 2

// Connections is the maximum number of connections of each listener; 0: it is off.
type Connections struct {
	Web, API, X509 int
	limit          uint64 // of open files; 0: unknown
	Reserved       uint64
}

// Reduced reports whether the limit of open files lowers the numbers.
func (n Connections) Reduced() bool {
	return n.Web != 0 && n.Web < webConnections || n.API != 0 && n.API < apiConnections || n.X509 != 0 && n.X509 < x509Connections
}

// ShareDescriptors returns how many connections each listener may hold, so that enough
// descriptors remain for the connections to NATS. The error is listener.ErrFewFiles.
func ShareDescriptors(cfg *config.Config, keys *issuer.Keyring, limit uint64) (Connections, error) {
	n := Connections{limit: limit, Reserved: filesBase + whileReconnecting*(uint64(cfg.NATS.Connections)+1)} //nolint:gosec // at most 64
	if cfg.Operator.CreateAccounts {
		n.Reserved += filesAccounts + whileReconnecting*accountConnections
		if len(cfg.Operator.SigningCommand) > 0 {
			n.Reserved += filesProgram
		}
	}
	if cfg.Directory.From == config.DirectoryEmbedded {
		n.Reserved += filesEmbedded
	}
	for _, k := range keys.Keys() {
		if len(k.Command) > 0 && k.State != issuer.StateRetired {
			n.Reserved += filesProgram * uint64(Workers(cfg)) //nolint:gosec // a number of workers
			break
		}
	}
	var want []int
	var of []*int
	for _, l := range []struct {
		address string
		want    int
		got     *int
	}{{cfg.HTTP.Listen, webConnections, &n.Web}, {cfg.API.Listen, apiConnections, &n.API}, {cfg.API.X509.Listen, x509Connections, &n.X509}} {
		if l.address != "" {
			want, of = append(want, l.want), append(of, l.got)
		}
	}
	if limit == 0 {
		limit = math.MaxInt64
	}
	got, err := listener.Share(limit, n.Reserved, want...)
	for i := range got {
		*of[i] = got[i]
	}
	return n, err
}

// HintOpenFiles says how to raise the limit.
const HintOpenFiles = "set LimitNOFILE=65536 in the systemd unit, or run ulimit -n 65536 before the start"
