package callout_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"usher/app/apptest/habitattest"
	"usher/callout/callouttest"
)

// An older supervisor can publish over NATS Streaming with a token in the directory, and
// gets an acknowledgement. It can do nothing else.
func TestStreaming(t *testing.T) {
	t.Parallel()
	streaming := habitattest.BuildStreaming(t)
	s := newTestEnv(t, true)
	// The streaming server connects as a static user, without auth callout.
	url := strings.Replace(s.server.URL(), "://", "://"+callouttest.AdminUser+":"+callouttest.Password+"@", 1)
	streaming.Server(t, "--nats-url", url, "--heartbeat", "1s")
	token := filepath.Join(t.TempDir(), "token")
	callouttest.Must(t, os.WriteFile(token, []byte("ingest-key\n"), 0o600))
	streaming.CheckIngest(t, "--nats-url", s.server.URL(), "--token-file", token)
}
