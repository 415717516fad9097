package ackid_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"

	"usher/api/messages/ackid"
)

type keys []string

func (k keys) Seal(context.Context) ([]byte, error) {
	if len(k) == 0 {
		return nil, errors.New("no key")
	}
	return []byte(k[0]), nil
}

func (k keys) Open(context.Context) (all [][]byte) {
	for _, key := range k {
		all = append(all, []byte(key))
	}
	return all
}

var (
	project = uuid.MustParse("5b3f8f6e-6a0c-4a52-9d0b-6d6f3c1c2a10")
	billing = ackid.Subscription{Project: project, Name: "billing", Created: time.Unix(1771934400, 1)}
	other   = ackid.Subscription{Project: project, Name: "billing2", Created: billing.Created}
	again   = ackid.Subscription{Project: project, Name: "billing", Created: time.Unix(1771934400, 2)}
)

func make1(tb testing.TB, k keys, d ackid.Delivery) string {
	tb.Helper()
	m, err := ackid.NewMaker(tb.Context(), k, billing)
	if err != nil {
		tb.Fatal(err)
	}
	return m.Make(d)
}

var delivery = ackid.Delivery{Stream: 1 << 60, Consumer: 7, Count: 1, Timestamp: 1771934400123456789, At: time.Unix(1771934401, 5)}

// An id is read back by every replica, also one with a newer key, and only for its subscription.
func TestRoundTrip(t *testing.T) {
	id := make1(t, keys{"old"}, delivery)
	if len(id) > ackid.MaxLength {
		t.Errorf("%d bytes", len(id))
	}
	got, err := ackid.NewReader(t.Context(), keys{"new", "old"}, billing).Read(id)
	if err != nil || !got.At.Equal(delivery.At) || got.Stream != delivery.Stream || got.Consumer != 7 || got.Count != 1 || got.Timestamp != delivery.Timestamp {
		t.Errorf("%+v %v", got, err)
	}
	for what, r := range map[string]*ackid.Reader{
		"another key":                  ackid.NewReader(t.Context(), keys{"new"}, billing),
		"no key":                       ackid.NewReader(t.Context(), keys{}, billing),
		"another subscription":         ackid.NewReader(t.Context(), keys{"old"}, other),
		"a later one of the same name": ackid.NewReader(t.Context(), keys{"old"}, again),
		"another project":              ackid.NewReader(t.Context(), keys{"old"}, ackid.Subscription{Project: uuid.UUID{1}, Name: "billing", Created: billing.Created}),
	} {
		if _, err := r.Read(id); !errors.Is(err, ackid.ErrInvalid) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := ackid.NewMaker(t.Context(), keys{}, billing); err == nil {
		t.Error("made without a key")
	}
}

// Every single changed character makes an id invalid.
func TestChanged(t *testing.T) {
	id := make1(t, keys{"old"}, delivery)
	r := ackid.NewReader(t.Context(), keys{"old"}, billing)
	for i := range id {
		for _, c := range []byte("Aa0-_=.") {
			changed := []byte(id)
			if changed[i] == c {
				continue
			}
			changed[i] = c
			if d, err := r.Read(string(changed)); err == nil {
				t.Errorf("%d is %q: %+v", i, c, d)
			}
		}
		if _, err := r.Read(id[:i]); err == nil {
			t.Errorf("the first %d characters are valid", i)
		}
	}
}

func FuzzRead(f *testing.F) {
	id := make1(f, keys{"old"}, delivery)
	for _, seed := range []string{id, "", "AQ", id[:20], id + "A", "projects/P/subscriptions/S:0"} {
		f.Add(seed)
	}
	r := ackid.NewReader(f.Context(), keys{"old"}, billing)
	f.Fuzz(func(t *testing.T, text string) {
		d, err := r.Read(text)
		if err == nil && make1(t, keys{"old"}, d) != text {
			t.Errorf("%q is accepted", text)
		}
	})
}
