package setup_test

import (
	"crypto/rand"
	"crypto/x509"
	"errors"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"

	"usher/app/apptest/gatewaytest"
	"usher/app/pki"
	"usher/app/setup"
	"usher/callout/callouttest"
	"usher/internal/fault"
)

func newEventGateway(dir string) *setup.EventGateway {
	g := &setup.EventGateway{
		Options: setup.Options{Dir: dir, Listen: "127.0.0.1:4222", Random: rand.Reader, Now: time.Now()},
		Hosts:   []string{"events.example.org"}, Internal: setup.DefaultInternal,
	}
	g.GatewayOf.External, g.GatewayOf.Internal = setup.DefaultGatewayExternal, setup.DefaultGatewayInternal
	return g
}

// TestEventGatewayNeverOverwrites: whichever file exists, nothing is written. Others can read
// nothing of what is.
func TestEventGatewayNeverOverwrites(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "gateway")
	files, err := setup.WriteEventGateway(newEventGateway(dir))
	callouttest.Must(t, err)
	for _, f := range files {
		info, err := os.Stat(filepath.Join(dir, filepath.FromSlash(f.Name)))
		if err != nil || runtime.GOOS != "windows" && info.Mode() != 0o600 {
			t.Errorf("%s: %v, %v", f.Name, info.Mode(), err)
		}
		half := t.TempDir()
		path := filepath.Join(half, filepath.FromSlash(f.Name))
		callouttest.Must(t, errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte("mine"), 0o600)))
		if _, err := setup.WriteEventGateway(newEventGateway(half)); !errors.Is(err, setup.ErrExists) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", f.Name, err)
		}
		if text, err := os.ReadFile(path); err != nil || string(text) != "mine" || count(t, half) != 1 {
			t.Errorf("%s: %q, %d files, %v", f.Name, text, count(t, half), err)
		}
	}
}

func count(t *testing.T, dir string) (files int) {
	t.Helper()
	callouttest.Must(t, filepath.WalkDir(dir, func(_ string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files++
		}
		return err
	}))
	return files
}

// Certificates that do not fit are refused with the file and a hint, before anything is
// written.
func TestGivenCertificates(t *testing.T) {
	ca, caFile := authority(t)
	other, _ := authority(t)
	public := func(ca *pki.Authority, r pki.Request) func(*setup.EventGateway) {
		f := issued(t, ca, r)
		return func(g *setup.EventGateway) { g.Public, g.PublicCA = []setup.CertFiles{f}, caFile }
	}
	good := pki.Request{CN: "x", DNS: []string{"events.example.org"}, Server: true}
	gateway := func(change func(name string, r *pki.Request)) func(*setup.EventGateway) {
		dir := t.TempDir()
		put := func(from, name string) {
			text, err := os.ReadFile(from)
			callouttest.Must(t, err)
			callouttest.Must(t, os.WriteFile(filepath.Join(dir, name), text, 0o600))
		}
		put(caFile, "ca.pem")
		for _, name := range []string{setup.GatewayExternal, setup.GatewayInternal, setup.CertPublic} {
			r := pki.Request{CN: name, DNS: []string{name}, Server: true, Client: true}
			if name == setup.CertPublic {
				r = good
			}
			change(name, &r)
			f := issued(t, ca, r)
			put(f.Cert, name+".pem")
			put(f.Key, name+".key")
		}
		return func(g *setup.EventGateway) { g.PKI = dir }
	}
	swapped := func(g *setup.EventGateway) {
		public(ca, good)(g)
		g.Public[0].Key = issued(t, ca, good).Key
	}
	nameless := func(g *setup.EventGateway) { // usher pki issues none
		ca := callouttest.NewCA(t)
		cert, key := ca.Certificate(t, func(c *x509.Certificate) {
			c.Subject.CommonName, c.ExtKeyUsage = "events.example.org", []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		}).Files(t, "nameless")
		g.Public, g.PublicCA = []setup.CertFiles{{Cert: cert, Key: key}}, ca.File
	}
	readable := func(g *setup.EventGateway) {
		public(ca, good)(g)
		callouttest.Must(t, os.Chmod(g.Public[0].Key, 0o644))
	}
	with := func(f, then func(*setup.EventGateway)) func(*setup.EventGateway) {
		return func(g *setup.EventGateway) { f(g); then(g) }
	}
	for name, tt := range map[string]struct {
		change func(*setup.EventGateway)
		want   string // part of the error; empty: it fits
		hint   string
	}{
		"public":                   {public(ca, good), "", ""},
		"not a pair":               {swapped, "does not match", "its own key"},
		"readable by others":       {readable, "can be read by others", "chmod 600"},
		"of another CA":            {public(other, good), "unknown authority", "--ca"},
		"ended":                    {public(ca, pki.Request{CN: "x", DNS: good.DNS, Server: true, Now: time.Now().Add(-4 * time.Minute), Lifetime: time.Minute}), "it ended at", "renew it"},
		"not valid yet":            {public(ca, pki.Request{CN: "x", DNS: good.DNS, Server: true, Now: time.Now().Add(48 * time.Hour), Lifetime: time.Hour}), "it is not valid before", "clock"},
		"no names":                 {nameless, "it holds for no name", "a common name is not enough"},
		"not of a server":          {public(ca, pki.Request{CN: "x", DNS: good.DNS, Client: true}), "incompatible key usage", ""},
		"another name":             {public(ca, pki.Request{CN: "x", DNS: []string{"x.example.org"}, Server: true}), "--host events.example.org: no certificate", "--cert"},
		"a wildcard, and a host":   {public(ca, pki.Request{CN: "x", DNS: []string{"*.example.org"}, Server: true}), "", ""},
		"a wildcard, and no host":  {with(public(ca, pki.Request{CN: "x", DNS: []string{"*.example.org"}, Server: true}), func(g *setup.EventGateway) { g.Hosts = nil }), "wildcards only", "*.example.org"},
		"missing file":             {func(g *setup.EventGateway) { g.Public = []setup.CertFiles{{"none.pem", "none.key"}} }, "no such file", ""},
		"gateways":                 {gateway(func(string, *pki.Request) {}), "", ""},
		"gateway, for servers":     {gateway(func(_ string, r *pki.Request) { r.Client = false }), "incompatible key usage", "for servers and for clients"},
		"gateway, another name":    {gateway(func(name string, r *pki.Request) { r.DNS = []string{"x" + name} }), "it does not hold for the name event-gateway", "DNS name"},
		"gateway, with an address": {gateway(func(_ string, r *pki.Request) { r.IPs = []net.IP{net.IPv4(10, 0, 0, 2)} }), "it holds for the address 10.0.0.2", "names only"},
		"gateway, another host":    {with(gateway(func(string, *pki.Request) {}), func(g *setup.EventGateway) { g.Reach.Internal = "in.example.org:10147" }), "it does not hold for the name in.example.org", "DNS name"},
	} {
		dir := filepath.Join(t.TempDir(), "gateway")
		g := newEventGateway(dir)
		tt.change(g)
		_, err := setup.WriteEventGateway(g)
		var f *fault.Error
		switch {
		case tt.want == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case tt.want == "":
		case err == nil || !strings.Contains(err.Error(), tt.want) || !errors.As(err, &f) || f.Kind != fault.Config || !strings.Contains(f.Hint, tt.hint):
			t.Errorf("%s: %v, %+v", name, err, f)
		default:
			if _, err := os.Stat(dir); !os.IsNotExist(err) {
				t.Errorf("%s: something was written", name)
			}
		}
	}
}

// nats-server refuses the same URL twice, so a gateway that is reached by its own name has one.
func TestGatewayReachedByItsName(t *testing.T) {
	g := newEventGateway(filepath.Join(t.TempDir(), "gateway"))
	g.Reach.Internal, g.Reach.External = "event-service:10147", "event-gateway:10148"
	_, err := setup.WriteEventGateway(g)
	callouttest.Must(t, err)
	for _, name := range []string{setup.FileExternal, setup.FileInternal} {
		o, err := natsserver.ProcessConfigFile(filepath.Join(g.Dir, name))
		if err != nil || len(o.Gateway.Gateways[0].URLs) != 1 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The files of two machines, each in a folder of its own, and moved there: the servers join,
// and an event arrives. The key of the CA is on neither.
func TestEventGatewayOnTwoMachines(t *testing.T) {
	t.Parallel()
	var options *setup.EventGateway
	g := gatewaytest.New(t, func(o *setup.EventGateway) { options = o })
	sites := map[string]gatewaytest.Gateway{}
	for _, m := range options.Machines() {
		site := *g
		site.Dir = filepath.Join(t.TempDir(), m.Name)
		for _, name := range m.Files {
			text, err := os.ReadFile(g.Path(name))
			callouttest.Must(t, err)
			site.Write(t, name, string(text))
		}
		sites[m.Name] = site
	}
	services := *g
	services.Dir = filepath.Join(t.TempDir(), "services")
	callouttest.Must(t, os.Rename(g.Dir, services.Dir)) // nothing is at the old place
	for name, site := range sites {
		changed, err := setup.Relocate(site.Dir)
		if err != nil || len(changed) < 3 {
			t.Fatalf("%s: %v, %v", name, changed, err)
		}
		if again, err := setup.Relocate(site.Dir); err != nil || len(again) > 0 {
			t.Errorf("%s, again: %v, %v", name, again, err)
		}
	}
	external, internal := sites["external"], sites["internal"]
	e, i := external.Server(t, setup.FileExternal), internal.Server(t, setup.FileInternal)
	callouttest.Eventually(t, "the servers are joined", func() bool { return e.Gateways() == 1 && i.Gateways() == 1 })
	external.Usher(t)
	events, err := services.Service(t, setup.ServiceApplications).SubscribeSync("habitat.event.>")
	callouttest.Must(t, err)
	supervisor := external.Supervisor(t, gatewaytest.IngestToken)
	callouttest.Eventually(t, "an event arrives", func() bool {
		callouttest.Must(t, supervisor.Publish("habitat.event.healthcheck", nil))
		_, err := events.NextMsg(time.Second)
		return err == nil
	})
}

// TestRelocateEventGateway: paths that usher init did not make stay, and a certificate that
// was not moved is an error.
func TestRelocateEventGateway(t *testing.T) {
	parent := t.TempDir()
	before, after := filepath.Join(parent, "before"), filepath.Join(parent, "after")
	ca, file := authority(t)
	g := newEventGateway(before)
	g.Public, g.PublicCA = []setup.CertFiles{issued(t, ca, pki.Request{CN: "x", DNS: g.Hosts, Server: true})}, file
	g.Bridge = &setup.Bridge{Leaf: setup.DefaultLeaf, Store: setup.DefaultStore}
	_, err := setup.WriteEventGateway(g)
	callouttest.Must(t, err)
	callouttest.Must(t, os.Rename(before, after))
	key := filepath.Join(after, filepath.FromSlash(setup.KeyFile(setup.GatewayInternal)))
	callouttest.Must(t, os.Rename(key, key+".away"))
	text, err := os.ReadFile(filepath.Join(after, setup.FileExternal))
	callouttest.Must(t, err)
	if changed, err := setup.Relocate(after); !errors.Is(err, setup.ErrLeftBehind) || !strings.Contains(err.Error(), setup.GatewayInternal+".key") || len(changed) > 0 {
		t.Errorf("%v, %v", changed, err)
	}
	if now, err := os.ReadFile(filepath.Join(after, setup.FileExternal)); err != nil || string(now) != string(text) {
		t.Errorf("it was changed: %v", err)
	}
	callouttest.Must(t, os.Rename(key+".away", key))
	_, err = setup.Relocate(after)
	callouttest.Must(t, err)
	now, err := os.ReadFile(filepath.Join(after, setup.FileExternal))
	callouttest.Must(t, err)
	store, err := os.ReadFile(filepath.Join(after, setup.FileStore))
	callouttest.Must(t, err)
	if strings.Contains(string(store), filepath.ToSlash(before)) || strings.Count(string(store), filepath.ToSlash(after)) < 4 {
		t.Errorf("%s", store)
	}
	if strings.Contains(string(now), filepath.ToSlash(before)) || !strings.Contains(string(now), filepath.ToSlash(g.Public[0].Cert)) {
		t.Errorf("%s", now)
	}
}
