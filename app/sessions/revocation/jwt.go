package revocation

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"usher/callout/session"

	"github.com/nats-io/jwt/v2"
)

const (
	// jwtMark is added to the time of an entry: it is far in the future, where no other tool
	// puts one, so that the entry says that usher made it, and when the user JWT ends. A server
	// compares the time with that of issue alone, and usher's user nkeys are used once.
	jwtMark = int64(1) << 35 // seconds; 1,088 years
	// jwtBatch is how long entries are collected before an account JWT is pushed.
	jwtBatch = time.Second
	// jwtRetry is how long after a failed push the next one is tried.
	jwtRetry = 5 * time.Second
	// jwtKeep is how long the entries of an account are kept that another replica pushes.
	jwtKeep = time.Minute
	// jwtClean is how often entries of user JWTs that have ended are looked for, jwtEnded how
	// long after the end they are removed: the clocks of servers may differ.
	jwtClean = 10 * time.Minute
	jwtEnded = time.Minute
)

// Edit changes the JWT of one account and pushes it to the servers. It does nothing if apply
// changes nothing.
type Edit func(account string, apply func(*jwt.AccountClaims) error) error

// UserJWTsConfig is what UserJWTs need.
type UserJWTsConfig struct {
	Open     func(ctx context.Context, do func(Edit) error) error // calls do with the operator's key at hand
	Accounts func() ([]string, error)                             // names of all accounts
	Mine     func(session.ID) bool                                // Replicas.Mine
	Log      *slog.Logger
	Now      func() time.Time
}

// UserJWTs revokes user JWTs in the JWTs of their accounts, which needs operator mode. Each
// account has one replica that does it. Entries are removed after the user JWT has ended.
type UserJWTs struct {
	cfg  UserJWTsConfig
	wake chan struct{}

	mu      sync.Mutex
	waiting map[string]map[string]entry // by account and user nkey
}

// entry is a user JWT to be revoked.
type entry struct {
	end   time.Time // of the user JWT
	since time.Time
}

// NewUserJWTs returns UserJWTs that push nothing before Run.
func NewUserJWTs(cfg UserJWTsConfig) *UserJWTs {
	return &UserJWTs{cfg: cfg, wake: make(chan struct{}, 1), waiting: map[string]map[string]entry{}}
}

// Revoke notes the user JWTs of sessions. It is Config.Revoke of an Engine. A user JWT without
// an end is left out: its entry would stay for good.
func (u *UserJWTs) Revoke(closing []Closing) {
	u.mu.Lock()
	for i := range closing {
		s := closing[i].Session
		if s.UserNKey == "" || s.Expires.IsZero() {
			continue
		}
		if u.waiting[s.Grant.Account] == nil {
			u.waiting[s.Grant.Account] = map[string]entry{}
		}
		u.waiting[s.Grant.Account][s.UserNKey] = entry{s.Expires, u.cfg.Now()}
	}
	u.mu.Unlock()
	signal(u.wake)
}

// Run pushes what is noted, and removes what has ended, until ctx ends.
func (u *UserJWTs) Run(ctx context.Context) {
	var cleaned time.Time
	wait := time.NewTimer(0)
	defer wait.Stop()
	for {
		select {
		case <-u.wake:
			if !sleep(ctx, jwtBatch) {
				return
			}
		case <-wait.C:
		case <-ctx.Done():
			return
		}
		next := jwtClean
		clean := u.cfg.Now().Sub(cleaned) >= jwtClean
		if err := u.push(ctx, clean); err != nil && ctx.Err() == nil {
			u.cfg.Log.LogAttrs(ctx, slog.LevelWarn, "user JWTs of closed sessions are not revoked in the account JWT yet; usher tries again", slog.String("error", err.Error()))
			next = jwtRetry
		} else if clean {
			cleaned = u.cfg.Now()
		}
		wait.Reset(next)
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// push pushes the entries of the accounts of this replica; clean: and removes those that have
// ended in all of them.
func (u *UserJWTs) push(ctx context.Context, clean bool) error {
	accounts, err := u.due(clean)
	if err != nil || len(accounts) == 0 {
		return err
	}
	return u.cfg.Open(ctx, func(edit Edit) error {
		for _, account := range accounts {
			add := u.entries(account)
			err := edit(account, func(c *jwt.AccountClaims) error {
				revokeIn(c, add, u.cfg.Now())
				return nil
			})
			if err != nil {
				return err
			}
			u.pushed(account, add)
		}
		return nil
	})
}

// due returns the accounts whose JWT is to be looked at here, sorted.
func (u *UserJWTs) due(clean bool) ([]string, error) {
	var all []string
	if clean {
		var err error
		if all, err = u.cfg.Accounts(); err != nil {
			return nil, err
		}
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	now := u.cfg.Now()
	for account, entries := range u.waiting {
		if u.mine(account) {
			all = append(all, account)
			continue
		}
		maps.DeleteFunc(entries, func(_ string, x entry) bool { return now.Sub(x.since) > jwtKeep })
		if len(entries) == 0 {
			delete(u.waiting, account)
		}
	}
	all = slices.DeleteFunc(all, func(account string) bool { return !u.mine(account) })
	slices.Sort(all)
	return slices.Compact(all), nil
}

// mine reports whether this replica pushes the JWT of an account.
func (u *UserJWTs) mine(account string) bool { return u.cfg.Mine(session.ID{Server: account}) }

func (u *UserJWTs) entries(account string) map[string]entry {
	u.mu.Lock()
	defer u.mu.Unlock()
	return maps.Clone(u.waiting[account])
}

func (u *UserJWTs) pushed(account string, done map[string]entry) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for nkey := range done {
		delete(u.waiting[account], nkey)
	}
	if len(u.waiting[account]) == 0 {
		delete(u.waiting, account)
	}
}

// revokeIn adds entries to an account JWT, and removes those of usher whose user JWT has
// ended. It leaves the entries of others alone.
func revokeIn(c *jwt.AccountClaims, add map[string]entry, now time.Time) {
	ended := now.Add(-jwtEnded).Unix()
	maps.DeleteFunc(c.Revocations, func(nkey string, at int64) bool { return nkey != jwt.All && at > jwtMark && at-jwtMark < ended })
	for nkey, x := range add {
		if x.end.Unix() >= ended {
			c.RevokeAt(nkey, time.Unix(x.end.Unix()+jwtMark, 0))
		}
	}
}
