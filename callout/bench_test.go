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

// BenchmarkHandle measures the whole handler for an API key, in a directory of
// 10,000 users and with a grant of 10 subjects, beside two references of the
// same run: x-floor is how many times the unavoidable cryptography it takes
// (one ed25519 verify, two signs), x-reference how many times faster it is than
// a handler written with the defaults of jwt/v2 and nkeys that does the wire
// work alone.
func BenchmarkHandle(b *testing.B) {
	for _, sealed := range []bool{false, true} {
		name := map[bool]string{false: "plain", true: "sealed"}[sealed]
		b.Run(name, func(b *testing.B) { benchmarkHandle(b, sealed) })
	}
	b.Run("operator", func(b *testing.B) {
		o := callouttest.NewOperator(b, callouttest.OperatorConfig{Sealed: true})
		keys := o.XKey // and what the reference signs with
		keys.Issuer = o.Accounts[callouttest.CalloutAccount]
		benchmarkService(b, callouttest.ServiceConfig{Operator: o}, keys, true, benchDirectory(10_000, 9))
	})
}

// BenchmarkSubjects is the same for grants of more subjects.
func BenchmarkSubjects(b *testing.B) {
	for _, subjects := range []int{10, 100, 1000} {
		b.Run(strconv.Itoa(subjects), func(b *testing.B) {
			benchmarkConfigMode(b, false, benchDirectory(100, subjects-1))
		})
	}
}

// BenchmarkTooLarge measures an attempt with a grant that does not fit into an
// answer; x-denial is how many times a denial of the same run it takes. Beside it
// is what it would take to make all of that grant first.
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
				if _, err := service.Decider.Policy.Derive(identity.Identity{Name: "large"}, f); err != nil {
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

// largeDirectory has a user whose grant is larger than any answer.
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
	cfg.URLs = "nats://127.0.0.1:1" // nothing is there: the handler is called directly
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

// ratios returns how many times the floor the handler takes, and how many times
// faster than the reference it is. The three are measured in turn, many times
// and shortly, so that a disturbance meets all of them; the median is taken.
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

// perCall returns nanoseconds for one call of f.
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

// wire is one request as a server would send it.
type wire struct {
	keys   callouttest.Keys
	data   []byte
	header string
}

func newBenchRequest(b *testing.B, keys callouttest.Keys, sealed bool) wire {
	b.Helper()
	return newBenchRequestWith(b, keys, sealed, "user-50-key")
}

func newBenchRequestWith(b *testing.B, keys callouttest.Keys, sealed bool, token string) wire {
	b.Helper()
	server, err := nkeys.CreateServer()
	callouttest.Must(b, err)
	id, err := server.PublicKey()
	callouttest.Must(b, err)
	user, err := nkeys.CreateUser()
	callouttest.Must(b, err)
	nkey, err := user.PublicKey()
	callouttest.Must(b, err)
	c := jwt.NewAuthorizationRequestClaims(keys.Issuer)
	c.Audience = "nats-authorization-request"
	c.UserNkey = nkey
	c.Server = jwt.ServerID{Name: "bench", Host: "127.0.0.1", ID: id, Version: "2.15.2"}
	c.ClientInformation = jwt.ClientInformation{Host: "127.0.0.1", ID: 7, Kind: "Client", Type: "nats"}
	c.ConnectOptions = jwt.ConnectOptions{Token: token, Lang: "go", Version: "1.55.0", Protocol: 1}
	c.Expires = time.Now().Add(time.Hour).Unix()
	w := wire{keys: keys}
	var curve nkeys.KeyPair
	if sealed {
		curve, err = nkeys.CreateCurveKeys()
		callouttest.Must(b, err)
		w.header, err = curve.PublicKey()
		callouttest.Must(b, err)
		c.Server.XKey = w.header
	}
	text, err := c.Encode(server)
	callouttest.Must(b, err)
	w.data = []byte(text)
	if sealed {
		w.data, err = curve.Seal(w.data, keys.XKey)
		callouttest.Must(b, err)
	}
	return w
}

// reference returns a handler as a user of the libraries would write it.
func (w *wire) reference(b *testing.B) func() {
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

// benchDirectory has n users with a key each; each may publish to so many topics
// of its project; the inbox makes one more subject.
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
