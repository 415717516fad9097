package introspection

import (
	"strings"
	"testing"
	"time"

	"usher/identity"
	"usher/internal/strictjson"
	"usher/tokens/backend"
)

var noon = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC) // 1782907200

func testRules(tb testing.TB) *Rules {
	tb.Helper()
	r := &Rules{Issuer: "https://id.example", Audiences: []string{"nats", "usher"}, Scopes: []string{"connect", "read"}, Leeway: 30 * time.Second, authority: "main"}
	if err := r.check(); err != nil {
		tb.Fatal(err)
	}
	return r
}

func judge(r *Rules, text string) (backend.Answer, error) {
	var members map[string]any
	if err := strictjson.Decode([]byte(text), &members); err != nil {
		return backend.Answer{}, err
	}
	return r.judge(members, noon)
}

const good = `"active":true,"sub":"alice","aud":"nats","scope":"read connect write"`

// Responses, and what they mean: a code, "verified", or "error".
func responses() map[string]string {
	return map[string]string{
		`{` + good + `}`: "verified",
		`{` + good + `,"iss":"https://id.example","exp":1782907201,"nbf":1782907200,"iat":1782900000,"token_type":"Bearer"}`: "verified",
		`{` + good + `,"token_type":"access_token","jti":"x","any":{"thing":[1,2]}}`:                                         "verified",
		`{` + good + `,"nbf":1782907230,"iat":1782907230}`:                                                                   "verified", // the leeway
		`{"active":true,"sub":"alice","aud":["other","usher"],"scope":"connect read"}`:                                       "verified",

		`{"active":false}`:                                                            CodeInactive,
		`{"active":false,"exp":"wrong"}`:                                              CodeInactive,
		`{` + good + `,"iss":"https://id.example/"}`:                                  CodeIssuer,
		`{"active":true,"sub":"alice","scope":"connect read"}`:                        CodeAudience,
		`{"active":true,"sub":"alice","aud":"NATS","scope":"connect read"}`:           CodeAudience,
		`{"active":true,"sub":"alice","aud":[],"scope":"connect read"}`:               CodeAudience,
		`{"active":true,"sub":"alice","aud":"nats usher","scope":"connect read"}`:     CodeAudience,
		`{"active":true,"sub":"alice","aud":"nats"}`:                                  CodeScope,
		`{"active":true,"sub":"alice","aud":"nats","scope":"connect"}`:                CodeScope,
		`{"active":true,"sub":"alice","aud":"nats","scope":"connected readers read"}`: CodeScope,
		`{` + good + `,"exp":1782907200}`:                                             CodeExpired,
		`{` + good + `,"exp":1}`:                                                      CodeExpired,
		`{` + good + `,"nbf":1782907231}`:                                             CodeNotYetValid,
		`{` + good + `,"iat":1782907231.5}`:                                           CodeNotYetValid,
		`{` + good + `,"cnf":{"x5t#S256":"x"}}`:                                       CodeBound,
		`{` + good + `,"token_type":"DPoP"}`:                                          CodeBound,
		`{` + good + `,"token_type":"refresh_token"}`:                                 CodeBound,
		`{"active":true,"aud":"nats","scope":"connect read","username":"alice"}`:      CodeNoID,

		`{}`: "error",
		`{"sub":"alice","aud":"nats","scope":"connect read"}`:                 "error",
		`{"active":"true","sub":"alice","aud":"nats","scope":"connect read"}`: "error",
		`{"active":1,"sub":"alice","aud":"nats","scope":"connect read"}`:      "error",
		`{"Active":true,"sub":"alice","aud":"nats","scope":"connect read"}`:   "error",
		`{"active":true,"active":false}`:                                      "error",
		`{"active":false,"ACTIVE":true,"sub":"alice"}`:                        "error",
		`{"active":null}`:   "error",
		`[{"active":true}]`: "error",
		`{"active":true,"sub":7,"aud":"nats","scope":"connect read"}`:           "error",
		`{"active":true,"sub":["alice"],"aud":"nats","scope":"connect read"}`:   "error",
		`{"active":true,"sub":"a\u0000","aud":"nats","scope":"connect read"}`:   "error",
		`{"active":true,"sub":"alice","aud":{"a":1},"scope":"connect read"}`:    "error",
		`{"active":true,"sub":"alice","aud":["nats",1],"scope":"connect read"}`: "error",
		`{"active":true,"sub":"alice","aud":"nats","scope":["connect","read"]}`: "error",
		`{` + good + `,"iss":1}`:            "error",
		`{` + good + `,"exp":"1782907201"}`: "error",
		`{` + good + `,"exp":-1}`:           "error",
		`{` + good + `,"exp":0}`:            "error",
		`{` + good + `,"exp":1e300}`:        "error",
		`{` + good + `,"exp":1e999}`:        "error",
		`{` + good + `,"nbf":true}`:         "error",
		`{` + good + `,"iat":[]}`:           "error",
		`{` + good + `,"token_type":1}`:     "error",
		`{"active":true,"sub":"` + strings.Repeat("x", maxID+1) + `","aud":"nats","scope":"connect read"}`: "error",
	}
}

func meaningOf(a backend.Answer, err error) string { //nolint:gocritic // in tests
	switch {
	case err != nil:
		return "error"
	case a.Refusal != nil:
		return a.Refusal.Code
	default:
		return "verified"
	}
}

func TestResponses(t *testing.T) {
	r := testRules(t)
	for text, want := range responses() {
		a, err := judge(r, text)
		if got := meaningOf(a, err); got != want {
			t.Errorf("%s\n\tis %s, want %s (%v)", text, got, want, err)
		}
	}
}

func TestIdentity(t *testing.T) {
	r := testRules(t)
	a, err := judge(r, `{`+good+`,"exp":1782907260.5,"groups":["staff"]}`)
	if err != nil || a.Refusal != nil {
		t.Fatalf("%+v, %v", a.Refusal, err)
	}
	end := noon.Add(time.Minute + 500*time.Millisecond)
	id := a.Identity
	claims, _ := id.Attributes["claims"].(map[string]any)
	groups, _ := claims["groups"].([]any)
	if id.ID != "alice" || id.Authority != "main" || id.Method != identity.MethodIntrospection || id.Name != "" ||
		!id.NotAfter.Equal(end) || !a.Until.Equal(end) || len(groups) != 1 || groups[0] != "staff" {
		t.Errorf("got %+v until %s", id, a.Until)
	}
	// A refusal says of whom, for the audit.
	a, err = judge(r, `{"active":true,"sub":"alice","aud":"other"}`)
	if err != nil || a.Refusal.Identity.ID != "alice" || a.Refusal.Identity.Attributes != nil || a.Identity.ID != "" {
		t.Errorf("got %+v, %v", a, err)
	}
	r.IDClaim = "client_id"
	if a, err := judge(r, `{`+good+`,"client_id":"shop"}`); err != nil || a.Identity.ID != "shop" {
		t.Errorf("got %+v, %v", a.Identity, err)
	}
	r.AnyAudience, r.Audiences, r.Scopes, r.Issuer = true, nil, nil, ""
	if a, err := judge(r, `{"active":true,"client_id":"shop","iss":"anybody"}`); err != nil || a.Identity.ID != "shop" {
		t.Errorf("got %+v, %v", a, err)
	}
}

// FuzzResponse: no response verifies a token but one that says so in the form of the RFC.
func FuzzResponse(f *testing.F) {
	for text := range responses() {
		f.Add([]byte(text))
	}
	r := testRules(f)
	f.Fuzz(func(t *testing.T, text []byte) {
		var members map[string]any
		if strictjson.Decode(text, &members) != nil {
			return
		}
		a, err := r.judge(members, noon)
		switch {
		case err != nil:
			if a.Refusal != nil || a.Identity.ID != "" {
				t.Errorf("an answer with an error: %+v", a)
			}
		case a.Refusal != nil:
			if a.Refusal.Code == "" || a.Refusal.Cause == "" || a.Identity.ID != "" {
				t.Errorf("got %+v", a)
			}
		default:
			aud, _ := readAudiences(members["aud"])
			scope, _ := members["scope"].(string)
			if members["active"] != true || a.Identity.ID != members["sub"] || a.Identity.ID == "" || len(a.Identity.ID) > maxID ||
				!strings.Contains(strings.Join(aud, "\n"), r.Audiences[0]) && !strings.Contains(strings.Join(aud, "\n"), r.Audiences[1]) ||
				!strings.Contains(scope, "connect") || !strings.Contains(scope, "read") ||
				!a.Until.IsZero() && !a.Until.After(noon) || !a.Until.Equal(a.Identity.NotAfter) {
				t.Errorf("verified: %s", text)
			}
		}
	})
}
