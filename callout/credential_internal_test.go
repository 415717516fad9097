package callout

import (
	"testing"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"
)

// What is the token, and what the user name asks for, of a credential as
// nats-server passes it on.
func TestTokenOfARequest(t *testing.T) {
	account, err := nkeys.CreateAccount()
	if err != nil {
		t.Fatal(err)
	}
	user, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	public, err := user.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	sentinel, err := jwt.NewUserClaims(public).Encode(account)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name           string
		opts           jwt.ConnectOptions
		token, project string
	}{
		{"default sentinel, or sentinel creds", jwt.ConnectOptions{JWT: sentinel, Token: "t"}, "t", ""},
		{"and a user name", jwt.ConnectOptions{JWT: sentinel, Username: "project=shop", Password: "t"}, "t", "shop"},
		{"MQTT, default sentinel", jwt.ConnectOptions{JWT: sentinel, Username: "project=shop", Password: "t", Token: "t"}, "t", "shop"},
		{"MQTT, sentinel as password", jwt.ConnectOptions{JWT: sentinel, Username: "t", Password: sentinel, Token: sentinel}, "t", ""},
		{"the user name is then the token, whatever it says", jwt.ConnectOptions{JWT: sentinel, Username: "project=shop", Password: sentinel, Token: sentinel}, "project=shop", ""},
		{"sentinel as password, and a token", jwt.ConnectOptions{JWT: sentinel, Password: sentinel, Token: "t"}, "t", ""},
		{"sentinel alone", jwt.ConnectOptions{JWT: sentinel}, "", ""},
		{"a bearer token in place of a user JWT", jwt.ConnectOptions{JWT: sentinel, Username: "u", Password: "eyJ.other", Token: "eyJ.other"}, "eyJ.other", ""},
		{"no sentinel", jwt.ConnectOptions{Username: "u", Password: "t"}, "t", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			claims := jwt.NewAuthorizationRequestClaims("A")
			claims.ConnectOptions = c.opts
			credential := CredentialOf(claims)
			if token := credential.Token(); token != c.token {
				t.Errorf("token %q, expected %q", token, c.token)
			}
			selection, err := credential.Selection()
			if err != nil || selection.Project != c.project {
				t.Errorf("selection %v, %v, expected project %q", selection, err, c.project)
			}
		})
	}
}
