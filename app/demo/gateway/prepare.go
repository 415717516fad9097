package gateway

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"usher/app/demo"
	"usher/app/setup"
	"usher/directory"
	"usher/internal/fault"
	"usher/internal/ownedfile"
)

// The users of the directory. The first two may send the events of supervisors.
const (
	Supervisor    = demo.Ingest   // speaks as supervisors do today
	OldSupervisor = "habitat-old" // uses NATS Streaming
	Admin         = demo.ServiceAdmin
)

const roleIngest = "ingest"

// Prepare creates the files of an event gateway in dir, or uses those that exist.
func Prepare(ctx context.Context, dir string, o Options) (*Run, error) {
	// Another user must not have placed a symbolic link through which files are written.
	for _, name := range []string{".", setup.DirKeys, setup.DirPKI, demo.DirTokens, filepath.Dir(filepath.FromSlash(setup.FileHealthToken)), setup.DirJetStream} {
		if err := ownedfile.CheckOwnFolder(dir, name); err != nil {
			return nil, fault.InConfig(err)
		}
	}
	r := &Run{Dir: dir, override: o}
	err := r.Directory.Load(filepath.Join(dir, demo.FileDemo))
	if had := r.streaming(); had == STAN || had == "" && o.Streaming == STAN {
		if _, err := stanSource(ctx); err != nil {
			return nil, err
		}
	}
	switch had := r.streaming(); {
	case errors.Is(err, fs.ErrNotExist):
		return r, r.begin(ctx)
	case err != nil:
		return nil, fault.InConfig(err)
	case had == "":
		return nil, &fault.Error{Kind: fault.Config, Err: fmt.Errorf("%s was created without --event-gateway", dir), Hint: "omit --event-gateway, or give another --dir"}
	case o.Streaming != "" && o.Streaming != had:
		return nil, &fault.Error{
			Kind: fault.Config, Err: fmt.Errorf("%s was created with --streaming %s: the accounts and certificates in it are for that", dir, had),
			Hint: "omit --streaming, or give another --dir",
		}
	case r.Directory.Unfinished:
		// These are of a start that was interrupted. It had found none of another's.
		for _, name := range names() {
			if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
				return nil, fmt.Errorf("remove the files of an interrupted start: %w", err)
			}
		}
		return r, r.make(ctx)
	}
	moved, err := setup.Relocate(dir)
	r.moved = len(moved) > 0
	if err != nil {
		return nil, fault.InConfig(err)
	}
	return r, nil
}

// names are the files and folders that make creates.
func names() []string {
	return []string{
		setup.DirPKI, setup.DirKeys, setup.FileExternal, setup.FileInternal, setup.FileStore,
		setup.FilePassword, setup.FileSystem, setup.FileSessions, setup.FileConfig, setup.FileDirectory,
	}
}

// begin creates everything, unless the folder has files of an installation.
func (r *Run) begin(ctx context.Context) error {
	for _, name := range append(names(), setup.FileServerConfig) {
		if _, err := os.Lstat(filepath.Join(r.Dir, name)); err == nil {
			return &fault.Error{
				Kind: fault.Config, Err: fmt.Errorf("%s already exists", filepath.Join(r.Dir, name)),
				Hint: "give a --dir that usher dev --event-gateway has made, or a new one",
			}
		}
	}
	if err := demo.CheckFolder(r.Dir); err != nil {
		return err
	}
	r.Directory = demo.Directory{
		Identities:   []demo.Identity{{Name: Supervisor, Role: roleIngest}, {Name: OldSupervisor, Role: roleIngest}, {Name: Admin, Role: "service_admin"}},
		Refused:      demo.Identity{Name: demo.Expired, Role: roleIngest},
		EventGateway: string(cmp.Or(r.override.Streaming, Bridge)),
		Unfinished:   true,
	}
	if err := r.Directory.NewTokens(rand.Reader); err != nil {
		return err
	}
	if err := r.Directory.Save(r.Dir); err != nil {
		return err
	}
	return r.make(ctx)
}

// make creates the files of the event gateway.
func (r *Run) make(ctx context.Context) error {
	a, err := newAddresses(ctx, r.override.Listen)
	if err != nil {
		return err
	}
	api, err := demo.FixPort(cmp.Or(r.override.API, demo.AnyPort))
	if err != nil {
		return err
	}
	o := &setup.EventGateway{
		Options: setup.Options{
			Dir: r.Dir, Listen: a.external, Directory: r.directory(), Random: rand.Reader, Now: time.Now(),
			Config: map[string]string{"http.listen": cmp.Or(r.override.HTTP, demo.AnyPort), "api.listen": api},
		},
		Hosts: []string{serverName, "127.0.0.1", "::1"}, Internal: a.internal,
	}
	o.GatewayOf.External, o.GatewayOf.Internal = a.gatewayExternal, a.gatewayInternal
	if r.streaming() == Bridge {
		o.Bridge = &setup.Bridge{Leaf: a.leaf, Store: a.store}
	}
	if _, err := setup.WriteEventGateway(o); err != nil {
		return fault.InConfig(err)
	}
	r.Directory.Unfinished = false
	if err := r.Directory.Save(r.Dir); err != nil {
		return err
	}
	r.override = Options{} // the files have the addresses
	return nil
}

// directory returns directory.yaml.
func (r *Run) directory() []byte {
	digest := func(name string) directory.Digest { return directory.DigestOf(r.Directory.Token(name)) }
	return fmt.Appendf(nil, `# The users whose tokens supervisors connect with. usher reloads this file when it changes.
users:
  - name: `+Supervisor+`
    service_roles: [ingest]
    keys:
      - digest: %s
  - name: `+OldSupervisor+`
    service_roles: [ingest]
    keys:
      - digest: %s
  - name: `+Admin+`
    service_roles: [service_admin]
    keys:
      - digest: %s
  - name: `+demo.Expired+`
    service_roles: [ingest]
    keys:
      - digest: %s
        expires: 2024-12-31T00:00:00Z   # so usher denies it
projects: []
`, digest(Supervisor), digest(OldSupervisor), digest(Admin), directory.DigestOf(r.Directory.Refused.Token))
}

// streaming returns the way of the files.
func (r *Run) streaming() Streaming { return Streaming(r.Directory.EventGateway) }
