package checkup

import (
	"os"
	"path/filepath"
	"testing"

	"usher/app/checkup/finding"
	"usher/app/checkup/finding/findingtest"
	"usher/app/config"
	"usher/callout/callouttest"
	"usher/internal/fault"
)

// TestCheckKeysOff: check finds passwords and certificates that the configuration does not
// accept.
func TestCheckKeysOff(t *testing.T) {
	t.Parallel()
	const text = `users:
  - name: alice
    password: {hash: "$2a$11$PWIFAL8RsWyGI3jVZtO9Nu8.6jOxzxfZo7c/W0eLk017hjgUKWrhy"}
    certificates: [{subject: "CN=worker-1,O=Shop,C=GR", id: worker}]
  - name: bob
    certificates: [{subject: "CN=worker-2,O=Shop,C=GR", id: worker}]
projects: []
`
	cfg := config.Default()
	cfg.Directory.File = filepath.Join(t.TempDir(), "directory.yaml")
	callouttest.Must(t, os.WriteFile(cfg.Directory.File, []byte(text), 0o600))
	check := func() (f finding.List) {
		checkDirectory(t.Context(), &f, "usher.yaml", &cfg, nil, true)
		return f
	}
	f := check()
	findingtest.Holds(t, f, fault.None, "directory", finding.Warning, "1 password, but no client can connect with one")
	findingtest.Holds(t, f, fault.None, "directory", finding.Warning, "2 certificates of users, but no client can connect with one")
	cfg.Credentials.Password.Enabled, cfg.Credentials.X509.Identity = true, "subject"
	for _, x := range check() {
		if x.Severity != finding.OK {
			t.Errorf("%+v", x)
		}
	}
}
