package assembly

import (
	"context"
	"encoding/pem"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nkeys"

	"usher/callout/callouttest"
	"usher/identity"
	"usher/tokens"
)

// working is a verifier with work between requests.
type working struct{ started, ended chan struct{} }

var _ tokens.Background = (*working)(nil)

func (*working) Name() string { return "working" }

func (*working) Verify(context.Context, *tokens.Credential) (identity.Identity, error) {
	return identity.Identity{}, tokens.ErrNotApplicable
}

func (w *working) Run(ctx context.Context) {
	close(w.started)
	<-ctx.Done()
	close(w.ended)
}

// TestRunChain: the work of every verifier runs until the context ends, and runChain
// waits for it.
func TestRunChain(t *testing.T) {
	all := []*working{{make(chan struct{}), make(chan struct{})}, {make(chan struct{}), make(chan struct{})}}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		runChain(ctx, tokens.Chain{all[0], all[1]})
		close(done)
	}()
	for _, w := range all {
		<-w.started
	}
	cancel()
	<-done
	for _, w := range all {
		select {
		case <-w.ended:
		default:
			t.Error("runChain returned before the work had ended")
		}
	}
}

// TestChainOrder: a configuration with every kind has the verifiers in the order of
// docs/adr/0018-verifiers.md, whatever the order in the file, and each has a name of its own.
func TestChainOrder(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "secret"), strings.Repeat("x", 32)+"\n")
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	write(t, filepath.Join(dir, "ca.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})))
	cert, key := callouttest.NewCA(t).Issue(t, "client")
	callouttest.Must(t, os.Rename(cert, filepath.Join(dir, "client.pem")))
	callouttest.Must(t, os.Rename(key, filepath.Join(dir, "client.key")))
	account, err := nkeys.CreateAccount()
	callouttest.Must(t, err)
	public, err := account.PublicKey()
	callouttest.Must(t, err)
	chain, err := chainOf(t, dir, `
  anonymous: {enabled: true}
  webhook:
  - {name: two, url: 'https://a.example', prefix: b_, secret_file: secret}
  - {name: one, url: 'https://a.example', prefix: a_, secret_file: secret}
  automate: [{name: chef, authn: {address: 'a.example:1'}, authz: {address: 'a.example:2'}, tls: {ca_file: ca.pem, cert_file: client.pem, key_file: client.key}}]
  kubernetes:
  - {name: review, mode: token_review, audiences: [nats], review: {url: 'https://a.example', token_file: secret, ca_file: ca.pem}}
  introspection: [{name: opaque, url: 'http://127.0.0.1', authentication: none, any_audience: true, prefix: o_}]
  x509: {identity: uri}
  password: {enabled: true}
  oidc: [{name: provider, issuer: 'https://a.example', audiences: [nats]}]
  natsjwt: {enabled: true, accounts: [`+public+`]}
`)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, v := range chain {
		names = append(names, v.Name())
	}
	want := "natsjwt nkey apikey oidc password x509 introspection:opaque kubernetes:review automate:chef webhook:two webhook:one anonymous"
	if got := strings.Join(names, " "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
