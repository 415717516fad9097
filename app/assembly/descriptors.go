package assembly

import (
	"math"

	"usher/api/listener"
	"usher/app/config"
	"usher/issuer"
)

// How many connections the listeners hold at once, where the process may open
// enough files. The API is for people and scripts, the other for probes and for
// Prometheus.
const (
	apiConnections = 1024
	webConnections = 256
)

// Descriptors that are set aside for what is not a connection of a listener.
const (
	filesBase     = 32 // of the process: log, audit, keyring, directory, watches, names that are looked up
	filesEmbedded = 64 // of a JetStream store in this process
	filesProgram  = 9  // of one that signs, while it starts: both ends of its pipes, and what the system says of it
	filesAccounts = 8  // of the one request that makes or closes accounts: lock, folders, keys and JWTs
)

// accountConnections are those of a request that makes or closes accounts: as the
// service user and as the user of the system account.
const accountConnections = 2

// whileReconnecting is how many descriptors a connection has: the old one may not be
// closed yet.
const whileReconnecting = 2

// Connections are how many each listener may hold; 0: it is off.
type Connections struct {
	Web, API int
	limit    uint64 // of open files; 0: none is known
	Reserved uint64
}

// Reduced reports whether there are fewer than there would be with more files.
func (n Connections) Reduced() bool {
	return n.Web != 0 && n.Web < webConnections || n.API != 0 && n.API < apiConnections
}

// ShareDescriptors returns how many connections the listeners of a configuration may hold
// without taking what the connections to NATS need. The error is listener.ErrFewFiles.
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
	}{{cfg.HTTP.Listen, webConnections, &n.Web}, {cfg.API.Listen, apiConnections, &n.API}} {
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

const HintOpenFiles = "LimitNOFILE=65536 in a unit of systemd, or ulimit -n 65536 before it"
