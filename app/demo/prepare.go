package demo

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"os"
	"path/filepath"
	"time"

	"usher/internal/fault"

	"usher/app/setup"
	"usher/internal/ownedfile"
)

// Options are the options of "usher dev". An empty address stands for the one in the
// files, or for the default where there are no files yet.
type Options struct {
	Listen   string // HOST:PORT of nats-server; port 0: any free port
	API      string // HOST:PORT of the management API, on loopback; port 0: any free port
	HTTP     string // HOST:PORT of metrics and probes; port 0: any free port
	Operator bool   // operator mode
	OIDC     bool   // with an OpenID Connect provider
}

// Prepare creates the files of a dev directory, or uses those that exist. It writes demo.json
// first and usher.yaml last: after an interrupted start, the next one sees that the folder is
// its own, and completes it.
func Prepare(dir string, o Options) (*Run, error) {
	for _, address := range []*string{&o.Listen, &o.API} {
		fixed, err := FixPort(*address)
		if err != nil {
			return nil, err
		}
		*address = fixed
	}
	// Another user must not have placed a symbolic link through which files are written.
	for _, name := range []string{".", setup.DirKeys, DirTokens, filepath.Dir(filepath.FromSlash(fileDevAddr)), setup.DirJetStream} {
		if err := ownedfile.CheckOwnFolder(dir, name); err != nil {
			return nil, fault.InConfig(err)
		}
	}
	d := &Run{Dir: dir, override: o}
	err := d.Directory.Load(filepath.Join(dir, FileDemo))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return d, d.begin(o)
	case err != nil:
		return nil, fault.InConfig(err)
	case d.Directory.EventGateway != "":
		return nil, &fault.Error{Kind: fault.Config, Err: fmt.Errorf("%s was created with usher dev --event-gateway", dir), Hint: "give --event-gateway, or another --dir"}
	case d.Directory.Operator != o.Operator:
		return nil, otherMode(dir, o.Operator)
	case o.OIDC && d.Directory.Provider == "":
		return nil, &fault.Error{Kind: fault.Config, Err: fmt.Errorf("%s %w", dir, errNoProvider), Hint: "omit --oidc, or give another --dir"}
	}
	if exists(filepath.Join(dir, setup.FileConfig)) {
		return d, d.relocate()
	}
	if exists(filepath.Join(dir, setup.DirJetStream)) { // usher.yaml was removed from a complete folder: setup reports the files that exist
		return d, d.make()
	}
	for _, name := range setup.Names(o.Operator, true) {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("remove the files of an interrupted start: %w", err)
		}
	}
	return d, d.make()
}

// relocate updates the paths in nats-server.conf if the dev directory was moved.
func (d *Run) relocate() error {
	var err error
	d.moved, err = setup.Relocate(d.Dir)
	// nats-server reports a file that is missing or that the user has rewritten.
	if err == nil || errors.Is(err, setup.ErrNoPaths) || errors.Is(err, setup.ErrNoConfig) {
		return nil
	}
	return fault.InConfig(err)
}

// otherMode is the error for a dev directory of the other mode.
func otherMode(dir string, operator bool) error {
	e := &fault.Error{Kind: fault.Config, Err: fmt.Errorf("%s was created with usher dev --operator", dir), Hint: "give --operator, or another --dir"}
	if operator {
		e.Err, e.Hint = fmt.Errorf("%s was created without --operator", dir), "omit --operator, or give another --dir"
	}
	return e
}

// begin creates everything, unless the folder has files of an installation.
func (d *Run) begin(o Options) error {
	var err error
	if d.Directory, err = newDemo(rand.Reader); err != nil {
		return err
	}
	d.Directory.Operator = o.Operator
	if o.OIDC {
		address, err := FixPort(AnyPort)
		if err != nil {
			return err
		}
		d.Directory.Provider = "http://" + address
	}
	for _, name := range setup.Names(o.Operator, true) {
		if exists(filepath.Join(d.Dir, filepath.FromSlash(name))) {
			return d.make() // fails before it writes anything
		}
	}
	if err := CheckFolder(d.Dir); err != nil {
		return err
	}
	if err := d.Directory.Save(d.Dir); err != nil {
		return err
	}
	return d.make()
}

// AnyPort is the address of a listener on any free port.
const AnyPort = "127.0.0.1:0"

// demoBytes is the size of the demo's bucket, and of each of its streams.
const demoBytes = "67108864"

// make creates the files of an installation for the demo.
func (d *Run) make() error {
	api := d.override.API
	if api == "" {
		var err error
		if api, err = FixPort(AnyPort); err != nil {
			return err
		}
	}
	values := map[string]string{
		"http.listen": cmp.Or(d.override.HTTP, AnyPort), "api.listen": api,
		// JetStream reserves both, of three quarters of what is free on the disk of Dir.
		"directory.max_bytes": demoBytes, "projects.stream_max_bytes": demoBytes,
	}
	if d.Directory.Operator {
		values["operator.create_accounts"] = "true" // all keys are in this folder
	}
	if d.Directory.Provider != "" {
		maps.Copy(values, oidcConfig(d.Directory.Provider))
	}
	_, err := setup.Write(setup.Options{
		Dir: d.Dir, Operator: d.Directory.Operator, KV: true, Listen: cmp.Or(d.override.Listen, setup.DefaultListen),
		Random: rand.Reader, Now: time.Now(),
		Config: values,
		Client: setup.Client{User: ServiceAdmin, KeyFile: DirTokens + "/" + ServiceAdmin},
	})
	if err != nil {
		return fault.InConfig(err)
	}
	d.override = Options{} // the files have the addresses
	return nil
}

// exists reports whether a file or folder exists.
func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// FixPort replaces port 0 with a free port, so that the files can contain it.
func FixPort(listen string) (string, error) {
	host, port, err := net.SplitHostPort(listen)
	if err != nil || port != "0" {
		return listen, nil //nolint:nilerr // empty, or checked before
	}
	l, err := net.Listen("tcp", listen) //nolint:noctx // closed at once
	if err != nil {
		return "", err
	}
	_, port, err = net.SplitHostPort(l.Addr().String())
	return net.JoinHostPort(host, port), errors.Join(err, l.Close())
}
