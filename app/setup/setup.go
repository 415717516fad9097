// Package setup makes the files of a new installation: seeds, what the service
// user connects with, a nats-server.conf that a stock nats-server starts with,
// and usher's own configuration and directory, unless that lives in NATS. In config mode the accounts stand
// in nats-server.conf; in operator mode an operator that is made along with them
// has signed them.
//
// It promises never to overwrite a file, to write nothing at all if one is in
// the way, to follow no link that was planted and to write into no folder in which
// others can, and to put secrets only into files that their owner alone can read.
package setup

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nkeys"
	"golang.org/x/crypto/bcrypt"

	"usher/app/config"
	"usher/internal/atomicfile"
	"usher/internal/ownedfile"
	"usher/issuer/keyring"
)

// The names of the files, below the directory of an installation.
const (
	FileServerConfig = "nats-server.conf"
	FileConfig       = "usher.yaml"
	FileDirectory    = "directory.yaml"
	FilePassword     = "service.password"
	FileSystem       = "system.password" // config mode
	DirKeys          = "keys"
	FileIssuer       = DirKeys + "/issuer" + keyring.SeedSuffix
	FileXKey         = DirKeys + "/xkey" + keyring.SeedSuffix
	FileHealthToken  = "run/healthcheck.token"
	FileSnapshot     = "run/directory.snapshot"
	FileAudit        = "audit.jsonl"
	DirJetStream     = "jetstream"
)

// The accounts and the service user of a new installation.
const (
	AccountCallout = "AUTH"
	AccountSystem  = "SYS"
	AccountApp     = "APP"
	AccountIngest  = "INGEST"
	AccountHealth  = "HEALTH"
	ServiceUser    = "usher"
	SystemUser     = "usher-system" // of config mode: asks the servers, and changes nothing
)

// ListenAPI is where a new installation whose directory lives in NATS is managed.
const ListenAPI = "127.0.0.1:9779"

// DefaultListen is where the nats-server of a new installation listens for clients.
const DefaultListen = "127.0.0.1:4222"

// Options say what a new installation is like.
type Options struct {
	Dir       string
	Operator  bool              // operator mode, in place of config mode
	KV        bool              // a directory in a bucket of the nats-server, in place of a file
	Listen    string            // HOST:PORT of nats-server
	Projects  []string          // config mode: each gets an account of its own, which is named as the project is
	Directory []byte            // content of directory.yaml; nil: an empty, commented one; not with KV
	Config    map[string]string // more of usher.yaml, by key path
	Random    io.Reader
	Now       time.Time // since when the keys are in use, where a file says so; zero: it does not
}

// File is one file of an installation.
type File struct {
	Name    string // relative to the directory, with slashes
	Content []byte
}

// Names returns the names of all files of an installation, in the order in which
// they are written. One with its directory in NATS (kv) has no file of it.
func Names(operator, kv bool) []string {
	names := []string{FileIssuer, FileXKey, FilePassword, FileSystem, FileServerConfig}
	if operator {
		names = operatorNames()
	}
	names = append(names, FileConfig)
	if kv {
		return names
	}
	return append(names, FileDirectory)
}

// ErrExists: a file of the installation is there already.
var ErrExists = errors.New("there already")

// Write makes the files and returns them in the order written. Nothing is
// written if any of them exists.
func Write(o Options) ([]File, error) {
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("find directory: %w", err)
	}
	o.Dir = dir
	files, err := o.made()
	if err != nil {
		return nil, err
	}
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

// writeNew writes a file that is not there yet, readable by its owner only. It goes
// through no link below the directory of the installation, whoever made it.
func (o *Options) writeNew(f File) error {
	if err := ownedfile.MakeOwnFolder(o.Dir, folderOf(f.Name)); err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	return atomicfile.New(o.path(f.Name), f.Content, nil)
}

// made makes the content of all files.
func (o *Options) made() ([]File, error) {
	own := o.configFiles
	if o.Operator {
		own = o.operatorFiles
	}
	if err := o.checkProjects(); err != nil {
		return nil, err
	}
	files, err := own()
	if err != nil {
		return nil, err
	}
	yaml, err := o.config()
	if err != nil {
		return nil, err
	}
	files = append(files, File{FileConfig, yaml})
	directory := o.Directory
	switch {
	case o.KV && directory != nil:
		return nil, errors.New("a directory in NATS takes no file")
	case o.KV:
		return files, nil
	case directory == nil:
		directory = o.emptyDirectory()
	}
	return append(files, File{FileDirectory, directory}), nil
}

// configFiles makes what only config mode has.
func (o *Options) configFiles() ([]File, error) {
	issuerSeed, issuerPublic, err := pair(nkeys.CreateAccount())
	if err != nil {
		return nil, err
	}
	xkeySeed, xkeyPublic, err := pair(nkeys.CreateCurveKeys())
	if err != nil {
		return nil, err
	}
	password, hash, err := o.password()
	if err != nil {
		return nil, err
	}
	system, systemHash, err := o.password()
	if err != nil {
		return nil, err
	}
	return []File{
		{FileIssuer, issuerSeed},
		{FileXKey, xkeySeed},
		{FilePassword, password},
		{FileSystem, system},
		{FileServerConfig, o.serverConfig(issuerPublic, xkeyPublic, hash, systemHash)},
	}, nil
}

func pair(kp nkeys.KeyPair, err error) (seed []byte, public string, _ error) {
	if err != nil {
		return nil, "", fmt.Errorf("make key: %w", err)
	}
	seed, err = kp.Seed()
	if err != nil {
		return nil, "", fmt.Errorf("make key: %w", err)
	}
	public, err = kp.PublicKey()
	if err != nil {
		return nil, "", fmt.Errorf("make key: %w", err)
	}
	return append(seed, '\n'), public, nil
}

// password makes the service user's password and its bcrypt hash. The lowest
// cost does: nobody guesses 256 random bits, and nats-server has to hash at
// every connect.
func (o *Options) password() (text []byte, hash string, _ error) {
	var raw [32]byte
	if _, err := io.ReadFull(o.Random, raw[:]); err != nil {
		return nil, "", fmt.Errorf("make password: %w", err)
	}
	password := base64.RawURLEncoding.EncodeToString(raw[:])
	h, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		return nil, "", fmt.Errorf("hash password: %w", err)
	}
	return []byte(password + "\n"), string(h), nil
}

func (o *Options) config() ([]byte, error) {
	url, err := clientURL(o.Listen)
	if err != nil {
		return nil, err
	}
	values := map[string]string{
		"nats.urls":              "[" + url + "]",
		"accounts.callout":       AccountCallout,
		"accounts.system":        AccountSystem,
		"accounts.ingest":        AccountIngest,
		"accounts.service_admin": AccountApp,
		"accounts.healthcheck":   AccountHealth,
		"keyring.dir":            DirKeys,
		"healthcheck.token_file": FileHealthToken,
		"audit.to":               "file",
		"audit.file":             FileAudit,
	}
	header, own := "", map[string]string{
		"nats.user": ServiceUser, "nats.password_file": FilePassword,
		"nats.system_user": SystemUser, "nats.system_password_file": FileSystem,
	}
	if o.Operator {
		header, own = o.operatorHeader(), operatorConfig()
	}
	maps.Copy(values, own)
	maps.Copy(values, o.directoryConfig())
	maps.Copy(values, o.Config)
	yaml, err := config.Example(values)
	if err != nil {
		return nil, fmt.Errorf("make %s: %w", FileConfig, err)
	}
	return append([]byte(header), yaml...), nil
}

// directoryConfig returns what usher.yaml says of the directory.
func (o *Options) directoryConfig() map[string]string {
	if !o.KV {
		return map[string]string{"directory.file": FileDirectory}
	}
	return map[string]string{
		"directory.from":          config.DirectoryKV,
		"directory.snapshot_file": FileSnapshot,
		"api.listen":              ListenAPI,
	}
}

// clientURL returns the URL under which this machine reaches a listener, as it
// stands in a list of YAML.
func clientURL(listen string) (string, error) {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return "", fmt.Errorf("listen address: %w", err)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	url := "nats://" + net.JoinHostPort(host, port)
	if strings.Contains(host, ":") {
		return strconv.Quote(url), nil // brackets are a list to YAML
	}
	return url, nil
}
