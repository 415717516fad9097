package callout_test

import (
	"fmt"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"

	"usher/callout/callouttest"
)

// release is a release of nats-server: major, minor, patch.
type release [3]int

// The first releases of nats-server with what several features need.
var (
	firstCallout  = release{2, 10, 0}
	firstSentinel = release{2, 11, 2} // default_sentinel, a bearer JWT
	firstMQTT     = release{2, 12, 7} // default_sentinel for MQTT
	firstAllowed  = release{2, 11, 0} // allowed_accounts
	firstAtomic   = release{2, 12, 0} // atomic batch publish
)

// The first release of each line in which nats-server enforces what isolation between
// users needs. usher check warns about earlier ones.
var (
	firstEndsFirst   = []release{{2, 11, 17}, {2, 12, 8}}
	firstChecksTrace = []release{{2, 10, 0}, {2, 11, 15}, {2, 12, 6}} // 2.10 has no traces
)

func (r release) String() string { return fmt.Sprintf("%d.%d.%d", r[0], r[1], r[2]) }

// has reports whether release r has what the releases since introduced: the last of
// them, or one of the same line.
func (r release) has(since ...release) bool {
	for i, s := range since {
		if (i == len(since)-1 || slices.Equal(r[:2], s[:2])) && slices.Compare(r[:], s[:]) >= 0 {
			return true
		}
	}
	return false
}

var releaseText = regexp.MustCompile(`v?(\d+)\.(\d+)\.(\d+)\s*$`)

// releaseOf parses "2.12.0", or "v2.12.0" at the end of a text.
func releaseOf(t *testing.T, text string) release {
	t.Helper()
	parts := releaseText.FindStringSubmatch(text)
	if parts == nil {
		t.Fatalf("%q is not a release of nats-server", text)
	}
	var r release
	for i := range r {
		var err error
		r[i], err = strconv.Atoi(parts[i+1])
		callouttest.Must(t, err)
	}
	return r
}

// serverRelease returns the release that the tests run against.
func serverRelease(t *testing.T) release {
	t.Helper()
	if *serverProgram == "" {
		return releaseOf(t, server.VERSION)
	}
	out, err := exec.CommandContext(t.Context(), *serverProgram, "--version").Output() // "nats-server: v2.12.0"
	callouttest.Must(t, err)
	return releaseOf(t, string(out))
}

// expectConfigError fails the test unless the server refuses the configuration file
// because of an unknown key.
func expectConfigError(t *testing.T, file, unknown string) {
	t.Helper()
	if *serverProgram == "" {
		t.Fatal("the nats-server in go.mod supports everything")
	}
	out, err := exec.CommandContext(t.Context(), *serverProgram, "-t", "-c", file).CombinedOutput()
	if err == nil || !strings.Contains(string(out), unknown) {
		t.Errorf("the server does not refuse %s in the file: %v\n%s", unknown, err, out)
	}
}

// mode is a configuration of servers, and the first release that supports it over each
// transport.
type mode struct {
	name, sentinel string
	start          func(t *testing.T, sealed bool) *deployment
	file           func(t *testing.T, sealed bool) string // the server's configuration file; nil: every release accepts it
	since          release
	ways           map[string]release // transports that later releases support
}

func modes() []mode {
	return []mode{
		{name: "config", sentinel: "no sentinel", start: startConfigMode, since: firstCallout},
		{
			name: "operator", sentinel: "default sentinel", since: firstSentinel, ways: map[string]release{"MQTT": firstMQTT},
			start: func(t *testing.T, sealed bool) *deployment { t.Helper(); return startOperatorMode(t, sealed, false) },
			file: func(t *testing.T, sealed bool) string {
				t.Helper()
				return callouttest.NewOperator(t, callouttest.OperatorConfig{Sealed: sealed}).Servers[0].File()
			},
		},
		{
			name: "operator", sentinel: "sentinel creds", since: firstCallout,
			start: func(t *testing.T, sealed bool) *deployment { t.Helper(); return startOperatorMode(t, sealed, true) },
		},
	}
}

// from returns the first release that supports a transport.
func (m *mode) from(w transport) release {
	if since, ok := m.ways[w.name]; ok {
		return since
	}
	return m.since
}
