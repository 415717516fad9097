package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"usher/callout/callouttest"
)

// Clients give up after two seconds, usher before them. On a machine that stands
// still for that long, somebody who waits in vain says nothing about usher: clients
// and people try again, and so do tests that are not about waiting.

// attempts is how often it is tried.
const attempts = 8

// late reports whether a text says that something did not come in time.
func late(text string) bool {
	text = strings.ToLower(text)
	return strings.Contains(text, "timeout") || strings.Contains(text, "deadline exceeded")
}

// unanswered reports whether a client gave up before it was let in or refused.
func unanswered(text string) bool {
	return late(text) || strings.Contains(text, "got 'PING'") // the first comes after two seconds
}

// answered runs a command that somebody has to answer, and again if nobody did.
func answered(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	for range attempts {
		code, stdout, stderr = usher(t, args...)
		if code == exitOK || code == exitDenied || !unanswered(stdout+stderr) {
			break
		}
		t.Logf("again, since nobody answered %v: %s%s", args, stdout, stderr)
	}
	return code, stdout, stderr
}

// connected is a connection that has to come about; it ends with the test.
func connected(t *testing.T, url string, options ...nats.Option) *nats.Conn {
	t.Helper()
	var nc *nats.Conn
	var err error
	for range attempts {
		if nc, err = nats.Connect(url, options...); err == nil || !unanswered(err.Error()) {
			break
		}
		t.Logf("again, since nobody answered: %v", err)
	}
	callouttest.Must(t, err)
	t.Cleanup(nc.Close)
	return nc
}

// missed reports whether something could not be looked at, going by what is said of it.
func (f findings) missed(says func(string) bool) bool {
	return slices.ContainsFunc(f, func(x finding) bool { return x.Result == "error" && says(x.Detail) })
}
