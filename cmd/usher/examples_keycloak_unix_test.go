//go:build unix

package main

import (
	"encoding/json"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"usher/app/config"
	"usher/callout/callouttest"
)

const keycloakIssuer = "http://localhost:8080/realms/acme"

// TestKeycloakExample is TestExamples for Keycloak, with another provider in its place.
func TestKeycloakExample(t *testing.T) {
	t.Parallel()
	natsServer := callouttest.Build(t, "nats-server", callouttest.NATSServerPackage)
	program := callouttest.Build(t, "usher", ".")
	provider := callouttest.StartOIDCProvider(t, filepath.Join("..", "..", "testdata", "oidc"))
	e := newExample(t, "keycloak", natsServer, program, keycloakIssuer, provider.Issuer, "run/token", "run/token")
	e.follow(t, "## Run it\n")
	commands := pageCommands(t, "examples/keycloak/README.md", "## Try it\n", "\n## ")
	if len(commands) != 3 {
		t.Fatalf("%d commands", len(commands))
	}
	e.login(t, commands[0])
	e.try(t, commands[1])
	e.try(t, commands[2])
	composeFits(t, e.dir, program)
}

// login runs "usher login" and opens the page that it prints, on which the provider asks
// nobody anything.
func (e *example) login(t *testing.T, command readmeCommand) {
	t.Helper()
	line := strings.NewReplacer(keycloakIssuer, e.replace.Replace(keycloakIssuer)).Replace(command.line)
	c := e.command(t, "exec "+line)
	var out callouttest.Buffer
	c.Stdout, c.Stderr = &out, &out
	callouttest.Must(t, c.Start())
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	page := ""
	callouttest.Eventually(t, "a page to log in at", func() bool {
		page = regexp.MustCompile(`(?m)http://\S+\?\S+$`).FindString(out.String())
		return page != ""
	})
	r, err := http.Get(page)
	callouttest.Must(t, err)
	callouttest.Must(t, r.Body.Close())
	if err := <-ended; err != nil {
		t.Fatalf("$ %s\n%v\n%s", line, err, out.String())
	}
}

// keycloakRealm is what usher.yaml depends on in realm.json.
type keycloakRealm struct {
	Realm  string `json:"realm"`
	Groups []struct {
		Name string `json:"name"`
	} `json:"groups"`
	Clients []struct {
		ClientID     string         `json:"clientId"`
		PublicClient bool           `json:"publicClient"`
		StandardFlow bool           `json:"standardFlowEnabled"`
		RedirectURIs []string       `json:"redirectUris"`
		Mappers      []realmMapping `json:"protocolMappers"`
	} `json:"clients"`
}

type realmMapping struct {
	Mapper string            `json:"protocolMapper"`
	Config map[string]string `json:"config"`
}

// realm.json and usher.yaml of the example for Keycloak fit.
func TestKeycloakExampleRealm(t *testing.T) {
	t.Parallel()
	dir := filepath.Join("..", "..", "examples", "keycloak")
	text, err := os.ReadFile(filepath.Join(dir, "realm.json"))
	callouttest.Must(t, err)
	var realm keycloakRealm
	callouttest.Must(t, json.Unmarshal(text, &realm))
	cfg, err := config.Load(filepath.Join(dir, "usher.yaml"))
	callouttest.Must(t, err)

	oidc := cfg.Credentials.OIDC[0]
	if oidc.Issuer != keycloakIssuer || path.Base(oidc.Issuer) != realm.Realm {
		t.Errorf("issuer %s, realm %s", oidc.Issuer, realm.Realm)
	}
	if len(realm.Clients) != 1 || len(realm.Groups) != 1 {
		t.Fatalf("%d clients, %d groups", len(realm.Clients), len(realm.Groups))
	}
	client := realm.Clients[0]
	if client.ClientID != "usher-login" || !client.PublicClient || !client.StandardFlow || !slices.Contains(client.RedirectURIs, "http://127.0.0.1/*") {
		t.Errorf("usher login cannot use the client: %+v", client)
	}
	mapped := func(mapper, key string) string {
		for _, m := range client.Mappers {
			if m.Mapper == mapper && m.Config["access.token.claim"] == "true" {
				return m.Config[key]
			}
		}
		return ""
	}
	if audience := mapped("oidc-audience-mapper", "included.custom.audience"); !slices.Equal(oidc.Audiences, []string{audience}) {
		t.Errorf("audience %q, and usher accepts %q", audience, oidc.Audiences)
	}
	groups := realm.Groups[0].Name
	if claim := mapped("oidc-group-membership-mapper", "claim.name"); claim != "groups" || mapped("oidc-group-membership-mapper", "full.path") != "false" {
		t.Errorf("groups are in claim %q", claim)
	}
	rules, err := os.ReadFile(filepath.Join(dir, "usher.yaml"))
	callouttest.Must(t, err)
	if !strings.Contains(string(rules), "{fact: claims.groups, contains: "+groups+"}") {
		t.Errorf("no rule is about group %s", groups)
	}
}
