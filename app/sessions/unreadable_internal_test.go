package sessions

import (
	"errors"
	"testing"

	"usher/callout/session"
	"usher/identity"
)

// A batch with one session that cannot be read, as an usher makes it that checks nothing,
// loses only that one.
func TestOneUnreadableSession(t *testing.T) {
	t.Parallel()
	c, err := newCodec()
	if err != nil {
		t.Fatal(err)
	}
	var all []*session.Session
	for n, depth := range []int{1, 2 * maxDepth, 2} {
		var v any = "x"
		for range depth {
			v = []any{v}
		}
		s := &session.Session{ID: session.ID{Server: "N", Client: uint64(n) + 1}}
		s.Identity.Attributes = identity.Attributes{"claims": v}
		all = append(all, s)
	}
	e := encoder{codec: &codec{enc: c.enc, dec: c.batch}, mode: c.enc}
	batch, err := e.encode(all)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Decode(batch)
	if !errors.Is(err, ErrUnreadable) || len(got) != 2 || got[0].ID != all[0].ID || got[1].ID != all[2].ID {
		t.Fatalf("%d sessions, %v", len(got), err)
	}
}
