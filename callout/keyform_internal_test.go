package callout

import (
	"errors"
	"strings"
	"testing"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"
)

// Attack: a server whose nkey is written in ever new ways, with line breaks and at great length, fills the memory of usher and its audit
// Held by: usher accepts one form of the nkey of a server, and clips every other text in the audit
func TestOneFormOfANkey(t *testing.T) {
	server := fuzzKey(t, nkeys.PrefixByteServer, 1)
	usual := public(t, server)
	for name, id := range map[string]string{
		"line breaks":    strings.Repeat("\r\n", 1000) + usual,
		"a line break":   usual[:9] + "\n" + usual[9:],
		"one letter too": usual + "A",
	} {
		t.Run(name, func(t *testing.T) {
			c := serverRequest(t)
			c.Server.ID = id
			text := strings.Replace(claimsText(t, c), `"iss":"`+usual, `"iss":"`+jsonText(id), 1)
			r, err := parse([]byte(signedToken(t, serverHeader, text, server, false)))
			must(t, err)
			var refused *refusal
			if !r.signatureValid() || !errors.As(r.authenticate(), &refused) || refused.code != CodeNotARequest {
				t.Errorf("refused as %+v", refused)
			}
			x := exchange{request: r}
			if e := x.event(); len(e.ServerID) > maxText+len("…") || strings.ContainsAny(e.ServerID, "\r\n") {
				t.Errorf("the audit has %d bytes of the server", len(e.ServerID))
			}
		})
	}
}

// An address with a zone is a text from outside.
func TestZoneIsClipped(t *testing.T) {
	x := exchange{request: &request{claims: &jwt.AuthorizationRequestClaims{}}}
	client := &x.request.claims.ClientInformation
	for host, want := range map[string]int{"fe80::1%eth0": 12, "fe80::1%" + strings.Repeat("z ", 1000): maxText + len("…")} {
		client.Host = host
		if got := x.event().ClientHost; len(got) != want {
			t.Errorf("%d bytes of %d are shown", len(got), len(host))
		}
	}
}

func jsonText(text string) string { return strings.NewReplacer("\r", `\r`, "\n", `\n`).Replace(text) }
