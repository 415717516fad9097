package automate

import (
	"testing"

	"usher/tokens/automate/automatepb"
)

// A token that authn-service repeats does not become a name.
//
// Attack: authn-service says that the subject of a token is the token itself
// Held by: such an answer is unusable: usher stays silent, and the token is in no user JWT
func TestQuotedToken(t *testing.T) {
	const token = "c2VjcmV0LXRva2VuLW9m"
	for name, who := range map[string]*automatepb.AuthenticateResponse{
		"subject":   {Subject: "token:" + token},
		"requestor": {Subject: "token:id", Requestor: token},
		"team":      {Subject: "token:id", Teams: []string{"team:local:ops", "x" + token}},
	} {
		if !quotes(who, token) {
			t.Errorf("%s: not seen", name)
		}
	}
	for name, token := range map[string]string{"another token": "c2VjcmV0LXRva2VuLW9n", "a short one": "id"} {
		if quotes(&automatepb.AuthenticateResponse{Subject: "token:id", Requestor: "id"}, token) {
			t.Errorf("%s: seen", name)
		}
	}
}
