package logout

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"usher/callout/session"
	"usher/directory"
	"usher/directory/snapshot"
	"usher/identity"
	"usher/tokens/oidc"

	lru "github.com/hashicorp/golang-lru/v2"
)

// MaxBans is how many bans of one authority the directory has at a time.
const MaxBans = 10_000

// ErrFull: the authority has as many bans as it may have. They end by themselves.
var ErrFull = errors.New("too many logouts of this authority hold at a time")

// maxTokens is how many logout tokens are remembered, so that one that comes again costs no
// look at the directory.
const maxTokens = 8192

// Config is what a Receiver needs.
type Config struct {
	// Verify is that of oidc.Verifier.VerifyLogout.
	Verify func(ctx context.Context, token string) (oidc.Logout, error)
	// Change is that of a directory (kv.Store.Change). It is called with bans alone.
	Change func(ctx context.Context, f func(*snapshot.Snapshot) ([]directory.Entry, error)) (*snapshot.Snapshot, error)
	// Sessions yields the live sessions of an identity.
	Sessions func(a identity.Authority, id string) iter.Seq[*session.Session]
	// Lifetimes is how long a token of each authority lives at most, its leeway included.
	Lifetimes map[identity.Authority]time.Duration
	Now       func() time.Time
}

// Receiver acts on logout tokens. It is safe for concurrent use.
type Receiver struct {
	cfg  Config
	seen *lru.Cache[[sha256.Size]byte, struct{}]
}

// New returns a Receiver that has seen no token.
func New(cfg Config) (*Receiver, error) {
	seen, err := lru.New[[sha256.Size]byte, struct{}](maxTokens)
	return &Receiver{cfg, seen}, err
}

// Result says what was done.
type Result struct {
	oidc.Logout
	Targets  []directory.BanTarget // who is refused
	Revision uint64                // of the directory that refuses them
	Repeated bool                  // nothing has changed
}

// LogOut refuses what was issued to somebody before a logout. The errors of the token are those
// of Config.Verify; after them the Result has no authority. After any other one the same token
// may be sent again.
func (r *Receiver) LogOut(ctx context.Context, token string) (Result, error) {
	of, err := r.cfg.Verify(ctx, token)
	if err != nil {
		return Result{}, err
	}
	out := Result{Logout: of, Repeated: true}
	seen := digest(&of)
	if r.seen.Contains(seen) {
		return out, nil
	}
	until := of.Issued.Add(r.cfg.Lifetimes[of.Authority])
	out.Targets, until = r.targets(&of, until)
	snap, err := r.cfg.Change(ctx, func(now *snapshot.Snapshot) ([]directory.Entry, error) {
		change := r.bans(now, &of, out.Targets, until)
		out.Repeated = len(change) == 0
		if full(now, &of, change) {
			return nil, ErrFull
		}
		return change, nil
	})
	if err != nil {
		out.Repeated = false
		return out, fmt.Errorf("logout at %s: %w", of.Authority, err)
	}
	r.seen.Add(seen, struct{}{})
	out.Revision = snap.Latest()
	return out, nil
}

// digest tells one logout token from another. A provider that uses a jti twice logs out twice.
func digest(l *oidc.Logout) [sha256.Size]byte {
	return sha256.Sum256([]byte(strings.Join([]string{string(l.Authority), l.TokenID, l.Subject, l.SessionID, l.Issued.String()}, "\x00")))
}

// targets returns whom a logout concerns: the session, or else the subject. If a live session of
// the subject was granted by a token without sid, nobody can say that it is not of the session
// that has ended: then it is the subject too. A token that is known to live longer than
// others moves the end.
func (r *Receiver) targets(l *oidc.Logout, until time.Time) ([]directory.BanTarget, time.Time) {
	subject := directory.BanTarget{Authority: string(l.Authority), IdentityID: l.Subject}
	one := directory.BanTarget{Authority: string(l.Authority), SessionID: l.SessionID}
	unknown := l.SessionID == ""
	if l.Subject != "" {
		for s := range r.cfg.Sessions(l.Authority, l.Subject) {
			if sid := sessionID(&s.Identity); sid == "" || l.SessionID == "" || sid == l.SessionID {
				unknown = unknown || sid == ""
				if end := s.Identity.NotAfter; end.After(until) {
					until = end
				}
			}
		}
	}
	if limit := l.Issued.Add(directory.MaxBan - 24*time.Hour); until.After(limit) {
		until = limit
	}
	switch {
	case l.SessionID == "":
		return []directory.BanTarget{subject}, until
	case unknown:
		return []directory.BanTarget{one, subject}, until
	default:
		return []directory.BanTarget{one}, until
	}
}

func sessionID(id *identity.Identity) string {
	claims, _ := id.Attributes["claims"].(map[string]any)
	sid, _ := claims["sid"].(string)
	return sid
}

// idPrefix begins the ids of bans of this package. The target follows, so that one who logs out
// often has one ban.
const idPrefix = "logout-"

func banID(t *directory.BanTarget) string {
	sum := sha256.Sum256([]byte(strings.Join([]string{t.Authority, t.IdentityID, t.SessionID}, "\x00")))
	return fmt.Sprintf("%s%x", idPrefix, sum[:16])
}

// bans returns the bans that are new, or refuse more than those that there are.
func (r *Receiver) bans(now *snapshot.Snapshot, l *oidc.Logout, targets []directory.BanTarget, until time.Time) (change []directory.Entry) {
	at := r.cfg.Now().UTC()
	if !at.Before(until) {
		return nil // no token of before the logout is good any more
	}
	for _, t := range targets {
		b := directory.Ban{
			Target: t, Reason: "logout", By: string(l.Authority), Created: at, Until: until,
			// Times of tokens are whole seconds: one of the same second may be from before.
			IssuedBefore: l.Issued.Truncate(time.Second).Add(time.Second),
		}
		id := banID(&t)
		if old, ok := now.Bans().Find(id); ok && old.InForce(at) {
			if !old.IssuedBefore.Before(b.IssuedBefore) && !old.Until.Before(b.Until) {
				continue
			}
			b.IssuedBefore, b.Until = latest(old.IssuedBefore, b.IssuedBefore), latest(old.Until, b.Until)
		}
		change = append(change, directory.Entry{Key: directory.BanKey(id), Value: &b})
	}
	return change
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// full reports whether an authority would have more bans than it may have. Those that have
// ended and are not removed yet count.
func full(now *snapshot.Snapshot, l *oidc.Logout, change []directory.Entry) bool {
	added := 0
	for i := range change {
		if _, ok := now.Bans().Find(change[i].Key.Name); !ok {
			added++
		}
	}
	if added == 0 || now.Bans().Len()+added <= MaxBans {
		return false
	}
	for b := range now.Bans().All() {
		if b.Target.Authority == string(l.Authority) && strings.HasPrefix(b.ID, idPrefix) {
			added++
		}
	}
	return added > MaxBans
}
