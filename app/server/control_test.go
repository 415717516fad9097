package server_test

import (
	"slices"
	"strings"
	"testing"

	"usher/app/config"
	"usher/app/deployment"
	"usher/callout/callouttest"
)

// Commands have running ushers reload, and see what they use.
func TestControl(t *testing.T) {
	t.Parallel()
	s := startReloading(t)
	cfg, err := config.Load(s.file)
	callouttest.Must(t, err)
	d, err := deployment.Open(cfg)
	callouttest.Must(t, err)
	defer d.Close()
	used := func(key string) string {
		t.Helper()
		all, err := d.Configurations(t.Context())
		if callouttest.Must(t, err); len(all) != 1 || all[0].File != s.file {
			t.Fatalf("%+v", all)
		}
		return all[0].Values[key]
	}
	if used("log.level") != "info" || used("callout.budget") != "5s" || !strings.Contains(used("profiles"), "name: one") {
		t.Errorf("%q, %q, %q", used("log.level"), used("callout.budget"), used("profiles"))
	}
	more := "\nlog: {level: warn}\nuser_jwt: {max_lifetime: 1h}\npush: {concurrency: 7}\n"
	for _, section := range []string{"log:", "user_jwt:", "push:"} {
		if strings.Contains(s.text, "\n"+section) {
			t.Fatalf("usher.yaml has %s already", section)
		}
	}
	s.write(t, s.text+more)
	// usher may have noticed by itself before.
	callouttest.Eventually(t, "the keys are in force", func() bool {
		r, err := d.Reload(t.Context())
		if callouttest.Must(t, err); len(r) != 1 || len(r[0].Errors) > 0 || !slices.Equal(r[0].Restart, []string{"push.concurrency"}) {
			t.Fatalf("%+v", r)
		}
		return used("log.level") == "warn" && used("user_jwt.max_lifetime") == "1h0m0s"
	})
	if l := s.srv.Parts.Issuer.Lifetimes(); l.MaxLifetime.Hours() != 1 {
		t.Errorf("%+v", l)
	}
	s.write(t, s.text+"\ncolour: red\nlog: {level: loud}\n")
	r, err := d.Reload(t.Context())
	if callouttest.Must(t, err); len(r) != 1 || len(r[0].Errors) != 2 || len(r[0].Changed) > 0 || used("log.level") != "warn" {
		t.Errorf("%+v, level %s", r, used("log.level"))
	}
}
