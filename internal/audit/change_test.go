package audit_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"usher/internal/audit"
)

// The format is stable to the byte, and begins with the kind.
func TestChangeLine(t *testing.T) {
	var out bytes.Buffer
	l := audit.New(&out, nil)
	at := time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.UTC)
	l.WriteChange(audit.Change{
		Time: at, RequestID: "id", Outcome: audit.Changed,
		Actor: "pia", ActorKeyID: "laptop", ClientHost: "192.0.2.7",
		Action: "topic.modify_acl", Resource: "/projects/shop/topics/orders",
		Before: json.RawMessage("{\n  \"acl\": [\"pia\"]\n}"), After: json.RawMessage(`{"acl": []}`),
		Revision: 7, Total: 1500 * time.Microsecond,
	})
	l.WriteChange(audit.Change{
		Time: at, Outcome: audit.Refused, Code: "not_allowed", Cause: "line one\nline \"two\"",
		Action: "user.delete", Resource: "/users/pia",
	})
	l.WriteChange(audit.Change{Time: at, Outcome: audit.Failed, Before: json.RawMessage(`"<null>"`), After: json.RawMessage{}})
	closeLog(t, l)
	want := `{"kind":"change","time":"2026-03-01T12:00:00.123456789Z","request_id":"id","outcome":"changed",` +
		`"actor":"pia","actor_key_id":"laptop","client_host":"192.0.2.7",` +
		`"action":"topic.modify_acl","resource":"/projects/shop/topics/orders",` +
		`"before":{"acl":["pia"]},"after":{"acl":[]},"revision":7,"duration_us":{"total":1500}}
{"kind":"change","time":"2026-03-01T12:00:00.123456789Z","outcome":"refused","code":"not_allowed",` +
		`"cause":"line one\nline \"two\"","action":"user.delete","resource":"/users/pia","duration_us":{"total":0}}
{"kind":"change","time":"2026-03-01T12:00:00.123456789Z","outcome":"failed","before":"<null>","duration_us":{"total":0}}
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", &out, want)
	}
	page, err := os.ReadFile("../../docs/reference/audit.md")
	if err != nil {
		t.Fatal(err)
	}
	if example, _, _ := strings.Cut(want, "\n"); !strings.Contains(string(page), example+"\n") {
		t.Errorf("docs/reference/audit.md does not show\n%s", example)
	}
}

// Every field of a change is written.
func TestEveryFieldOfAChangeIsWritten(t *testing.T) {
	var c audit.Change
	v := reflect.ValueOf(&c).Elem()
	marks := map[string]string{}
	for i := range v.NumField() {
		name, mark := v.Type().Field(i).Name, fmt.Sprint(1000+i)
		switch f := v.Field(i); f.Interface().(type) {
		case string, audit.ChangeOutcome:
			mark = "mark" + name
			f.SetString(mark)
		case uint64:
			f.SetUint(uint64(1000 + i))
		case json.RawMessage:
			f.SetBytes([]byte(mark))
		case time.Duration:
			f.SetInt(int64(time.Duration(1000+i) * time.Microsecond))
		case time.Time:
			f.Set(reflect.ValueOf(time.Date(1000+i, 1, 1, 0, 0, 0, 0, time.UTC)))
		default:
			t.Fatalf("%s has an unexpected type", name)
		}
		marks[name] = mark
	}
	var out bytes.Buffer
	l := audit.New(&out, nil)
	l.WriteChange(c)
	closeLog(t, l)
	for name, mark := range marks {
		if !strings.Contains(out.String(), mark) {
			t.Errorf("%s is not in %s", name, &out)
		}
	}
}

// Invalid JSON in a field loses the field, not the line.
func TestChangeWithInvalidJSON(t *testing.T) {
	var out bytes.Buffer
	l := audit.New(&out, nil)
	l.WriteChange(audit.Change{Action: "user.add", Before: json.RawMessage("{\n"), After: json.RawMessage(`"} x`)})
	closeLog(t, l)
	got := decode(t, out.String())
	if len(got) != 1 || got[0]["action"] != "user.add" || l.Lost() != 0 {
		t.Errorf("%d lost, got %v", l.Lost(), got)
	}
}

// Decisions and changes are written in the order of the calls, and only changes have a
// kind.
func TestOrderOfDecisionsAndChanges(t *testing.T) { synctest.Test(t, testOrderOfBoth) }

func testOrderOfBoth(t *testing.T) {
	var out bytes.Buffer
	l := audit.New(&out, nil)
	const n = 10_000 // together more than the queue holds
	for i := range n {
		l.Write(audit.Event{RequestID: fmt.Sprint(i)})
		l.WriteChange(audit.Change{RequestID: fmt.Sprint(i)})
	}
	closeLog(t, l)
	events := decode(t, out.String())
	if len(events) != 2*n || l.Lost() != 0 {
		t.Fatalf("%d events, %d lost", len(events), l.Lost())
	}
	for i, e := range events {
		if kind, isChange := e["kind"]; e["request_id"] != fmt.Sprint(i/2) || isChange != (i%2 == 1) || isChange && kind != "change" {
			t.Fatalf("event %d is %v", i, e)
		}
	}
}

// A change that is lost to a stuck writer is counted, and the error is reported.
func TestStuckWriterLosesChanges(t *testing.T) {
	w := &hanging{release: make(chan struct{})}
	reported := make(chan error, 10)
	l := audit.New(w, func(err error) { reported <- err })
	for l.Lost() < 3 { // the queue fills, one call waits, the rest do not
		l.WriteChange(audit.Change{RequestID: "a"})
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
