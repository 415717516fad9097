package callout_test

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"

	"usher/callout"
	"usher/callout/callouttest"
	"usher/identity"
)

// BenchmarkHandle measures the complete handler for an API key, with a directory of
// 10,000 users and a grant of 10 subjects. x-floor is its duration divided by that of
// the unavoidable cryptography in the same run: one ed25519 verification and two
// signatures. x-reference is the duration of a handler that uses jwt/v2 and nkeys with
// their defaults, and only decodes and encodes, divided by that of this handler.
func BenchmarkHandle(b *testing.B) {
	for _, sealed := range []bool{false, true} {
		name := map[bool]string{false: "plain", true: "sealed"}[sealed]
		b.Run(name, func(b *testing.B) { benchmarkHandle(b, sealed) })
	}
	b.Run("operator", func(b *testing.B) {
		o := callouttest.NewOperator(b, callouttest.OperatorConfig{Sealed: true})
		keys := o.XKey // the reference signs with it too
		keys.Issuer = o.Accounts[callouttest.CalloutAccount]
		benchmarkService(b, callouttest.ServiceConfig{Operator: o}, keys, true, benchDirectory(10_000, 9))
	})
}

// BenchmarkSubjects is BenchmarkHandle for larger grants.
func BenchmarkSubjects(b *testing.B) {
	for _, subjects := range []int{10, 100, 1000} {
		b.Run(strconv.Itoa(subjects), func(b *testing.B) {
			benchmarkConfigMode(b, false, benchDirectory(100, subjects-1))
		})
	}
}

// BenchmarkTooLarge measures an attempt whose grant is too large for an answer.
// x-denial is its duration divided by that of a denial in the same run.
// x-denial-whole is the same for deriving the complete grant.
func BenchmarkTooLarge(b *testing.B) {
	for _, topics := range []int{3_000, 30_000} {
		b.Run(strconv.Itoa(topics), func(b *testing.B) {
			keys := callouttest.NewKeys(b)
			service := callouttest.StartServiceNoWait(b, callouttest.ServiceConfig{
				URLs: "nats://127.0.0.1:1", Keyring: callouttest.KeyringDir(b, true, keys), Directory: callouttest.WithDigests(largeDirectory(topics)),
			})
			ctx := context.Background()
			attempt := func(token, want string) func() {
				w := newBenchRequestWith(b, keys, true, token)
				return func() {
					if _, code := service.Handle(ctx, w.data, w.header); code != want {
						b.Fatalf("%s: %s", token, code)
					}
				}
			}
			large, denial := attempt("large-key", callout.CodeTooLarge), attempt("wrong", "key_unknown")
			xDenial, _ := ratios(large, denial, denial)
			f, _ := service.Decider.Snapshot().Facts("large", "")
			whole := func() {
				if _, err := service.Decider.Ruleset().Policy.Derive(identity.Identity{Name: "large"}, f); err != nil {
					b.Fatal(err)
				}
			}
			xWhole := perCall(3, whole) / perCall(40, denial)
			b.ReportAllocs()
			for b.Loop() {
				large()
			}
			b.ReportMetric(xDenial, "x-denial")
			b.ReportMetric(xWhole, "x-denial-whole")
		})
	}
}

// largeDirectory returns a directory with a user whose grant is too large for an
// answer.
func largeDirectory(topics int) string {
	var text strings.Builder
	text.WriteString("users:\n  - {name: large, keys: [{digest: KEY(large-key)}]}\n  - {name: publisher, keys: [{digest: KEY(publisher-key)}]}\n" +
		"projects:\n  - name: shop\n    account: APP\n    members: [{user: large, roles: [publisher]}, {user: publisher, roles: [publisher]}]\n    topics:\n" +
		"      - {name: orders, acl: [publisher]}\n")
	for i := range topics {
		fmt.Fprintf(&text, "      - {name: t%d, subject: shop.t%d.%s, acl: [large]}\n", i, i, strings.Repeat("x", 230))
	}
	return text.String()
}

func benchmarkHandle(b *testing.B, sealed bool) {
	b.Helper()
	benchmarkConfigMode(b, sealed, benchDirectory(10_000, 9))
}

func benchmarkConfigMode(b *testing.B, sealed bool, directory string) {
	b.Helper()
	keys := callouttest.NewKeys(b)
	benchmarkService(b, callouttest.ServiceConfig{Keyring: callouttest.KeyringDir(b, sealed, keys)}, keys, sealed, directory)
}

func benchmarkService(b *testing.B, cfg callouttest.ServiceConfig, keys callouttest.Keys, sealed bool, directory string) {
	b.Helper()
	cfg.URLs = "nats://127.0.0.1:1" // no server: the benchmark calls the handler directly
	cfg.Directory = callouttest.WithDigests(directory)
	service := callouttest.StartServiceNoWait(b, cfg)
	w := newBenchRequest(b, keys, sealed)
	ctx := context.Background()
	handle := func() {
		answer, code := service.Handle(ctx, w.data, w.header)
		if answer == nil {
			b.Fatalf("not answered: %s", code)
		}
	}
	xFloor, xReference := ratios(handle, cryptoFloor(b), w.reference(b))
	b.ReportAllocs()
	for b.Loop() {
		handle()
	}
	b.ReportMetric(xFloor, "x-floor")
	b.ReportMetric(xReference, "x-reference")
}

// ratios returns the duration of handle divided by that of floor, and the duration of
// reference divided by that of handle. It is the median of many short runs, which
// alternate so that a disturbance affects all three.
func ratios(handle, floor, reference func()) (xFloor, xReference float64) {
	const rounds, calls = 61, 40
	var floors, references [rounds]float64
	for i := range rounds {
		own := perCall(calls, handle)
		floors[i] = own / perCall(calls, floor)
		references[i] = perCall(calls, reference) / own
	}
	slices.Sort(floors[:])
	slices.Sort(references[:])
	return floors[rounds/2], references[rounds/2]
}

// perCall returns the nanoseconds of one call of f.
func perCall(calls int, f func()) float64 {
	start := time.Now()
	for range calls {
		f()
	}
	return float64(time.Since(start).Nanoseconds()) / float64(calls)
}

func cryptoFloor(b *testing.B) func() {
	b.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	callouttest.Must(b, err)
	message := []byte(strings.Repeat("m", 1000))
	signature := ed25519.Sign(private, message)
	return func() {
		if !ed25519.Verify(public, message, signature) {
			b.Fatal("the signature does not verify")
		}
		ed25519.Sign(private, message)
		ed25519.Sign(private, message)
	}
}

// benchRequest is one request as a server sends it.
type benchRequest struct {
	keys   callouttest.Keys
	data   []byte
	header string
}

func newBenchRequest(tb testing.TB, keys callouttest.Keys, sealed bool) benchRequest {
	tb.Helper()
	return newBenchRequestWith(tb, keys, sealed, "user-50-key")
}

func newBenchRequestWith(tb testing.TB, keys callouttest.Keys, sealed bool, token string) benchRequest {
	tb.Helper()
	server, err := nkeys.CreateServer()
	callouttest.Must(tb, err)
	id, err := server.PublicKey()
	callouttest.Must(tb, err)
	user, err := nkeys.CreateUser()
	callouttest.Must(tb, err)
	nkey, err := user.PublicKey()
	callouttest.Must(tb, err)
	c := jwt.NewAuthorizationRequestClaims(keys.Issuer)
	c.Audience = "nats-authorization-request"
	c.UserNkey = nkey
	c.Server = jwt.ServerID{Name: "bench", Host: "127.0.0.1", ID: id, Version: "2.15.2"}
	c.ClientInformation = jwt.ClientInformation{Host: "127.0.0.1", ID: 7, Kind: "Client", Type: "nats"}
	c.ConnectOptions = jwt.ConnectOptions{Token: token, Lang: "go", Version: "1.55.0", Protocol: 1}
	c.Expires = time.Now().Add(time.Hour).Unix()
	w := benchRequest{keys: keys}
	var curve nkeys.KeyPair
	if sealed {
		curve, err = nkeys.CreateCurveKeys()
		callouttest.Must(tb, err)
		w.header, err = curve.PublicKey()
		callouttest.Must(tb, err)
		c.Server.XKey = w.header
	}
	text, err := c.Encode(server)
	callouttest.Must(tb, err)
	w.data = []byte(text)
	if sealed {
		w.data, err = curve.Seal(w.data, keys.XKey)
		callouttest.Must(tb, err)
	}
	return w
}

// reference returns a simple handler that uses jwt/v2 and nkeys.
func (w *benchRequest) reference(b *testing.B) func() {
	b.Helper()
	issuer, err := nkeys.FromSeed([]byte(w.keys.IssuerSeed))
	callouttest.Must(b, err)
	curve, err := nkeys.FromCurveSeed([]byte(w.keys.XKeySeed))
	callouttest.Must(b, err)
	return func() {
		data := w.data
		if w.header != "" {
			data, err = curve.Open(data, w.header)
			callouttest.Must(b, err)
		}
		c, err := jwt.DecodeAuthorizationRequestClaims(string(data))
		callouttest.Must(b, err)
		uc := jwt.NewUserClaims(c.UserNkey)
		uc.Audience = callouttest.AppAccount
		for i := range 10 {
			uc.Pub.Allow.Add(fmt.Sprintf("p.t%d", i))
		}
		user, err := uc.Encode(issuer)
		callouttest.Must(b, err)
		rc := jwt.NewAuthorizationResponseClaims(c.UserNkey)
		rc.Audience = c.Server.ID
		rc.Jwt = user
		answer, err := rc.Encode(issuer)
		callouttest.Must(b, err)
		if w.header != "" {
			_, err = curve.Seal([]byte(answer), w.header)
			callouttest.Must(b, err)
		}
	}
}

// benchDirectory returns a directory of n users with one key each. Each may publish to
// the given number of topics of its project. The inbox is one more subject.
func benchDirectory(n, topics int) string {
	const perProject = 100
	var users, projects strings.Builder
	for i := range n {
		fmt.Fprintf(&users, "  - {name: user-%d, keys: [{digest: KEY(user-%d-key)}]}\n", i, i)
	}
	for p := range n / perProject {
		var members, names strings.Builder
		for i := p * perProject; i < (p+1)*perProject; i++ {
			fmt.Fprintf(&members, "      - {user: user-%d, roles: [publisher]}\n", i)
			fmt.Fprintf(&names, "user-%d, ", i)
		}
		fmt.Fprintf(&projects, "  - name: p%d\n    account: %s\n    members:\n%s    topics:\n", p, callouttest.AppAccount, members.String())
		for t := range topics {
			fmt.Fprintf(&projects, "      - {name: t%d, acl: [%s]}\n", t, strings.TrimSuffix(names.String(), ", "))
		}
	}
	return "users:\n" + users.String() + "projects:\n" + projects.String()
}
