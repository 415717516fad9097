package gateway

import (
	"context"
	"errors"
	"net"
	"syscall"

	"usher/app/demo"
	"usher/app/setup"
)

// Streaming says who takes the events that older supervisors send with NATS Streaming.
type Streaming string

// The ways.
const (
	Bridge Streaming = "bridge" // usher's bridge
	STAN   Streaming = "stan"   // a NATS Streaming server
	Off    Streaming = "off"    // nobody
)

// Streamings returns all ways, the default first.
func Streamings() []string { return []string{string(Bridge), string(STAN), string(Off)} }

// Options are the options of "usher dev --event-gateway". Empty ones stand for what is in
// the files, or for the default where there are no files yet.
type Options struct {
	Listen    string // HOST:PORT of the external server, on loopback; port 0: any free port
	API       string // HOST:PORT of the management API, on loopback; port 0: any free port
	HTTP      string // HOST:PORT of metrics and probes; port 0: any free port
	Streaming Streaming
}

// addresses are where the parts of a new event gateway listen.
type addresses struct {
	external, internal               string
	gatewayExternal, gatewayInternal string
	leaf, store                      string
}

// newAddresses returns the defaults, or free ports where they are in use. An address of the
// external server stays as it is, and one with port 0 makes all others free ports, too.
func newAddresses(ctx context.Context, listen string) (addresses, error) {
	a := addresses{
		external: listen, internal: setup.DefaultInternal,
		gatewayExternal: setup.DefaultGatewayExternal, gatewayInternal: setup.DefaultGatewayInternal,
		leaf: setup.DefaultLeaf, store: setup.DefaultStore,
	}
	all := []*string{&a.internal, &a.gatewayExternal, &a.gatewayInternal, &a.leaf, &a.store}
	_, port, _ := net.SplitHostPort(listen) // checked before
	switch {
	case listen == "":
		a.external = setup.DefaultListen
		all = append(all, &a.external)
	case port == "0":
		for _, address := range all {
			*address = demo.AnyPort
		}
		all = append(all, &a.external)
	}
	// They stay in use until all are chosen, so that no two are the same.
	var held []net.Listener
	defer func() {
		for _, l := range held {
			_ = l.Close() // nothing was sent
		}
	}()
	var config net.ListenConfig
	for _, address := range all {
		l, err := config.Listen(ctx, "tcp", *address)
		if errors.Is(err, syscall.EADDRINUSE) {
			l, err = config.Listen(ctx, "tcp", demo.AnyPort)
		}
		if err != nil {
			return a, err
		}
		held = append(held, l)
		*address = l.Addr().String()
	}
	return a, nil
}
