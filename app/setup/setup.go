// Package setup writes the files of a new installation: seeds, the credentials of the
// service user, a nats-server.conf that a stock nats-server starts with, usher.yaml and,
// unless the directory is stored in NATS, directory.yaml. In config mode the accounts
// are in nats-server.conf. In operator mode they are JWTs of an operator that is created
// with them. Relocate updates an installation whose folder was moved.
//
// It promises to overwrite no file (Relocate changes paths in nats-server.conf only), to
// write nothing if any of the files exists, and to give every file with a secret to its
// owner only. It never follows a symbolic link below the folder, and never writes into a
// folder that other users can write to.
package setup

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"time"

	"github.com/nats-io/nkeys"

	"usher/app/natscontext"
	"usher/internal/atomicfile"
	"usher/internal/ownedfile"
	"usher/issuer/keyring"
)

// The names of the files, relative to the folder of an installation.
const (
	FileServerConfig   = "nats-server.conf"
	FileConfig         = "usher.yaml"
	FileDirectory      = "directory.yaml"
	FilePassword       = "service.password"
	FileSystem         = "system.password"   // config mode
	FileSessions       = "sessions.password" // config mode
	DirKeys            = "keys"
	FileIssuer         = DirKeys + "/issuer" + keyring.SeedSuffix
	FileXKey           = DirKeys + "/xkey" + keyring.SeedSuffix
	FileHealthToken    = "run/healthcheck.token"
	FileSnapshot       = "run/directory.snapshot"
	FileState          = "run/sessions.state"
	FileAudit          = "audit.jsonl"
	DirJetStream       = "jetstream"
	DirContexts        = "nats" // contexts of the nats CLI
	FileServiceContext = DirContexts + "/service.json"
	FileClientContext  = DirContexts + "/client.json"
	FileAdminKey       = "admin.key" // made by usher bootstrap or usher apikey new
)

// The accounts and the service user of a new installation.
const (
	AccountCallout = "AUTH"
	AccountSystem  = "SYS"
	AccountApp     = "APP"
	AccountIngest  = "INGEST"
	AccountHealth  = "HEALTH"
	ServiceUser    = "usher"
	SystemUser     = "usher-system"   // config mode: queries the servers and changes nothing
	SessionsUser   = "usher-sessions" // lists and closes connections
)

// ListenAPI is where the management API of a new installation listens.
const ListenAPI = "127.0.0.1:9779"

// DefaultListen is where the nats-server of a new installation listens for clients.
const DefaultListen = "127.0.0.1:4222"

// Options say what a new installation is like.
type Options struct {
	Dir       string
	Operator  bool              // operator mode, in place of config mode
	KV        bool              // store the directory in a bucket of the nats-server instead of a file
	Listen    string            // HOST:PORT of nats-server
	Projects  []string          // config mode: names of projects; each one gets an account of the same name
	Directory []byte            // content of directory.yaml; nil: an empty directory with comments; not with KV
	Config    map[string]string // further values of usher.yaml, by key path
	Random    io.Reader
	Client    Client    // whom FileClientContext is for; zero: user admin with the key in admin.key
	Now       time.Time // when the keys become active, for keyring.yaml; zero: not stated
}

// Client is a user who connects to the nats-server.
type Client struct{ User, KeyFile string } // KeyFile is relative to the folder, with slashes

// File is one file of an installation.
type File struct {
	Name    string // relative to the folder, with slashes
	Content []byte
}

// Names returns the names of all files of an installation, in the order in which
// Write writes them. With kv there is no directory.yaml.
func Names(operator, kv bool) []string {
	names := []string{FileIssuer, FileXKey, FilePassword, FileSystem, FileSessions, FileServerConfig}
	if operator {
		names = operatorModeNames()
	}
	names = append(names, FileServiceContext, FileClientContext, FileConfig)
	if kv {
		return names
	}
	return append(names, FileDirectory)
}

// ErrExists: a file of the installation already exists.
var ErrExists = errors.New("already exists")

// Write writes the files and returns them in the order written. It writes nothing if
// any of them exists.
func Write(o Options) ([]File, error) {
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("find folder: %w", err)
	}
	o.Dir = dir
	files, err := o.render()
	if err != nil {
		return nil, err
	}
	return o.writeAll(files)
}

// writeAll writes files and returns them. It writes nothing if any of them exists.
func (o *Options) writeAll(files []File) ([]File, error) {
	var errs []error
	for _, f := range files {
		if err := ownedfile.CheckOwnFolder(o.Dir, folderOf(f.Name)); err != nil {
			return nil, err
		}
		if _, err := os.Lstat(o.path(f.Name)); err == nil {
			errs = append(errs, fmt.Errorf("%s: %w", o.path(f.Name), ErrExists))
		}
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	for i, f := range files {
		if err := o.writeNew(f); err != nil {
			for _, written := range files[:i] {
				err = errors.Join(err, os.Remove(o.path(written.Name)))
			}
			return nil, err
		}
	}
	return files, nil
}

func (o *Options) path(name string) string { return filepath.Join(o.Dir, filepath.FromSlash(name)) }

func folderOf(name string) string { return filepath.FromSlash(path.Dir(name)) }

// writeNew creates a file that only its owner can read. It follows no symbolic link
// below the folder of the installation.
func (o *Options) writeNew(f File) error {
	if err := ownedfile.MakeOwnFolder(o.Dir, folderOf(f.Name)); err != nil {
		return fmt.Errorf("create folder: %w", err)
	}
	return atomicfile.New(o.path(f.Name), f.Content, nil)
}

// render returns all files with their content.
func (o *Options) render() ([]File, error) {
	renderMode := o.configModeFiles
	if o.Operator {
		renderMode = o.operatorModeFiles
	}
	if err := o.checkProjects(); err != nil {
		return nil, err
	}
	files, err := renderMode()
	if err != nil {
		return nil, err
	}
	url, err := natscontext.LocalURL(o.Listen)
	if err != nil {
		return nil, err
	}
	yaml, err := o.usherConfig(url)
	if err != nil {
		return nil, err
	}
	files = append(append(files, o.contexts(url)...), File{FileConfig, yaml})
	directory := o.Directory
	switch {
	case o.KV && directory != nil:
		return nil, errors.New("a directory in NATS has no file")
	case o.KV:
		return files, nil
	case directory == nil:
		directory = o.emptyDirectory()
	}
	return append(files, File{FileDirectory, directory}), nil
}

// configModeFiles returns the files that only config mode has.
func (o *Options) configModeFiles() ([]File, error) {
	issuerSeed, issuerPublic, err := encodeKeyPair(nkeys.CreateAccount())
	if err != nil {
		return nil, err
	}
	xkeySeed, xkeyPublic, err := encodeKeyPair(nkeys.CreateCurveKeys())
	if err != nil {
		return nil, err
	}
	password, hash, err := o.newPassword()
	if err != nil {
		return nil, err
	}
	system, systemHash, err := o.newPassword()
	if err != nil {
		return nil, err
	}
	closing, sessionsHash, err := o.newPassword()
	if err != nil {
		return nil, err
	}
	return []File{
		{FileIssuer, issuerSeed},
		{FileXKey, xkeySeed},
		{FilePassword, password},
		{FileSystem, system},
		{FileSessions, closing},
		{FileServerConfig, o.serverConfig(issuerPublic, xkeyPublic, hash, systemHash, sessionsHash)},
	}, nil
}
