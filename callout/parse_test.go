package callout

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"
)

// checkParse checks that a token is accepted exactly if jwt/v2 accepts it, with the
// same claims. It reports whether it was accepted, and whether on the fast path.
func checkParse(t *testing.T, token []byte) (accepted, fast bool) {
	t.Helper()
	before := bytes.Clone(token)
	r, err := parse(token)
	accepted = err == nil && r.signatureValid()
	if !bytes.Equal(token, before) {
		t.Error("the token was modified")
	}
	want, jwtErr := jwt.DecodeAuthorizationRequestClaims(string(token))
	if accepted != (jwtErr == nil) {
		t.Fatalf("accepted: %v (%v); jwt/v2: %v", accepted, err, jwtErr)
	}
	if accepted && !reflect.DeepEqual(r.claims, want) {
		t.Errorf("claims %+v; jwt/v2: %+v", r.claims, want)
	}
	return accepted, err == nil && r.signed != nil
}

// parseCase is one message on the subject of authorization requests.
type parseCase struct {
	name     string
	token    string
	accepted bool
	fast     bool // parsed on the fast path
}

func TestParse(t *testing.T) {
	for _, c := range parseCases(t) {
		t.Run(c.name, func(t *testing.T) {
			if accepted, fast := checkParse(t, []byte(c.token)); accepted != c.accepted || fast != c.fast {
				t.Errorf("accepted: %v, on the fast path: %v", accepted, fast)
			}
		})
	}
}

// maxSeed is the maximum length of a seed, so that the fuzzer stays fast.
const maxSeed = 1 << 13

// FuzzParse: usher and jwt/v2 accept the same bytes, with the same claims.
func FuzzParse(f *testing.F) {
	for _, c := range parseCases(f) {
		if len(c.token) <= maxSeed {
			f.Add([]byte(c.token))
		}
	}
	f.Fuzz(func(t *testing.T, token []byte) { checkParse(t, token) })
}

// FuzzParseSigned: the same as FuzzParse for any header and claims that a server has
// signed, as version 2 or version 1.
func FuzzParseSigned(f *testing.F) {
	server := fuzzKey(f, nkeys.PrefixByteServer, 1)
	for _, c := range parseCases(f) {
		chunks := strings.Split(c.token, ".")
		if len(chunks) != 3 || len(c.token) > maxSeed {
			continue
		}
		header, _ := base64.RawURLEncoding.DecodeString(chunks[0]) // invalid base64 is a seed of FuzzParse
		claims, _ := base64.RawURLEncoding.DecodeString(chunks[1])
		f.Add(string(header), string(claims), string(header) == v1Header)
	}
	f.Fuzz(func(t *testing.T, header, claims string, v1 bool) {
		checkParse(t, []byte(signedToken(t, header, claims, server, v1)))
	})
}

const (
	serverHeader = `{"typ":"JWT","alg":"ed25519-nkey"}`
	v1Header     = `{"typ":"jwt","alg":"ed25519"}`
)

func parseCases(tb testing.TB) []parseCase {
	tb.Helper()
	cases := append(wholeCases(tb), headerCases(tb)...)
	cases = append(cases, claimCases(tb)...)
	cases = append(cases, encodingCases(tb)...)
	return append(cases, issuerCases(tb)...)
}

// serverRequest returns the claims of a request as nats-server makes them.
func serverRequest(tb testing.TB) *jwt.AuthorizationRequestClaims {
	tb.Helper()
	c := jwt.NewAuthorizationRequestClaims(public(tb, fuzzKey(tb, nkeys.PrefixByteAccount, 1)))
	c.Audience, c.Expires, c.IssuedAt = requestAudience, fuzzNow.Unix()+2, fuzzNow.Unix()
	c.UserNkey = public(tb, fuzzKey(tb, nkeys.PrefixByteUser, 1))
	id := public(tb, fuzzKey(tb, nkeys.PrefixByteServer, 1))
	c.Server = jwt.ServerID{Name: "n1", Host: "0.0.0.0", ID: id, Version: "2.15.2", Cluster: "C", Tags: jwt.TagList{"a", "b"}}
	c.ClientInformation = jwt.ClientInformation{
		Host: "192.0.2.7", ID: 7, User: "u", Name: "app", Tags: jwt.TagList{"t"}, NameTag: "x", Kind: "Client", Type: "nats", Nonce: "n",
	}
	c.ConnectOptions = jwt.ConnectOptions{Token: "key", Username: "u", Password: "p", Name: "app", Lang: "go", Version: "1.55.0", Protocol: 1}
	c.Tags = jwt.TagList{"tag"}
	return c
}

// claimsText returns the claims as the server marshals them.
func claimsText(tb testing.TB, c *jwt.AuthorizationRequestClaims) string {
	tb.Helper()
	c.Issuer = public(tb, fuzzKey(tb, nkeys.PrefixByteServer, 1))
	c.Type, c.Version = jwt.AuthorizationRequestClaim, 2
	b, err := json.Marshal(c)
	must(tb, err)
	return string(b)
}

func signedToken(tb testing.TB, header, claims string, key nkeys.KeyPair, v1 bool) string {
	tb.Helper()
	b64 := base64.RawURLEncoding.EncodeToString
	return signedText(tb, b64([]byte(header)), b64([]byte(claims)), key, v1)
}

func signedText(tb testing.TB, header, claims string, key nkeys.KeyPair, v1 bool) string {
	tb.Helper()
	toSign := header + "." + claims
	if v1 {
		toSign = claims
	}
	signature, err := key.Sign([]byte(toSign))
	must(tb, err)
	return header + "." + claims + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// wholeCases are complete JWTs of all kinds.
func wholeCases(tb testing.TB) []parseCase {
	tb.Helper()
	server, account := fuzzKey(tb, nkeys.PrefixByteServer, 1), fuzzKey(tb, nkeys.PrefixByteAccount, 1)
	encoded := func(c jwt.Claims, key nkeys.KeyPair) string {
		token, err := c.Encode(key)
		must(tb, err)
		return token
	}
	plain := serverRequest(tb)
	withTLS := serverRequest(tb)
	withTLS.TLS = &jwt.ClientTLS{
		Version: "1.3", Cipher: "TLS_AES_128_GCM_SHA256", Certs: jwt.StringList{"-----BEGIN CERTIFICATE-----\nAAAA\n"},
		VerifiedChains: []jwt.StringList{{"a", "b"}, {"c"}},
	}
	withTLS.RequestNonce = "nonce"
	minimal := jwt.NewAuthorizationRequestClaims("s")
	user := public(tb, fuzzKey(tb, nkeys.PrefixByteUser, 1))
	response := jwt.NewAuthorizationResponseClaims(user)
	good := encoded(plain, server)
	dot := strings.LastIndexByte(good, '.')
	return []parseCase{
		{"as nats-server writes it", good, true, true},
		{"with a TLS member", encoded(withTLS, server), true, true},
		{"minimal", encoded(minimal, server), true, true},
		{"a user JWT", encoded(jwt.NewUserClaims(user), account), false, false},
		{"an account JWT", encoded(jwt.NewAccountClaims(public(tb, account)), account), false, false},
		{"a response", encoded(response, account), false, false},
		{"a generic JWT", encoded(jwt.NewGenericClaims("s"), server), false, false},
		{"wrong signature", good[:dot+1] + strings.Repeat("A", len(good)-dot-1), false, true},
		{"short signature", good[:dot+1] + "AAAA", false, false},
		{"long signature", good + "AAAA", false, false},
		{"no signature", good[:dot+1], false, false},
		{"two chunks", good[:dot], false, false},
		{"four chunks", good + ".AAAA", false, false},
		{"empty fourth chunk", good + ".", false, false},
		{"one chunk", strings.ReplaceAll(good, ".", ""), false, false},
		{"empty", "", false, false},
		{"dots", "..", false, false},
	}
}

// headerCases are JWTs with various headers.
func headerCases(tb testing.TB) []parseCase {
	tb.Helper()
	server, claims := fuzzKey(tb, nkeys.PrefixByteServer, 1), claimsText(tb, serverRequest(tb))
	with := func(header string) string { return signedToken(tb, header, claims, server, false) }
	return []parseCase{
		{"header of nats-server", with(serverHeader), true, true},
		{"header in another order", with(`{"alg":"ed25519-nkey","typ":"JWT"}`), true, false},
		{"header with spaces", with(`{ "typ":"JWT", "alg":"ed25519-nkey" }`), true, false},
		{"header with another member", with(`{"typ":"JWT","alg":"ed25519-nkey","kid":"1"}`), true, false},
		{"lower case", with(`{"typ":"jwt","alg":"ED25519"}`), true, false},
		{"duplicate member in the header", with(`{"typ":"x","typ":"JWT","alg":"ed25519-nkey"}`), true, false},
		{"alg none", with(`{"typ":"JWT","alg":"none"}`), false, false},
		{"unknown typ", with(`{"typ":"at+jwt","alg":"ed25519-nkey"}`), false, false},
		{"empty header", with(`{}`), false, false},
		{"header is not JSON", with(`typ`), false, false},
	}
}

// claimCases are JWTs with various claims that a server has signed.
func claimCases(tb testing.TB) []parseCase {
	tb.Helper()
	server, valid := fuzzKey(tb, nkeys.PrefixByteServer, 1), claimsText(tb, serverRequest(tb))
	change := func(old, changed string) string {
		if !strings.Contains(valid, old) {
			tb.Fatalf("no %s in the claims", old)
		}
		return strings.Replace(valid, old, changed, 1)
	}
	v2 := func(claims string) string { return signedToken(tb, serverHeader, claims, server, false) }
	v1 := func(claims string) string { return signedToken(tb, v1Header, claims, server, true) }
	const kind = `"type":"authorization_request"`
	first := change(`{`, `{`+kind+`,`)
	return []parseCase{
		{"version 1", v1(first), true, false},
		{"version 1, signed as version 2", v2(first), false, false},
		{"version 1, with the type of version 2", v2(change(`"version":2`, `"version":1`)), false, false},
		{"version 1, signed as version 1", v1(change(`"version":2`, `"version":1`)), true, false},
		{"no version", v2(change(`,"version":2`, ``)), false, false},
		{"version 3", v2(change(`"version":2`, `"version":3`)), false, false},
		{"version 2 as text", v2(change(`"version":2`, `"version":"2"`)), false, false},
		{"top-level type of another kind", v2(change(`{`, `{"type":"user",`)), false, false},
		{"top-level type of another kind, in capitals", v2(change(`{`, `{"TYPE":"user",`)), false, false},
		{"empty top-level type", v2(change(`{`, `{"type":"",`)), true, true},
		{"top-level type null", v2(change(`{`, `{"type":null,`)), true, true},
		{"top-level type given twice, empty last", v2(change(`{`, `{"type":"user","type":"",`)), true, true},
		{"top-level type is a number", v2(change(`{`, `{"type":1,`)), false, false},
		{"another type", v2(change(kind, `"type":"user"`)), false, false},
		{"no type", v2(change(kind, `"type":""`)), false, false},
		{"an unknown type", v2(change(kind, `"type":"server"`)), false, false},
		{"type in capitals", v2(change(kind, `"TYPE":"authorization_request"`)), true, true},
		{"type given twice", v2(change(kind, kind+`,"type":"user"`)), false, false},
		{"unknown members", v2(change(`{`, `{"x":{"y":[1,2,{}]},`)), true, true},
		{"unknown members, nested", v2(change(`"nats":{`, `"nats":{"x":{"y":[1]},`)), true, true},
		{"a member named like the Go type", v2(change(`{`, `{"AuthorizationRequestClaims":{"aud":"x"},"ClaimsData":{"aud":"x"},`)), true, true},
		{"members given twice", v2(change(`{`, `{"aud":"x","sub":"y",`)), true, true},
		{"members given twice, nested", v2(change(`"nats":{`, `"nats":{"tags":["a","b","c"],"client_info":{"mqtt_id":"m"},"client_tls":{"version":"1"},`)), true, true},
		{"nats given twice", v2(change(`"nats":{`, `"nats":{"request_nonce":"r","tags":["x","y"]},"nats":{`)), true, true},
		{"nats given twice, null last", v2(strings.TrimSuffix(valid, "}") + `,"nats":null}`), true, true},
		{"member names in capitals", v2(change(`"aud"`, `"AUD"`)), true, true},
		{"text that is not UTF-8", v2(change(`"name":"app"`, "\"name\":\"\xff\xfe\"")), true, true},
		{"a fraction", v2(change(`"protocol":1`, `"protocol":1.5`)), false, false},
		{"a number too large", v2(change(`"id":7`, `"id":18446744073709551616`)), false, false},
		{"surrounding whitespace", v2(" \n" + valid + "\t"), true, true},
		{"trailing data", v2(valid + "{}"), false, false},
		{"null", v2("null"), false, false},
		{"an array", v2("[]"), false, false},
		{"empty claims", v2(""), false, false},
		{"invalid JSON", v2("{"), false, false},
		{"deeply nested", v2(change(`{`, `{"x":`+strings.Repeat("[", 20_000)+strings.Repeat("]", 20_000)+`,`)), false, false},
		{"huge", v2(change(`"name":"app"`, `"name":"`+strings.Repeat("x", 500_000)+`"`)), true, true},
		{"too large", v2(change(`"name":"app"`, `"name":"`+strings.Repeat("x", 1<<20)+`"`)), false, false},
	}
}

// encodingCases are unusual ways to write base64.
func encodingCases(tb testing.TB) []parseCase {
	tb.Helper()
	server := fuzzKey(tb, nkeys.PrefixByteServer, 1)
	b64 := base64.RawURLEncoding.EncodeToString
	header, claims := b64([]byte(serverHeader)), b64([]byte(claimsText(tb, serverRequest(tb))))
	if len(claims)%4 == 0 {
		claims = b64([]byte(claimsText(tb, serverRequest(tb)) + " "))
	}
	standard := base64.RawStdEncoding.EncodeToString([]byte(`{"x":"???>>>~~~",` + claimsText(tb, serverRequest(tb))[1:]))
	if !strings.ContainsAny(standard, "+/") {
		tb.Fatal("both alphabets encode it alike")
	}
	good := signedText(tb, header, claims, server, false)
	spare := good[:len(good)-1] + string(good[len(good)-1]+1) // changes bits that encode no byte
	return []parseCase{
		{"a line break at the end", good + "\n", true, true},
		{"line breaks in the signature", good[:len(good)-4] + "\r\n" + good[len(good)-4:], true, true},
		{"a line break in the claims", signedText(tb, header, claims[:8]+"\n"+claims[8:], server, false), true, true},
		{"a line break after the claims", signedText(tb, header, claims+"\n", server, false), true, true},
		{"a line break in the header", signedText(tb, header[:8]+"\n"+header[8:], claims, server, false), true, false},
		{"a line break that is not signed", strings.Replace(good, ".", ".\n", 1), false, true},
		{"padded claims", signedText(tb, header, claims+"==", server, false), false, false},
		{"padded signature", good + "==", false, false},
		{"a space at the end", good + " ", false, false},
		{"a space before it", " " + good, false, false},
		{"spare bits in the signature", spare, true, true},
		{"standard alphabet", signedText(tb, header, standard, server, false), false, false},
	}
}

// issuerCases are JWTs with various issuers.
func issuerCases(tb testing.TB) []parseCase {
	tb.Helper()
	server, account := fuzzKey(tb, nkeys.PrefixByteServer, 1), fuzzKey(tb, nkeys.PrefixByteAccount, 1)
	valid := claimsText(tb, serverRequest(tb))
	by := func(issuer string, key nkeys.KeyPair) string {
		claims := strings.Replace(valid, `"iss":"`+public(tb, server), `"iss":"`+issuer, 1)
		return signedToken(tb, serverHeader, claims, key, false)
	}
	raw, err := nkeys.Decode(nkeys.PrefixByteServer, []byte(public(tb, server)))
	must(tb, err)
	small := make([]byte, ed25519.PublicKeySize) // for this point a signature can be made without a key
	small[0] = 1
	weak := by(publicNKey(nkeys.PrefixByteServer, small), server)
	weak = weak[:strings.LastIndexByte(weak, '.')+1] +
		base64.RawURLEncoding.EncodeToString(append(bytes.Clone(small), make([]byte, ed25519.SignatureSize-len(small))...))
	return []parseCase{
		{"signed by an account", by(public(tb, account), account), false, true},
		{"signed by another server", by(public(tb, server), fuzzKey(tb, nkeys.PrefixByteServer, 2)), false, true},
		{"a key of small order", weak, false, true},
		{"a prefix that decodes like a server's", by(publicNKey(nkeys.PrefixByteServer|1, raw), server), false, true},
		{"a short key", by(publicNKey(nkeys.PrefixByteServer, raw[:31]), server), false, true},
		{"a long key", by(publicNKey(nkeys.PrefixByteServer, append(bytes.Clone(raw), 0)), server), false, true},
		{"a key with a line break", by(public(tb, server)[:9]+`\n`+public(tb, server)[9:], server), true, true},
		{"a key after line breaks", by(`\r\n`+public(tb, server), server), true, true},
		{"a key in lower case", by(strings.ToLower(public(tb, server)), server), false, true},
		{"no key", by("", server), false, true},
		{"not a key", by("NOTAKEY", server), false, true},
	}
}

// publicNKey encodes a public key, also one that package nkeys refuses to encode.
func publicNKey(prefix nkeys.PrefixByte, key []byte) string {
	b := append([]byte{byte(prefix)}, key...)
	var sum uint16 // CRC-16/XMODEM
	for _, c := range b {
		sum ^= uint16(c) << 8
		for range 8 {
			carry := sum&0x8000 != 0
			sum <<= 1
			if carry {
				sum ^= 0x1021
			}
		}
	}
	return base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(binary.LittleEndian.AppendUint16(b, sum))
}
