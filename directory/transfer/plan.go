package transfer

import (
	"errors"
	"iter"
	"time"

	"github.com/google/uuid"

	"usher/directory"
	"usher/directory/snapshot"
)

// ErrLockout: after the change no service_admin would have a key that works and
// does not expire, or that may be used from anywhere where one has such a key now.
var ErrLockout = errors.New("nobody could manage the directory: no service_admin would have a key that works, neither expires nor is bound to networks")

// ErrTangled: more users or projects exchange names, keys or subjects than can
// change at once.
var ErrTangled = errors.New("too many exchange names, keys or subjects at once")

// Options say what becomes of what the records do not name.
type Options struct {
	Replace bool      // it is removed; otherwise it stays as it is
	Now     time.Time // when that is made and changed of which the records do not say it
	By      uuid.UUID // who makes it; zero: not known. What takes the right to do so from it comes last
}

// Plan is what has to change.
type Plan struct {
	users    []pair[directory.User] // changed, by name
	projects []pair[directory.Project]
	counts   Counts
	from, to namer
	names    map[uuid.UUID]string // of users that get another name

	entries []directory.Entry
	ends    []int // of what has to change at once; each is an index of entries
	limit   int
	now     time.Time
	by      uuid.UUID
}

// pair is a user or a project, with all that is in it, before and after.
type pair[T any] struct{ was, now *T } // nil: there is none

// any is what it is after the change, or was.
func (p *pair[T]) any() *T {
	if p.now != nil {
		return p.now
	}
	return p.was
}

// New plans how current becomes what the records say. What they name becomes as
// it stands there; keys, members, topics and subscriptions that they do not name
// stay, and so do a profile and an ACL of which they say nothing, unless
// Options.Replace is set. The error is directory.Problems, with the paths of the
// records; ErrLockout; or ErrTangled.
//
// Users and projects go by their ids, so that a known id with another name is a
// new name; without an id they go by name.
func New(current *snapshot.Snapshot, want directory.Records, o Options) (*Plan, error) {
	return plan(current, want, o, directory.MaxChange)
}

func plan(current *snapshot.Snapshot, want directory.Records, o Options, limit int) (*Plan, error) {
	o.Now = o.Now.UTC().Truncate(time.Second)
	t := newTarget(current, want, o)
	p := &Plan{from: t.from, to: t.to, limit: limit, now: o.Now, by: o.By}
	d := &differ{current: current, from: t.from, to: t.to}
	p.users = changed(t.users(), userName, func(u *pair[directory.User]) bool { return d.user(u, t.manages) })
	p.projects = changed(t.projects(), projectName, d.project)
	p.counts = d.counts
	p.names = t.renames()
	if problems := t.check(d.all()); len(problems) > 0 {
		return nil, problems
	}
	if t.locksOut() {
		return nil, ErrLockout
	}
	if err := p.arrange(d); err != nil {
		return nil, err
	}
	return p, nil
}

func userName(u *directory.User) string { return u.Name }

func projectName(p *directory.Project) string { return p.Name }

// Len is how many entries the plan changes.
func (p *Plan) Len() int { return len(p.entries) }

// Counts says how much of each kind changes.
func (p *Plan) Counts() Counts { return p.counts }

// Chunks yields the entries to change, in parts of at most directory.MaxChange,
// each of which leaves a directory that keeps all rules.
func (p *Plan) Chunks() iter.Seq[[]directory.Entry] {
	return func(yield func([]directory.Entry) bool) {
		start, end := 0, 0
		seen := map[directory.EntryKey]bool{}
		for _, next := range p.ends {
			again := false
			for _, e := range p.entries[end:next] {
				again = again || seen[e.Key]
			}
			if start < end && (again || next-start > p.limit) {
				if !yield(p.entries[start:end:end]) {
					return
				}
				start = end
				clear(seen)
			}
			for _, e := range p.entries[end:next] {
				seen[e.Key] = true
			}
			end = next
		}
		if start < end {
			yield(p.entries[start:end:end])
		}
	}
}

// Entries yields what Chunks does, one at a time.
func (p *Plan) Entries() iter.Seq[directory.Entry] {
	return func(yield func(directory.Entry) bool) {
		for chunk := range p.Chunks() {
			for _, e := range chunk {
				if !yield(e) {
					return
				}
			}
		}
	}
}

// Count is how many of one kind come, change and go.
type Count struct {
	Added   int `json:"added"`
	Changed int `json:"changed"`
	Removed int `json:"removed"`
}

// Counts is a Count of every kind.
type Counts struct {
	Users         Count `json:"users"`
	Keys          Count `json:"keys"`
	Projects      Count `json:"projects"`
	Members       Count `json:"members"`
	Topics        Count `json:"topics"`
	Subscriptions Count `json:"subscriptions"`
	ACLs          Count `json:"acls"`
}

// of returns the count of a kind.
func (c *Counts) of(k directory.Kind) *Count {
	switch k {
	case directory.KindUser:
		return &c.Users
	case directory.KindKey:
		return &c.Keys
	case directory.KindProject:
		return &c.Projects
	case directory.KindMember:
		return &c.Members
	case directory.KindTopic:
		return &c.Topics
	case directory.KindSubscription:
		return &c.Subscriptions
	case directory.KindTopicACL, directory.KindSubscriptionACL:
	}
	return &c.ACLs
}
