package sessions

import (
	"context"
	"encoding/json"
	"iter"
	"net/netip"
	"time"

	"usher/api/wire"
	"usher/callout/session"
	"usher/identity"
	"usher/internal/audit"
)

// Filter selects sessions. A session has to match every field that is not zero.
type Filter struct {
	IDs     []session.ID
	User    string
	Project string // whose roles are in the grant
	Key     string // its id
	Method  identity.Method
	Account string
	Server  string // name or public nkey
	From    netip.Prefix
	Since   time.Time // granted then or later
	EndsBy  time.Time // expires then or earlier
	Subject string    // the client may publish or subscribe to something that it matches
}

// Live is the live sessions of an installation.
type Live interface {
	// Select yields the sessions that match a filter, each once.
	Select(f *Filter) iter.Seq[*session.Session]
	// Find returns a session.
	Find(id session.ID) (*session.Session, bool)
	// Ready returns why usher can neither ask the servers about sessions nor close them;
	// nil: it can.
	Ready() error
	// Details asks the servers about sessions. The answer lacks those whose servers did
	// not answer in time.
	Details(ctx context.Context, ids []session.ID) (map[session.ID]*wire.SessionDetails, error)
	// Close closes a session, and returns once its server has said that it is gone.
	Close(ctx context.Context, id session.ID) error
	// Explain returns the reasons for the grant of a session, as it was and as it would be
	// now; with a project only what concerns that project.
	Explain(ctx context.Context, s *session.Session, project string) (*Explanation, error)
}

// Explanation has the reasons for the grant of a session.
type Explanation struct {
	Was, Now     json.RawMessage // as "usher explain --json" shows them; no Now: it is not only about the project
	Lost, Gained string          // what differs; empty: nothing
}

// Config is what the handlers need.
type Config struct {
	Live   Live                      // nil: the routes know no session
	Closed func(audit.SessionClosed) // receives every session that was closed; nil: nobody wants to know
	LogOut LogOut                    // nil: no identity provider may log anybody out
	Now    func() time.Time
}

// Handlers are the handlers of this package.
type Handlers struct{ cfg Config }

// New returns the handlers. The zero Config is enough for Routes.
func New(cfg Config) *Handlers { return &Handlers{cfg} }
