package initialize

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"usher/app/setup"
	"usher/cmd/usher/cmdutil"
	"usher/internal/fault"
	"usher/internal/shellword"
)

// eventGatewayFlags returns the options that only an event gateway has.
func eventGatewayFlags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "event-gateway", Usage: "create an event gateway for Chef Habitat supervisors: two nats-servers, their certificates, and usher"},
		&cli.BoolFlag{Name: "yes", Aliases: []string{"y"}, Usage: "listen on all addresses of this machine without asking"},
		&cli.StringSliceFlag{Name: "host", Usage: "`NAME` or address by which supervisors reach the external server, for its certificate", DefaultText: "name of this machine, and localhost"},
		&cli.StringSliceFlag{Name: "cert", Usage: "`FILE` with a certificate for supervisors, with --key; several for several names (SNI)"},
		&cli.StringSliceFlag{Name: "key", Usage: "`FILE` with the private key of the --cert before it"},
		&cli.StringFlag{Name: "ca", Usage: "`FILE` with the certificate authority of --cert", DefaultText: "those that this machine trusts"},
		&cli.StringFlag{Name: "pki", Usage: "`FOLDER` with ca.pem and the certificates of gateways and services, in place of new ones"},
		&cli.BoolFlag{Name: "external-only", Usage: "join an internal server that runs already and has no accounts, such as Chef Automate's; with --pki and --reach"},
		&cli.StringFlag{Name: "services", Usage: "who decides about services: server (its configuration) or callout (usher, by the profiles in usher.yaml), as `WHO`", Value: string(setup.ServicesByServer)},
		&cli.StringFlag{Name: "internal", Usage: "`HOST:PORT` for the internal server", Value: setup.DefaultInternal},
		&cli.StringFlag{Name: "gateway", Usage: "`HOST:PORT` for the gateway of the internal server", Value: setup.DefaultGatewayInternal},
		&cli.StringFlag{Name: "gateway-external", Usage: "`HOST:PORT` for the gateway of the external server", Value: setup.DefaultGatewayExternal},
		&cli.StringFlag{Name: "reach", Usage: "`HOST:PORT` at which the external server reaches --gateway", DefaultText: "as --gateway"},
		&cli.BoolFlag{Name: "bridge", Usage: "let usher store what older supervisors publish, in place of a NATS Streaming server"},
		&cli.StringFlag{Name: "store", Usage: "`HOST:PORT` for the nats-server that has the stream, with --bridge", Value: setup.DefaultStore},
		&cli.StringFlag{Name: "leaf", Usage: "`HOST:PORT` where the internal server waits for the store, with --bridge", Value: setup.DefaultLeaf},
		&cli.StringFlag{Name: "reach-external", Usage: "`HOST:PORT` at which the internal server reaches --gateway-external", DefaultText: "as --gateway-external"},
	}
}

// errNotConfirmed: the answer to the question was no.
var errNotConfirmed = errors.New("not confirmed: nothing was written")

func eventGateway(c *cli.Context) error {
	g, err := eventGatewayOptions(c)
	if err != nil {
		return err
	}
	if err := confirmListen(c, g); err != nil {
		return err
	}
	dir := g.Dir
	files, err := setup.WriteEventGateway(g)
	if err != nil {
		return setupError(err)
	}
	return report(c, dir, files, nextOfEventGateway(g, dir))
}

// eventGatewayOptions reads and checks the options.
func eventGatewayOptions(c *cli.Context) (*setup.EventGateway, error) {
	for name, hint := range map[string]string{
		"kv":       "leave it out: the directory of an event gateway is a file, because its servers have no JetStream",
		"operator": "leave it out: the accounts of an event gateway are in the configuration of its servers",
		"project":  "leave it out: create projects on another nats-server, with usher init",
	} {
		if c.IsSet(name) {
			return nil, cmdutil.UsageError(hint, "--event-gateway and --%s: give only one of them", name)
		}
	}
	g := &setup.EventGateway{
		Options: setup.Options{
			Dir: c.Args().First(), Listen: cmp.Or(c.String("listen"), setup.DefaultExternal),
			Config: map[string]string{}, Random: rand.Reader, Now: time.Now(),
		},
		Hosts: c.StringSlice("host"), PublicCA: c.String("ca"), PKI: c.String("pki"), Internal: c.String("internal"), Services: setup.ServicesBy(c.String("services")),
	}
	if c.Bool("bridge") {
		g.Bridge = &setup.Bridge{Leaf: c.String("leaf"), Store: c.String("store")}
	}
	for _, name := range []string{"store", "leaf"} {
		if g.Bridge == nil && c.IsSet(name) {
			return nil, cmdutil.UsageError("add --bridge", "--%s needs --bridge", name)
		}
	}
	if g.ExternalOnly = c.Bool("external-only"); g.ExternalOnly {
		if err := externalOnly(c); err != nil {
			return nil, err
		}
	}
	g.GatewayOf.Internal, g.GatewayOf.External = c.String("gateway"), c.String("gateway-external")
	g.Reach.Internal, g.Reach.External = c.String("reach"), c.String("reach-external")
	for _, check := range []func() error{
		func() error { return checkServices(g.Services) },
		func() error { return checkAddresses(g) },
		func() error { return checkReach("reach", "gateway", g.GatewayOf.Internal, g.Reach.Internal) },
		func() error {
			return checkReach("reach-external", "gateway-external", g.GatewayOf.External, g.Reach.External)
		},
		func() error { return httpListen(c, &g.Options) },
		func() error { return apiListen(c, &g.Options) },
		func() error { return publicFiles(c, g) },
		func() error { return hosts(g) },
	} {
		if err := check(); err != nil {
			return nil, err
		}
	}
	return g, nil
}

// externalOnly checks the options for an internal server that runs already.
func externalOnly(c *cli.Context) error {
	for _, name := range []string{"internal", "gateway", "bridge", "services"} {
		if c.IsSet(name) {
			return cmdutil.UsageError("leave it out: the internal server runs already", "--external-only and --%s: give only one of them", name)
		}
	}
	for name, what := range map[string]string{
		"pki":   "the folder with ca.pem, event-gateway.pem and event-gateway.key that the internal server accepts",
		"reach": "HOST:PORT of the internal server's gateway",
	} {
		if c.String(name) == "" {
			return cmdutil.UsageError("it is "+what, "--external-only needs --%s", name)
		}
	}
	reach := c.String("reach")
	if host, _, err := net.SplitHostPort(reach); err == nil && setup.IsHostName(host) && net.ParseIP(host) == nil && host != setup.GatewayInternal {
		return cmdutil.UsageError("give its address, such as --reach 10.0.0.2:10147",
			"--reach %s: nats-server verifies the name that it dials, and the certificate there holds for %s", reach, setup.GatewayInternal)
	}
	return nil
}

// checkServices checks who decides about services.
func checkServices(by setup.ServicesBy) error {
	if by == setup.ServicesByServer || by == setup.ServicesByCallout {
		return nil
	}
	return cmdutil.UsageError("expected server or callout", "--services %q is neither", by)
}

// checkAddresses checks where the servers listen. Two of them cannot share a port of one
// machine.
func checkAddresses(g *setup.EventGateway) error {
	taken := map[string]string{}
	for _, o := range listeners(g) {
		if err := cmdutil.CheckAdvertisedAddress(o.option, o.address, "the generated files refer to it"); err != nil {
			return err
		}
		if other := taken[o.address]; other != "" {
			return cmdutil.UsageError("give each an address of its own", "--%s and --%s are both %s", other, o.option, o.address)
		}
		taken[o.address] = o.option
	}
	return nil
}

// checkReach checks the address at which the other server reaches a gateway.
func checkReach(option, gateway, listen, reach string) error {
	if reach == "" && allAddresses(listen) {
		return cmdutil.UsageError("add --"+option+" HOST:PORT", "--%s %s: the other server needs an address at which it reaches this gateway", gateway, listen)
	}
	if reach == "" {
		return nil
	}
	hint := "such as --" + option + " 10.0.0.2:10147"
	if err := cmdutil.CheckAdvertisedAddress(option, reach, "the other server needs to know it"); err != nil {
		return cmdutil.UsageError(hint, "%w", err)
	}
	if host, _, _ := net.SplitHostPort(reach); allAddresses(reach) || net.ParseIP(host) == nil && !setup.IsHostName(host) {
		return cmdutil.UsageError(hint, "--%s %s is no address of a machine", option, reach)
	}
	return nil
}

// publicFiles reads --cert and --key.
func publicFiles(c *cli.Context, g *setup.EventGateway) error {
	certs, keys := c.StringSlice("cert"), c.StringSlice("key")
	switch {
	case len(certs) != len(keys):
		return cmdutil.UsageError("give --cert FILE and --key FILE for each certificate", "%d --cert and %d --key", len(certs), len(keys))
	case len(certs) == 0 && g.PublicCA != "":
		return cmdutil.UsageError("it is the certificate authority of --cert", "--ca needs --cert and --key")
	}
	for i := range certs {
		g.Public = append(g.Public, setup.CertFiles{Cert: certs[i], Key: keys[i]})
	}
	return nil
}

// hosts checks --host, and chooses names if there are none and a certificate is made.
func hosts(g *setup.EventGateway) error {
	for _, host := range g.Hosts {
		if net.ParseIP(host) == nil && !setup.IsHostName(host) {
			return cmdutil.UsageError("such as --host events.example.org", "--host %q is neither a name nor an address", host)
		}
		if ofService(g, host) {
			return cmdutil.UsageError("choose a name that no service has", "--host %s is the name of a service of the internal server", host)
		}
	}
	if len(g.Hosts) > 0 || len(g.Public) > 0 || g.PKI != "" {
		return nil
	}
	g.Hosts = []string{"localhost"}
	if name, err := os.Hostname(); err == nil && setup.IsHostName(name) && name != "localhost" && !ofService(g, name) {
		g.Hosts = []string{name, "localhost"}
	}
	return nil
}

// ofService reports whether a name is that of a service. The certificate for supervisors
// must not hold for it: its CA is the one that services trust.
func ofService(g *setup.EventGateway, name string) bool {
	services := setup.Services()
	if g.Bridge != nil {
		services = append(services, setup.BridgeServices()...)
	}
	return slices.ContainsFunc(services, func(s setup.Service) bool { return strings.EqualFold(s.Name, name) })
}

type listener struct{ option, address, purpose string }

func listeners(g *setup.EventGateway) []listener {
	external := []listener{
		{"listen", g.Listen, "the external server, for supervisors: whoever reaches it can try a token"},
		{"gateway-external", g.GatewayOf.External, "the gateway of the external server, for the internal one"},
	}
	if g.ExternalOnly {
		return external
	}
	if g.Bridge != nil {
		external = append(external,
			listener{"store", g.Bridge.Store, "the nats-server that has the stream, for services with a certificate"},
			listener{"leaf", g.Bridge.Leaf, "the internal server, for that nats-server"})
	}
	return append(external,
		listener{"internal", g.Internal, "the internal server, for services with a certificate"},
		listener{"gateway", g.GatewayOf.Internal, "the gateway of the internal server, for the external one"},
	)
}

// allAddresses reports whether a listener accepts connections on all addresses.
func allAddresses(hostPort string) bool {
	host, _, _ := net.SplitHostPort(hostPort)
	ip := net.ParseIP(host)
	return host == "" || ip != nil && ip.IsUnspecified()
}

// confirmListen asks before a server would listen on all addresses.
func confirmListen(c *cli.Context, g *setup.EventGateway) error {
	var text strings.Builder
	instead := ""
	for _, l := range listeners(g) {
		if allAddresses(l.address) {
			fmt.Fprintf(&text, "  %s  %s\n", l.address, l.purpose)
			_, port, _ := net.SplitHostPort(l.address)
			instead += " --" + l.option + " " + net.JoinHostPort("127.0.0.1", port)
		}
	}
	if text.Len() == 0 || c.Bool("yes") {
		return nil
	}
	const what = "these listen on all addresses of this machine, so every network that it is in reaches them:\n"
	unanswered := cmdutil.UsageError("nothing was written; confirm it with --yes, or choose an address:"+instead, "%s%s", what, strings.TrimSuffix(text.String(), "\n"))
	return cmdutil.Confirm(c, strings.ToUpper(what[:1])+what[1:]+text.String(), unanswered, &fault.Error{Kind: fault.Runtime, Err: errNotConfirmed})
}

// nextOfEventGateway returns the next steps for a new event gateway.
func nextOfEventGateway(g *setup.EventGateway, dir string) string {
	path := func(name string) string { return shellword.Quote(filepath.Join(dir, filepath.FromSlash(name))) }
	_, port, _ := net.SplitHostPort(g.Listen)
	ca := ""
	switch {
	case g.PublicCA != "":
		ca = " --ca " + shellword.Quote(g.PublicCA)
	case g.PKI != "" && len(g.Public) == 0:
		ca = " --ca " + shellword.Quote(filepath.Join(g.PKI, filepath.Base(setup.FileCA)))
	case len(g.Public) == 0:
		ca = " --ca " + path(setup.FileCA)
	}
	var b strings.Builder
	b.WriteString("\nNext:\n")
	if !g.ExternalOnly {
		fmt.Fprintf(&b, "  nats-server -c %s\n", path(setup.FileInternal))
	}
	if g.Bridge != nil {
		fmt.Fprintf(&b, "  nats-server -c %s\n", path(setup.FileStore))
	}
	fmt.Fprintf(&b, "  nats-server -c %s\n  usher serve -c %s\n", path(setup.FileExternal), path(setup.FileConfig))
	fmt.Fprintf(&b, "  usher apikey new --user habitat     # its line goes into %s\n", path(setup.FileDirectory))
	b.WriteString(firstAdmin(dir) + saveContext(&g.Options, dir))
	fmt.Fprintf(&b, "  usher try publish -s nats://%s%s --token-file FILE habitat.event.healthcheck test\n", net.JoinHostPort(g.Hosts[0], port), ca)
	if g.ExternalOnly {
		return b.String()
	}
	b.WriteString("\nIf the servers are on two machines (on each, usher init --moved DIR if DIR is another folder):\n")
	for _, m := range g.Machines() {
		fmt.Fprintf(&b, "  %s: %s\n", m.Name, strings.Join(m.Files, " "))
	}
	if g.PKI == "" {
		fmt.Fprintf(&b, "\nMove %s off these machines: whoever has it can make certificates that both\nservers accept, and nothing there needs it.\n", path(setup.FileCAKey))
	}
	return b.String()
}
