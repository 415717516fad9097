package rotation

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/nats-io/nkeys"

	"usher/callout/keyusage"
	"usher/issuer"
	"usher/issuer/keyring"
	"usher/issuer/operator"
)

// Refusals: nothing was changed.
var (
	ErrUnderWay    = errors.New("a rotation is under way")
	ErrNotUnderWay = errors.New("no rotation is under way")
	ErrNoActive    = errors.New("no active key to replace")
	ErrSeveral     = errors.New("several keys are active")
	ErrUnknownKey  = errors.New("the keyring has no such key")
	ErrActive      = errors.New("the key is active")
	ErrRetired     = errors.New("the key is retired already")
	ErrUnpushed    = errors.New("the account JWT on disk is newer than the servers'")
	ErrElsewhere   = errors.New("the key signs elsewhere, and so should its successor")
	ErrDone        = errors.New("the old key is retired already")
	ErrEdited      = errors.New("keyring.yaml was changed by somebody else meanwhile")
)

// Target is what to rotate.
type Target struct {
	Kind  string       // issuer.KindIssuer, KindSigning or KindXKey
	Place issuer.Place // of a signing key
}

// String returns the target for people.
func (t Target) String() string {
	if t.Kind == issuer.KindSigning {
		return "signing key of " + t.Place.String()
	}
	return t.Kind
}

// Expectation is what one live server expects of us, as a client that knocks at it
// shows.
type Expectation struct {
	URL      string
	Server   string // name
	Issuer   string // config mode: the issuer; operator mode: the callout account
	XKey     string // the xkey of ours that it seals to; empty: none of ours, or it asks in the clear
	Sentinel string // operator mode: the key that signed the JWT of its sentinel; empty: it does not show
	Problem  string // why we would not take the request, or why there was none; empty: we would
}

// Rotator changes the keys of one keyring directory.
type Rotator struct {
	Dir    string
	Config keyring.Config
	Now    func() time.Time
	// PickUp is how long running ushers may take to go by what was written.
	PickUp time.Duration
	// Wait is how long to wait for servers to be restarted (config mode), and for an
	// old key to fall out of use.
	Wait time.Duration
	// Quiet is how long nobody may have asked for a key before it is out of use:
	// longer than a request lives. Zero: 3 s.
	Quiet time.Duration
	// Say tells a person how it goes, a line at a time.
	Say func(line string)
	// Reports asks the running ushers.
	Reports func(ctx context.Context) ([]keyusage.Report, error)
	// Expecting knocks at every server.
	Expecting func(ctx context.Context) ([]Expectation, error)
	// Operator is what operator mode takes; nil: config mode.
	Operator *Operator
	// Pinned says what else depends on a key, such as credentials that it has signed.
	// nil: nothing.
	Pinned func(public string) []string
	// NoUsher says that no usher runs, so that none has to pick a key up.
	NoUsher bool
	// Without names servers that are gone for good.
	Without []string

	urgent bool   // the key has to go, whoever does not answer
	text   []byte // keyring.yaml as it was read or written last

	seen map[string]sighting // ushers that have reported, by instance
}

// sighting is when an usher has reported last.
type sighting struct {
	name string
	at   time.Time
}

// Operator is what changing account JWTs takes.
type Operator struct {
	Cluster *operator.Cluster
	Dir     operator.Dir  // JWTs on disk
	Signer  nkeys.KeyPair // the operator's key, or a signing key of it
}

// Result is how far a rotation has come.
type Result struct {
	Old, New string       // public keys
	Done     keyring.Step // the last step that is done
	Blockers []string     // why the old key was not retired; empty: it was
}

// Rotate replaces the active key of a target. Old keys that are still in use after
// Wait stay as retiring: that is no error, and Retire takes them away later.
func (r *Rotator) Rotate(ctx context.Context, t Target) (Result, error) {
	s, unlock, err := r.open()
	if err != nil {
		return Result{}, err
	}
	defer unlock()
	if s.Rotation != nil {
		return Result{}, UnderWay(s.Rotation)
	}
	if err := r.ready(ctx); err != nil {
		return Result{}, err
	}
	if err := r.begin(s, t); err != nil {
		return Result{}, err
	}
	return r.advance(ctx, s)
}

// ready reports what would end a rotation later than at its beginning. Servers that
// are away now are waited for later, and asked before anything is pushed to them.
func (r *Rotator) ready(ctx context.Context) error {
	if r.Operator == nil {
		return nil
	}
	servers, err := r.Operator.Cluster.Servers(ctx)
	var fewer *operator.FewerError
	switch {
	case errors.As(err, &fewer):
		servers = fewer.Have
	case err != nil:
		return err
	}
	return r.Operator.Cluster.Ready(ctx, r.Operator.Dir, r.Operator.Signer, servers)
}

// Resume goes on with a rotation that was interrupted.
func (r *Rotator) Resume(ctx context.Context) (Result, error) {
	s, unlock, err := r.open()
	if err != nil {
		return Result{}, err
	}
	defer unlock()
	if s.Rotation == nil {
		return Result{}, ErrNotUnderWay
	}
	return r.advance(ctx, s)
}

// UnderWay says which rotation is under way.
func UnderWay(x *keyring.Rotation) error {
	t := Target{Kind: x.Kind, Place: issuer.Place{Account: x.Account, Scope: x.Scope}}
	done := string(x.Done)
	if done == "" {
		done = "nothing"
	}
	return fmt.Errorf("%w: %s, from %s to %s, done: %s", ErrUnderWay, t, x.Old, x.New, done)
}

// names reports whether an entry is one of the target. A seed that keyring.yaml does
// not name is what an interrupted rotation has left, or what somebody has yet to name.
func (t Target) names(e *keyring.Entry) bool {
	return !e.Unlisted && e.Kind == t.Kind && e.Account == t.Place.Account && e.Scope == t.Place.Scope
}

// Old returns the key that a rotation of t would replace.
func Old(s *keyring.State, t Target) (*keyring.Entry, error) {
	var found *keyring.Entry
	for i := range s.Keys {
		e := &s.Keys[i]
		if !t.names(e) || e.State != issuer.StateActive {
			continue
		}
		if found != nil {
			return nil, fmt.Errorf("%w: %s and %s", ErrSeveral, found.PublicKey, e.PublicKey)
		}
		found = e
	}
	if found == nil {
		return nil, fmt.Errorf("%w: %s", ErrNoActive, t)
	}
	return found, nil
}

// begin makes the new key, if nobody has put one there, and writes the rotation
// down.
func (r *Rotator) begin(s *keyring.State, t Target) error {
	old, err := Old(s, t)
	if err != nil {
		return err
	}
	from := old.PublicKey // appending moves old
	made := ""
	next := nextOf(s, t)
	if next == nil && len(old.Command) > 0 {
		return fmt.Errorf("%w: %s", ErrElsewhere, from)
	}
	if next == nil {
		e, seed, err := r.make(t)
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
		made = e.File
	}
	s.Rotation = &keyring.Rotation{
		Kind: t.Kind, Account: t.Place.Account, Scope: t.Place.Scope,
		Old: from, New: next.PublicKey, Started: r.stamp(),
	}
	r.say("new key %s", next.PublicKey)
	err = r.save(s)
	if err != nil && made != "" {
		err = errors.Join(err, os.Remove(r.path(made)))
	}
	return err
}

// nextOf returns a key that was put into the keyring to be the next one: a key that
// signs elsewhere cannot be made here.
func nextOf(s *keyring.State, t Target) *keyring.Entry {
	for i := range s.Keys {
		e := &s.Keys[i]
		if t.names(e) && e.State == issuer.StateNext {
			return e
		}
	}
	return nil
}

// make makes a key pair for a target.
func (r *Rotator) make(t Target) (*keyring.Entry, []byte, error) {
	create := nkeys.CreateAccount
	if t.Kind == issuer.KindXKey {
		create = nkeys.CreateCurveKeys
	}
	kp, err := create()
	if err != nil {
		return nil, nil, fmt.Errorf("make key: %w", err)
	}
	public, err := kp.PublicKey()
	if err != nil {
		return nil, nil, fmt.Errorf("make key: %w", err)
	}
	seed, err := kp.Seed()
	if err != nil {
		return nil, nil, fmt.Errorf("make key: %w", err)
	}
	e := &keyring.Entry{
		PublicKey: public, Kind: t.Kind, Account: t.Place.Account, Scope: t.Place.Scope,
		State: issuer.StateNext, Since: r.stamp(),
	}
	e.File = keyring.Name(r.Dir, e, r.Now())
	return e, seed, nil
}
