package keyring

import (
	"crypto/ed25519"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nkeys"

	"usher/internal/secret"
	"usher/internal/strictyaml"
	"usher/issuer"
)

// document is the shape of keyring.yaml.
type document struct {
	Accounts []account `yaml:"accounts"`
	Keys     []entry   `yaml:"keys"`
	Rotation *rotation `yaml:"rotation"`
}

type account struct {
	Name      string `yaml:"name" required:"true"`
	PublicKey string `yaml:"public_key" required:"true"`
	Project   string `yaml:"project" nonempty:"true"`
}

type entry struct {
	PublicKey string    `yaml:"public_key" required:"true"`
	Kind      string    `yaml:"kind" required:"true"`
	Account   string    `yaml:"account" nonempty:"true"`
	Scope     string    `yaml:"scope" nonempty:"true"`
	File      string    `yaml:"file" nonempty:"true"`
	Command   []string  `yaml:"command" nonempty:"true"`
	State     string    `yaml:"state" required:"true"`
	Since     time.Time `yaml:"since"`
}

type rotation struct {
	Kind    string    `yaml:"kind" required:"true"`
	Account string    `yaml:"account" nonempty:"true"`
	Scope   string    `yaml:"scope" nonempty:"true"`
	Old     string    `yaml:"old" required:"true"`
	New     string    `yaml:"new" required:"true"`
	Done    string    `yaml:"done"`
	Started time.Time `yaml:"started"`
}

// ParseState parses the text of a keyring.yaml. Errors name it as file. Faults are
// strictyaml.Errors with line and column.
func ParseState(file string, data []byte, cfg Config) (*State, error) {
	var d document
	src, err := strictyaml.Decode(file, data, &d)
	if err != nil {
		return nil, err
	}
	c := &stateChecker{src: src, cfg: cfg, operator: cfg.Callout != "", accounts: map[string]bool{}, public: map[string]string{}, entries: map[string]*entry{}}
	c.document(&d)
	if len(c.faults) > 0 {
		return nil, c.faults
	}
	return d.state(), nil
}

func (d *document) state() *State {
	s := &State{}
	for _, a := range d.Accounts {
		s.Accounts = append(s.Accounts, issuer.Account(a))
	}
	for _, e := range d.Keys {
		s.Keys = append(s.Keys, Entry{
			PublicKey: e.PublicKey, Kind: e.Kind, Account: e.Account, Scope: e.Scope,
			File: e.File, Command: e.Command, State: issuer.KeyState(e.State), Since: e.Since,
		})
	}
	if r := d.Rotation; r != nil {
		s.Rotation = &Rotation{
			Kind: r.Kind, Account: r.Account, Scope: r.Scope, Old: r.Old, New: r.New,
			Done: Step(r.Done), Started: r.Started,
		}
	}
	return s
}

// stateChecker checks a document whose shape is valid.
type stateChecker struct {
	src      *strictyaml.Source
	cfg      Config
	operator bool
	accounts map[string]bool
	public   map[string]string // path by public key
	entries  map[string]*entry // by public key
	faults   strictyaml.Errors
}

func (c *stateChecker) fault(path, hint, format string, args ...any) {
	c.faults = append(c.faults, c.src.Errorf(path, hint, format, args...))
}

func (c *stateChecker) document(d *document) {
	if len(d.Accounts) > 0 && !c.operator {
		c.fault("accounts", "set nats.mode: operator in the configuration, or remove accounts", "accounts are for operator mode")
	}
	for i, a := range d.Accounts {
		path := fmt.Sprintf("accounts[%d]", i)
		if c.accounts[a.Name] {
			c.fault(path+".name", "", "account %s is listed twice", secret.Name(a.Name))
		}
		c.accounts[a.Name] = true
		c.name(path+".name", a.Name)
		c.name(path+".project", a.Project)
		c.key(path+".public_key", a.PublicKey, nkeys.PrefixByteAccount)
	}
	c.known("callout", c.cfg.Callout)
	c.known("system", c.cfg.System)
	if len(d.Keys) == 0 { // the file may have been truncated
		c.fault("keys", "list the keys of this directory", "has no keys")
	}
	places := map[string]string{}
	files := map[string]string{}
	for i := range d.Keys {
		c.entry(fmt.Sprintf("keys[%d]", i), &d.Keys[i], places, files)
	}
	if d.Rotation != nil {
		c.rotation(d.Rotation)
	}
}

// known requires an account that the configuration names. Otherwise the account could
// be listed under another name.
func (c *stateChecker) known(what, name string) {
	if c.operator && name != "" && !c.accounts[name] {
		c.fault("accounts", "add it, with its public key", "the %s account %s (accounts.%s in the configuration) is not listed", what, secret.Name(name), what)
	}
}

// key checks a public key, and that it is listed once.
func (c *stateChecker) key(path, public string, prefix nkeys.PrefixByte) {
	if raw, err := nkeys.Decode(prefix, []byte(public)); err != nil || len(raw) != ed25519.PublicKeySize {
		hint := ""
		if secret.Suspect(public) {
			hint = secret.Hint
		}
		c.fault(path, hint, "%s is not a public %s key", secret.Name(public), prefix)
		return
	}
	if at, duplicate := c.public[public]; duplicate {
		hint := ""
		if strings.HasPrefix(at, "accounts[") && strings.HasPrefix(path, "keys[") {
			hint = "this is the account's own key: use a signing key of the account"
		}
		c.fault(path, hint, "the same key as in %s", at)
		return
	}
	c.public[public] = path
}

// name refuses a name that contains a secret, because names are shown and logged.
func (c *stateChecker) name(path, name string) {
	if secret.Detect(name) {
		c.fault(path, secret.Hint, "%s is not a name", secret.Hidden)
	}
}

func (c *stateChecker) entry(path string, e *entry, places, files map[string]string) {
	c.kind(path, e)
	c.name(path+".scope", e.Scope)
	c.name(path+".file", e.File)
	c.entries[e.PublicKey] = e
	if !slices.Contains(issuer.KeyStates(), issuer.KeyState(e.State)) {
		c.fault(path+".state", "next, active, retiring or retired", "%s is not a state", secret.Name(e.State))
	}
	switch {
	case e.File != "" && len(e.Command) > 0:
		c.fault(path+".command", "remove one of them", "file and command exclude each other")
	case e.Kind == issuer.KindXKey && len(e.Command) > 0:
		c.fault(path+".command", "put the seed into the directory, and set file", "an xkey cannot use a program: usher decrypts with it")
	case len(e.Command) > 0:
		if err := issuer.CheckProgram(e.Command); err != nil {
			c.fault(path+".command", "use the absolute path of the program, or its bare name if it is in PATH", "%v", err)
		}
	case e.File == "" && e.State != string(issuer.StateRetired):
		c.fault(path, "set file to the seed file in this directory, or command to a program that signs", "has neither file nor command")
	case e.File != "" && (filepath.Base(e.File) != e.File || !strings.HasSuffix(e.File, SeedSuffix) || strings.HasPrefix(e.File, ".")):
		c.fault(path+".file", "", "is not the name of a *%s file in this directory", SeedSuffix)
	case e.File != "" && files[e.File] != "":
		c.fault(path+".file", "", "the same file as in %s", files[e.File])
	case e.File != "":
		files[e.File] = path
	}
	if e.State != string(issuer.StateActive) || !c.operator || e.Kind != issuer.KindSigning {
		return
	}
	place := e.Account + "\x00" + e.Scope
	if other := places[place]; other != "" {
		c.fault(path+".state", "set one of them to next or retiring", "%s is active for the same account and scope", other)
	}
	places[place] = path
}

// kind checks the fields that depend on the kind of a key.
func (c *stateChecker) kind(path string, e *entry) {
	switch {
	case e.Kind == issuer.KindXKey:
		c.key(path+".public_key", e.PublicKey, nkeys.PrefixByteCurve)
	case c.operator && e.Kind == issuer.KindSigning, !c.operator && e.Kind == issuer.KindIssuer:
		c.key(path+".public_key", e.PublicKey, nkeys.PrefixByteAccount)
	case c.operator:
		c.fault(path+".kind", "signing_key or xkey in operator mode", "%s is not a kind of key in operator mode", secret.Name(e.Kind))
	default:
		c.fault(path+".kind", "issuer or xkey in config mode (nats.mode)", "%s is not a kind of key in config mode", secret.Name(e.Kind))
	}
	signs := c.operator && e.Kind == issuer.KindSigning
	switch {
	case signs && e.Account == "":
		c.fault(path, "set account to one of accounts", "a signing key needs an account")
	case signs && !c.accounts[e.Account]:
		c.fault(path+".account", "add it to accounts, with its public key", "account %s is not listed", secret.Name(e.Account))
	case !signs && e.Account != "":
		c.fault(path+".account", "", "only signing keys of operator mode have an account")
	case !signs && e.Scope != "":
		c.fault(path+".scope", "", "only signing keys of operator mode have a scope")
	}
}

func (c *stateChecker) rotation(r *rotation) {
	for _, k := range []struct{ name, public string }{{"old", r.Old}, {"new", r.New}} {
		e := c.entries[k.public]
		switch {
		case e == nil:
			c.fault("rotation."+k.name, "", "%s is not among keys", secret.Name(k.public))
		case e.Kind != r.Kind || e.Account != r.Account || e.Scope != r.Scope:
			c.fault("rotation."+k.name, "both keys must have the kind, account and scope of the rotation", "has another kind, account or scope than the rotation")
		}
	}
	if r.Old == r.New {
		c.fault("rotation.new", "", "is the same key as rotation.old")
	}
	if r.Done != "" && !slices.Contains(Steps(), Step(r.Done)) {
		c.fault("rotation.done", "add, announce, switch or retire", "%s is not a step", secret.Name(r.Done))
	}
}
