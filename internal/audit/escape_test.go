package audit_test

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"usher/internal/audit"
)

// Attack: a client has a name that steers the terminal of whoever reads the audit, or turns the direction of text, with characters that JSON need not escape
// Held by: such characters are escaped in every line, which does not change what it means
func TestNamesDoNotSteerTerminals(t *testing.T) {
	t.Parallel()
	const name = "a\u009b31m\u007f\u202eb\u2028\U000e0041\x1b[0m\nä"
	var out bytes.Buffer
	l := audit.New(&out, nil)
	l.Write(audit.Event{Time: time.Unix(0, 0), ClientName: name})
	if err := l.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	var e struct {
		ClientName string `json:"client_name"`
	}
	if err := json.Unmarshal(out.Bytes(), &e); err != nil || e.ClientName != name {
		t.Errorf("%q, %v", e.ClientName, err)
	}
	const want = `"a\u009b31m\u007f\u202eb\u2028\udb40\udc41\u001b[0m\nä"`
	if !bytes.Contains(out.Bytes(), []byte(want)) || bytes.Count(out.Bytes(), []byte("\n")) != 1 {
		t.Errorf("%q", out.String())
	}
	if got := audit.Escape([]byte("{\"a\":\"\x9b\"}")); string(got) != `{"a":"\ufffd"}` {
		t.Errorf("%q", got)
	}
}
