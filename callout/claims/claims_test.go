package claims_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/nats-io/jwt/v2"

	"usher/callout/claims"
)

// check checks that a text that is decoded is decoded as by encoding/json. It reports
// whether it is decoded.
func check(t *testing.T, text string) bool {
	t.Helper()
	got, ok := claims.Decode(text)
	if !ok {
		return false
	}
	var want jwt.AuthorizationRequestClaims
	if err := json.Unmarshal([]byte(text), &want); err != nil {
		t.Fatalf("decoded, but encoding/json refuses it: %v", err)
	}
	if !reflect.DeepEqual(*got, want) {
		t.Errorf("decoded as %+v, by encoding/json as %+v", *got, want)
	}
	return true
}

// marshalled returns claims as nats-server marshals them.
func marshalled(tb testing.TB, c *jwt.AuthorizationRequestClaims) string {
	tb.Helper()
	text, err := json.Marshal(c)
	if err != nil {
		tb.Fatal(err)
	}
	return string(text)
}

// full returns claims of which every field has a value, each another one. Certificates
// are the exception.
func full() *jwt.AuthorizationRequestClaims {
	c := &jwt.AuthorizationRequestClaims{}
	n := 0
	fill(reflect.ValueOf(c).Elem(), &n)
	c.TLS.Certs, c.TLS.VerifiedChains = nil, nil
	return c
}

func fill(v reflect.Value, n *int) {
	*n++
	switch v.Kind() { //nolint:exhaustive // the kinds that claims have
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), n)
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), n)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fill(v.Index(0), n)
		fill(v.Index(1), n)
	case reflect.String:
		v.SetString("text " + strings.Repeat("x", *n))
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(*n))
	case reflect.Uint64:
		v.SetUint(uint64(*n))
	default:
		panic("claims have a field of kind " + v.Kind().String())
	}
}

// A new release of jwt/v2 that has another field fails here.
func TestEveryField(t *testing.T) {
	for name, c := range map[string]*jwt.AuthorizationRequestClaims{
		"all have a value": full(),
		"none has a value": {},
	} {
		if !check(t, marshalled(t, c)) {
			t.Errorf("%s: left to encoding/json", name)
		}
	}
}

// unusual returns texts that nats-server does not write, and some that encoding/json
// refuses.
func unusual(tb testing.TB) map[string]string {
	tb.Helper()
	valid := marshalled(tb, full())
	change := func(old, changed string) string {
		if !strings.Contains(valid, old) {
			tb.Fatalf("no %s in the claims", old)
		}
		return strings.Replace(valid, old, changed, 1)
	}
	withCerts := full()
	withCerts.TLS.Certs = jwt.StringList{"a"}
	return map[string]string{
		"an unknown member":            change(`{`, `{"x":1,`),
		"an unknown member, nested":    change(`"nats":{`, `"nats":{"x":1,`),
		"a name in capitals":           change(`"aud"`, `"AUD"`),
		"a name with an escape":        change(`"aud"`, `"\u0061ud"`),
		"an escape":                    change(`"aud":"text`, `"aud":"\ntext`),
		"not ASCII":                    change(`"aud":"text`, `"aud":"é`),
		"not UTF-8":                    change(`"aud":"text`, "\"aud\":\"\xff"),
		"a control character":          change(`"aud":"text`, "\"aud\":\"\x00"),
		"a delete character":           change(`"aud":"text`, "\"aud\":\"\x7f"),
		"white space":                  change(`"aud":`, `"aud": `),
		"white space around it":        " " + valid + "\n",
		"null for a string":            change(`{`, `{"aud":null,`),
		"null for a number":            change(`{`, `{"exp":null,`),
		"null for an object":           strings.TrimSuffix(valid, "}") + `,"nats":null}`,
		"null for a list":              change(`"tags":[`, `"tags":null,"tags":[`),
		"an empty list":                change(`"tags":[`, `"tags":[],"tags":[`),
		"a number in a list":           change(`"tags":[`, `"tags":[1,`),
		"a string for a number":        change(`"exp":`, `"exp":"1","exp":`),
		"a number for a string":        change(`"aud":`, `"aud":1,"aud":`),
		"a negative number":            change(`"exp":`, `"exp":-`),
		"a leading zero":               change(`"exp":`, `"exp":0`),
		"a fraction":                   change(`"exp":`, `"exp":1.5,"exp":`),
		"an exponent":                  change(`"exp":`, `"exp":1e3,"exp":`),
		"no digits":                    change(`"exp":`, `"exp":,"exp":`),
		"a time too large":             change(`"exp":`, `"exp":9223372036854775808,"exp":`),
		"an ID too large":              change(`"client_info":{`, `"client_info":{"id":18446744073709551616,`),
		"certificates":                 marshalled(tb, withCerts),
		"a list for an object":         `[]`,
		"a string for an object":       `"x"`,
		"an empty text":                ``,
		"null":                         `null`,
		"a comma at the end":           `{"aud":"x",}`,
		"a comma at the start":         `{,"aud":"x"}`,
		"no comma":                     `{"aud":"x""sub":"y"}`,
		"no colon":                     `{"aud""x"}`,
		"no value":                     `{"aud"}`,
		"a name without quotes":        `{aud:"x"}`,
		"a string without an end":      `{"aud":"x`,
		"a list without an end":        `{"nats":{"tags":["a"`,
		"a list with a comma at end":   `{"nats":{"tags":["a",]}}`,
		"a list without commas":        `{"nats":{"tags":["a""b"]}}`,
		"an object without an end":     `{"aud":"x"`,
		"an object without an end (2)": `{`,
		"two values":                   `{}{}`,
		"text after it":                valid + "x",
		"too long":                     change(`"aud":"`, `"aud":"`+strings.Repeat("x", claims.MaxText)),
	}
}

func TestUnusual(t *testing.T) {
	for name, text := range unusual(t) {
		if check(t, text) {
			t.Errorf("%s: not left to encoding/json", name)
		}
	}
}

// repeated returns texts with members that are there twice, which encoding/json
// accepts and merges.
func repeated() []string {
	return []string{
		`{"aud":"x","aud":"y"}`,
		`{"aud":"x","aud":""}`,
		`{"nats":{"tags":["a","b"],"tags":["c"]}}`,
		`{"nats":{"user_nkey":"u","client_tls":{"version":"1"}},"nats":{"client_tls":{"cipher":"c"}}}`,
		`{"nats":{"server_id":{"id":"i"},"server_id":{"name":"n"}}}`,
		`{"nats":{"client_info":{"id":18446744073709551615}},"exp":9223372036854775807}`,
	}
}

func TestRepeatedMembers(t *testing.T) {
	for _, text := range repeated() {
		if !check(t, text) {
			t.Errorf("%s: left to encoding/json", text)
		}
	}
}

// FuzzDecode: what is decoded is decoded as by encoding/json.
func FuzzDecode(f *testing.F) {
	f.Add(marshalled(f, full()))
	f.Add(marshalled(f, &jwt.AuthorizationRequestClaims{}))
	for _, text := range unusual(f) {
		f.Add(text)
	}
	for _, text := range repeated() {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) { check(t, text) })
}

// Requests of clients with JWTs are decoded here, also those of MQTT clients, in which
// nats-server repeats the password as token.
func TestLongTokens(t *testing.T) {
	for _, length := range []int{1500, 4000} {
		c := full()
		c.ConnectOptions.Token = strings.Repeat("x", length)
		c.ConnectOptions.Password = c.ConnectOptions.Token
		if !check(t, marshalled(t, c)) {
			t.Errorf("a request with a token of %d bytes is left to encoding/json", length)
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	b.Run("API key", func(b *testing.B) { benchmarkDecode(b, full()) })
	b.Run("JWT, MQTT", func(b *testing.B) {
		c := full()
		c.ConnectOptions.Token = strings.Repeat("x", 1500)
		c.ConnectOptions.Password = c.ConnectOptions.Token
		benchmarkDecode(b, c)
	})
}

func benchmarkDecode(b *testing.B, c *jwt.AuthorizationRequestClaims) {
	b.Helper()
	text := marshalled(b, c)
	b.Run("Decode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, ok := claims.Decode(text); !ok {
				b.Fatal("left to encoding/json")
			}
		}
	})
	b.Run("encoding-json", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var c jwt.AuthorizationRequestClaims
			if err := json.Unmarshal([]byte(text), &c); err != nil {
				b.Fatal(err)
			}
		}
	})
}
