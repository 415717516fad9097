package rotation

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/nats-io/nkeys"

	"usher/callout/keyusage"
	"usher/issuer"
	"usher/issuer/keyring"
	"usher/issuer/operator"
)

// Errors after which nothing has changed.
var (
	ErrInProgress     = errors.New("a rotation is in progress")
	ErrNotInProgress  = errors.New("no rotation is in progress")
	ErrNoActive       = errors.New("no active key to replace")
	ErrAmbiguous      = errors.New("more than one key is active")
	ErrUnknownKey     = errors.New("the keyring has no such key")
	ErrActive         = errors.New("the key is active")
	ErrRetired        = errors.New("the key is already retired")
	ErrUnpushed       = errors.New("the account JWT on disk is newer than the servers'")
	ErrExternalKey    = errors.New("an external program signs with the key, and its successor must be added to keyring.yaml")
	ErrNoRollback     = errors.New("the old key is already retired")
	ErrConcurrentEdit = errors.New("keyring.yaml was changed in the meantime")
	ErrNoUsher        = errors.New("no running usher answers")
)

// Target identifies the key to rotate.
type Target struct {
	Kind  string       // issuer.KindIssuer, KindSigning or KindXKey
	Place issuer.Place // of a signing key
}

// String returns text such as "signing key of APP, scope publisher".
func (t Target) String() string {
	if t.Kind == issuer.KindSigning {
		return "signing key of " + t.Place.String()
	}
	return t.Kind
}

// Expectation is what a probe of a live server shows: the keys that the server expects.
type Expectation struct {
	URL      string
	Server   string // name
	Issuer   string // config mode: the issuer; operator mode: the callout account
	XKey     string // the xkey of this keyring that it encrypts to; empty: another xkey, or none
	Sentinel string // operator mode: the key that signed the JWT of its sentinel; empty: unknown
	Problem  string // why usher would not answer its request, or why there was none; empty: no problem
}

// Rotator changes the keys of one keyring directory.
type Rotator struct {
	Dir    string
	Config keyring.Config
	Now    func() time.Time
	// ReloadTimeout is how long running ushers may take to load a changed keyring.
	ReloadTimeout time.Duration
	// Wait is how long to wait for servers to be restarted (config mode), and for an
	// old key to fall out of use.
	Wait time.Duration
	// IdlePeriod is how long a key must be unused before it counts as out of use. It must be
	// longer than the lifetime of a request. Zero: 3 s.
	IdlePeriod time.Duration
	// Progress receives progress messages, one line at a time.
	Progress func(line string)
	// Reports asks the running ushers for their reports.
	Reports func(ctx context.Context) ([]keyusage.Report, error)
	// Probe probes every server.
	Probe func(ctx context.Context) ([]Expectation, error)
	// Operator changes account JWTs; nil: config mode.
	Operator *Operator
	// Dependents lists what else depends on a key, such as credentials that it has signed.
	// nil: nothing.
	Dependents func(public string) []string
	// NoUsher states that no usher runs, so that there is none to wait for.
	NoUsher bool
	// IgnoredServers names servers that are gone for good.
	IgnoredServers []string

	urgent bool   // retire the key even if ushers or servers do not answer
	text   []byte // keyring.yaml as last read or written

	seen map[string]sighting // the last report of every usher, by instance
}

// sighting is the time of the last report of an usher.
type sighting struct {
	name string
	at   time.Time
}

// Operator holds what is needed to change account JWTs.
type Operator struct {
	Cluster *operator.Cluster
	Dir     operator.Dir  // JWTs on disk
	Signer  nkeys.KeyPair // the operator's key, or a signing key of it
}

// Result is the outcome of a rotation.
type Result struct {
	Old, New string       // public keys
	Done     keyring.Step // the last completed step
	Blockers []string     // why the old key was not retired; empty: it was
}

// Rotate replaces the active key of a target. An old key that is still in use after
// Wait stays in state retiring. That is no error; Retire retires it later. ErrNoUsher:
// no running usher answers, and NoUsher is not set.
func (r *Rotator) Rotate(ctx context.Context, t Target) (Result, error) {
	s, unlock, err := r.open()
	if err != nil {
		return Result{}, err
	}
	defer unlock()
	if s.Rotation != nil {
		return Result{}, InProgress(s.Rotation)
	}
	if err := r.ready(ctx); err != nil {
		return Result{}, err
	}
	if err := r.findUsher(ctx); err != nil {
		return Result{}, err
	}
	if err := r.begin(s, t); err != nil {
		return Result{}, err
	}
	return r.advance(ctx, s)
}

// ready checks early what would make a later step fail: whether the servers trust the
// operator's key. A server that is unreachable now is waited for and checked later,
// before anything is pushed to it.
func (r *Rotator) ready(ctx context.Context) error {
	if r.Operator == nil {
		return nil
	}
	servers, err := r.Operator.Cluster.Servers(ctx)
	var fewer *operator.MissingServersError
	switch {
	case errors.As(err, &fewer):
		servers = fewer.Have
	case err != nil:
		return err
	}
	return r.Operator.Cluster.Ready(ctx, r.Operator.Dir, r.Operator.Signer, servers)
}

// Resume continues an interrupted rotation.
func (r *Rotator) Resume(ctx context.Context) (Result, error) {
	s, unlock, err := r.open()
	if err != nil {
		return Result{}, err
	}
	defer unlock()
	if s.Rotation == nil {
		return Result{}, ErrNotInProgress
	}
	if slices.Contains(stepsAfter(s.Rotation.Done), keyring.StepSwitch) {
		if err := r.findUsher(ctx); err != nil {
			return Result{}, err
		}
	}
	return r.advance(ctx, s)
}

// InProgress returns an ErrInProgress that describes the rotation in progress.
func InProgress(x *keyring.Rotation) error {
	t := Target{Kind: x.Kind, Place: issuer.Place{Account: x.Account, Scope: x.Scope}}
	done := "no step completed"
	if x.Done != "" {
		done = "last completed step: " + string(x.Done)
	}
	return fmt.Errorf("%w: %s, from %s to %s, %s", ErrInProgress, t, x.Old, x.New, done)
}

// matches reports whether an entry is a key for the target. A seed that keyring.yaml
// does not list never matches: an interrupted rotation may have left it.
func (t Target) matches(e *keyring.Entry) bool {
	return !e.Unlisted && e.Kind == t.Kind && e.Account == t.Place.Account && e.Scope == t.Place.Scope
}

// ActiveKey returns the key that a rotation of t would replace.
func ActiveKey(s *keyring.State, t Target) (*keyring.Entry, error) {
	var found *keyring.Entry
	for i := range s.Keys {
		e := &s.Keys[i]
		if !t.matches(e) || e.State != issuer.StateActive {
			continue
		}
		if found != nil {
			return nil, fmt.Errorf("%w: %s and %s", ErrAmbiguous, found.PublicKey, e.PublicKey)
		}
		found = e
	}
	if found == nil {
		return nil, fmt.Errorf("%w: %s", ErrNoActive, t)
	}
	return found, nil
}

// begin creates the new key, unless keyring.yaml has one in state next, and records
// the rotation.
func (r *Rotator) begin(s *keyring.State, t Target) error {
	old, err := ActiveKey(s, t)
	if err != nil {
		return err
	}
	from := old.PublicKey // append below may move old
	created := ""
	next := nextOf(s, t)
	if next == nil && len(old.Command) > 0 {
		return fmt.Errorf("%w: %s", ErrExternalKey, from)
	}
	if next == nil {
		e, seed, err := r.newKey(t)
		if err != nil {
			return err
		}
		err = keyring.WriteSeed(r.path(e.File), seed, r.Config)
		clear(seed)
		if err != nil {
			return err
		}
		s.Keys = append(s.Keys, *e)
		next = &s.Keys[len(s.Keys)-1]
		created = e.File
	}
	s.Rotation = &keyring.Rotation{
		Kind: t.Kind, Account: t.Place.Account, Scope: t.Place.Scope,
		Old: from, New: next.PublicKey, Started: r.stamp(),
	}
	r.report("new key %s", next.PublicKey)
	err = r.save(s)
	if err != nil && created != "" {
		err = errors.Join(err, os.Remove(r.path(created)))
	}
	return err
}

// nextOf returns the key for the target that is in state next, or nil. A key of an
// external program cannot be created here, so it is added to keyring.yaml by hand.
func nextOf(s *keyring.State, t Target) *keyring.Entry {
	for i := range s.Keys {
		e := &s.Keys[i]
		if t.matches(e) && e.State == issuer.StateNext {
			return e
		}
	}
	return nil
}

// newKey creates a key pair for a target.
func (r *Rotator) newKey(t Target) (*keyring.Entry, []byte, error) {
	create := nkeys.CreateAccount
	if t.Kind == issuer.KindXKey {
		create = nkeys.CreateCurveKeys
	}
	kp, err := create()
	if err != nil {
		return nil, nil, fmt.Errorf("create key: %w", err)
	}
	public, err := kp.PublicKey()
	if err != nil {
		return nil, nil, fmt.Errorf("create key: %w", err)
	}
	seed, err := kp.Seed()
	if err != nil {
		return nil, nil, fmt.Errorf("create key: %w", err)
	}
	e := &keyring.Entry{
		PublicKey: public, Kind: t.Kind, Account: t.Place.Account, Scope: t.Place.Scope,
		State: issuer.StateNext, Since: r.stamp(),
	}
	e.File = keyring.NewFileName(r.Dir, e, r.Now())
	return e, seed, nil
}
