package audit_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"usher/internal/audit"
)

func decode(t *testing.T, text string) []map[string]any {
	t.Helper()
	var out []map[string]any
	for line := range strings.Lines(text) {
		var e map[string]any
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		out = append(out, e)
	}
	return out
}

func TestShape(t *testing.T) {
	var out bytes.Buffer
	l := audit.New(&out, nil)
	at := time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.UTC)
	l.Write(audit.Event{
		Time: at, RequestID: "id", Outcome: "granted", Code: "granted", Cause: "line one\nline \"two\"",
		User: "pia", Method: "apikey", Verifier: "apikey", KeyID: "laptop", Account: "APP", Expires: at.Add(time.Hour),
		ClientHost: "192.0.2.7", ClientID: 42, ClientKind: "Client", ClientType: "nats", ClientName: "app\u2028",
		ServerID: "N1", ServerName: "n1", Issuer: "A1",
		Queue: time.Microsecond, Open: 2 * time.Microsecond, Verify: 3 * time.Microsecond,
		Derive: 4 * time.Microsecond, Issue: 5 * time.Microsecond, Total: 1500 * time.Millisecond,
	})
	l.Write(audit.Event{Time: at, Outcome: "shed"})
	closeLog(t, l)
	got := decode(t, out.String())
	durations := func(queue, open, verify, derive, issue, total float64) map[string]any {
		return map[string]any{"queue": queue, "open": open, "verify": verify, "derive": derive, "issue": issue, "total": total}
	}
	want := []map[string]any{
		{
			"time": "2026-03-01T12:00:00.123456789Z", "request_id": "id", "outcome": "granted", "code": "granted",
			"cause": "line one\nline \"two\"", "user": "pia", "method": "apikey", "verifier": "apikey", "key_id": "laptop",
			"account": "APP", "expires": "2026-03-01T13:00:00.123456789Z", "client_host": "192.0.2.7", "client_id": 42.0,
			"client_kind": "Client", "client_type": "nats", "client_name": "app\u2028", "server_id": "N1", "server_name": "n1",
			"issuer": "A1", "duration_us": durations(1, 2, 3, 4, 5, 1500000),
		},
		{"time": "2026-03-01T12:00:00.123456789Z", "outcome": "shed", "duration_us": durations(0, 0, 0, 0, 0, 0)},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%v\nwant\n%v", got, want)
	}
}

// Every field of an event is written: the test fails for a new field that record
// leaves out.
func TestEveryFieldIsWritten(t *testing.T) {
	var e audit.Event
	v := reflect.ValueOf(&e).Elem()
	for i := range v.NumField() {
		switch f := v.Field(i); f.Interface().(type) {
		case string:
			f.SetString("mark" + v.Type().Field(i).Name)
		case uint64:
			f.SetUint(uint64(1000 + i))
		case time.Duration:
			f.SetInt(int64(time.Duration(1000+i) * time.Microsecond))
		case time.Time:
			f.Set(reflect.ValueOf(time.Date(1000+i, 1, 1, 0, 0, 0, 0, time.UTC)))
		default:
			t.Fatalf("%s has an unexpected type", v.Type().Field(i).Name)
		}
	}
	var out bytes.Buffer
	l := audit.New(&out, nil)
	l.Write(e)
	closeLog(t, l)
	for i := range v.NumField() {
		mark := fmt.Sprint(1000 + i)
		if v.Field(i).Kind() == reflect.String {
			mark = v.Field(i).String()
		}
		if !strings.Contains(out.String(), mark) {
			t.Errorf("%s is not in %s", v.Type().Field(i).Name, out.String())
		}
	}
}

// Close writes every queued event, in order. The clock is that of a synctest bubble, so
// the writer never counts as stuck, however slow the machine is.
func TestOrder(t *testing.T) { synctest.Test(t, testOrder) }

func testOrder(t *testing.T) {
	var out bytes.Buffer
	l := audit.New(&out, nil)
	const n = 20_000 // more than the queue holds
	for i := range n {
		l.Write(audit.Event{ClientID: uint64(i + 1)})
	}
	closeLog(t, l)
	closeLog(t, l)
	events := decode(t, out.String())
	if len(events) != n || l.Lost() != 0 {
		t.Fatalf("%d events, %d lost", len(events), l.Lost())
	}
	for i, e := range events {
		if e["client_id"] != float64(i+1) {
			t.Fatalf("event %d is %v", i, e["client_id"])
		}
	}
}

func TestManyWriters(t *testing.T) {
	var out bytes.Buffer
	l := audit.New(&out, nil)
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := range 200 {
				l.Write(audit.Event{User: fmt.Sprint(w), ClientID: uint64(i + 1)})
			}
		})
	}
	wg.Wait()
	closeLog(t, l)
	last := map[any]float64{}
	for _, e := range decode(t, out.String()) {
		id, _ := e["client_id"].(float64)
		if id != last[e["user"]]+1 {
			t.Fatalf("writer %v: %v after %v", e["user"], id, last[e["user"]])
		}
		last[e["user"]] = id
	}
	if len(last) != 8 {
		t.Errorf("%d writers", len(last))
	}
}

var errFull = errors.New("disk full")

// failing returns an error from each write for which plan is true.
type failing struct {
	plan []bool
	good int
}

func (f *failing) Write(p []byte) (int, error) {
	bad := len(f.plan) > 0 && f.plan[0]
	if len(f.plan) > 0 {
		f.plan = f.plan[1:]
	}
	if bad {
		return 0, errFull
	}
	f.good++
	return len(p), nil
}

// A full disk is reported once, not for every event, and again after a successful
// write.
func TestFailingWriter(t *testing.T) {
	w := &failing{plan: []bool{false, true, true, true, false, true, false}}
	var reported []error
	l := audit.New(w, func(err error) { reported = append(reported, err) })
	for range 8 {
		l.Write(audit.Event{})
	}
	closeLog(t, l)
	if len(reported) != 2 || !errors.Is(reported[0], errFull) || !errors.Is(reported[1], errFull) {
		t.Errorf("reported %v", reported)
	}
	if l.Lost() != 4 || w.good != 4 {
		t.Errorf("%d lost, %d written", l.Lost(), w.good)
	}
	quiet := audit.New(&failing{plan: []bool{true}}, nil)
	quiet.Write(audit.Event{})
	closeLog(t, quiet)
	if quiet.Lost() != 1 {
		t.Errorf("%d lost", quiet.Lost())
	}
}

// TryWrite fails where Write would wait.
func TestTryWrite(t *testing.T) {
	r, w := io.Pipe() // blocks until it is read
	l := audit.New(w, nil)
	taken := 0
	for l.TryWrite(audit.Event{ClientID: uint64(taken + 1)}) {
		taken++
	}
	if taken < 1000 || l.Lost() != 1 {
		t.Fatalf("%d taken, %d lost", taken, l.Lost())
	}
	read := make(chan string)
	go func() {
		text, _ := io.ReadAll(r)
		read <- string(text)
	}()
	closeLog(t, l)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if got := len(decode(t, <-read)); got != taken {
		t.Errorf("%d written of %d taken", got, taken)
	}
}

func lines(t *testing.T, path string) []string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(text))
}

func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	if err := os.WriteFile(path, []byte("before\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := audit.OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	write := func(text string) {
		t.Helper()
		if n, err := f.Write([]byte(text + "\n")); err != nil || n != len(text)+1 {
			t.Fatalf("%d, %v", n, err)
		}
	}
	write("a")
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	write("b") // into the renamed file, until Reopen
	if err := f.Reopen(); err != nil {
		t.Fatal(err)
	}
	write("c")
	if got := lines(t, path+".1"); !slices.Equal(got, []string{"before", "a", "b"}) {
		t.Errorf("rotated: %q", got)
	}
	if got := lines(t, path); !slices.Equal(got, []string{"c"}) {
		t.Errorf("new: %q", got)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	// A path that cannot be opened leaves the old file in use.
	if err := os.Rename(path, path+".2"); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := f.Reopen(); err == nil {
		t.Error("Reopen opened a directory")
	}
	write("d")
	if got := lines(t, path+".2"); !slices.Equal(got, []string{"c", "d"}) {
		t.Errorf("kept: %q", got)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}

func TestFileFails(t *testing.T) {
	f, err := audit.OpenFile(filepath.Join(t.TempDir(), "none", "audit.jsonl"))
	if !errors.Is(err, os.ErrNotExist) || f != nil {
		t.Errorf("got %v, %v", f, err)
	}
}

// No event is lost when the file is rotated while events are written.
func TestReopenWhileWriting(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	f, err := audit.OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	l := audit.New(f, func(err error) { t.Error(err) })
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range 50 {
			if err := os.Rename(path, fmt.Sprint(path, i)); err != nil {
				t.Error(err)
			}
			if err := f.Reopen(); err != nil {
				t.Error(err)
			}
		}
	})
	for i := range 2000 {
		l.Write(audit.Event{ClientID: uint64(i + 1)})
	}
	wg.Wait()
	closeLog(t, l)
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	files, err := filepath.Glob(path + "*")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		n += len(decode(t, string(text)))
	}
	if n != 2000 || l.Lost() != 0 {
		t.Errorf("%d events in %d files, %d lost", n, len(files), l.Lost())
	}
}

func closeLog(t *testing.T, l *audit.Log) {
	t.Helper()
	if err := l.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// A writer that hangs does not hold up callers for long, nor Close.
//
// Attack: an audit disk that hangs keeps clients out
// Held by: callers stop waiting for the disk; events are lost and counted
func TestStuckWriter(t *testing.T) {
	w := &hanging{release: make(chan struct{})}
	reported := make(chan error, 10)
	l := audit.New(w, func(err error) { reported <- err })
	for l.Lost() < 3 { // the queue fills, one call waits, the rest do not
		l.Write(audit.Event{RequestID: "a"})
	}
	if err := <-reported; !errors.Is(err, audit.ErrStuck) {
		t.Errorf("reported: %v", err)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if err := l.Close(over); !errors.Is(err, audit.ErrUnwritten) {
		t.Errorf("close: %v", err)
	}
	close(w.release)
	closeLog(t, l)
}

type hanging struct{ release chan struct{} }

func (h *hanging) Write(p []byte) (int, error) {
	<-h.release
	return len(p), nil
}
