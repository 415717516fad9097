package main

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"usher/app/setup"
	"usher/callout/callouttest"
	"usher/cmd/usher/cmdutil"
)

// TestServeKeyringChange: the issuer is replaced while usher runs; a broken seed is
// logged and changes nothing.
func TestServeKeyringChange(t *testing.T) {
	t.Parallel()
	in := newInstallation(t)
	in.Write(t, setup.FileDirectory, aliceDirectory())
	public := in.issuer(t)
	srv := in.NatsServer(t)
	p := in.serve(t)
	if code := in.try(t); code != cmdutil.ExitOK {
		t.Fatalf("alice: exit code %d", code)
	}

	broken := setup.DirKeys + "/broken.nk"
	in.Write(t, broken, "SA-this-is-no-seed\n")
	p.waitFor(t, "keyring not loaded; the last good keyring stays in use")
	p.waitFor(t, "broken.nk: not a seed")
	if _, body := in.get("/metrics"); !strings.Contains(body, `usher_keyring_reloads_total{result="bad"} 1`) {
		t.Error("the faulty reload is not counted")
	}
	if code := in.try(t); code != cmdutil.ExitOK {
		t.Errorf("with a broken seed: exit code %d", code)
	}
	callouttest.Must(t, os.Remove(in.Path(broken)))
	p.waitFor(t, "the keyring directory is valid again, with the keys in use")

	keys := callouttest.NewKeys(t)
	in.Write(t, setup.DirKeys+"/new.nk", keys.IssuerSeed+"\n")
	p.waitFor(t, `msg="key added" kind=issuer key=`+keys.Issuer+" state=active")
	// The log line comes before the metric.
	callouttest.Eventually(t, "the reloads are counted", func() bool {
		_, body := in.get("/metrics")
		return strings.Contains(body, `usher_keyring_reloads_total{result="good"} 2`)
	})
	_, body := in.get("/metrics")
	const labels = `usher_key_%s\{account="",key="%s",kind="issuer",scope="",state="active"\} %s\n`
	for _, want := range []string{
		fmt.Sprintf(labels, "age_seconds", keys.Issuer, `\S+`),
		fmt.Sprintf(labels, "requests_last_hour", keys.Issuer, "0"),
		fmt.Sprintf(labels, "requests_last_hour", public, `([2-9]|\d\d+)`), // alice came in twice, and may have tried again
	} {
		if !regexp.MustCompile(want).MatchString(body) {
			t.Errorf("/metrics: without %s\n%s", want, body)
		}
	}

	srv.Stop()
	in.Edit(t, setup.FileServerConfig, public, keys.Issuer)
	in.NatsServer(t)
	in.waitReady(t, p)
	if code := in.try(t); code != cmdutil.ExitOK {
		t.Errorf("by the new issuer: exit code %d", code)
	}
	callouttest.Must(t, os.Remove(in.Path(setup.FileIssuer)))
	p.waitFor(t, `msg="key removed" kind=issuer key=`+public)
	if code := in.try(t); code != cmdutil.ExitOK {
		t.Errorf("without the old issuer: exit code %d", code)
	}
	// The token of the health check was signed by the old one.
	callouttest.Eventually(t, "the health check passes", func() bool {
		code, _, _ := usher(t, "healthcheck", "-c", in.Config())
		return code == cmdutil.ExitOK
	})
}

// issuer returns the issuer that the server's configuration names.
func (in installation) issuer(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(in.Path(setup.FileServerConfig))
	callouttest.Must(t, err)
	public := regexp.MustCompile(`\bA[A-Z2-7]{55}\b`).FindString(string(text))
	if public == "" {
		t.Fatalf("no issuer in\n%s", text)
	}
	return public
}
