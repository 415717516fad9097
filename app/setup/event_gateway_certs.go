package setup

import (
	"net"
	"path/filepath"
	"slices"

	"usher/app/pki"
)

// certificates makes the certificates that are not given, and checks those that are. None
// but that for supervisors holds for an address: nats-server accepts an address where a
// name does not match.
func (g *EventGateway) certificates() ([]File, error) {
	if err := g.checkGiven(); err != nil {
		return nil, err
	}
	if g.PKI != "" {
		return nil, nil
	}
	ca, pair, err := pki.NewAuthority("event gateway CA", 0, g.Now)
	if err != nil {
		return nil, err
	}
	files := []File{{FileCA, pair.Cert}, {FileCAKey, pair.Key}}
	requests := []pki.Request{
		{CN: GatewayExternal, DNS: g.gatewayNames(GatewayExternal), Server: true, Client: true},
		{CN: GatewayInternal, DNS: g.gatewayNames(GatewayInternal), Server: true, Client: true},
		{CN: ServiceApplications, DNS: []string{ServiceApplications}, Client: true},
	}
	if g.Bridge != nil {
		requests = append(requests,
			pki.Request{CN: ServiceBridge, DNS: []string{ServiceBridge}, Client: true},
			pki.Request{CN: ServiceStore, DNS: []string{ServiceStore}, Server: true, Client: true})
	}
	if len(g.Public) == 0 {
		requests = append(requests, publicRequest(g.Hosts))
	}
	for _, r := range requests {
		r.Now = g.Now
		p, err := ca.Issue(&r)
		if err != nil {
			return nil, err
		}
		files = append(files, File{CertFile(r.CN), p.Cert}, File{KeyFile(r.CN), p.Key})
	}
	return files, nil
}

func publicRequest(hosts []string) pki.Request {
	r := pki.Request{CN: CertPublic, Server: true}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			r.IPs = append(r.IPs, ip)
		} else {
			r.DNS = append(r.DNS, host)
		}
	}
	return r
}

// gatewayNames returns the names that the certificate of a gateway needs: its own, and that
// of its host, if the other side reaches it by name. nats-server verifies either.
func (g *EventGateway) gatewayNames(name string) []string {
	names := []string{name}
	host, _, _ := net.SplitHostPort(g.reachOf(name))
	if net.ParseIP(host) == nil && !slices.Contains(names, host) {
		names = append(names, host)
	}
	return names
}

func (g *EventGateway) reachOf(name string) string {
	if name == GatewayExternal {
		return g.Reach.External
	}
	return g.Reach.Internal
}

// pkiFile returns the path of a file of the PKI, by its name in FileCA and the like.
func (g *EventGateway) pkiFile(name string) string {
	if g.PKI != "" {
		return filepath.Join(absolute(g.PKI), filepath.Base(name))
	}
	return g.path(name)
}

// publicFiles returns the certificates for supervisors.
func (g *EventGateway) publicFiles() []CertFiles {
	if len(g.Public) == 0 {
		return []CertFiles{{g.pkiFile(CertFile(CertPublic)), g.pkiFile(KeyFile(CertPublic))}}
	}
	all := slices.Clone(g.Public)
	for i := range all {
		all[i] = CertFiles{absolute(all[i].Cert), absolute(all[i].Key)}
	}
	return all
}

// publicCA returns the file with the CA of the certificates for supervisors, as usher.yaml
// names it. It is empty if this machine trusts it.
func (g *EventGateway) publicCA() string {
	switch {
	case g.PublicCA != "":
		return absolute(g.PublicCA)
	case len(g.Public) > 0:
		return ""
	case g.PKI != "":
		return g.pkiFile(FileCA)
	}
	return FileCA
}

// absolute returns a path of an option as an absolute one. It follows no link: what a link
// of a certificate leads to changes when it is renewed.
func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path // the working directory is gone: reading the file fails
}

// Machine is a machine of an event gateway, and the files that it needs, relative to the
// folder.
type Machine struct {
	Name  string
	Files []string
}

// Machines says which files each machine needs, if the servers are on two. The key of the
// CA is for neither.
func (g *EventGateway) Machines() []Machine {
	external := []string{FileExternal, FileConfig, FileDirectory, FileIssuer, FileXKey, FilePassword, FileSystem, FileSessions}
	internal := []string{FileInternal}
	if g.PKI == "" {
		external = append(external, FileCA, CertFile(GatewayExternal), KeyFile(GatewayExternal))
		internal = append(internal, FileCA, CertFile(GatewayInternal), KeyFile(GatewayInternal))
		if len(g.Public) == 0 {
			external = append(external, CertFile(CertPublic), KeyFile(CertPublic))
		}
	}
	if g.Bridge != nil {
		internal = append(internal, FileStore)
		if g.PKI == "" {
			external = append(external, CertFile(ServiceBridge), KeyFile(ServiceBridge))
			internal = append(internal, CertFile(ServiceStore), KeyFile(ServiceStore))
		}
	}
	return []Machine{{"external", external}, {"internal", internal}}
}
