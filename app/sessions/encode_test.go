package sessions_test

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"usher/app/sessions"
	"usher/callout/session"
	"usher/identity"
	"usher/permissions"
)

// decode returns the sessions of batches.
func decode(t *testing.T, batches [][]byte) (all []*session.Session) {
	t.Helper()
	for _, batch := range batches {
		some, err := sessions.Decode(batch)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, some...)
	}
	return all
}

func equal(t *testing.T, got, want []*session.Session) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d sessions, want %d", len(got), len(want))
	}
	for i := range want {
		if !reflect.DeepEqual(got[i], want[i]) {
			t.Fatalf("session %d:\n%+v, want\n%+v", i, got[i], want[i])
		}
	}
}

func TestBatchKeepsEverything(t *testing.T) {
	plain := &session.Session{ID: session.ID{Server: "NX", Client: 1}, UserNKey: "not an nkey", Adopted: true}
	all := []*session.Session{everything(), plain, connection(1), connection(2)}
	batches, err := sessions.Encode(all, 1<<20)
	if err != nil || len(batches) != 1 {
		t.Fatal(len(batches), err)
	}
	equal(t, decode(t, batches), all)
}

// A field that is added to one of these has to get a place in a batch, but for Closes, which
// each usher knows by itself.
func TestEveryFieldOfTheFixtureIsSet(t *testing.T) {
	s := everything()
	s.Adopted, s.Identity.Selection.Account, s.Closes = true, "APP", start()
	for _, v := range []reflect.Value{
		reflect.ValueOf(*s), reflect.ValueOf(s.Identity), reflect.ValueOf(s.Identity.Selection), reflect.ValueOf(s.Client),
		reflect.ValueOf(s.Grant), reflect.ValueOf(s.Grant.Connection), reflect.ValueOf(s.Grant.Rules[0]), reflect.ValueOf(s.Grant.Rules[0].Origin),
	} {
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() && v.Field(i).IsZero() {
				t.Errorf("%s.%s is not set", v.Type(), f.Name)
			}
		}
	}
}

func TestBatchesFit(t *testing.T) {
	var all []*session.Session
	for n := range 3000 {
		all = append(all, connection(n))
	}
	const limit = 20_000
	batches, err := sessions.Encode(all, limit)
	if err != nil {
		t.Fatal(err)
	}
	size := 0
	for _, batch := range batches {
		if size += len(batch); len(batch) > limit {
			t.Errorf("a batch has %d bytes", len(batch))
		}
	}
	t.Logf("%d bytes a session", size/len(all))
	if size > 150*len(all) {
		t.Errorf("a session takes %d bytes, want at most 150", size/len(all))
	}
	equal(t, decode(t, batches), all)
}

func TestSessionTooLargeIsLeftOut(t *testing.T) {
	large := connection(1)
	large.Grant.Rules = make([]permissions.Rule, 0, 2000)
	for n := range 2000 {
		large.Grant.Rules = append(large.Grant.Rules, permissions.Rule{Side: permissions.Publish, Effect: permissions.Allow, Subject: start().Add(time.Duration(n*n) * time.Second).String()})
	}
	batches, err := sessions.Encode([]*session.Session{connection(0), large, connection(2)}, 10_000)
	if !errors.Is(err, sessions.ErrTooLarge) {
		t.Fatalf("error %v, want ErrTooLarge", err)
	}
	equal(t, decode(t, batches), []*session.Session{connection(0), connection(2)})
}

func FuzzDecode(f *testing.F) {
	batches, err := sessions.Encode([]*session.Session{everything(), connection(1), connection(2)}, 1<<20)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(batches[0])
	f.Add([]byte{})
	f.Add([]byte{1})
	f.Add([]byte("\x01\xff\xff\xff\xff\x0f"))                                 // a length of 4 GiB
	f.Add([]byte("\x01\x06\x14\xa1\x04\x81\xa0\xf6\xf6"))                     // a session without a peer
	f.Add([]byte("\x01\x09\x20\xa1\x02\x9a\xff\xff\xff\xff\xf6\xf6\xf6\xf6")) // more grants than bytes
	f.Fuzz(func(t *testing.T, data []byte) {
		all, err := sessions.Decode(data)
		if err != nil && !errors.Is(err, sessions.ErrUnreadable) {
			if !errors.Is(err, sessions.ErrBatch) {
				t.Fatalf("error %v", err)
			}
			return
		}
		again, err := sessions.Encode(all, 8<<20)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(decode(t, again)); n != len(all) {
			t.Fatalf("%d sessions, then %d", len(all), n)
		}
	})
}

// nested is a session whose attributes are nested as deep as an identity provider pleases.
func nested(n, depth int) *session.Session {
	s := connection(n)
	s.Identity.Authority, s.Identity.Method = "https://login.example.com", identity.MethodOIDC
	var v any = "x"
	for range depth {
		v = []any{v}
	}
	s.Identity.Attributes = identity.Attributes{"claims": map[string]any{"deep": v}}
	return s
}

// Attributes that a batch cannot have are left out, and cost nothing else.
func TestAttributesTooDeepAreLeftOut(t *testing.T) {
	for _, depth := range []int{1, 40, 60, 61, 62, 63, 64, 100, 900, 1100, 9000} {
		deep := nested(1, depth)
		batches, err := sessions.Encode([]*session.Session{connection(0), deep, nested(1, depth), nested(2, 3)}, 1<<20)
		if err != nil || len(batches) != 1 {
			t.Fatal(depth, len(batches), err)
		}
		if depth > 50 {
			deep = connection(1)
			deep.Identity.Authority, deep.Identity.Method = "https://login.example.com", identity.MethodOIDC
		}
		got := decode(t, batches)
		if depth > 50 && depth < 64 && got[1].Identity.Attributes != nil { // near the limit either is right
			deep = nested(1, depth)
		}
		equal(t, got, []*session.Session{connection(0), deep, deep, nested(2, 3)})
	}
}
