//go:build unix

package main

import (
	"bytes"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"usher/app/apptest"
	"usher/app/demo"
	"usher/app/demo/gateway"
	"usher/app/setup"
	"usher/callout/callouttest"
	"usher/cmd/usher/cmdutil"
)

// devGateway is a running "usher dev --event-gateway --json".
type devGateway struct {
	*process
	gateway.Site
	tmp string // its temporary folder
}

// startDevGateway starts one, and waits for its first line.
func startDevGateway(t *testing.T, args ...string) *devGateway {
	t.Helper()
	for range apptest.Attempts {
		g := &devGateway{tmp: t.TempDir()}
		g.process = startIn(t, g.tmp, "usher", append([]string{"dev", "--event-gateway", "--json"}, args...)...)
		callouttest.Eventually(t, "it is ready", func() bool { return g.ended() || strings.Contains(g.stdout.String(), "\n") })
		if !g.ended() {
			d := json.NewDecoder(strings.NewReader(g.stdout.String()))
			d.DisallowUnknownFields()
			callouttest.Must(t, d.Decode(&g.Site))
			return g
		}
		// A port that was free when usher looked may be another test's by now.
		if !strings.Contains(g.stderr.String(), "address already in use") {
			break
		}
	}
	t.Fatal("it ended")
	return nil
}

// events returns the events that were printed.
func (g *devGateway) events(t *testing.T) []gateway.Event {
	t.Helper()
	lines := strings.SplitAfter(g.stdout.String(), "\n")
	var all []gateway.Event
	for _, line := range lines[1 : len(lines)-1] {
		var e gateway.Event
		d := json.NewDecoder(strings.NewReader(line))
		d.DisallowUnknownFields()
		callouttest.Must(t, d.Decode(&e))
		if e.Time.IsZero() {
			t.Errorf("%s: no time", line)
		}
		all = append(all, e)
	}
	return all
}

// waitEvent waits for an event like want, without its time and size.
func (g *devGateway) waitEvent(t *testing.T, want gateway.Event) {
	t.Helper()
	callouttest.Eventually(t, "the event arrives", func() bool {
		for _, e := range g.events(t) {
			e.Time, e.Bytes = want.Time, want.Bytes
			if e == want {
				return true
			}
		}
		if g.ended() {
			t.Fatal("it ended")
		}
		return false
	})
}

// end interrupts it as Ctrl-C does. Nothing of it may be left.
func (g *devGateway) end(t *testing.T) {
	t.Helper()
	g.signal(t, os.Interrupt)
	if code := g.wait(t); code != cmdutil.ExitOK {
		t.Errorf("exit code %d", code)
	}
	if left, err := filepath.Glob(filepath.Join(g.tmp, "*")); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

var (
	overCore    = gateway.Event{Subject: "habitat.event.healthcheck", Supervisor: "demo", Over: gateway.OverCore}
	overDurable = gateway.Event{Subject: "habitat", Supervisor: "demo-old", Over: gateway.OverDurable}
)

// The events of both supervisors arrive, and those of one more.
func TestDevEventGateway(t *testing.T) {
	t.Parallel()
	g := startDevGateway(t, "--listen", "127.0.0.1:0")
	g.waitEvent(t, overCore)
	g.waitEvent(t, overDurable)
	code, _, stderr := usher(t, "try", "publish", "-s", g.External.URL, "--ca", g.CA, "--token-file", g.Supervisors[0].Token, "habitat.event.own", "up")
	if code != cmdutil.ExitOK {
		t.Errorf("exit code %d\n%s", code, stderr)
	}
	g.waitEvent(t, gateway.Event{Subject: "habitat.event.own", Over: gateway.OverCore})
	first, _, _ := strings.Cut(g.stdout.String(), "\n")
	shape := strings.ReplaceAll(first, g.Dir, "DIR")
	shape = regexp.MustCompile(`127\.0\.0\.1:\d+`).ReplaceAllString(shape, "ADDRESS")
	var indented bytes.Buffer
	callouttest.Must(t, json.Indent(&indented, []byte(shape), "", "  "))
	shape = indented.String() + "\n"
	file := filepath.Join("testdata", "dev_gateway.json")
	if *update {
		callouttest.Must(t, os.WriteFile(file, []byte(shape), 0o600))
	}
	want, err := os.ReadFile(file)
	callouttest.Must(t, err)
	if string(want) != shape {
		t.Errorf("the first line is\n%sand %s has\n%s", shape, file, want)
	}
	g.end(t)
}

// Without the bridge an event arrives over core NATS. The commands that are printed do
// what is said about them.
func TestDevEventGatewayText(t *testing.T) {
	t.Parallel()
	p := startIn(t, t.TempDir(), "usher", "dev", "--event-gateway", "--streaming", "off", "--listen", "127.0.0.1:0")
	p.waitFor(t, "habitat.event.healthcheck             from supervisor demo, over core\n")
	wants := []int{cmdutil.ExitOK, cmdutil.ExitDenied, cmdutil.ExitDenied}
	text, done := p.stdout.String(), 0
	for line := range strings.Lines(text) {
		if !strings.Contains(line, " try ") {
			continue
		}
		out, err := exec.CommandContext(t.Context(), "/bin/sh", "-c", line).CombinedOutput()
		if code := exitCode(err); done >= len(wants) || code != wants[done] {
			t.Errorf("$ %sexit code %d\n%s", line, code, out)
		}
		done++
	}
	if done != len(wants) {
		t.Errorf("%d commands", done)
	}
	p.waitFor(t, "no event of a supervisor, over core")
	if strings.Contains(p.stdout.String(), "over durable") {
		t.Error("there is a durable subscription")
	}
}

func exitCode(err error) int {
	if err, ok := err.(*exec.ExitError); ok { //nolint:errorlint // as os/exec returns it
		return err.ExitCode()
	}
	return 0
}

// A second start uses the files. Folders of other demos are refused.
func TestDevEventGatewayAgain(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "dev")
	first := startDevGateway(t, "--listen", "127.0.0.1:0", "--dir", dir)
	first.waitEvent(t, overDurable)
	callouttest.Must(t, first.cmd.Process.Kill())
	first.wait(t)
	second := startDevGateway(t, "--dir", dir)
	if !reflect.DeepEqual(first.Site, second.Site) {
		t.Errorf("first %+v\nthen  %+v", first.Site, second.Site)
	}
	second.waitEvent(t, overCore)
	second.waitEvent(t, overDurable)
	second.end(t)

	moved := dir + "-moved"
	callouttest.Must(t, os.Rename(dir, moved))
	third := startDevGateway(t, "--dir", moved)
	third.waitFor(t, "usher: note: the folder was moved")
	third.waitEvent(t, overDurable)
	third.end(t)
	if apptest.FileExists(dir) {
		t.Error("something was created at the old place")
	}
	dir = moved

	other := t.TempDir()
	callouttest.Must(t, os.Chmod(other, 0o700))
	_, err := demo.Prepare(other, demo.Options{Listen: "127.0.0.1:0"})
	callouttest.Must(t, err)
	in := newInstallation(t)
	for want, args := range map[string][]string{
		"was created with usher dev --event-gateway\nusher: hint: give --event-gateway":     {"--dir", dir},
		"was created with --streaming bridge":                                               {"--dir", dir, "--event-gateway", "--streaming", "off"},
		"was created without --event-gateway\nusher: hint: omit --event-gateway":            {"--dir", other, "--event-gateway"},
		"already exists\nusher: hint: give a --dir that usher dev --event-gateway has made": {"--dir", in.Dir, "--event-gateway"},
	} {
		if code, _, stderr := usher(t, append([]string{"dev"}, args...)...); code != cmdutil.ExitConfig || !strings.Contains(stderr, want) {
			t.Errorf("%q: exit code %d\n%s", args, code, stderr)
		}
	}
}

// A first start that was interrupted is completed by the next one, with the same tokens.
func TestDevEventGatewayInterrupted(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "dev")
	r, err := gateway.Prepare(t.Context(), dir, gateway.Options{Listen: "127.0.0.1:0", Streaming: gateway.Off})
	callouttest.Must(t, err)
	unfinished := r.Directory
	unfinished.Unfinished = true
	callouttest.Must(t, unfinished.Save(dir))
	callouttest.Must(t, os.Remove(filepath.Join(dir, "usher.yaml")))
	again, err := gateway.Prepare(t.Context(), dir, gateway.Options{Listen: "127.0.0.1:0"})
	callouttest.Must(t, err)
	if !reflect.DeepEqual(r.Directory, again.Directory) || !apptest.FileExists(filepath.Join(dir, "usher.yaml")) {
		t.Errorf("first %+v\nthen  %+v", r.Directory, again.Directory)
	}
}

// The hint for an address in use is about the one that is.
func TestDevEventGatewayPortTaken(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "dev")
	_, err := gateway.Prepare(t.Context(), dir, gateway.Options{Listen: "127.0.0.1:0", Streaming: gateway.Off})
	callouttest.Must(t, err)
	for file, hint := range map[string]string{
		setup.FileExternal: "--listen HOST:PORT takes another address",
		setup.FileInternal: "end what listens there, or give another --dir; " + filepath.Join(dir, setup.FileInternal) + " has the address",
	} {
		text, err := os.ReadFile(filepath.Join(dir, file))
		callouttest.Must(t, err)
		l, err := net.Listen("tcp", regexp.MustCompile(`(?m)^listen: "(.*)"`).FindStringSubmatch(string(text))[1])
		callouttest.Must(t, err)
		code, stdout, stderr := usher(t, "dev", "--event-gateway", "--dir", dir)
		if code != cmdutil.ExitRuntime || stdout != "" || !strings.Contains(stderr, "usher: hint: "+hint) {
			t.Errorf("%s: exit code %d\n%s%s", file, code, stdout, stderr)
		}
		callouttest.Must(t, l.Close())
	}
}

func TestDevEventGatewayOptions(t *testing.T) {
	t.Parallel()
	for want, args := range map[string][]string{
		"--operator does not go with --event-gateway\nusher: hint: omit --operator":                    {"--event-gateway", "--operator"},
		"--oidc does not go with --event-gateway\nusher: hint: omit --oidc":                            {"--event-gateway", "--oidc"},
		"--api \"0.0.0.0:9779\" is not a loopback address":                                             {"--event-gateway", "--api", "0.0.0.0:9779"},
		"--listen \"0.0.0.0:4222\" is not a loopback address\nusher: hint: usher init --event-gateway": {"--event-gateway", "--listen", "0.0.0.0:4222"},
		"--streaming": {"--event-gateway", "--streaming", "nats"},
		"--streaming is for an event gateway\nusher: hint: add --event-gateway": {"--streaming", "off"},
	} {
		if code, stdout, stderr := usher(t, append([]string{"dev"}, args...)...); code != cmdutil.ExitUsage || stdout != "" || !strings.Contains(stderr, want) {
			t.Errorf("%q: exit code %d\n%s%s", args, code, stdout, stderr)
		}
	}
}

// The same with NATS Streaming, whose processes end with it.
func TestDevEventGatewaySTAN(t *testing.T) {
	t.Parallel()
	g := startDevGateway(t, "--listen", "127.0.0.1:0", "--streaming", "stan")
	g.waitFor(t, "usher: note: NATS Streaming runs")
	g.waitEvent(t, overCore)
	g.waitEvent(t, overDurable)
	g.end(t)
}
