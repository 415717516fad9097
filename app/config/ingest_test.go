package config_test

import (
	"strings"
	"testing"
)

// What a template decides cannot be switched off beside it.
func TestIngestByTemplate(t *testing.T) {
	const want = "accounts.ingest_streaming: is false, but accounts.scopes has INGEST/ingest"
	for text, fault := range map[string]bool{
		"ingest_streaming: false, scopes: [INGEST/ingest]":            true,
		"ingest_streaming: true, scopes: [INGEST/ingest]":             false,
		"ingest_streaming: false, scopes: [APP/ingest, APP/consumer]": false,
		"scopes: [INGEST/ingest]":                                     false,
	} {
		got := faults(t, "nats: {mode: operator}\nkeyring: {dir: keys}\naccounts: {callout: AUTH, system: SYS, ingest: INGEST, "+text+"}\n")
		if strings.Contains(got, want) != fault {
			t.Errorf("%s: %s", text, got)
		}
	}
}
