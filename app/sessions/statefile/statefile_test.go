package statefile_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/klauspost/compress/s2"

	"usher/app/sessions"
	"usher/app/sessions/statefile"
	"usher/callout/callouttest"
	"usher/callout/session"
	"usher/identity"
)

func now() time.Time { return time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC) }

// some returns sessions; every fourth one has expired, and every fifth one never does.
func some(n int) (all []*session.Session) {
	for i := range n {
		s := &session.Session{
			ID: session.ID{Server: "NSERVER", Client: uint64(i) + 1}, RequestID: fmt.Sprint("request-", i),
			Identity: identity.Identity{Name: fmt.Sprint("user-", i%7)}, Started: now().Add(-time.Hour), Expires: now().Add(time.Minute),
		}
		switch {
		case i%4 == 0:
			s.Expires = now()
		case i%5 == 0:
			s.Expires = time.Time{}
		}
		all = append(all, s)
	}
	return all
}

func TestWriteRead(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "sessions.state")
	for _, n := range []int{5000, 3, 0} {
		callouttest.Must(t, statefile.Write(path, slices.Values(some(n))))
		got, err := statefile.Read(path, now())
		callouttest.Must(t, err)
		found := map[uint64]*session.Session{}
		for _, s := range got {
			found[s.ID.Client] = s
		}
		for i, s := range some(n) {
			switch f := found[s.ID.Client]; {
			case i%4 == 0 && f != nil:
				t.Errorf("session %d has expired", i)
			case i%4 != 0 && (f == nil || f.RequestID != s.RequestID || !f.Expires.Equal(s.Expires) || f.Identity.Name != s.Identity.Name):
				t.Errorf("session %d: %+v", i, f)
			}
		}
	}
	info, err := os.Stat(path)
	callouttest.Must(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %s", info.Mode())
	}
}

// A file that was cut, changed or made by somebody else is not read, not even in part.
func TestDamaged(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "sessions.state")
	if _, err := statefile.Read(path, now()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	callouttest.Must(t, statefile.Write(path, slices.Values(some(100))))
	good, err := os.ReadFile(path)
	callouttest.Must(t, err)
	read := func(data []byte) error {
		t.Helper()
		callouttest.Must(t, os.WriteFile(path, data, 0o600))
		_, err := statefile.Read(path, now())
		return err
	}
	for n := 0; n < len(good); n += 7 {
		if err := read(good[:n]); !errors.Is(err, statefile.ErrDamaged) {
			t.Fatalf("cut after %d bytes: %v", n, err)
		}
	}
	const header = 10 // of gzip: its checksum covers what comes after it
	for n := header; n < len(good); n += 3 {
		data := slices.Clone(good)
		data[n] ^= 0xff
		if err := read(data); !errors.Is(err, statefile.ErrDamaged) && !errors.Is(err, statefile.ErrOtherVersion) {
			t.Fatalf("byte %d changed: %v", n, err)
		}
	}
	if err := read(append(slices.Clone(good), "more"...)); !errors.Is(err, statefile.ErrDamaged) {
		t.Errorf("bytes behind: %v", err)
	}
	if err := read(zipped(t, "usher sessions 99")); !errors.Is(err, statefile.ErrOtherVersion) {
		t.Errorf("of another version: %v", err)
	}
}

// A file with one session that cannot be read, such as one of a version that checked less,
// loses only that one.
func TestOneUnreadableSession(t *testing.T) {
	t.Parallel()
	batches, err := sessions.Encode(some(10), 1<<20)
	callouttest.Must(t, err)
	plain, err := s2.Decode(nil, batches[0][1:])
	callouttest.Must(t, err)
	const principals = 3
	var parts map[int]cbor.RawMessage
	var list []cbor.RawMessage
	callouttest.Must(t, errors.Join(cbor.Unmarshal(plain, &parts), cbor.Unmarshal(parts[principals], &list)))
	list[2] = cbor.RawMessage{0xf5} // true
	parts[principals], err = cbor.Marshal(list)
	callouttest.Must(t, err)
	plain, err = cbor.Marshal(parts)
	callouttest.Must(t, err)
	path := filepath.Join(t.TempDir(), "sessions.state")
	callouttest.Must(t, os.WriteFile(path, zipped(t, "usher sessions 1", append([]byte{batches[0][0]}, s2.Encode(nil, plain)...)), 0o600))
	got, err := statefile.Read(path, now().Add(-time.Second))
	if err != nil || len(got) != 8 || slices.ContainsFunc(got, func(s *session.Session) bool { return s.Identity.Name == "user-2" }) {
		t.Errorf("%d sessions of 10, of which user-2 has 2: %v", len(got), err)
	}
}

func zipped(tb testing.TB, items ...any) []byte {
	tb.Helper()
	var b bytes.Buffer
	zip := gzip.NewWriter(&b)
	e := cbor.NewEncoder(zip)
	for _, item := range items {
		callouttest.Must(tb, e.Encode(item))
	}
	callouttest.Must(tb, zip.Close())
	return b.Bytes()
}

func FuzzRead(f *testing.F) {
	f.Add([]byte("usher sessions 1"), []byte{})
	f.Add([]byte("\x70usher sessions 1"), []byte("\x43abc"))
	f.Add([]byte("\x70usher sessions 1\x40"), []byte{0x5f, 0xff})
	f.Fuzz(func(t *testing.T, head, tail []byte) {
		path := filepath.Join(t.TempDir(), "sessions.state")
		var b bytes.Buffer
		zip := gzip.NewWriter(&b)
		_, err := zip.Write(append(head, tail...))
		callouttest.Must(t, errors.Join(err, zip.Close(), os.WriteFile(path, b.Bytes(), 0o600)))
		if all, err := statefile.Read(path, now()); err != nil && all != nil {
			t.Errorf("%d sessions beside %v", len(all), err)
		}
	})
}
