package issuer_test

import (
	"errors"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"

	"usher/directory"
	"usher/identity"
	"usher/issuer"
	"usher/permissions"
)

// operatorKeys is a keyring of operator mode. It has active signing keys for AUTH (the
// callout account), APP, scope publisher of APP, and LAB, and keys in every other state.
type operatorKeys struct {
	keys     map[string]issuer.Signer // active keys, by issuer.Place.String()
	accounts map[string]string        // public keys by name
	held     []issuer.LoadedKey
}

func newOperatorKeys(t *testing.T) *operatorKeys {
	t.Helper()
	o := &operatorKeys{keys: map[string]issuer.Signer{}, accounts: map[string]string{}}
	for _, name := range []string{"AUTH", "APP", "LAB", "EMPTY"} {
		_, o.accounts[name] = seedOf(t, nkeys.PrefixByteAccount)
	}
	o.add(t, "AUTH", "", issuer.StateActive)
	o.add(t, "APP", "", issuer.StateActive)
	o.add(t, "APP", "publisher", issuer.StateActive)
	o.add(t, "LAB", "", issuer.StateActive)
	for _, state := range []issuer.KeyState{issuer.StateNext, issuer.StateRetiring, issuer.StateRetired} {
		o.add(t, "APP", "", state)
		o.add(t, "EMPTY", "", state)
	}
	return o
}

func (o *operatorKeys) add(t *testing.T, account, scope string, state issuer.KeyState) {
	t.Helper()
	s := signer(t)
	o.held = append(o.held, issuer.LoadedKey{Signer: s, Key: issuer.Key{
		Kind: issuer.KindSigning, PublicKey: s.PublicKey(), Account: account, Scope: scope, State: state,
	}})
	if state == issuer.StateActive {
		o.keys[issuer.Place{Account: account, Scope: scope}.String()] = s
	}
}

func (o *operatorKeys) operator() *issuer.Operator {
	op := &issuer.Operator{Callout: "AUTH"}
	for name, public := range o.accounts {
		op.Accounts = append(op.Accounts, issuer.Account{Name: name, PublicKey: public})
	}
	return op
}

func (o *operatorKeys) signers(t *testing.T) *issuer.Signers {
	t.Helper()
	k, err := issuer.NewKeyring(o.held, o.operator())
	must(t, err)
	s, ok := k.For(o.accounts["AUTH"])
	if !ok || !k.Operator() || !slices.Equal(k.Expected(), []string{o.accounts["AUTH"]}) {
		t.Fatalf("expected keys are %q", k.Expected())
	}
	return s
}

// decode is decodeResponse for operator mode: it returns the user JWT, after it has
// checked that the response and the user JWT are valid and signed by the right keys.
func (o *operatorKeys) decode(t *testing.T, response []byte, to issuer.Recipient, place issuer.Place) *jwt.UserClaims {
	t.Helper()
	rc, err := jwt.DecodeAuthorizationResponseClaims(string(response))
	must(t, err)
	valid(t, rc)
	if rc.Issuer != o.keys["AUTH"].PublicKey() || rc.IssuerAccount != o.accounts["AUTH"] {
		t.Errorf("response has issuer %s, issuer account %s", rc.Issuer, rc.IssuerAccount)
	}
	if rc.Subject != to.UserNkey || rc.Audience != to.ServerID {
		t.Errorf("response has subject %s, audience %s", rc.Subject, rc.Audience)
	}
	uc, err := jwt.DecodeUserClaims(rc.Jwt)
	must(t, err)
	valid(t, uc)
	if uc.Issuer != o.keys[place.String()].PublicKey() || uc.IssuerAccount != o.accounts[place.Account] {
		t.Errorf("user JWT has issuer %s, issuer account %s", uc.Issuer, uc.IssuerAccount)
	}
	if uc.Audience != "" {
		t.Errorf("user JWT has audience %q, which only config mode sets", uc.Audience)
	}
	return uc
}

// A signing key of the user's account signs the user JWT, and one of the callout
// account signs the response. Both name their account as issuer account.
func TestOperatorIssues(t *testing.T) {
	o, to := newOperatorKeys(t), recipient(t)
	s := o.signers(t)
	for _, account := range []string{"APP", "LAB"} {
		g := grant()
		g.Account = account
		response, _, err := newIssuer(nil).Issue(t.Context(), s, to, identity.Identity{Name: "pia"}, g)
		must(t, err)
		uc := o.decode(t, response, to, issuer.Place{Account: account})
		if uc.Name != "pia" || !reflect.DeepEqual(uc.Pub.Allow, jwt.StringList{"shop.>"}) || uc.HasEmptyPermissions() {
			t.Errorf("user JWT %+v", uc)
		}
	}
	response, err := newIssuer(nil).Deny(t.Context(), s, to, "denied, request 1")
	must(t, err)
	rc, err := jwt.DecodeAuthorizationResponseClaims(string(response))
	must(t, err)
	valid(t, rc)
	if rc.Issuer != o.keys["AUTH"].PublicKey() || rc.IssuerAccount != o.accounts["AUTH"] || rc.Error != "denied, request 1" || rc.Jwt != "" {
		t.Errorf("denial %+v", rc)
	}
}

// scopedGrant is a grant as permissions.Derive returns it for a role with a scope.
func scopedGrant() *permissions.Grant {
	return &permissions.Grant{Account: "APP", Scope: "publisher", Tags: []string{"key:laptop", "project:Shop", "role:publisher"}, Connection: connected()}
}

// A scoped user JWT has no permissions and no limits: nats-server would refuse it
// otherwise.
func TestOperatorIssuesScoped(t *testing.T) {
	o, to := newOperatorKeys(t), recipient(t)
	g := scopedGrant()
	g.NotAfter = noon.AddDate(0, 0, 1)
	response, _, err := newIssuer(nil).Issue(t.Context(), o.signers(t), to, identity.Identity{Name: "Pia"}, g)
	must(t, err)
	place := issuer.Place{Account: "APP", Scope: "publisher"}
	uc := o.decode(t, response, to, place)
	if !uc.HasEmptyPermissions() {
		t.Errorf("limits are %+v", uc.UserPermissionLimits)
	}
	scope := jwt.NewUserScope()
	scope.Key, scope.Role = o.keys[place.String()].PublicKey(), "publisher"
	if err := scope.ValidateScopedSigner(uc); err != nil {
		t.Errorf("nats-server refuses it: %v", err)
	}
	// A template uses name and tags verbatim.
	if uc.Name != "Pia" || !slices.Contains(uc.Tags, "project:Shop") || uc.Expires != g.NotAfter.Unix() {
		t.Errorf("name %s, tags %q, expires %d", uc.Name, uc.Tags, uc.Expires)
	}
}

// A grant without a signing key is not signed by another key.
func TestNoSigningKey(t *testing.T) {
	o, to := newOperatorKeys(t), recipient(t)
	s := o.signers(t)
	single := issuer.SingleIssuer(signer(t))
	for _, tt := range []struct {
		name    string
		signers *issuer.Signers
		place   issuer.Place
	}{
		{"unknown account", s, issuer.Place{Account: "MOON"}},
		{"account without an active key", s, issuer.Place{Account: "EMPTY"}},
		{"scope without a key", s, issuer.Place{Account: "APP", Scope: "consumer"}},
		{"scope of another account", s, issuer.Place{Account: "LAB", Scope: "publisher"}},
		{"scope in config mode", single, issuer.Place{Account: "APP", Scope: "publisher"}},
	} {
		g := grant()
		if tt.place.Scope != "" {
			g = scopedGrant()
			g.Scope = tt.place.Scope
		}
		g.Account = tt.place.Account
		response, _, err := newIssuer(nil).Issue(t.Context(), tt.signers, to, identity.Identity{Name: "pia"}, g)
		if !errors.Is(err, issuer.ErrNoSigningKey) || response != nil || !strings.HasSuffix(strings.Split(err.Error(), ":")[0], " for "+tt.place.String()) {
			t.Errorf("%s: got %q, %v", tt.name, response, err)
		}
		if tt.signers.Has(tt.place) {
			t.Errorf("%s: Has returns true", tt.name)
		}
	}
	for _, place := range []issuer.Place{{Account: "APP"}, {Account: "LAB"}, {Account: "APP", Scope: "publisher"}} {
		if !s.Has(place) {
			t.Errorf("Has(%s) returns false", place)
		}
	}
	if !single.Has(issuer.Place{Account: "ANY"}) {
		t.Error("Has returns false in config mode, where one key signs for every account")
	}
}

// No client is placed in the callout account, whatever name it has.
//
// Attack: in operator mode a second name for the callout account places a client in it
// Held by: the public key of the account is compared when a user JWT is minted
func TestOperatorNeverCallout(t *testing.T) {
	o, to := newOperatorKeys(t), recipient(t)
	o.accounts["FRONT"] = o.accounts["AUTH"]
	o.add(t, "FRONT", "", issuer.StateActive)
	s := o.signers(t)
	for _, account := range []string{"AUTH", "FRONT"} {
		g := grant()
		g.Account = account
		response, _, err := newIssuer(nil).Issue(t.Context(), s, to, identity.Identity{Name: "pia"}, g)
		if !errors.Is(err, permissions.ErrInvariant) || response != nil {
			t.Errorf("%s: got %q, %v", account, response, err)
		}
	}
}

// Only the configured name of the system account can be bound to a role.
func TestOperatorNeverSystemAlias(t *testing.T) {
	o, to := newOperatorKeys(t), recipient(t)
	_, o.accounts["SYS"] = seedOf(t, nkeys.PrefixByteAccount)
	o.accounts["OPS"] = o.accounts["SYS"]
	o.add(t, "SYS", "", issuer.StateActive)
	o.add(t, "OPS", "", issuer.StateActive)
	op := o.operator()
	op.System = "SYS"
	k, err := issuer.NewKeyring(o.held, op)
	must(t, err)
	s, _ := k.For(o.accounts["AUTH"])
	for account, allowed := range map[string]bool{"SYS": true, "OPS": false, "APP": true} {
		g := grant()
		if g.Account = account; account == "SYS" {
			g.Tags = []string{"role:service_admin"}
		}
		policy := &permissions.Policy{CalloutAccount: "AUTH", SystemAccount: "SYS", AdminAccount: "SYS"}
		i := newIssuer(func(c *issuer.Config) { c.Policy = policy })
		response, _, err := i.Issue(t.Context(), s, to, identity.Identity{Name: "pia"}, g)
		if allowed != (err == nil) || !allowed && (!errors.Is(err, permissions.ErrInvariant) || response != nil) {
			t.Errorf("%s: got %q, %v", account, response, err)
		}
	}
	delete(o.accounts, "SYS")
	op.Accounts = o.operator().Accounts
	if _, err := issuer.NewKeyring(o.held, op); err == nil || !strings.Contains(err.Error(), "does not know the system account SYS") {
		t.Errorf("got %v", err)
	}
}

// A scoped grant is checked again when it is minted, whatever derived it: the template
// puts its name and tags into subjects.
func TestScopedInvariantsAtIssue(t *testing.T) {
	o, to := newOperatorKeys(t), recipient(t)
	s := o.signers(t)
	for name, corrupt := range map[string]func(*permissions.Grant){
		"rules":               func(g *permissions.Grant) { g.Rules = grant().Rules },
		"connection types":    func(g *permissions.Grant) { g.ConnectionTypes = directory.ConnectionTypes() },
		"networks":            func(g *permissions.Grant) { g.Networks = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")} },
		"a tag of two tokens": func(g *permissions.Grant) { g.Tags = []string{"project:a.b"} },
		"a wildcard as tag":   func(g *permissions.Grant) { g.Tags = []string{"key:>"} },
		"a template as tag":   func(g *permissions.Grant) { g.Tags = []string{"key:{{name()}}"} },
		"a tag without value": func(g *permissions.Grant) { g.Tags = []string{"key:"} },
		"the callout account": func(g *permissions.Grant) { g.Account = "AUTH" },
		"the system account":  func(g *permissions.Grant) { g.Account = "SYS" },
	} {
		g := scopedGrant()
		corrupt(g)
		response, _, err := newIssuer(nil).Issue(t.Context(), s, to, identity.Identity{Name: "pia"}, g)
		if !errors.Is(err, permissions.ErrInvariant) || response != nil {
			t.Errorf("%s: got %q, %v", name, response, err)
		}
	}
	for _, name := range []string{"", "*", ">", "a.b", "a b", "{{tag(project)}}", "\xff"} {
		response, _, err := newIssuer(nil).Issue(t.Context(), s, to, identity.Identity{Name: name}, scopedGrant())
		if !errors.Is(err, permissions.ErrInvariant) || response != nil {
			t.Errorf("user name %q: got %q, %v", name, response, err)
		}
	}
}

func TestNewKeyringRefuses(t *testing.T) {
	for name, tt := range map[string]struct {
		corrupt func(*testing.T, *operatorKeys)
		want    string
	}{
		"no callout account":              {func(_ *testing.T, o *operatorKeys) { delete(o.accounts, "AUTH") }, "does not know the callout account AUTH"},
		"no key for the callout account":  {func(_ *testing.T, o *operatorKeys) { o.held = o.held[1:] }, "no active signing key for the callout account AUTH"},
		"two active keys":                 {func(t *testing.T, o *operatorKeys) { t.Helper(); o.add(t, "APP", "publisher", issuer.StateActive) }, "two active signing keys for APP, scope publisher: "},
		"a key of an unknown account":     {func(_ *testing.T, o *operatorKeys) { delete(o.accounts, "LAB") }, `belongs to account "LAB", which the keyring does not know`},
		"only a scoped key for responses": {func(_ *testing.T, o *operatorKeys) { o.held[0].Scope = "publisher" }, "no active signing key for the callout account AUTH"},
	} {
		o := newOperatorKeys(t)
		tt.corrupt(t, o)
		if _, err := issuer.NewKeyring(o.held, o.operator()); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// The accessors of a keyring of operator mode.
func TestOperatorKeyring(t *testing.T) {
	o := newOperatorKeys(t)
	seed, x := seedOf(t, nkeys.PrefixByteCurve)
	for i, state := range issuer.KeyStates() {
		xkey, err := issuer.NewXKey([]byte(seed))
		must(t, err)
		o.held = append(o.held, issuer.LoadedKey{XKey: xkey, Key: issuer.Key{Kind: issuer.KindXKey, PublicKey: x, State: state}})
		k, err := issuer.NewKeyring(o.held, o.operator())
		must(t, err)
		if want := min(i+1, 3); len(k.XKeys()) != want {
			t.Errorf("%d xkeys, want %d without the retired one", len(k.XKeys()), want)
		}
	}
	k, err := issuer.NewKeyring(o.held, o.operator())
	must(t, err)
	for i := range o.held {
		h := &o.held[i]
		if _, signs := k.Signer(h.PublicKey); h.Signer != nil && signs != (h.State != issuer.StateRetired) {
			t.Errorf("%s key of %s is a signing key: %t", h.State, h.Account, signs)
		}
	}
	var names []string
	for _, a := range k.Accounts() {
		names = append(names, a.Name)
		if got, ok := k.Account(a.Name); !ok || got != a || a.PublicKey != o.accounts[a.Name] {
			t.Errorf("account %s is %+v", a.Name, got)
		}
	}
	if !slices.Equal(names, []string{"APP", "AUTH", "EMPTY", "LAB"}) {
		t.Errorf("accounts %q", names)
	}
	if _, ok := k.For(o.accounts["APP"]); ok {
		t.Error("For returns keys for an account that is not the callout account")
	}
	if _, ok := k.For(o.keys["AUTH"].PublicKey()); ok {
		t.Error("For returns keys for a signing key of the callout account")
	}
}
