package endpoint

import (
	"path/filepath"
	"strings"
	"testing"

	"usher/app/checkup/finding"
	"usher/app/config"
	"usher/app/natsconn"
)

// A file that is missing is named, with its key and what to do.
func TestFailedFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "missing.pem")
	_, err := natsconn.TLSOptions(&config.TLS{CAFile: path})
	var f finding.List
	FailedFile(&f, "service user", "", err)
	if len(f) != 1 || f[0].Where != path || f[0].Path != "nats.tls.ca_file" || !strings.Contains(f[0].Hint, "put the file there") {
		t.Errorf("%+v", f)
	}
}
