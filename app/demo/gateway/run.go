package gateway

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"usher/app/config"
	"usher/app/demo"
	"usher/app/devserver"
	"usher/app/server"
	"usher/app/setup"
	"usher/internal/fault"
	"usher/internal/tlsfiles"
)

// serverName is what supervisors ask the external server for, and verify (SNI).
const serverName = "localhost"

// Run is one run of "usher dev --event-gateway".
type Run struct {
	Dir       string
	Directory demo.Directory
	override  Options // addresses that differ from those in the files
	moved     bool    // since the last run
	log       *demo.HeldWriter
	printing  sync.Mutex // of events

	// They must be set before Run.
	Note     func(w io.Writer, text string) // writes a remark for the user
	Announce func(Site) error               // says what runs where, once everything does
	Event    func(Event) error              // shows an event that the applications service got; called one at a time
}

// Run starts everything, and serves until ctx ends.
func (r *Run) Run(ctx context.Context, stderr io.Writer) (err error) {
	var s servers
	defer func() {
		s.stop()
		demo.Release(r.Dir)
	}()
	if err := r.startServers(&s); err != nil {
		return err
	}
	if err := demo.Claim(r.Dir, s.external.URL()); err != nil {
		return err
	}
	cfg, err := config.Load(r.path(setup.FileConfig))
	if err != nil {
		return fault.InConfig(err)
	}
	r.log = demo.NewHeldWriter(stderr)
	defer r.log.Release() //nolint:errcheck // standard error itself fails
	if r.moved {
		r.Note(r.log, "the folder was moved: the configurations of the nats-servers have their paths in "+r.Dir+" now")
	}
	if url := "nats://" + address(s.external); !slices.Contains(cfg.NATS.URLs, url) {
		r.Note(r.log, r.path(setup.FileConfig)+" names another address; other commands that read it will look there")
		cfg.NATS.URLs = []string{url}
	}
	cfg.API.Listen = cmp.Or(r.override.API, cfg.API.Listen)
	cfg.HTTP.Listen = cmp.Or(r.override.HTTP, cfg.HTTP.Listen)
	in, err := server.New(cfg, r.log)
	if err != nil {
		return err
	}
	return demo.ListenHint(r.serve(ctx, in, &s))
}

func (r *Run) path(name string) string { return filepath.Join(r.Dir, filepath.FromSlash(name)) }

// servers are the nats-servers of this process.
type servers struct {
	all                []*devserver.Server
	external, internal *devserver.Server
}

func (s *servers) stop() {
	for _, srv := range s.all {
		srv.Stop()
	}
}

// startServers starts the nats-servers. The caller stops those that have started.
func (r *Run) startServers(s *servers) error {
	for _, one := range []struct {
		file, listen string
		server       **devserver.Server
	}{{setup.FileExternal, r.override.Listen, &s.external}, {setup.FileInternal, "", &s.internal}, {setup.FileStore, "", nil}} {
		if one.file == setup.FileStore && r.streaming() != Bridge {
			continue
		}
		srv, err := devserver.Start(devserver.Config{ConfigFile: r.path(one.file), Listen: one.listen, LogFile: r.path(strings.TrimSuffix(one.file, ".conf") + ".log")})
		if err != nil {
			return r.startHint(one.file, err)
		}
		s.all = append(s.all, srv)
		if one.server != nil {
			*one.server = srv
		}
	}
	return nil
}

// startHint says how to mend the failure of a server.
func (r *Run) startHint(file string, err error) error {
	hint := "mend " + r.path(file) + ", or give another --dir"
	var taken *devserver.ListenError
	if errors.As(err, &taken) {
		hint = "end what listens there, or give another --dir; " + r.path(file) + " has the address"
		if file == setup.FileExternal && taken.Clients {
			hint = demo.AddressHint("--listen")
		}
	}
	return &fault.Error{Kind: fault.Runtime, Err: err, Hint: hint}
}

// address returns HOST:PORT of a server.
func address(s *devserver.Server) string {
	_, address, _ := strings.Cut(s.URL(), "://")
	return address
}

// serve runs usher, and the clients while usher runs. They end first.
func (r *Run) serve(outer context.Context, in *server.Server, s *servers) error {
	clients, endClients := context.WithCancel(outer)
	defer endClients()
	ctx, endUsher := context.WithCancel(context.WithoutCancel(outer))
	defer endUsher()
	cancelled := context.AfterFunc(outer, endUsher) // an usher that has not started yet
	ended := make(chan error, 1)
	started := false
	err := in.Serve(ctx, func() {
		started = true
		cancelled()
		go func() {
			defer endUsher()
			ended <- r.play(clients, in, s)
		}()
	})
	endClients()
	if started {
		err = errors.Join(err, <-ended)
	}
	return err
}

const (
	readyWithin = 20 * time.Second
	pollEvery   = 50 * time.Millisecond
)

// waitJoined waits until usher answers and the servers are joined.
func (r *Run) waitJoined(ctx context.Context, in *server.Server, s *servers) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	for {
		err := in.Ready()
		switch {
		case err != nil:
		case s.external.Gateways() == 0 || s.internal.Gateways() == 0:
			err = fmt.Errorf("the two nats-servers are not joined: see %s and %s", r.path("external.log"), r.path("internal.log"))
		case r.streaming() == Bridge && s.internal.LeafNodes() == 0:
			err = fmt.Errorf("the store has not joined the internal server: see %s and %s", r.path("store.log"), r.path("internal.log"))
		default:
			return nil
		}
		select {
		case <-time.After(pollEvery):
		case <-ctx.Done():
			return err
		}
	}
}

// externalTLS is what supervisors verify the external server with.
func (r *Run) externalTLS() (*tls.Config, error) {
	config, err := tlsfiles.Client(tlsfiles.Files{CA: r.path(setup.FileCA)})
	if err != nil {
		return nil, fault.InConfig(err)
	}
	config.ServerName = serverName
	return config, nil
}

// internalTLS is what a service connects to the internal server with.
func (r *Run) internalTLS(service string) (*tls.Config, error) {
	config, err := tlsfiles.Client(tlsfiles.Files{
		CA: r.path(setup.FileCA), Cert: r.path(setup.CertFile(service)), Key: r.path(setup.KeyFile(service)),
	})
	if err != nil {
		return nil, fault.InConfig(err)
	}
	config.ServerName = setup.GatewayInternal
	return config, nil
}
