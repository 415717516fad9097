package transfer

import (
	"errors"
	"iter"
	"time"

	"github.com/google/uuid"

	"usher/directory"
	"usher/directory/lockout"
	"usher/directory/snapshot"
)

// ErrLockout: after the change no service_admin would have a valid key that does not
// expire; or none that can be used from any network, although one has such a key now.
var ErrLockout = errors.New("nobody could manage the directory: no service_admin would have a valid key without expiry and networks")

// ErrTooManySwaps: more users or projects swap names, keys or subjects than can change
// at once.
var ErrTooManySwaps = errors.New("too many users or projects swap names, keys or subjects")

// Options say how to treat what the records do not state.
type Options struct {
	Replace bool      // remove what the records do not name; otherwise keep it
	Now     time.Time // time of creation and modification, where the records state none
	By      uuid.UUID // the importing user; zero: not known. Changes that take its rights come last
	// Seal seals the header of a subscription that the records have in clear. It returns was
	// if that has the same header. nil: such a record is an error.
	Seal func(project *directory.Project, sub, header string, was *directory.PushAuthorization) (*directory.PushAuthorization, error)
}

// Plan is a list of changes.
type Plan struct {
	users             []pair[directory.User] // changed, by name
	projects          []pair[directory.Project]
	bans              []pair[directory.Ban]
	current           *snapshot.Snapshot
	counts            Counts
	idBefore, idAfter idLookup
	names             map[uuid.UUID]string // new names of renamed users

	entries    []directory.Entry
	boundaries []int // indexes of entries; entries between two of them have to change at once
	limit      int
	now        time.Time
	by         uuid.UUID
}

// pair is a user or a project with everything that belongs to it, before and after the
// change.
type pair[T any] struct{ before, after *T } // nil: it does not exist

// either returns the state after the change, or the one before if there is none.
func (p *pair[T]) either() *T {
	if p.after != nil {
		return p.after
	}
	return p.before
}

// New plans how to import records into current. Unless Options.Replace is set, it keeps
// keys, members, topics, subscriptions and bans that the records do not name, and profiles and
// ACLs that they do not state. Bans also stay if the records have no list of them. The error is directory.Problems, with the paths of the
// records; ErrLockout; ErrTooManySwaps; or that of Options.Seal.
//
// Users and projects are identified by their ids, so a known id with another name is a
// rename. Without an id they are identified by name.
func New(current *snapshot.Snapshot, want directory.Records, o Options) (*Plan, error) {
	return plan(current, want, o, directory.MaxChange)
}

func plan(current *snapshot.Snapshot, want directory.Records, o Options, limit int) (*Plan, error) {
	o.Now = o.Now.UTC().Truncate(time.Second)
	t := newTarget(current, want, o)
	if t.sealing != nil {
		return nil, t.sealing
	}
	p := &Plan{idBefore: t.idBefore, idAfter: t.idAfter, limit: limit, current: current, now: o.Now, by: o.By}
	d := &differ{current: current, idBefore: t.idBefore, idAfter: t.idAfter}
	p.users = changed(t.users(), userName, func(u *pair[directory.User]) bool { return d.user(u, t.willAdminister) })
	p.projects = changed(t.projects(), projectName, d.project)
	p.bans = changed(t.bans(), banID, d.ban)
	p.counts = d.counts
	p.names = t.renames()
	if problems := t.check(d.entries()); len(problems) > 0 {
		return nil, problems
	}
	if t.locksOut() || len(d.bans) > 0 && lockout.By(current, d.entries(), o.Now) {
		return nil, ErrLockout
	}
	if err := p.arrange(d); err != nil {
		return nil, err
	}
	return p, nil
}

func userName(u *directory.User) string { return u.Name }

func projectName(p *directory.Project) string { return p.Name }

// Len returns the number of entries that the plan changes.
func (p *Plan) Len() int { return len(p.entries) }

// Counts returns how many changes there are of each kind.
func (p *Plan) Counts() Counts { return p.counts }

// Chunks yields the entries to change, in parts of at most directory.MaxChange. The
// directory keeps all rules after each part.
func (p *Plan) Chunks() iter.Seq[[]directory.Entry] {
	return func(yield func([]directory.Entry) bool) {
		start, end := 0, 0
		seen := map[directory.EntryKey]bool{}
		for _, next := range p.boundaries {
			repeated := false
			for _, e := range p.entries[end:next] {
				repeated = repeated || seen[e.Key]
			}
			if start < end && (repeated || next-start > p.limit) {
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

// Entries yields the entries of all chunks.
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

// Count counts the changes of one kind.
type Count struct {
	Added   int `json:"added"`
	Changed int `json:"changed"`
	Removed int `json:"removed"`
}

// Counts counts the changes of every kind.
type Counts struct {
	Users         Count `json:"users"`
	Keys          Count `json:"keys"`
	Projects      Count `json:"projects"`
	Members       Count `json:"members"`
	Topics        Count `json:"topics"`
	Subscriptions Count `json:"subscriptions"`
	ACLs          Count `json:"acls"`
	Bans          Count `json:"bans"`
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
	case directory.KindBan:
		return &c.Bans
	case directory.KindTopicACL, directory.KindSubscriptionACL:
	}
	return &c.ACLs
}
