package setup

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"usher/internal/fault"
	"usher/internal/ownedfile"
)

// maxCertFile is the largest file with certificates or a key that is read, in bytes.
const maxCertFile = 1 << 20

// hostName matches a name that a certificate can hold for, without a wildcard.
var hostName = regexp.MustCompile(`^([A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9])?\.)*[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9])?$`) //nolint:gochecknoglobals // a parsed constant

// IsHostName reports whether a text is a name of a host, such as events.example.org.
func IsHostName(text string) bool { return len(text) <= 253 && hostName.MatchString(text) }

// checkGiven checks the certificates that were given as files, and completes Hosts from
// those for supervisors.
func (g *EventGateway) checkGiven() error {
	var roots *x509.CertPool // of gateways and services
	if g.PKI != "" {
		var err error
		if err = g.checkMissing(); err != nil {
			return err
		}
		if roots, err = readPool("--pki", g.pkiFile(FileCA)); err != nil {
			return err
		}
		for _, name := range g.gatewaysOfPKI() {
			if err := g.checkGateway(name, roots); err != nil {
				return err
			}
		}
	}
	if g.ExternalOnly && g.PKI == "" {
		return certFault("name the folder with ca.pem, event-gateway.pem and event-gateway.key with --pki", "the internal server accepts only certificates of its own CA")
	}
	if len(g.Public) == 0 && g.PKI == "" {
		return nil
	}
	if g.PublicCA != "" {
		var err error
		if roots, err = readPool("--ca", g.PublicCA); err != nil {
			return err
		}
	} else if len(g.Public) > 0 {
		roots = nil // those of this machine
	}
	return g.checkPublic(roots)
}

// gatewaysOfPKI returns the gateways whose certificate this installation needs.
func (g *EventGateway) gatewaysOfPKI() []string {
	if g.ExternalOnly {
		return []string{GatewayExternal}
	}
	return []string{GatewayExternal, GatewayInternal}
}

// checkMissing names all files that a folder with certificates lacks.
func (g *EventGateway) checkMissing() error {
	names := []string{FileCA}
	needed := g.gatewaysOfPKI()
	if len(g.Public) == 0 {
		needed = append(needed, CertPublic)
	}
	if g.Bridge != nil {
		needed = append(needed, ServiceBridge, ServiceStore)
	}
	for _, name := range needed {
		names = append(names, CertFile(name), KeyFile(name))
	}
	var missing []string
	for _, name := range names {
		if err := ownedfile.Check(g.pkiFile(name), ownedfile.Rule{}); errors.Is(err, fs.ErrNotExist) {
			missing = append(missing, filepath.Base(name))
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return certFault("the folder has ca.pem, and NAME.pem and NAME.key for each name; without --pki usher makes them. For supervisors, --cert and --key take the place of "+CertPublic+".pem and "+CertPublic+".key",
		"%s lacks %s", absolute(g.PKI), strings.Join(missing, ", "))
}

func (g *EventGateway) checkGateway(name string, roots *x509.CertPool) error {
	files := CertFiles{g.pkiFile(CertFile(name)), g.pkiFile(KeyFile(name))}
	leaf, err := g.readPair(files, roots, x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth)
	if err != nil {
		return err
	}
	for _, n := range g.gatewayNames(name) {
		if err := leaf.VerifyHostname(n); err != nil {
			return certFault("issue it with "+n+" as DNS name (subject alternative name)", "%s: it does not hold for the name %s", files.Cert, n)
		}
	}
	if len(leaf.IPAddresses) > 0 {
		return certFault("issue it with names only: nats-server accepts an address where a name does not match", "%s: it holds for the address %s", files.Cert, leaf.IPAddresses[0])
	}
	return nil
}

// checkPublic checks the certificates for supervisors. Each of Hosts must have one. Without
// Hosts it takes the names of the certificates.
func (g *EventGateway) checkPublic(roots *x509.CertPool) error {
	var leaves []*x509.Certificate
	var names []string
	for _, files := range g.publicFiles() {
		leaf, err := g.readPair(files, roots, x509.ExtKeyUsageServerAuth)
		if err != nil {
			return err
		}
		if len(leaf.DNSNames)+len(leaf.IPAddresses) == 0 {
			return certFault("a common name is not enough: issue it with the names of the server as subject alternative names", "%s: it holds for no name", files.Cert)
		}
		leaves = append(leaves, leaf)
		for _, n := range leaf.DNSNames {
			if !strings.HasPrefix(n, "*") {
				names = append(names, n)
			}
		}
		for _, ip := range leaf.IPAddresses {
			names = append(names, ip.String())
		}
	}
	for _, host := range g.Hosts {
		if !covers(leaves, host) {
			return certFault("give the certificate of that name with --cert and --key, or leave --host out", "--host %s: no certificate holds for it", host)
		}
	}
	if len(g.Hosts) == 0 {
		g.Hosts = names
	}
	if len(g.Hosts) == 0 {
		return certFault("add --host NAME with a name that "+leaves[0].DNSNames[0]+" covers", "usher needs a name to verify the external server by, and the certificates have wildcards only")
	}
	return nil
}

func covers(leaves []*x509.Certificate, host string) bool {
	for _, leaf := range leaves {
		if leaf.VerifyHostname(host) == nil {
			return true
		}
	}
	return false
}

// readPair reads a certificate and its key, and checks that they belong together, that the
// certificate is valid now, and that roots (nil: those of this machine) lead to it for each
// use.
func (g *EventGateway) readPair(files CertFiles, roots *x509.CertPool, uses ...x509.ExtKeyUsage) (*x509.Certificate, error) {
	certOption, keyOption := "--pki", "--pki"
	if len(g.Public) > 0 && slices.Contains(g.publicFiles(), files) {
		certOption, keyOption = "--cert", "--key"
	}
	cert, err := readCertFile(certOption, files.Cert, ownedfile.Rule{})
	if err != nil {
		return nil, err
	}
	key, err := readCertFile(keyOption, files.Key, ownedfile.Rule{Secret: true})
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, certFault("give a certificate and its own key, both PEM", "%s and %s: %w", files.Cert, files.Key, err)
	}
	if at := pair.Leaf.NotBefore; g.Now.Before(at) {
		return nil, certFault("wait, or check the clock of this machine", "%s: it is not valid before %s", files.Cert, at)
	}
	if at := pair.Leaf.NotAfter; g.Now.After(at) {
		return nil, certFault("renew it", "%s: it ended at %s", files.Cert, at)
	}
	between := x509.NewCertPool()
	for _, der := range pair.Certificate[1:] {
		if c, err := x509.ParseCertificate(der); err == nil {
			between.AddCert(c)
		}
	}
	for _, use := range uses {
		_, err := pair.Leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, CurrentTime: g.Now, KeyUsages: []x509.ExtKeyUsage{use}})
		if err != nil {
			return nil, certFault(hintChain(roots == nil, use), "%s: %w", files.Cert, err)
		}
	}
	return pair.Leaf, nil
}

func hintChain(ofMachine bool, use x509.ExtKeyUsage) string {
	hint := "its CA must be in ca.pem, or in the file of --ca, and those between it and the certificate in the file of the certificate"
	if ofMachine {
		hint = "this machine does not trust its CA: name the CA with --ca FILE; put those between it and the certificate in the file of the certificate"
	}
	if use == x509.ExtKeyUsageClientAuth {
		hint += ". A gateway needs a certificate for servers and for clients"
	}
	return hint
}

func readPool(option, path string) (*x509.CertPool, error) {
	text, err := readCertFile(option, path, ownedfile.Rule{})
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, certFault("give a PEM file", "%s: it has no certificate", path)
	}
	return pool, nil
}

// readCertFile reads the file that an option names.
func readCertFile(option, path string, r ownedfile.Rule) ([]byte, error) {
	r.Max = maxCertFile
	path = absolute(path)
	text, _, err := ownedfile.Read(path, r)
	var at *os.PathError
	switch {
	case errors.As(err, &at):
		return nil, certFault("give the path of a PEM file that usher can read; a relative one starts at the working directory", "%s %s: %w", option, path, at.Err)
	case err != nil:
		return nil, fault.InConfig(err)
	}
	return text, nil
}

func certFault(hint, format string, args ...any) error {
	return &fault.Error{Kind: fault.Config, Err: fmt.Errorf(format, args...), Hint: hint}
}
