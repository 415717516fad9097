package jwt_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"usher/tokens/oidc/jwt"
)

func encode(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

// unsigned returns a token with a signature that no key made.
func unsigned(header, payload string) string {
	return encode(header) + "." + encode(payload) + "." + encode("signature")
}

const goodHeader, goodPayload = `{"alg":"RS256","kid":"k","typ":"JWT"}`, `{"iss":"i"}`

func TestParse(t *testing.T) {
	nested := func(depth int) string {
		return `{"a":` + strings.Repeat("[", depth-1) + strings.Repeat("]", depth-1) + `}`
	}
	tests := []struct {
		name string
		text string
		want error
	}{
		{"good", unsigned(goodHeader, goodPayload), nil},
		{"white space in the JSON", unsigned(" {\n\"alg\":\t\"ES256\"}\n", " {} "), nil},
		{"an unknown member", unsigned(`{"alg":"RS256","x5t":"abc","pi.atm":1}`, goodPayload), nil},
		{"16 levels", unsigned(goodHeader, nested(16)), nil},

		{"17 levels", unsigned(goodHeader, nested(17)), jwt.ErrMalformed},
		{"very deep", unsigned(goodHeader, nested(2000)), jwt.ErrMalformed},
		{"too large", unsigned(goodHeader, `{"a":"`+strings.Repeat("a", 8000)+`"}`), jwt.ErrTooLarge},
		{"one part", encode(goodHeader), jwt.ErrMalformed},
		{"two parts", encode(goodHeader) + "." + encode(goodPayload), jwt.ErrMalformed},
		{"four parts", unsigned(goodHeader, goodPayload) + ".", jwt.ErrMalformed},
		{"five parts", unsigned(goodHeader, goodPayload) + "..", jwt.ErrEncrypted},
		{"enc", unsigned(`{"alg":"RS256","enc":"A128GCM"}`, goodPayload), jwt.ErrEncrypted},
		{"white space behind", unsigned(goodHeader, goodPayload) + " ", jwt.ErrMalformed},
		{"a line break behind", unsigned(goodHeader, goodPayload) + "\n", jwt.ErrMalformed},
		{"a line break within", strings.Replace(unsigned(goodHeader, goodPayload), ".", "\n.", 1), jwt.ErrMalformed},
		{"padding", encode(goodHeader) + "." + base64.URLEncoding.EncodeToString([]byte(goodPayload)) + ".YQ", jwt.ErrMalformed},
		{"the other alphabet", encode(goodHeader) + "." + base64.RawStdEncoding.EncodeToString([]byte(`{"a":">>>???"}`)) + ".YQ", jwt.ErrMalformed},
		{"bits behind the payload", encode(goodHeader) + ".e31." + "YQ", jwt.ErrMalformed},
		{"bits behind the signature", encode(goodHeader) + "." + encode(goodPayload) + ".YR", jwt.ErrMalformed},
		{"no JSON in the header", unsigned(`{"alg"`, goodPayload), jwt.ErrMalformed},
		{"a list in the header", unsigned(`["alg"]`, goodPayload), jwt.ErrMalformed},
		{"no JSON in the payload", unsigned(goodHeader, `{"a":1,}`), jwt.ErrMalformed},
		{"an unfinished list", unsigned(goodHeader, `{"a":[1`), jwt.ErrMalformed},
		{"a text as payload", unsigned(goodHeader, `"a"`), jwt.ErrMalformed},
		{"an empty payload", unsigned(goodHeader, ""), jwt.ErrMalformed},
		{"something behind the payload", unsigned(goodHeader, `{}{}`), jwt.ErrMalformed},
		{"a claim twice", unsigned(goodHeader, `{"a":1,"a":1}`), jwt.ErrMalformed},
		{"a claim twice, escaped", unsigned(goodHeader, `{"a":1,"\u0061":1}`), jwt.ErrMalformed},
		{"a name twice within a claim", unsigned(goodHeader, `{"a":[{"b":1,"b":2}]}`), jwt.ErrMalformed},
		{"alg twice", unsigned(`{"alg":"RS256","alg":"RS256"}`, goodPayload), jwt.ErrMalformed},
		{"invalid UTF-8", unsigned(goodHeader, "{\"a\":\"\xff\"}"), jwt.ErrMalformed},
		{"half a surrogate pair", unsigned(goodHeader, `{"a":"\ud800"}`), jwt.ErrMalformed},
		{"a number that no float64 is near", unsigned(goodHeader, `{"a":1e999}`), jwt.ErrMalformed},
		{"crit", unsigned(`{"alg":"RS256","crit":["exp"],"exp":1}`, goodPayload), jwt.ErrHeader},
		{"b64", unsigned(`{"alg":"RS256","b64":false}`, goodPayload), jwt.ErrHeader},
		{"jku", unsigned(`{"alg":"RS256","jku":"https://evil.example"}`, goodPayload), jwt.ErrHeader},
		{"jwk", unsigned(`{"alg":"RS256","jwk":{}}`, goodPayload), jwt.ErrHeader},
		{"x5u", unsigned(`{"alg":"RS256","x5u":null}`, goodPayload), jwt.ErrHeader},
		{"x5c", unsigned(`{"alg":"RS256","x5c":[]}`, goodPayload), jwt.ErrHeader},
		{"cty", unsigned(`{"alg":"RS256","cty":"JWT"}`, goodPayload), jwt.ErrHeader},
		{"zip", unsigned(`{"alg":"RS256","zip":"DEF"}`, goodPayload), jwt.ErrHeader},
		{"kid is a number", unsigned(`{"alg":"RS256","kid":1}`, goodPayload), jwt.ErrHeader},
		{"kid is empty", unsigned(`{"alg":"RS256","kid":""}`, goodPayload), jwt.ErrHeader},
		{"kid is long", unsigned(`{"alg":"RS256","kid":"`+strings.Repeat("k", 300)+`"}`, goodPayload), jwt.ErrHeader},
		{"typ is a list", unsigned(`{"alg":"RS256","typ":["JWT"]}`, goodPayload), jwt.ErrHeader},
		{"alg is null", unsigned(`{"alg":null}`, goodPayload), jwt.ErrHeader},
		{"no alg", unsigned(`{"kid":"k"}`, goodPayload), jwt.ErrAlgorithm},
		{"none", encode(`{"alg":"none"}`) + "." + encode(goodPayload) + ".", jwt.ErrAlgorithm},
		{"None", unsigned(`{"alg":"None"}`, goodPayload), jwt.ErrAlgorithm},
		{"HMAC", unsigned(`{"alg":"HS256"}`, goodPayload), jwt.ErrAlgorithm},
		{"lower case", unsigned(`{"alg":"rs256"}`, goodPayload), jwt.ErrAlgorithm},
		{"secp256k1", unsigned(`{"alg":"ES256K"}`, goodPayload), jwt.ErrAlgorithm},
		{"NATS", unsigned(`{"alg":"ed25519-nkey","typ":"JWT"}`, goodPayload), jwt.ErrNATS},
		{"NATS, version 1", unsigned(`{"alg":"ed25519","typ":"jwt"}`, goodPayload), jwt.ErrNATS},
	}
	p := jwt.NewParser(8 << 10)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			token, err := p.Parse(tt.text)
			if !errors.Is(err, tt.want) || tt.want == nil && err != nil {
				t.Fatalf("got %v, want %v", err, tt.want)
			}
			if (token == nil) != (err != nil) {
				t.Errorf("token %v beside %v", token, err)
			}
		})
	}
}

// Numbers that differ stay different.
func TestNumbers(t *testing.T) {
	payload := `{"a":1.5,"b":9007199254740991,"c":9007199254740993,"d":-9007199254740993,"e":[1,true,null,{"f":"x"}]}`
	token, err := jwt.NewParser(8 << 10).Parse(unsigned(goodHeader, payload))
	want := map[string]any{
		"a": 1.5, "b": 9007199254740991.0, "c": json.Number("9007199254740993"), "d": json.Number("-9007199254740993"),
		"e": []any{1.0, true, nil, map[string]any{"f": "x"}},
	}
	if err != nil || !reflect.DeepEqual(token.Claims, want) {
		t.Errorf("got %v, %v", token, err)
	}
}

func TestRecognise(t *testing.T) {
	for text, want := range map[string]bool{
		unsigned(goodHeader, goodPayload):       true,
		" " + unsigned(goodHeader, goodPayload): true,
		encode(" {}") + ".a.b":                  false,
		encode("{ }") + ".a.b":                  true,
		encode("{\n}") + ".a.b":                 true,
		encode(goodHeader):                      false,
		"":                                      false,
		"e.y":                                   false,
		"opaque.token.with.dots":                false,
		"HEALTHCHECK-x":                         false,
		`{"payload":"e30"}`:                     false,
	} {
		if got := jwt.Recognise(text); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

// Headers that are remembered are as they were read, and there is an end to them.
func TestRemember(t *testing.T) {
	p := jwt.NewParser(8 << 10)
	for round := range 2 {
		for i := range 600 {
			header := fmt.Sprintf(`{"alg":"RS256","kid":"k%d"}`, i)
			token, err := p.Parse(unsigned(header, goodPayload))
			if err != nil || token.Header != (jwt.Header{Algorithm: "RS256", KeyID: fmt.Sprintf("k%d", i)}) {
				t.Fatalf("round %d: %v, %v", round, token, err)
			}
			p.Remember(token)
			p.Remember(token)
		}
	}
}

func TestPeek(t *testing.T) {
	p := jwt.NewParser(8 << 10)
	for _, tt := range []struct {
		text, issuer string
		ok           bool
	}{
		{unsigned(goodHeader, `{"a":{"iss":"x"},"iss":"i","b":1}`), "i", true},
		{unsigned(goodHeader, `{"\u0069ss":"i"}`), "i", true},
		{unsigned(goodHeader, `{"a":"`+strings.Repeat("a", 300)+`","iss":"i"}`), "i", true},
		{unsigned(goodHeader, `{"iss":"`+strings.Repeat("i", 300)+`"}`), strings.Repeat("i", 300), true},
		{unsigned(goodHeader, `{"iss":1}`), "", false},
		{unsigned(goodHeader, `{"a":1}`), "", false},
		{unsigned(goodHeader, `{"a":}`), "", false},
		{unsigned(goodHeader, `[]`), "", false},
		{unsigned(`{"alg":"none"}`, `{"iss":"i"}`), "", false},
		{encode(goodHeader) + ".?.a", "", false},
		{"a.b", "", false},
	} {
		h, ok := p.PeekHeader(tt.text)
		issuer, found := p.PeekIssuer(tt.text)
		if issuer != tt.issuer && ok || (ok && found) != tt.ok || ok && h != (jwt.Header{Algorithm: "RS256", KeyID: "k", Type: "JWT"}) {
			t.Errorf("%s: %+v, %q, %v, %v", tt.text, h, issuer, ok, found)
		}
	}
}

// What Parse accepts, encoding/json reads in the same way, and what it says of the key
// that it needs is what PeekHeader and
// PeekIssuer say.
func FuzzParse(f *testing.F) {
	f.Add(goodHeader, goodPayload, "sig")
	f.Add(`{"alg":"ES256"}`, `{"a":[1,{"b":null}],"iss":"i","c":9007199254740993}`, "")
	f.Add(`{"alg":"none","crit":[]}`, `{"a":1,"a":2}`, "x")
	f.Add(`{"alg":"RS256"}`, "{\"\\u0000\":\"\xff\"}", "x")
	p := jwt.NewParser(8 << 10)
	f.Fuzz(func(t *testing.T, header, payload, signature string) {
		text := encode(header) + "." + encode(payload) + "." + encode(signature)
		token, err := p.Parse(text)
		h, ok := p.PeekHeader(text)
		issuer, found := p.PeekIssuer(text)
		if err != nil {
			return
		}
		if iss, isText := token.Claims["iss"].(string); isText && (!ok || !found || issuer != iss || h != token.Header) {
			t.Errorf("Peek: %+v %q %v %v", h, issuer, ok, found)
		}
		var want map[string]any
		if err := json.Unmarshal([]byte(payload), &want); err != nil {
			t.Fatalf("encoding/json: %v", err)
		}
		got, err := json.Marshal(token.Claims)
		if err != nil {
			t.Fatal(err)
		}
		var again map[string]any
		if err := json.Unmarshal(got, &again); err != nil || !reflect.DeepEqual(again, want) {
			t.Errorf("%s is read as %s", payload, got)
		}
		if token.Verify(nil) {
			t.Error("no key has signed it")
		}
	})
}

// Whatever the text is, Parse returns, and quotes nothing of it.
func FuzzText(f *testing.F) {
	f.Add(unsigned(goodHeader, goodPayload))
	f.Add("e..")
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	p := jwt.NewParser(8 << 10)
	f.Fuzz(func(t *testing.T, text string) {
		token, err := p.Parse(text)
		if (token == nil) == (err == nil) {
			t.Errorf("%v, %v", token, err)
		}
	})
}
