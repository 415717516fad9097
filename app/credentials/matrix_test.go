package credentials_test

import (
	"flag"
	"fmt"
	"strings"
	"testing"
	"time"

	"usher/callout/callouttest"
	"usher/identity"
	tokenx509 "usher/tokens/x509"
)

//go:generate go test -run ^TestDocs$ -count 1 . -args -update

var update = flag.Bool("update", false, "write the tables of docs/reference/credentials.md")

func modes() []string { return []string{configMode, operatorMode} }

// Every kind of credential gives access over every transport that has it, in both modes,
// whether requests are sealed or not and beside a client certificate, while all other kinds
// are configured too. A bad one is denied with the code of its own kind.
func TestMatrix(t *testing.T) {
	for _, mode := range modes() {
		for _, sealed := range []bool{false, true} {
			for _, tls := range []bool{false, true} {
				cfg := siteConfig{mode: mode, sealed: sealed, tls: tls}
				t.Run(fmt.Sprintf("%s, sealed %t, certificates %t", mode, sealed, tls), func(t *testing.T) {
					t.Parallel() // mostly waits
					s := startSite(t, cfg)
					for _, k := range kinds() {
						if k.tls && !tls {
							continue
						}
						for _, w := range transports() {
							if tls && !k.tls && w.name == asLeaf {
								continue // a leaf node takes long to start, and the certificate is beside the credential as elsewhere
							}
							t.Run(k.name+", "+w.name, func(t *testing.T) { s.checkCell(t, &k, &w) })
						}
					}
					if n := s.others.calls.Load(); n > 0 {
						t.Errorf("%d credentials of a kind went on to another", n)
					}
				})
			}
		}
	}
}

func (s *site) checkCell(t *testing.T, k *kind, w *transport) {
	t.Helper()
	want := k.cell(s.mode, w.name)
	if want.not != "" {
		return
	}
	if k.method == identity.MethodAnonymous && s.ca != nil { // a certificate that names nobody is a bad credential
		want.code = tokenx509.CodeSAN
	}
	good := k.good
	if w.name == asLeaf {
		good = k.leaf
	}
	if want.code != "" {
		s.expectDenied(t, w, good(t, s), want.code)
		return
	}
	event := s.expectGranted(t, w, good(t, s))
	if got := event.Text("method"); got != string(k.method) {
		t.Errorf("method %q, want %q", got, k.method)
	}
	if k.bad != nil {
		s.expectDenied(t, w, k.bad(t, s), k.code)
	}
}

// expectGranted connects, and checks that the grant holds.
func (s *site) expectGranted(t *testing.T, w *transport, p presented) callouttest.Event {
	t.Helper()
	before := len(s.events(t))
	c, err := w.connect(t, s, p)
	if err != nil {
		t.Fatalf("%v; audit: %v", err, s.events(t)[before:])
	}
	defer c.close()
	event := s.waitEvents(t, before+1)[before]
	if got := event.Text("code"); got != "granted" {
		t.Errorf("audit: %v", event)
	}
	s.checkPermissions(t, w, c)
	return event
}

// checkPermissions publishes what is refused first, which would arrive first.
func (s *site) checkPermissions(t *testing.T, w *transport, c client) {
	t.Helper()
	sub, err := s.admin.SubscribeSync("*.*")
	callouttest.Must(t, err)
	defer sub.Unsubscribe() //nolint:errcheck // the connection ends with the test
	callouttest.Must(t, s.admin.FlushTimeout(timeout))
	var subject string
	// A leaf node learns of the subscription later: publish until a message arrives.
	callouttest.Eventually(t, "an allowed message arrives", func() bool {
		c.publish(t, w.denied, t.Name())
		c.publish(t, w.allowed, t.Name())
		m, err := sub.NextMsg(200 * time.Millisecond)
		if err == nil && string(m.Data) == t.Name() {
			subject = m.Subject
		}
		return subject != ""
	})
	if subject != w.allowed {
		t.Errorf("could publish %s", subject)
	}
}

// expectDenied connects, and checks that usher denies it with a code.
func (s *site) expectDenied(t *testing.T, w *transport, p presented, code string) {
	t.Helper()
	before := len(s.events(t))
	if c, err := w.connect(t, s, p); err == nil {
		c.close()
		t.Errorf("connected, want %s", code)
	}
	if event := s.waitEvents(t, before+1)[before]; event.Text("code") != code || event.Text("outcome") != "denied" {
		t.Errorf("audit: %v, want %s", event, code)
	}
}

// The tables of docs/reference/credentials.md say what TestMatrix checks.
func TestDocs(t *testing.T) {
	var b strings.Builder
	for _, mode := range modes() {
		fmt.Fprintf(&b, "\n## %s%s\n\n", strings.ToUpper(mode[:1]), mode[1:])
		head, rule := "| credential |", "|---|"
		for _, w := range transports() {
			head, rule = head+" "+w.name+" |", rule+"---|"
		}
		b.WriteString(head + " a bad one |\n" + rule + "---|\n")
		for _, k := range kinds() {
			fmt.Fprintf(&b, "| %s |", k.name)
			for _, w := range transports() {
				fmt.Fprintf(&b, " %s |", k.cell(mode, w.name))
			}
			b.WriteString(" " + codeText(k.code) + " |\n")
		}
	}
	b.WriteString("\n")
	callouttest.CheckDocsTable(t, "reference/credentials.md", "credentials", b.String(), *update)
}

// String returns the text of a cell of the tables.
func (c cell) String() string {
	switch {
	case c.code != "":
		return "denied: `" + c.code + "`"
	case c.not != "":
		return "no: " + c.not
	default:
		return "yes"
	}
}

func codeText(code string) string {
	if code == "" {
		return "–"
	}
	return "`" + code + "`"
}
