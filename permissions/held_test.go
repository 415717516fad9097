package permissions_test

import (
	"go/ast"
	gobuild "go/build"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"usher/directory"
	"usher/identity"
	"usher/permissions"
)

// solo is the grant of a project_admin whose project is alone in its account.
func solo(t *testing.T) permissions.Grant {
	t.Helper()
	alone := world()
	alone.Projects = alone.Projects[:1]
	g, err := derive(t, newPolicy(), snapshotOf(t, alone), "ann", identity.Selection{})
	must(t, err)
	return g
}

// manage connects as user "free", who may do everything in the account.
func manage(t *testing.T, s *server.Server) (*nats.Conn, jetstream.JetStream) {
	t.Helper()
	nc, err := nats.Connect(s.ClientURL(), nats.UserInfo("free", "p"), nats.Timeout(patience))
	must(t, err)
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc, jetstream.WithDefaultTimeout(patience))
	must(t, err)
	return nc, js
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// makeStream makes the stream of a project.
func makeStream(t *testing.T, js jetstream.JetStream, name string) {
	t.Helper()
	_, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: name, Subjects: []string{name + ".>"}, AllowDirect: true})
	must(t, err)
}

// makeConsumers makes a pull consumer, and a push consumer with flow control that
// somebody listens to.
func makeConsumers(t *testing.T, nc *nats.Conn, js jetstream.JetStream, stream, pull string) {
	t.Helper()
	_, err := js.CreateConsumer(t.Context(), stream, jetstream.ConsumerConfig{Durable: pull, AckPolicy: jetstream.AckExplicitPolicy})
	must(t, err)
	legacy, err := nc.JetStream() // the newer client makes no push consumers with flow control
	must(t, err)
	_, err = legacy.Subscribe(stream+".>", func(*nats.Msg) {}, nats.BindStream(stream), nats.Durable(pull+"-push"), nats.EnableFlowControl(), nats.IdleHeartbeat(patience), nats.ManualAck())
	must(t, err)
}

// held lists the subjects that the server itself subscribes to, in every account:
// what it does for clients that are connected is left out.
func held(t *testing.T, s *server.Server) []string {
	t.Helper()
	sz, err := s.Subsz(&server.SubszOptions{Subscriptions: true, Limit: 100_000})
	must(t, err)
	conns, err := s.Connz(&server.ConnzOptions{Subscriptions: true, Limit: 1000})
	must(t, err)
	clients := map[uint64]bool{}
	for _, c := range conns.Conns {
		clients[c.Cid] = true
	}
	var subjects []string
	for _, sub := range sz.Subs {
		if !clients[sub.Cid] {
			subjects = append(subjects, sub.Subject)
		}
	}
	slices.Sort(subjects)
	return slices.Compact(subjects)
}

// reached returns the subscriptions that an allowance of a grant overlaps on the
// publish side.
func reached(g *permissions.Grant, subscriptions []string) []string {
	var out []string
	for _, rule := range g.Subjects(permissions.Publish, permissions.Allow) {
		for _, sub := range subscriptions {
			if server.SubjectsCollide(rule, sub) {
				out = append(out, sub)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// without returns what is in all and not in some.
func without(all, some []string) []string {
	return slices.DeleteFunc(slices.Clone(all), func(s string) bool { return slices.Contains(some, s) })
}

// What a running server listens to by itself: JetStream's streams and consumers,
// the system account, MQTT. Every kind of grant reaches of it its own stream and
// consumer, and nothing else, whatever the JetStream domain is called.
//
// Attack: a project called like the JetStream domain acknowledges and reads every stream of its account
// Held by: a grant reaches no subscription that the server holds for another stream or consumer
func TestGrantsReachTheirOwn(t *testing.T) {
	snapshot := snapshotOf(t, world())
	grants := map[string]permissions.Grant{}
	users := map[string]*server.Permissions{"free": nil}
	for _, name := range []string{"ann", "pia", "carl", "bob", "idle", "hab"} {
		g, err := derive(t, newPolicy(), snapshot, name, identity.Selection{})
		must(t, err)
		grants[name] = g
	}
	health, err := newPolicy().Derive(identity.Identity{Name: "h", Method: identity.MethodHealthCheck}, directory.Facts{})
	must(t, err)
	grants["health check"], grants["solo"] = health, solo(t)
	for name, change := range map[string]func(*server.Options){
		"no domain":               func(*server.Options) {},
		"domain":                  func(o *server.Options) { o.JetStreamDomain = "hub" },
		"domain like the project": func(o *server.Options) { o.JetStreamDomain = "shop" },
		"domain like a consumer":  func(o *server.Options) { o.JetStreamDomain = "billing" },
		"domain like a verb":      func(o *server.Options) { o.JetStreamDomain = "ACK" },
		"newer acknowledgements": func(o *server.Options) {
			o.JetStreamDomain = "shop"
			o.FeatureFlags = map[string]bool{server.FeatureFlagJsAckFormatV2: true, server.FeatureFlagJsAPIReplyFormatV2: true}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := startServer(t, users, change, func(o *server.Options) {
				o.ServerName = "s"
				o.MQTT.Host, o.MQTT.Port = "127.0.0.1", -1
				o.LeafNode.Host, o.LeafNode.Port = "127.0.0.1", -1
			})
			nc, js := manage(t, s)
			makeStream(t, js, "lab")
			makeConsumers(t, nc, js, "lab", "reader")
			_, err := js.CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: "shop"})
			must(t, err)
			_, err = js.CreateObjectStore(t.Context(), jetstream.ObjectStoreConfig{Bucket: "shop"})
			must(t, err)
			others := held(t, s)
			if !slices.Contains(others, "$JS.API.CONSUMER.RESET.lab.reader") || !slices.ContainsFunc(others, func(s string) bool { return strings.HasPrefix(s, "$JS.ACK.lab.reader.") }) ||
				!slices.ContainsFunc(others, func(s string) bool { return strings.HasPrefix(s, "$JS.FC.lab.reader-push.") }) || !slices.Contains(others, "$SYS.REQ.USER.*.INFO") {
				t.Fatalf("the list is not whole: %q", others)
			}
			for user, g := range grants {
				// The API is one subscription for all: TestGrantsReachTheirOwnAPI.
				if got := without(reached(&g, others), []string{"$JS.API.>"}); len(got) > 0 {
					t.Errorf("%s reaches %q", user, got)
				}
			}

			makeStream(t, js, "shop")
			makeConsumers(t, nc, js, "shop", "audit")
			shop := without(held(t, s), others)
			makeConsumers(t, nc, js, "shop", "billing")
			billing := without(held(t, s), slices.Concat(shop, others))
			admin := each("$JS.", "ACK.shop.billing-push.*.*.*.*.*", "ACK.shop.billing.*.*.*.*.*", "API.CONSUMER.MSG.NEXT.shop.billing",
				"API.CONSUMER.MSG.NEXT.shop.billing-push", "FC.shop.billing-push.*")
			consumer := each("$JS.", "ACK.shop.billing.*.*.*.*.*", "API.CONSUMER.MSG.NEXT.shop.billing")
			for user, want := range map[string]struct{ stream, consumer []string }{
				"ann": {
					append(each("$JS.", "ACK.shop.audit-push.*.*.*.*.*", "ACK.shop.audit.*.*.*.*.*", "API.CONSUMER.MSG.NEXT.shop.audit",
						"API.CONSUMER.MSG.NEXT.shop.audit-push", "FC.shop.audit-push.*"), "shop.>"), admin,
				},
				"solo": {
					append(each("$JS.", "ACK.shop.audit-push.*.*.*.*.*", "ACK.shop.audit.*.*.*.*.*", "API.CONSUMER.MSG.NEXT.shop.audit",
						"API.CONSUMER.MSG.NEXT.shop.audit-push", "API.DIRECT.GET.shop", "API.DIRECT.GET.shop.>", "FC.shop.audit-push.*"), "shop.>"), admin,
				},
				"pia":          {[]string{"shop.>"}, nil},
				"carl":         {nil, consumer},
				"bob":          {[]string{"shop.>"}, consumer},
				"idle":         {},
				"hab":          {},
				"health check": {},
			} {
				g := grants[user]
				if got := reached(&g, shop); !slices.Equal(got, want.stream) {
					t.Errorf("%s reaches %q of stream shop, want %q", user, got, want.stream)
				}
				if got := reached(&g, billing); !slices.Equal(got, want.consumer) {
					t.Errorf("%s reaches %q of consumer billing, want %q", user, got, want.consumer)
				}
			}
		})
	}
}

// apiPatterns returns the subjects of the JetStream API that the server in go.mod
// knows, out of its source: they are in no list of its subscriptions. In each, the
// first wildcard is the stream, but for what is said of the whole account or server.
func apiPatterns(t *testing.T) []string {
	t.Helper()
	pkg, err := gobuild.Import("github.com/nats-io/nats-server/v2/server", ".", gobuild.FindOnly)
	must(t, err)
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(pkg.Dir, "jetstream_api.go"), nil, 0)
	must(t, err)
	var patterns []string
	ast.Inspect(file, func(n ast.Node) bool {
		if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			text, err := strconv.Unquote(lit.Value)
			must(t, err)
			text = strings.ReplaceAll(text, "%s", "*")
			if strings.HasPrefix(text, "$JS.API.") && !strings.HasSuffix(text, ".") && !strings.HasSuffix(text, ".*.*.*") && strings.Count(text, ".>") == strings.Count(text, ".*.>") {
				patterns = append(patterns, text)
			}
		}
		return true
	})
	slices.Sort(patterns)
	return slices.Compact(patterns)
}

// Of the API, every grant reaches what names its own stream and consumer.
func TestGrantsReachTheirOwnAPI(t *testing.T) {
	patterns := apiPatterns(t)
	if len(patterns) < 30 || !slices.Contains(patterns, server.JSApiConsumerCreateEx) || !slices.Contains(patterns, "$JS.API.CONSUMER.RESET.*.*") {
		t.Fatalf("the list is not whole: %q", patterns)
	}
	snapshot := snapshotOf(t, world())
	for user, own := range map[string]struct {
		subjects int
		stream   string
		consumer string // of the ACL; empty: any
	}{"ann": {13, "shop", ""}, "solo": {16, "shop", ""}, "carl": {2, "shop", "billing"}, "pia": {}, "idle": {}, "hab": {}} {
		g := solo(t)
		if user != "solo" {
			var err error
			g, err = derive(t, newPolicy(), snapshot, user, identity.Selection{})
			must(t, err)
		}
		n := 0
		for _, pattern := range patterns {
			found := false
			for _, rule := range g.Subjects(permissions.Publish, permissions.Allow) {
				if !server.SubjectsCollide(rule, pattern) {
					continue
				}
				found = true
				tokens, names := strings.Split(rule, "."), strings.Split(pattern, ".")
				at := slices.Index(names, "*")
				if at < 0 || at >= len(tokens) || tokens[at] != own.stream || own.consumer != "" && (len(tokens) != at+2 || tokens[at+1] != own.consumer) {
					t.Errorf("%s reaches %s by %s", user, pattern, rule)
				}
			}
			if found {
				n++
			}
		}
		if n != own.subjects {
			t.Errorf("%s reaches %d subjects of the API, want %d", user, n, own.subjects)
		}
	}
}
