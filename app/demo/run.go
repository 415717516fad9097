package demo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"

	"usher/app/config"
	"usher/app/devserver"
	"usher/app/server"
	"usher/app/setup"
	"usher/internal/fault"
)

// FileDemo is the file with the demo identities and their tokens.
const FileDemo = "demo.json"

// Run is one run of "usher dev".
type Run struct {
	Dir       string
	override  Options // addresses that differ from those in the files
	Directory Directory
	moved     []setup.Relocation
	url       atomic.Value // string
	log       *HeldWriter  // the log of usher, which comes after the announcement
	// Note writes a remark for the user. It must be set before Run.
	Note func(w io.Writer, text string)
	// Announce tells the user what to do, once everything runs. url is that of nats-server,
	// api that of the management API. It must be set before Run.
	Announce func(url, api string) error
	// LoggedIn tells the user what came of a login at the OpenID Connect provider. It must
	// be set before Run if there is one, and may be called while Announce runs.
	LoggedIn func(Login) error
}

// URL returns the URL of nats-server. It is empty before Announce.
func (d *Run) URL() string {
	url, _ := d.url.Load().(string)
	return url
}

// Run starts the server and usher, and serves until ctx ends.
func (d *Run) Run(ctx context.Context, stderr io.Writer) error {
	nats, err := devserver.Start(devserver.Config{
		ConfigFile: filepath.Join(d.Dir, setup.FileServerConfig),
		Listen:     d.override.Listen,
		LogFile:    filepath.Join(d.Dir, "nats-server.log"),
	})
	if err != nil {
		return &fault.Error{Kind: fault.Runtime, Err: err, Hint: AddressHint("--listen")}
	}
	defer Release(d.Dir) // runs after nats.Stop
	defer nats.Stop()
	if err := Claim(d.Dir, nats.URL()); err != nil {
		return err
	}
	cfg, err := config.Load(filepath.Join(d.Dir, setup.FileConfig))
	if err != nil {
		return fault.InConfig(err)
	}
	d.log = NewHeldWriter(stderr)
	defer d.log.Release() //nolint:errcheck // standard error itself fails
	for _, r := range d.moved {
		d.Note(d.log, "the folder was moved: nats-server.conf has "+r.To+" instead of "+r.From+" now")
	}
	if url := nats.URL(); !slices.Contains(cfg.NATS.URLs, url) {
		d.Note(d.log, filepath.Join(d.Dir, setup.FileConfig)+" names another address; other commands that read it will look there")
		cfg.NATS.URLs = []string{url}
	}
	cfg.API.Listen = cmp.Or(d.override.API, cfg.API.Listen)
	cfg.HTTP.Listen = cmp.Or(d.override.HTTP, cfg.HTTP.Listen)
	if d.Directory.Provider != "" {
		stop, err := d.serveProvider(ctx)
		if err != nil {
			return err
		}
		defer stop()
	}
	in, err := server.New(cfg, d.log)
	if err != nil {
		return err
	}
	return ListenHint(d.serve(ctx, in, nats.URL()))
}

// ListenHint gives the failure of a listener of usher a hint with the option that changes
// its address.
func ListenHint(err error) error {
	var failed *server.ListenError
	if !errors.As(err, &failed) {
		return err
	}
	return &fault.Error{Kind: fault.Runtime, Err: err, Hint: AddressHint("--" + strings.TrimSuffix(failed.Key, ".listen"))}
}

// AddressHint returns a hint for an address that cannot be used.
func AddressHint(option string) string {
	return option + " HOST:PORT takes another address, " + option + " 127.0.0.1:0 a free port"
}

// serve runs usher, and announces it once the streams of the directory exist.
func (d *Run) serve(outer context.Context, in *server.Server, url string) error {
	ctx, stop := context.WithCancelCause(outer)
	defer stop(nil)
	announced := make(chan struct{})
	err := in.Serve(ctx, func() {
		go func() {
			defer close(announced)
			err := d.prepare(ctx, url, in)
			if err != nil && ctx.Err() == nil {
				stop(fmt.Errorf("set up the demo: %w", err))
			}
		}()
	})
	if err == nil {
		<-announced
	}
	if cause := context.Cause(ctx); outer.Err() == nil && cause != nil {
		err = errors.Join(err, cause)
	}
	return err
}

// prepare fills the directory and waits for its streams, then announces both.
func (d *Run) prepare(ctx context.Context, url string, in *server.Server) error {
	if bucket := in.Bucket(); bucket != nil {
		if err := d.Directory.seed(ctx, bucket); err != nil {
			return err
		}
	}
	if err := await(ctx, in.Ready); err != nil {
		return err
	}
	if err := await(ctx, in.StreamsInStep); err != nil && ctx.Err() == nil {
		// The user may have edited the directory or the streams. Everything else works.
		d.Note(d.log, "not all streams are as the directory says: "+err.Error())
	}
	d.url.Store(url)
	return errors.Join(d.Announce(url, in.APIURL()), d.log.Release())
}
